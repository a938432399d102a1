"""The data card: what is known of a data set, and how it is known."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from automl_agent.cards.documents import Json, check_document, read_document
from automl_agent.cards.metric import CLASSIFICATION, Task
from automl_agent.errors import CardError

Role = Literal["numeric", "categorical", "boolean", "datetime", "text", "identifier", "constant"]
Known = Literal["measured", "quoted", "inferred", "stated"]
FEATURE_ROLES: tuple[Role, ...] = ("numeric", "categorical", "boolean", "datetime")


@dataclass(frozen=True)
class Column:
    """A column that is not the target. missing_share: 0 to 1."""

    name: str
    role: Role
    n_unique: int | None = None
    missing_share: float | None = None
    datetime_format: str | None = None

    @property
    def is_feature(self) -> bool:
        """Whether tabular experts are given this column."""
        return self.role in FEATURE_ROLES


@dataclass(frozen=True)
class Classes:
    """A label space of classes; shares: their parts of the labelled rows, in the same order."""

    classes: tuple[str, ...]
    shares: tuple[float, ...] | None = None
    value_type: Literal["string", "integer", "boolean"] = "string"
    kind: Literal["classes"] = "classes"


@dataclass(frozen=True)
class Continuous:
    """A label space of numbers; quantiles: minimum, 5, 25, 50, 75, 95 % and maximum."""

    quantiles: tuple[float, ...] | None = None
    kind: Literal["continuous"] = "continuous"


@dataclass(frozen=True)
class Hint:
    """Something about the data that a person should know before training."""

    kind: str
    text: str
    column: str | None = None


@dataclass(frozen=True)
class SplitRule:
    """How rows are divided into training and held-out rows."""

    kind: Literal["random", "stratified", "group", "time"]
    column: str | None = None


@dataclass(frozen=True)
class DataCard:
    """A data card; its headline fields are name, input type, label space and metric.

    provenance: for each field that is present, how it is known.
    Source: the data card of AutoML-GPT (arXiv 2305.02499).
    """

    name: str
    description: str
    input_type: str
    task: Task
    label_space: Classes | Continuous
    metric: str
    provenance: Mapping[str, Known]
    target: str | None = None
    n_rows: int | None = None
    n_features: int | None = None
    columns: tuple[Column, ...] | None = None
    statistics: Mapping[str, float] | None = None
    hints: tuple[Hint, ...] | None = None
    split: SplitRule | None = None

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns that experts are given, in the order of the table."""
        return tuple(column for column in self.columns or () if column.is_feature)

    @property
    def n_classes(self) -> int | None:
        """The number of classes, or None for a regression."""
        return len(self.label_space.classes) if isinstance(self.label_space, Classes) else None

    def to_json(self) -> dict[str, Any]:
        """The card as a JSON object that fits schemas/data_card.schema.json."""
        return {key: _plain(value) for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(
        cls, document: object, *, source: str = "data card", fits_schema: bool = False
    ) -> "DataCard":
        """The card in a JSON object.

        fits_schema: whether that is known already; looking takes ten milliseconds.
        Raises: CardError if it does not fit the schema, a field does not say how it is known, or
        fields contradict each other.
        """
        if not fits_schema:
            check_document(document, "data_card", source=source)
        assert isinstance(document, dict)
        check_provenance(document, source=source)
        card = cls(**{key: _parse_field(key, value) for key, value in document.items()})
        _check_consistency(card, source=source)
        return card


def read_data_card(path: Path) -> DataCard:
    """The data card in a file."""
    return DataCard.from_json(read_document(path), source=str(path))


def check_provenance(document: Mapping[str, Any], *, source: str) -> None:
    """Nothing, if each field of the card says how it is known.

    Raises: CardError that names the first field that does not.
    """
    fields = [key for key in document if key != "provenance"]
    silent = [key for key in fields if key not in document["provenance"]]
    if silent:
        raise CardError(
            f"{source}: at /provenance: the field {silent[0]!r} does not say how it is known; "
            "allowed: measured, quoted, inferred, stated (numbers: measured, quoted)."
        )


def _check_consistency(card: DataCard, *, source: str) -> None:
    space = card.label_space
    if isinstance(space, Classes) != (card.task in CLASSIFICATION):
        kind = "classes" if card.task in CLASSIFICATION else "continuous"
        raise CardError(f"{source}: at /label_space/kind: must be {kind!r} for {card.task}.")
    if isinstance(space, Classes):
        _check_classes(space, card.task, source=source)
    names = [column.name for column in card.columns or ()]
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise CardError(f"{source}: at /columns: the column {double!r} is there twice.")


def _check_classes(space: Classes, task: Task, *, source: str) -> None:
    n_classes = len(space.classes)
    if task == "binary_classification" and n_classes != 2:
        raise CardError(
            f"{source}: at /label_space/classes: {n_classes} classes are not allowed for {task}; "
            "allowed: 2."
        )
    if space.shares is not None and len(space.shares) != n_classes:
        raise CardError(
            f"{source}: at /label_space/shares: {len(space.shares)} shares are not allowed for "
            f"{n_classes} classes; allowed: {n_classes}."
        )


def _parse_field(key: str, value: Json) -> Json:
    match key:
        case "columns":
            return tuple(Column(**column) for column in value)
        case "hints":
            return tuple(Hint(**hint) for hint in value)
        case "split":
            return SplitRule(**value)
        case "label_space":
            fields: Json = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
            return Classes(**fields) if fields["kind"] == "classes" else Continuous(**fields)
        case _:
            return value


def _plain(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items() if v is not None}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
