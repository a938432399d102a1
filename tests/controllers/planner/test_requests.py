"""What the planner makes of a request in words, with what it is told of tables and experts."""

import json
from typing import Any

import pytest

from automl_agent.chat_models.chat_model import Message, ToolCall
from automl_agent.controllers.planner.planner import Planner
from automl_agent.controllers.planner.requests import find_allowed, find_wanted
from automl_agent.controllers.planner.transcript import read_transcript

FOUND = {
    "linear": "Logistic regression for classes, ridge regression for values",
    "xgboost": "Gradient-boosted decision trees with native categorical splits",
    "extra-trees": "A forest of extremely randomised trees",
}
TABLE = {"name": "churn.csv", "columns": ["tenure", "charges", "churn"]}
PROFILE = {"data": "churn.csv", "target": "churn"}


def request(words: str, **told: Any) -> Message:
    document = {"words": words, "tables": [TABLE], "metrics": ["accuracy", "roc_auc"], **told}
    return Message("user", json.dumps({"time_s": 60.0, "n_trials": 5} | document))


def step(name: str, arguments: dict[str, Any], result: dict[str, Any]) -> list[Message]:
    call = ToolCall(f"{name} {arguments}", name, arguments)
    is_error = "error" in result
    answer = Message("tool", json.dumps(result), call_id=call.call_id, is_error=is_error)
    return [Message("assistant", "", calls=(call,)), answer]


def search() -> list[Message]:
    found = [
        {"expert": name, "structure": structure, "description": "", "expected_score": 0.5}
        for name, structure in FOUND.items()
    ]
    return step("search_experts", {"task_id": "t1"}, {"experts": found, "unfit": {}})


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        pytest.param("predict churn from churn.csv", list(FOUND), id="any"),
        pytest.param("churn from churn.csv, not xgboost", ["linear", "extra-trees"], id="not"),
        pytest.param("churn.csv, churn, anything but trees", ["linear"], id="no trees"),
        pytest.param(
            "Quels clients de churn.csv vont partir ? Utilise une régression logistique.",
            ["linear"],
            id="French",
        ),
    ],
)  # fmt: skip
def test_the_experts_that_are_assigned_are_those_that_the_words_allow(
    words: str, allowed: list[str]
) -> None:
    told = read_transcript([
        request(words), *step("profile_dataset", PROFILE, {"task_id": "t1"}), *search(),
    ])  # fmt: skip
    assert find_allowed(told, PROFILE, list(FOUND)) == allowed


def test_a_wish_without_an_earlier_result_is_no_constraint() -> None:
    words = "predict churn from churn.csv, small and fast, accuracy at least 80 %"
    (given,), problem = find_wanted(read_transcript([request(words)]))
    assert given["constraints"] == ["accuracy >= 0.8"]
    assert problem == ""


def test_nothing_is_called_excluded_when_nothing_is() -> None:
    assert find_wanted(read_transcript([request("predict churn from churn.csv")]))[1] == ""


def test_a_result_that_was_left_out_is_no_fault() -> None:
    left_out = step("search_experts", {"task_id": "t1"}, {"left_out": "for privacy"})
    told = read_transcript([request("predict churn from churn.csv"), *left_out])
    assert [given["target"] for given in find_wanted(told)[0]] == ["churn"]


def test_a_task_that_came_to_nothing_does_not_keep_the_next_from_being_trained() -> None:
    messages = [
        request("predict churn from churn.csv and charges from churn.csv"),
        *step("profile_dataset", PROFILE, {"task_id": "t1"}),
        *step("profile_dataset", PROFILE | {"target": "charges"}, {"task_id": "t2"}),
    ]
    for task_id, plan_id in (("t1", "linear"), ("t2", "t2-linear")):
        task = {"task_id": task_id}
        messages += [
            *step("search_experts", task, {"experts": [], "unfit": {}}),
            *step("assign_expert", task | {"expert": "linear"}, {"plan_id": plan_id}),
            *step("predict_training_log", {"plan_id": plan_id}, {"plan_id": plan_id}),
        ]
    messages += [
        *step("train", {"plan_id": "linear"}, {"error": "no memory"}),
        *step("finish", {"summary": "", "task_id": "t1"}, {"delivered": None}),
    ]
    reply = Planner().reply(messages, [], on_text=lambda _text: None)
    assert [(c.name, c.arguments) for c in reply.calls] == [("train", {"plan_id": "t2-linear"})]
