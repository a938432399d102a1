"""The choice: what keeps to the constraints first, then what is preferred, else the nearest."""

from collections.abc import Sequence

import pytest

from automl_agent.training.choice import Candidate, list_weights, sort_candidates, stand_in
from automl_agent.training.constraints import parse_constraint, resolve
from automl_agent.training.scoring import BUILTIN_METRICS

METRICS = {metric.name: metric for metric in BUILTIN_METRICS}
ACCURACY = METRICS["accuracy"]
EARLIER = {"accuracy": 0.9, "model_mib": 100.0, "predict_ms_per_row": 10.0, "n_members": 3.0}


def make_candidate(
    name: str, accuracy: float, mib: float | None, ms: float | None, n_members: int = 1
) -> Candidate:
    costs = {"model_mib": mib, "predict_ms_per_row": ms, "n_members": float(n_members)}
    weights = {f"{name}{number}": 1 / n_members for number in range(n_members)}
    return Candidate(weights, {"accuracy": accuracy, **costs})


CANDIDATES = [
    make_candidate("blend", 0.95, 90, 9, 3),
    make_candidate("large", 0.93, 60, 2),
    make_candidate("middle", 0.90, 20, 5),
    make_candidate("small", 0.80, 1, 0.1),
    make_candidate("unknown", 0.94, None, None),
]


def choose(constraints: Sequence[str], candidates: Sequence[Candidate] = CANDIDATES) -> str:
    parsed = [parse_constraint(text, METRICS) for text in constraints]
    bounds = resolve(parsed, EARLIER, ACCURACY)
    best = sort_candidates(candidates, bounds, ACCURACY)[0]
    return next(iter(best.weights)).rstrip("0")


@pytest.mark.parametrize(
    ("constraints", "chosen"),
    [
        pytest.param([], "blend", id="the best score"),
        pytest.param(["accuracy >= 0.9"], "blend", id="all that it keeps to does not matter"),
        pytest.param(["model_mib <= 60"], "large", id="the best that is small enough"),
        pytest.param(["predict_ms_per_row <= 1"], "small", id="the best that is fast enough"),
        pytest.param(["smaller"], "small", id="the smallest"),
        pytest.param(["smaller", "accuracy >= earlier - 1 %"], "middle", id="smallest that may be"),
        pytest.param(["faster", "accuracy >= earlier - 1 %"], "large", id="fastest that may be"),
        # 20 MiB and 5 ms are less together than 60 MiB and 2 ms: 100 against 120.
        pytest.param(["faster", "smaller", "accuracy >= 0.9"], "middle", id="both together"),
        pytest.param(["simpler"], "unknown", id="the best single model"),
        pytest.param(["more accurate", "model_mib <= 100"], "blend", id="more accurate"),
        pytest.param(["accuracy >= 0.94", "model_mib <= 60"], "large", id="none fits: nearest"),
        pytest.param(["accuracy >= 0.99"], "blend", id="none is so good: the best"),
        pytest.param(["model_mib <= 0.5"], "small", id="none is so small: the smallest"),
    ],
)
def test_the_choice_keeps_to_the_constraints(constraints: list[str], chosen: str) -> None:
    assert choose(constraints) == chosen


def test_what_is_unknown_comes_after_all_that_is_known() -> None:
    candidates = [make_candidate("unknown", 0.99, None, None), make_candidate("known", 0.5, 99, 1)]
    assert choose(["model_mib <= 1"], candidates) == "known"


def test_a_blend_its_parts_and_each_model_alone_can_be_delivered() -> None:
    listed = list(list_weights({"a": 0.5, "b": 0.3, "c": 0.2}, ["a", "b", "c", "d"]))
    assert [set(weights) for weights in listed] == [
        {"a", "b", "c"},
        {"a", "b"},
        {"a", "c"},
        {"b", "c"},
        {"a"},
        {"b"},
        {"c"},
        {"d"},
    ]
    assert listed[1] == pytest.approx({"a": 0.625, "b": 0.375})


def test_for_a_trial_its_size_stands_for_its_speed() -> None:
    bounds = resolve(
        [parse_constraint(text, METRICS) for text in ("faster", "accuracy >= 0.85")],
        EARLIER,
        ACCURACY,
    )
    ranked = sort_candidates(CANDIDATES, stand_in(bounds), ACCURACY)
    names = [next(iter(candidate.weights)) for candidate in ranked]
    assert names == ["middle0", "large0", "blend0", "small0", "unknown0"]
    only_score = [bound for bound in bounds if bound.measure == "accuracy"]
    assert stand_in(only_score) == only_score
