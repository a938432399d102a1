"""The verdict on a chat model: whether it will do as a controller, and why."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from automl_agent.controllers.conformance.conformance import Graded, PlannedTask

WILL_DO = "will do"
WITH_HELP = "will do with the planner's help"
WILL_NOT_DO = "will not do"
# A wrong target is found only by a person who reads the plan: nine of ten must be right.
MIN_RIGHT = 0.9
# Each call that is wrong at first costs a turn; one of ten is no burden.
MIN_VALID = 0.9
# The planner takes over where a model gives up; one that gives up more often only costs money.
MIN_OWN = 0.5


def judge(graded: Sequence[Graded]) -> tuple[str, list[str]]:
    """The verdict, and a sentence for each threshold that it rests on."""
    n = len(graded)
    n_own, n_helped = (sum(g.is_right for g in of) for of in _grades(graded))
    n_first = sum(one.n_first for one in graded)
    valid = sum(one.n_first_valid for one in graded) / n_first if n_first else 0.0
    reasons = [
        f"{n_own} of {n} requests right by itself ({MIN_RIGHT:.0%} needed, {MIN_OWN:.0%} with the "
        "planner's help).",
        f"{n_helped} of {n} right with the planner taking over where it gives up "
        f"({MIN_RIGHT:.0%} needed).",
        f"{valid:.0%} of its calls valid at the first try ({MIN_VALID:.0%} needed)."
        if n_first
        else f"It called no tool ({MIN_VALID:.0%} valid at the first try needed).",
    ]
    if n_own >= MIN_RIGHT * n and valid >= MIN_VALID:
        return WILL_DO, reasons
    if n_own >= MIN_OWN * n and n_helped >= MIN_RIGHT * n:
        return WITH_HELP, reasons
    return WILL_NOT_DO, reasons


def summarise(model: str, graded: Sequence[Graded], *, n_planned: int, stopped: str = "") -> Any:
    """All that was measured, as a JSON object that fits schemas/model_test.schema.json.

    stopped: why not all of the planned requests were made, or "".
    """
    verdict, reasons = judge(graded)
    costs = [one.cost_usd for one in graded]
    tokens = ("input_tokens", "cached_tokens", "output_tokens")
    return {
        "model": model,
        "verdict": verdict,
        "reasons": reasons,
        "n_requests": len(graded),
        "n_requests_planned": n_planned,
        "stopped": stopped,
        "n_right": sum(one.alone.is_right for one in graded),
        "n_right_with_help": sum(one.helped.is_right for one in graded),
        "n_right_target": sum(one.alone.targets for one in graded),
        "n_right_expert": sum(one.alone.experts for one in graded),
        "n_impossible": sum(() in one.case.answers for one in graded),
        "n_declined": sum(() in one.case.answers and one.alone.is_right for one in graded),
        "n_calls": sum(one.n_first + one.n_repairs for one in graded),
        "valid_at_first_try": _share(graded),
        "n_repairs": sum(one.n_repairs for one in graded),
        **{name: sum(getattr(one, name) for one in graded) for name in tokens},
        "cost_usd": None if None in costs else round(sum(c or 0.0 for c in costs), 6),
        "seconds": round(sum(one.seconds for one in graded), 1),
        "requests": [to_json(one) for one in graded],
    }


def to_json(graded: Graded) -> dict[str, Any]:
    """One request with what came of it."""
    tokens = {
        "input_tokens": graded.input_tokens,
        "cached_tokens": graded.cached_tokens,
        "output_tokens": graded.output_tokens,
    }
    return {
        "request": graded.case.case_id,
        "words": graded.case.words,
        "is_right": graded.alone.is_right,
        "is_right_with_help": graded.helped.is_right,
        "wrong": [part for part, right in asdict(graded.alone).items() if not right],
        "planned": [_describe(task) for task in graded.planned],
        "ended": graded.ended,
        "n_calls": graded.n_first + graded.n_repairs,
        "n_repairs": graded.n_repairs,
        **tokens,
        "cost_usd": None if graded.cost_usd is None else round(graded.cost_usd, 6),
        "seconds": round(graded.seconds, 1),
    }


def _grades(graded: Sequence[Graded]) -> tuple[list[Any], list[Any]]:
    return [one.alone for one in graded], [one.helped for one in graded]


def _share(graded: Sequence[Graded]) -> float | None:
    n_first = sum(one.n_first for one in graded)
    return round(sum(one.n_first_valid for one in graded) / n_first, 4) if n_first else None


def _describe(task: PlannedTask) -> dict[str, Any]:
    return {**asdict(task), "experts": sorted(task.experts)}
