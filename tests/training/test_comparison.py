"""Two results side by side: only where that means something, and in plain words."""

from typing import Any

import pytest

from automl_agent.cards.documents import check_document
from automl_agent.errors import InputError
from automl_agent.training.comparison import compare_results, read_earlier
from automl_agent.training.constraints import Constraint, parse_constraint, resolve
from automl_agent.training.scoring import BUILTIN_METRICS

METRICS = {metric.name: metric for metric in BUILTIN_METRICS}
SPLIT = "a" * 64


def make_result(run_id: str, **changes: Any) -> dict[str, Any]:
    """The fields of a run result that a comparison reads."""
    result = {
        "run_id": run_id,
        "task": "binary_classification",
        "target": "income",
        "metric": "accuracy",
        "split": SPLIT,
        "scores": {"accuracy": 0.9, "log_loss": 0.3},
        "valid_scores": {"accuracy": 0.91, "log_loss": 0.29},
        "leaderboard": [{"valid_score": 0.91}],
        "model": {"xgboost-1": 0.5, "linear-1": 0.5},
        "measures": {"model_mib": 8.2, "predict_ms_per_row": 0.022, "fit_seconds": 4.0},
        "verdicts": [],
    }
    return {**result, **changes}


OLD = make_result("old")
SMALLER = {"model_mib": 2.0, "predict_ms_per_row": 0.01, "fit_seconds": 3.0}


def parse(*texts: str) -> list[Constraint]:
    return [parse_constraint(text, METRICS) for text in texts]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param(
            {"scores": {"accuracy": 0.8973, "log_loss": 0.31}, "measures": SMALLER},
            "0.3 % less accuracy, 4.1 times smaller, 2.2 times faster.",
            id="smaller and faster",
        ),
        pytest.param(
            {
                "scores": {"accuracy": 0.95},
                "measures": {**SMALLER, "model_mib": 98.4, "predict_ms_per_row": 0.044},
            },
            "5.6 % more accuracy, 12 times larger, 2.0 times slower.",
            id="better and larger",
        ),
        pytest.param(
            {"scores": {"accuracy": 0.9}, "measures": {"model_mib": 8.0}},
            "The same accuracy.",
            id="a change too small to tell",
        ),
        pytest.param(
            {
                "scores": {"accuracy": 0.9, "log_loss": 0.33},
                "verdicts": [
                    {
                        "text": "log_loss <= 0.35",
                        "measure": "log_loss",
                        "bound": 0.35,
                        "measured": 0.33,
                        "is_met": True,
                    }
                ],
            },
            "The same accuracy, 10.0 % more log_loss.",
            id="what is required is told too",
        ),
        pytest.param({"measures": {}}, "The same accuracy.", id="a result of an older version"),
    ],
)
def test_the_difference_is_told_in_plain_words(changes: dict[str, Any], sentence: str) -> None:
    comparison = compare_results(OLD, make_result("new", **changes))
    check_document(comparison, "comparison", source="comparison")
    assert comparison["sentence"] == sentence
    assert comparison["is_comparable"]


def test_a_score_of_zero_or_less_has_no_percentage() -> None:
    old = make_result("old", metric="r2", scores={"r2": -0.2})
    new = make_result("new", metric="r2", scores={"r2": 0.4})
    assert compare_results(old, new)["sentence"] == "R2 0.4 instead of -0.2."


def test_all_scores_and_costs_stand_side_by_side() -> None:
    new = make_result("new", scores={"accuracy": 0.8, "f1_macro": 0.7}, measures=SMALLER)
    assert compare_results(OLD, new)["rows"] == [
        {"name": "accuracy", "old": 0.9, "new": 0.8},
        {"name": "f1_macro", "old": None, "new": 0.7},
        {"name": "log_loss", "old": 0.3, "new": None},
        {"name": "model_mib", "old": 8.2, "new": 2.0},
        {"name": "predict_ms_per_row", "old": 0.022, "new": 0.01},
        {"name": "fit_seconds", "old": 4.0, "new": 3.0},
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"split": "b" * 64}, "scored on different rows"),
        ({"target": "sex"}, "the target is 'income' in one and 'sex' now"),
        ({"task": "regression"}, "the task is 'binary_classification' in one"),
    ],
)
def test_scores_of_other_rows_are_not_compared(changes: dict[str, Any], reason: str) -> None:
    comparison = compare_results(OLD, make_result("new", **changes))
    check_document(comparison, "comparison", source="comparison")
    assert not comparison["is_comparable"]
    assert reason in comparison["sentence"]
    assert "less" not in comparison["sentence"]


def test_an_earlier_result_is_compared_by_validation_rows_and_judged_by_held_out_ones() -> None:
    earlier = read_earlier(OLD)
    assert earlier.valid == {**OLD["measures"], "n_members": 2.0, **OLD["valid_scores"]}
    assert earlier.held_out == {**OLD["measures"], "n_members": 2.0, **OLD["scores"]}


def test_a_result_of_an_older_version_still_has_its_scores() -> None:
    old = {k: v for k, v in OLD.items() if k not in ("measures", "valid_scores", "verdicts")}
    earlier = read_earlier(old)
    assert earlier.valid == {"accuracy": 0.91, "n_members": 2.0}
    with pytest.raises(InputError, match="model_mib of the earlier result, which was not measured"):
        resolve(parse("smaller"), earlier.valid, METRICS["accuracy"])


@pytest.mark.parametrize(
    ("constraints", "known", "is_measured"),
    [
        pytest.param(["faster"], None, True, id="relative and unknown"),
        pytest.param(["predict_ms_per_row <= earlier"], None, True, id="the same as a bound"),
        pytest.param(["faster"], 0.5, False, id="relative and known"),
        pytest.param(["predict_ms_per_row <= 1"], None, False, id="a number"),
        pytest.param(["smaller"], None, False, id="about something else"),
    ],
)
def test_the_speed_of_an_earlier_result_is_measured_where_it_is_needed(
    constraints: list[str], known: float | None, is_measured: bool
) -> None:
    document = make_result("old", measures={**SMALLER, "predict_ms_per_row": known})
    calls = []

    def measure_speed() -> float:
        calls.append(1)
        return 0.7

    earlier = read_earlier(document, parse(*constraints), measure_speed)
    assert earlier.valid.get("predict_ms_per_row") == (0.7 if is_measured else known)
    assert len(calls) == is_measured
