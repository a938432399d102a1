"""Two results side by side: what was gained, what it cost, and in plain words."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from automl_agent.training.constraints import COSTS, N_MEMBERS, Constraint, Earlier, needs_speed

_SPEED = "predict_ms_per_row"
# What less and more of a cost is called.
_COST_WORDS = {"model_mib": ("smaller", "larger"), _SPEED: ("faster", "slower")}
# Smaller changes are not worth a word: of a score as a share, of a time as noise.
_LEAST_CHANGE = 0.0005
_LEAST_RATIO = 1.05


def read_earlier(
    document: Mapping[str, Any],
    constraints: Sequence[Constraint] = (),
    measure_speed: Callable[[], float] | None = None,
) -> Earlier:
    """The measures of a result, for constraints that are relative to it.

    document: as schemas/run_result has it. measure_speed: called for the milliseconds a row if a
        constraint needs them and the result lacks them.
    """
    measures: dict[str, Any] = dict(document.get("measures", {}))
    relative = [constraint for constraint in constraints if constraint.reference != "none"]
    if measure_speed and needs_speed(relative) and measures.get(_SPEED) is None:
        measures[_SPEED] = measure_speed()
    known = {name: value for name, value in measures.items() if value is not None}
    known.setdefault(N_MEMBERS, float(len(document["model"])))
    valid = {
        document["metric"]: document["leaderboard"][0]["valid_score"],
        **document.get("valid_scores", {}),
    }
    return Earlier({**known, **valid}, {**known, **document["scores"]})


def compare_results(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Two run results as one document that fits schemas/comparison.schema.json.

    Scores are only compared if they are of the same task and the same held-out rows.
    """
    reason = _find_difference(old, new)
    names = list(dict.fromkeys((*_list_metrics(new), *_list_metrics(old))))
    rows = [_build_row(name, old["scores"], new["scores"]) for name in names]
    before, after = old.get("measures", {}), new.get("measures", {})
    rows += [_build_row(name, before, after) for name in COSTS]
    return {
        "old": old["run_id"],
        "new": new["run_id"],
        "metric": new["metric"],
        "is_comparable": not reason,
        "rows": rows,
        "verdicts": list(new.get("verdicts", ())),
        "sentence": reason or _describe_changes(rows, _list_told(new)),
    }


def _find_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Why the scores of two results say nothing about each other; empty if they do."""
    for field in ("task", "target"):
        if old[field] != new[field]:
            return f"Not comparable: the {field} is {old[field]!r} in one and {new[field]!r} now."
    if old["split"] != new["split"]:
        return "Not comparable: the two were scored on different rows."
    return ""


def _list_metrics(document: Mapping[str, Any]) -> list[str]:
    """The metric that decides, then the others."""
    return [document["metric"], *(n for n in document["scores"] if n != document["metric"])]


def _list_told(document: Mapping[str, Any]) -> set[str]:
    """What the sentence is about: the metric that decides, what is constrained, and the costs."""
    constrained = {verdict["measure"] for verdict in document.get("verdicts", ())}
    return {document["metric"], *constrained, *_COST_WORDS}


def _build_row(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "old": old.get(name), "new": new.get(name)}


def _describe_changes(rows: Sequence[Mapping[str, Any]], told: set[str]) -> str:
    parts = [_describe_change(**row) for row in rows if row["name"] in told]
    text = ", ".join(part for part in parts if part)
    return f"{text[0].upper()}{text[1:]}." if text else "Nothing that was measured has changed."


def _describe_change(name: str, old: float | None, new: float | None) -> str:
    if old is None or new is None:
        return ""
    if name in COSTS:
        return _describe_cost(name, old, new)
    if old <= 0:
        return f"{name} {new:.4g} instead of {old:.4g}"
    change = new / old - 1
    if abs(change) < _LEAST_CHANGE:
        return f"the same {name}"
    return f"{100 * abs(change):.1f} % {'more' if change > 0 else 'less'} {name}"


def _describe_cost(name: str, old: float, new: float) -> str:
    if name not in _COST_WORDS or min(old, new) <= 0:
        return ""
    less, more = _COST_WORDS[name]
    ratio, word = (old / new, less) if new < old else (new / old, more)
    if ratio < _LEAST_RATIO:
        return ""
    return f"{ratio:.1f} times {word}" if ratio < 10 else f"{ratio:.0f} times {word}"
