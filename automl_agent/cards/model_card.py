"""The model card: what an expert is, what it can be given, what may be varied."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.documents import check_document, read_document
from automl_agent.cards.metric import Task
from automl_agent.errors import CardError, suggest

Value = str | int | float | bool
Settings = Mapping[str, Value]


@dataclass(frozen=True)
class Condition:
    """A parameter counts only where another one has one of these values."""

    parameter: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Parameter:
    """A hyperparameter that may be varied; low and high are included.

    drives: what a greater value makes the model: larger ("size") or smaller ("compactness").
    scales_with: by which power of a data set's "rows" or "columns" good values grow.
    """

    name: str
    type: Literal["int", "float", "choice"]
    default: Value
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Value, ...] = ()
    condition: Condition | None = None
    description: str = ""
    drives: Literal["size", "compactness"] | None = None
    scales_with: Mapping[str, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Requirement:
    """A distribution that the expert's scripts need, and the modules they import from it."""

    package: str
    version: str
    imports: tuple[str, ...]


@dataclass(frozen=True)
class Expectation:
    """How far a training usually gets.

    gain: 10 %, 50 % and 90 % quantile of the share of the way from a constant prediction to a
        perfect one.
    """

    gain: tuple[float, float, float]
    n_steps: int
    seconds_per_million_cells: float
    memory_mib: float


@dataclass(frozen=True)
class ModelCard:
    """A model card; its headline fields are name, structure, description and architecture.

    Source: the model card of AutoML-GPT (arXiv 2305.02499).
    """

    name: str
    structure: str
    description: str
    architecture: Mapping[str, Value]
    tasks: tuple[Task, ...]
    input_types: tuple[str, ...]
    search_space: tuple[Parameter, ...]
    requirements: tuple[Requirement, ...]
    expectations: Mapping[str, Expectation]
    starting_points: tuple[Settings, ...]
    limits: Mapping[str, int]
    document: Mapping[str, Any]

    def unfit_reason(self, card: DataCard) -> str | None:
        """Why this expert cannot take the data set, or None if it can."""
        if card.task not in self.tasks:
            return f"it does not do {card.task}"
        if card.input_type not in self.input_types:
            return f"it does not read {card.input_type} data"
        counts = {
            "max_rows": card.n_rows,
            "max_columns": card.n_features,
            "max_classes": card.n_classes,
        }
        for limit, count in counts.items():
            if count is not None and count > self.limits.get(limit, count):
                return f"its {limit} is {self.limits[limit]} and the data set has {count}"
        return None

    def to_json(self) -> dict[str, Any]:
        """The card as the JSON object it was made from."""
        return dict(self.document)

    @classmethod
    def from_json(cls, document: object, *, source: str = "model card") -> "ModelCard":
        """The card in a JSON object.

        Raises: CardError if it does not fit the schema or contradicts itself.
        """
        check_document(document, "model_card", source=source)
        assert isinstance(document, dict)
        card = cls(
            name=document["name"],
            structure=document["structure"],
            description=document["description"],
            architecture=document["architecture"],
            tasks=tuple(document["tasks"]),
            input_types=tuple(document["input_types"]),
            search_space=tuple(_parse_parameter(p) for p in document["search_space"]),
            requirements=tuple(
                Requirement(r["package"], r["version"], tuple(r["imports"]))
                for r in document["requirements"]
            ),
            expectations={
                task: Expectation(**{**e, "gain": tuple(e["gain"])})
                for task, e in document["expectations"].items()
            },
            starting_points=tuple(document.get("starting_points", ())),
            limits=document.get("limits", {}),
            document=document,
        )
        _check_consistency(card, source=source)
        return card


def read_model_card(path: Path) -> ModelCard:
    """The model card in a file."""
    return ModelCard.from_json(read_document(path), source=str(path))


def _parse_parameter(document: Mapping[str, Any]) -> Parameter:
    condition = document.get("condition")
    return Parameter(
        **{
            **document,
            "choices": tuple(document.get("choices", ())),
            "condition": condition
            and Condition(condition["parameter"], tuple(condition["values"])),
        }
    )


def _check_consistency(card: ModelCard, *, source: str) -> None:
    earlier: dict[str, Parameter] = {}
    for index, parameter in enumerate(card.search_space):
        place = f"{source}: at /search_space/{index}"
        if parameter.name in earlier:
            raise CardError(f"{place}: the parameter {parameter.name!r} is there twice.")
        _check_parameter(parameter, place=place)
        _check_condition(parameter.condition, earlier, place=f"{place}/condition")
        earlier[parameter.name] = parameter
    for task in card.tasks:
        if task not in card.expectations:
            raise CardError(f"{source}: at /expectations: the task {task!r} is missing.")
    for name, expectation in card.expectations.items():
        if list(expectation.gain) != sorted(expectation.gain):
            raise CardError(f"{source}: at /expectations/{name}/gain: the values must ascend.")
    for index, settings in enumerate(card.starting_points):
        _check_starting_point(settings, earlier, place=f"{source}: at /starting_points/{index}")


def _check_parameter(parameter: Parameter, *, place: str) -> None:
    for name in ("drives", "scales_with"):
        if getattr(parameter, name) and parameter.type == "choice":
            raise CardError(f"{place}/{name}: a choice has no greater values; leave it out.")
    for side in ("low", "high"):
        bound = getattr(parameter, side)
        if parameter.type == "int" and not float(bound).is_integer():
            raise CardError(f"{place}/{side}: {bound} must be a whole number, as the type is int.")
    if parameter.log and parameter.low is not None and parameter.low <= 0:
        raise CardError(f"{place}/low: {parameter.low} must be above 0, as the scale is log.")
    problem = value_problem(parameter, parameter.default)
    if problem:
        raise CardError(f"{place}/default: {problem}")


def _check_condition(
    condition: Condition | None, earlier: Mapping[str, Parameter], *, place: str
) -> None:
    if condition is None:
        return
    if condition.parameter not in earlier:
        raise CardError(
            f"{place}: {condition.parameter!r} is not a parameter above; "
            f"allowed: {', '.join(earlier) or 'none'}."
        )
    for index, value in enumerate(condition.values):
        problem = value_problem(earlier[condition.parameter], value)
        if problem:
            raise CardError(f"{place}/values/{index}: {problem}")


def _check_starting_point(
    settings: Settings, parameters: Mapping[str, Parameter], *, place: str
) -> None:
    for name, value in settings.items():
        if name not in parameters:
            raise CardError(
                f"{place}: {name!r} is not in the search space.{suggest(name, parameters)}"
            )
        problem = value_problem(parameters[name], value)
        if problem:
            raise CardError(f"{place}/{name}: {problem}")


def value_problem(parameter: Parameter, value: object) -> str | None:
    """Why a value is not allowed for a parameter, in a sentence; None if it is.

    A whole number may be written as 4 or as 4.0, as in JSON.
    """
    if parameter.type == "choice":
        if any(is_same(value, choice) for choice in parameter.choices):
            return None
        return f"{value!r} is not allowed; allowed: {', '.join(map(repr, parameter.choices))}."
    low, high = parameter.low, parameter.high
    assert low is not None and high is not None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_of_type = is_number and (parameter.type == "float" or value % 1 == 0)  # type: ignore[operator]
    if is_of_type and low <= value <= high:  # type: ignore[operator]
        return None
    kind = "a whole number" if parameter.type == "int" else "a number"
    return f"{value!r} is not allowed; allowed: {kind} from {low} to {high}."


def is_same(value: object, choice: Value) -> bool:
    """Whether a value is this choice; True is not 1, as in JSON and unlike in Python."""
    return value == choice and isinstance(value, bool) == isinstance(choice, bool)
