"""Many records as a few long lists, which JSON reads several times faster than many small ones.

A block holds records of one card and expert that have the same metrics. Each field of a record is a
list with a value for each record; the points of all curves follow one another in `steps`, `values`
and `times_s`, and `n_points` says how many are whose. `settings` are positions in a list that all
blocks of a file share.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from automl_agent.knowledge.records.check import (
    MAX_POINTS,
    MAX_SCORES,
    are_numbers,
    check_record,
    describe_misfit,
    fits_record,
    is_card_id,
    is_name,
)
from automl_agent.knowledge.records.record import CurvePoint, Record

# A block of so many is a line of a megabyte.
MAX_RECORDS = 500
_CURVE = ("steps", "values", "times_s")
_COLUMNS = ("settings", "n_points", "n_steps", "seconds", "memory_mib", "n_splits")
_FIELDS = frozenset({"card_id", "expert", "metric", "scores", *_COLUMNS, *_CURVE})
_INTEGERS = frozenset({int})
_LISTS = frozenset({list})


def pack_records(records: Iterable[Record], settings: dict[str, int]) -> list[dict[str, Any]]:
    """The records in blocks, JSON objects.

    settings: the position of each setting by its JSON text; new ones are added.
    Raises: KnowledgeError if a record does not fit its schema.
    """
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for record in records:
        document = record.to_json()
        check_record(document, source="A record")
        text = dump_line(document["settings"])
        document["settings"] = settings.setdefault(text, len(settings))
        key = (record.card_id, record.expert, record.metric, *record.scores)
        groups.setdefault(key, []).append(document)
    return [
        _pack_group(group[start : start + MAX_RECORDS])
        for group in groups.values()
        for start in range(0, len(group), MAX_RECORDS)
    ]


def unpack_records(
    block: Mapping[str, Any], settings: Sequence[Mapping[str, Any]]
) -> Iterator[Record]:
    """The records of a block that fits."""
    for document in _list_documents(block, settings):
        curve = tuple(CurvePoint(*point) for point in document["curve"])
        yield Record(**{**document, "curve": curve})


def fits_block(block: Mapping[str, Any], n_settings: int) -> bool:
    """Whether each record of the block would fit schemas/knowledge_record, with whole numbers."""
    if block.keys() != _FIELDS or not _fits_head(block):
        return False
    columns = [*(block[name] for name in (*_COLUMNS, *_CURVE)), *block["scores"].values()]
    return _LISTS.issuperset(map(type, columns)) and _fits_columns(block, n_settings)


def describe_block(block: Mapping[str, Any], settings: Sequence[Mapping[str, Any]]) -> str:
    """Why a block does not fit, in a sentence."""
    try:
        documents = _list_documents(block, settings)
        wrong = next((each for each in documents if not fits_record(each)), None)
        if wrong is not None:
            return describe_misfit({**wrong, "curve": [list(point) for point in wrong["curve"]]})
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError):
        pass
    return "is no block of records: fields are missing, unknown or of different length."


def dump_line(document: object) -> str:
    """The document as short JSON on one line.

    Raises: ValueError if it has NaN or an infinite number.
    """
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _pack_group(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first = documents[0]
    points = [point for document in documents for point in document["curve"]]
    fields = ("settings", "n_steps", "seconds", "memory_mib", "n_splits")
    return {
        **{name: first[name] for name in ("card_id", "expert", "metric")},
        **{name: [document[name] for document in documents] for name in fields},
        "scores": {name: [d["scores"][name] for d in documents] for name in first["scores"]},
        "n_points": [len(document["curve"]) for document in documents],
        **{name: [point[place] for point in points] for place, name in enumerate(_CURVE)},
    }


def _list_documents(
    block: Mapping[str, Any], settings: Sequence[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Each record as in `Record.to_json`."""
    points = [list(point) for point in zip(*(block[name] for name in _CURVE), strict=True)]
    ends = list(accumulate(block["n_points"]))
    fields = ("n_steps", "seconds", "memory_mib", "n_splits")
    for number, end in enumerate(ends):
        yield {
            **{name: block[name] for name in ("card_id", "expert", "metric")},
            **{name: block[name][number] for name in fields},
            "settings": settings[block["settings"][number]],
            "scores": {name: values[number] for name, values in block["scores"].items()},
            "curve": points[end - block["n_points"][number] : end],
        }


def _fits_head(block: Mapping[str, Any]) -> bool:
    scores = block["scores"]
    return (
        is_card_id(block["card_id"])
        and is_name(block["expert"])
        and is_name(block["metric"])
        and isinstance(scores, dict)
        and len(scores) <= MAX_SCORES
        and block["metric"] in scores
    )


def _fits_columns(block: Mapping[str, Any], n_settings: int) -> bool:
    n_points, scores = block["n_points"], block["scores"].values()
    n_records = len(n_points)
    of_records = [*(block[name] for name in _COLUMNS), *scores]
    costs = (*block["seconds"], *block["memory_mib"], *block["times_s"])
    return (
        0 < n_records <= MAX_RECORDS
        and all(len(column) == n_records for column in of_records)
        and _are_counts(n_points, most=MAX_POINTS)
        and all(len(block[name]) == sum(n_points) for name in _CURVE)
        and _are_counts(block["settings"], most=n_settings - 1)
        and _are_counts(block["n_splits"], least=1)
        and _are_counts([step for step in block["n_steps"] if step is not None])
        and _are_counts(block["steps"])
        and are_numbers(costs)
        and min(costs) >= 0
        and are_numbers(block["values"])
        and all(map(are_numbers, scores))
    )


def _are_counts(values: Sequence[Any], *, least: int = 0, most: int | None = None) -> bool:
    return (
        _INTEGERS.issuperset(map(type, values))
        and are_numbers(values)
        and min(values, default=least) >= least
        and (most is None or max(values, default=most) <= most)
    )
