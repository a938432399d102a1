"""Each call in one line."""

from typing import Any

import pytest

from automl_agent.ui.repl.call_lines import CallRecord


def describe(name: str, arguments: dict[str, Any], outcome: dict[str, Any]) -> str:
    return CallRecord(3, name, arguments, outcome, "error" in outcome).describe()


TRIAL = {"trial_id": "xgboost-1", "valid_score": 0.25, "seconds": 1.5, "status": "ok"}
FINAL = {"step": 90, "median": 0.2, "low": 0.1, "high": 0.4}


@pytest.mark.parametrize(
    ("name", "arguments", "outcome", "line"),
    [
        pytest.param(
            "profile_dataset",
            {"data": "iris.csv", "target": "species"},
            {
                "data_card": {
                    "n_rows": 150,
                    "n_features": 4,
                    "task": "multiclass_classification",
                    "metric": "log_loss",
                    "hints": [{"kind": "duplicate_rows"}],
                }
            },
            "  ✓ 3 profile_dataset iris.csv species  150 rows, 4 features, multiclass "
            "classification, log_loss; look at: duplicate rows",
            id="profile",
        ),
        pytest.param(
            "search_experts",
            {"query": "trees"},
            {"experts": [{"expert": "a"}, {"expert": "b"}], "unfit": {"c": "no"}},
            "  ✓ 3 search_experts trees  2 fit: a, b; 1 do not",
            id="search",
        ),
        pytest.param(
            "predict_training_log",
            {"plan_id": "xgboost"},
            {"final": FINAL, "seconds": 1},
            "  ✓ 3 predict_training_log xgboost  0.2000 (0.1000 to 0.4000) after 90 steps",
            id="prediction",
        ),
        pytest.param(
            "train",
            {"plan_id": "xgboost"},
            TRIAL,
            "  ✓ 3 train xgboost  0.2500 in 1.5 s",
            id="train",
        ),
        pytest.param(
            "train",
            {"plan_id": "xgboost"},
            TRIAL | {"valid_score": None, "status": "timeout"},
            "  ✗ 3 train xgboost  timeout",
            id="failed trial",
        ),
        pytest.param(
            "tune",
            {"plan_id": "xgboost", "n_trials": 4},
            {"n_trials": 4, "best": TRIAL, "stopped": ""},
            "  ✓ 3 tune xgboost  best 0.2500 of 4 trials",
            id="tune",
        ),
        pytest.param(
            "finish",
            {"summary": "Done."},
            {"delivered": {"t1": {"model": "xgboost-1"}}},
            "  ✓ 3 finish  delivered t1: xgboost-1",
            id="finish",
        ),
        pytest.param(
            "train",
            {"plan_id": "xgbost"},
            {"error": "There is no plan\n'xgbost'."},
            "  ✗ 3 train xgbost  There is no plan 'xgbost'.",
            id="error",
        ),
        pytest.param(
            "count_rows",
            {"table": "a.csv"},
            {"n": 3},
            '  ✓ 3 count_rows a.csv  {"n": 3}',
            id="a plugin's tool",
        ),
        pytest.param(
            "train",
            {"plan_id": "x"},
            {"odd": True},
            '  ✓ 3 train x  {"odd": true}',
            id="a plugin's tool in the place of ours",
        ),
    ],
)
def test_a_call_is_told_in_a_line(
    name: str, arguments: dict[str, Any], outcome: dict[str, Any], line: str
) -> None:
    assert describe(name, arguments, outcome) == line


def test_a_long_call_stays_short() -> None:
    line = describe("assign_expert", {"expert": "x" * 500, "reason": "y" * 5000}, {})
    assert len(line) < 300
    assert "\n" not in line
