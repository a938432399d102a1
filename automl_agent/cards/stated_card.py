"""A data card that a person wrote by hand: its headline is enough."""

from collections.abc import Mapping
from pathlib import Path

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.documents import Json, read_document
from automl_agent.errors import CardError

# Fields without numbers may stand there unexplained: whoever wrote the card says so.
_STATED = ("name", "description", "input_type", "task", "target", "label_space", "metric", "split")

_HOW_TO_MAKE_ONE = (
    "A table's data card is made with `automl-agent cards data TABLE --target COLUMN -o FILE`."
)


def read_stated_card(path: Path, *, metric: str | None = None) -> DataCard:
    """The data card in a file, as `parse_stated_card` reads it.

    Raises: CardError if it is no data card; most often it is a table.
    """
    try:
        document = read_document(path)
    except CardError as exc:
        raise CardError(f"{exc} {_HOW_TO_MAKE_ONE}") from exc
    return parse_stated_card(document, metric=metric, source=str(path))


def parse_stated_card(
    document: Json, *, metric: str | None = None, source: str = "data card"
) -> DataCard:
    """The data card in a JSON object of which only the headline must be there.

    The task is inferred from the label space. Numbers must still say how they are known.
    metric: the one that decides, instead of the card's.
    Raises: CardError if it is no data card.
    """
    if isinstance(document, Mapping) and "search_space" in document:
        raise CardError(f"{source}: is a model card; a data card is needed. {_HOW_TO_MAKE_ONE}")
    if not isinstance(document, Mapping):
        return DataCard.from_json(document, source=source)
    given = {**document, "metric": metric} if metric else dict(document)
    inferred = {"description": "", "task": _infer_task(given.get("label_space"))}
    known = {field: "stated" for field in _STATED if field in given}
    known |= {field: "inferred" for field in inferred if field not in given}
    told = document.get("provenance", {})
    if isinstance(told, Mapping):
        told = {**known, **told, **({"metric": "stated"} if metric else {})}
    return DataCard.from_json({**inferred, **given, "provenance": told}, source=source)


def _infer_task(label_space: Json) -> str:
    classes = label_space.get("classes") if isinstance(label_space, Mapping) else None
    if not isinstance(classes, list):
        return "regression"
    return "binary_classification" if len(classes) == 2 else "multiclass_classification"
