"""The prompt paragraph: cards, plan and predicted log in one fixed-format text, and its parser.

Source: the prompt paragraph of AutoML-GPT (arXiv 2305.02499).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from json import JSONDecodeError
from typing import Any

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.documents import Json, check_document, dump_json, parse_json
from automl_agent.cards.model_card import ModelCard, Settings
from automl_agent.cards.predicted_log import PredictedLog
from automl_agent.errors import CardError, suggest

TITLE = "AutoML prompt paragraph, version 1"
TASK_SENTENCE = (
    "Process the data described by the data card, build the model described by the model card, "
    "tune the hyperparameters below and predict the training log before any training."
)
_DATA_HEADLINE = {
    "Data name": "name",
    "Input data type": "input_type",
    "Label space": "label_space",
    "Evaluation metric": "metric",
    "Data description": "description",
    "Task": "task",
}
_MODEL_HEADLINE = {
    "Model name": "name",
    "Model structure": "structure",
    "Model description": "description",
    "Architecture hyperparameters": "architecture",
}
# The fields of the cards that are no headline, in one line each.
_OTHER_DATA = "Other data card fields"
_OTHER_MODEL = "Other model card fields"
_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_NEIGHBOURS = {
    "type": "array",
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "similarity"],
        "properties": {
            "name": _TEXT,
            "similarity": {"type": "number", "minimum": 0, "maximum": 1},
        },
    },
}
# What each line must hold.
_SCHEMAS: dict[str, Mapping[str, Json]] = {
    **{
        label: {"$ref": f"urn:automl-agent:{card}:1#/properties/{key}"}
        for card, headline in (("data_card", _DATA_HEADLINE), ("model_card", _MODEL_HEADLINE))
        for label, key in headline.items()
    },
    _OTHER_DATA: {"type": "object"},
    _OTHER_MODEL: {"type": "object"},
    "Requirements": _TEXTS,
    "Constraints": _TEXTS,
    "Resources": {"$ref": "urn:automl-agent:job:1#/properties/resources"},
    "Similar data sets": _NEIGHBOURS,
    "A, data processing": _TEXT,
    "B, model architecture": _TEXT,
    "C, hyperparameters": {"$ref": "urn:automl-agent:plan:1#/properties/settings"},
    "D, predicted training log": {"$ref": "urn:automl-agent:plan:1#/properties/predicted_log"},
}
_LINE = re.compile(r"(?P<label>[A-Z][A-Za-z ,]*): (?P<value>.*)")


@dataclass(frozen=True)
class Neighbour:
    """A similar data set; similarity: 0 to 1."""

    name: str
    similarity: float


@dataclass(frozen=True)
class Paragraph:
    """What the paragraph carries.

    data_processing, model_architecture: what script A and script B do, in words.
    resources: such as {"cpus": 2, "memory_mib": 8000, "gpus": ["NVIDIA A5000"]}.
    """

    data_card: DataCard
    model_card: ModelCard
    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    resources: Mapping[str, Any]
    data_processing: str
    model_architecture: str
    settings: Settings
    predicted_log: PredictedLog | None = None
    neighbours: tuple[Neighbour, ...] = ()


def render_paragraph(paragraph: Paragraph) -> str:
    """The paragraph as text; every value is a JSON literal on a line of its own."""
    lines = [f"# {TITLE}", TASK_SENTENCE]
    for title, fields in _sections(paragraph):
        lines.append(f"\n## {title}")
        lines.extend(f"{label}: {dump_json(value)}" for label, value in fields.items())
    return "\n".join(lines) + "\n"


def parse_paragraph(text: str) -> Paragraph:
    """What a rendered paragraph was made from.

    Raises: CardError that names the line which is missing, unknown, double, not JSON, or holds what
    its schema does not allow.
    """
    values = _read_values(text)
    log = values["D, predicted training log"]
    return Paragraph(
        data_card=DataCard.from_json(
            _join_card(values, _DATA_HEADLINE, _OTHER_DATA), source="prompt paragraph, data card"
        ),
        model_card=ModelCard.from_json(
            _join_card(values, _MODEL_HEADLINE, _OTHER_MODEL), source="prompt paragraph, model card"
        ),
        requirements=tuple(values["Requirements"]),
        constraints=tuple(values["Constraints"]),
        resources=values["Resources"],
        data_processing=values["A, data processing"],
        model_architecture=values["B, model architecture"],
        settings=values["C, hyperparameters"],
        predicted_log=log
        and PredictedLog.from_json(log, source="prompt paragraph, 'D, predicted training log'"),
        neighbours=tuple(Neighbour(**neighbour) for neighbour in values["Similar data sets"]),
    )


def _sections(p: Paragraph) -> Iterator[tuple[str, dict[str, Any]]]:
    data, model = p.data_card.to_json(), p.model_card.to_json()
    yield "Data card", _split_card(data, _DATA_HEADLINE, _OTHER_DATA)
    yield "Model card", _split_card(model, _MODEL_HEADLINE, _OTHER_MODEL)
    yield (
        "Requirements and resources",
        {
            "Requirements": p.requirements,
            "Constraints": p.constraints,
            "Resources": p.resources,
        },
    )
    yield (
        "Plan",
        {
            "Similar data sets": [asdict(neighbour) for neighbour in p.neighbours],
            "A, data processing": p.data_processing,
            "B, model architecture": p.model_architecture,
            "C, hyperparameters": p.settings,
            "D, predicted training log": p.predicted_log and p.predicted_log.to_json(),
        },
    )


def _split_card(
    card: Mapping[str, Any], headline: Mapping[str, str], others: str
) -> dict[str, Any]:
    fields = {label: card[key] for label, key in headline.items()}
    rest = {key: value for key, value in card.items() if key not in headline.values()}
    return fields | {others: rest}


def _join_card(values: Mapping[str, Any], headline: Mapping[str, str], others: str) -> Json:
    # A second value for a headline, far down in the long line, would win unseen.
    for label, key in headline.items():
        if key in values[others]:
            raise CardError(
                f"prompt paragraph, {others!r}: the field {key!r} has the line {label!r} above."
            )
    return {key: values[label] for label, key in headline.items()} | values[others]


def _read_values(text: str) -> dict[str, Json]:
    """The value of every label, each as its schema asks for.

    Raises: CardError.
    """
    values: dict[str, Json] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if not line.strip() or line.startswith("#") or line.strip() == TASK_SENTENCE:
            continue
        label, value = _read_line(line, place=f"prompt paragraph, line {number}")
        if label in values:
            raise CardError(f"prompt paragraph, line {number}: {label!r} is there twice.")
        values[label] = value
    for label in _SCHEMAS:
        if label not in values:
            raise CardError(f"prompt paragraph: the line {label!r} is missing.")
    return values


def _read_line(line: str, *, place: str) -> tuple[str, Json]:
    match = _LINE.fullmatch(line)
    if not match:
        raise CardError(f"{place}: is not 'Label: value'.")
    label = match["label"]
    if label not in _SCHEMAS:
        raise CardError(f"{place}: the label {label!r} is unknown.{suggest(label, _SCHEMAS)}")
    try:
        value = parse_json(match["value"])
    except JSONDecodeError as exc:
        reason = f"{exc.msg}: character {exc.pos + 1}"
        raise CardError(f"{place}: the value of {label!r} is not JSON ({reason}).") from exc
    except ValueError as exc:
        raise CardError(f"{place}: the value of {label!r} is not JSON ({exc}).") from exc
    check_document(value, _SCHEMAS[label], source=f"{place}, {label!r}")
    return label, value
