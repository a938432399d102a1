"""Checking records of strangers: as schemas/knowledge_record, but a hundred times as fast."""

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from automl_agent.errors import KnowledgeError
from automl_agent.knowledge.records.record import Record

FIELDS = frozenset(Record.__dataclass_fields__)
MAX_POINTS = 100
_MAX_SETTINGS = 1000
# As in the schema: every whole number up to it is a float, too.
MAX_COUNT = 2**53
MAX_SCORES = 100
_NUMBERS = frozenset({int, float})
_VALUES = _NUMBERS | {str, bool}
_find_card_id = re.compile(r"[0-9a-f]{16}").fullmatch


def check_record(document: object, *, source: str) -> None:
    """Nothing, if the document is one of `Record.to_json`.

    source: where it comes from, for the message.
    Raises: KnowledgeError that names source, path in the document and what is allowed.
    """
    if not fits_record(document):
        raise KnowledgeError(f"{source}: {describe_misfit(document)}")


def fits_record(document: object) -> bool:
    """Whether the document fits schemas/knowledge_record and its metric is one of its scores."""
    if not isinstance(document, dict) or document.keys() != FIELDS:
        return False
    curve = document["curve"]
    if not isinstance(curve, list) or len(curve) > MAX_POINTS:
        return False
    if not all(isinstance(point, list) and len(point) == 3 for point in curve):
        return False
    return fits_settings(document["settings"]) and _fits_rest(document)


def fits_settings(settings: object) -> bool:
    """Whether these are hyperparameters."""
    return (
        isinstance(settings, dict)
        and len(settings) <= _MAX_SETTINGS
        and _VALUES.issuperset(map(type, settings.values()))
        and _are_finite([value for value in settings.values() if not isinstance(value, str)])
    )


def _fits_rest(document: Mapping[str, Any]) -> bool:
    scores, n_steps = document["scores"], document["n_steps"]
    is_named = (
        is_card_id(document["card_id"])
        and is_name(document["expert"])
        and is_name(document["metric"])
        and isinstance(scores, dict)
        and len(scores) <= MAX_SCORES
        and document["metric"] in scores
    )
    if not is_named:
        return False
    steps, values, times_s = list(zip(*document["curve"], strict=True)) or [(), (), ()]
    counts = [*steps, document["n_splits"], 0 if n_steps is None else n_steps]
    costs = [*times_s, document["seconds"], document["memory_mib"]]
    return (
        are_numbers([*counts, *costs, *values, *scores.values()])
        and min(counts) >= 0
        and max(counts) <= MAX_COUNT
        and min(costs) >= 0
        and document["n_splits"] >= 1
        and all(map(_is_whole, counts))
    )


def describe_misfit(document: object) -> str:
    """Why a document does not fit, in a sentence."""
    from automl_agent.cards.documents import find_errors

    first = next(find_errors(document, "knowledge_record"), None)
    return first or "at /metric: must be one of the scores."


def are_numbers(values: Sequence[Any]) -> bool:
    """Whether all are finite numbers."""
    return _NUMBERS.issuperset(map(type, values)) and _are_finite(values)


def _are_finite(values: Sequence[float]) -> bool:
    # A sum is infinite or NaN where one of them is, and else only where they are very large.
    with suppress(OverflowError):
        if math.isfinite(sum(values)):
            return True
    try:
        return all(map(math.isfinite, values))
    except OverflowError:  # a whole number that no float can hold
        return False


def _is_whole(value: float) -> bool:
    return value == int(value)  # 3.0 is a whole number of JSON


def is_card_id(value: object) -> bool:
    """Whether it can be the fingerprint of a card."""
    return isinstance(value, str) and _find_card_id(value) is not None


def is_name(value: object) -> bool:
    """Whether it is text that is not empty."""
    return isinstance(value, str) and value != ""
