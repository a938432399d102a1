"""The transcript: requests, calls and results as the messages tell them, however odd."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from automl_agent.chat_models.chat_model import Message, ToolCall
from automl_agent.controllers.planner.transcript import read_transcript


def request(words: str) -> Message:
    return Message("user", json.dumps({"words": words}))


def exchange(call_id: str, name: str, arguments: Any, result: Any) -> list[Message]:
    is_error = "error" in result
    return [
        Message("assistant", "", (ToolCall(call_id, name, arguments),)),
        Message("tool", json.dumps(result), call_id=call_id, is_error=is_error),
    ]


def profile(call_id: str, task_id: str) -> list[Message]:
    return exchange(call_id, "profile_dataset", {"data": "a.csv"}, {"task_id": task_id})


def test_the_last_request_counts_and_a_nudge_is_none() -> None:
    told = read_transcript([
        Message("system", "You train."),
        request("first"),
        *profile("a", "t1"),
        request("second"),
        *profile("b", "t2"),
        Message("user", "Go on by calling a tool, or call finish."),
        Message("user", '{"no": "words"}'),
        Message("user", '["words"]'),
    ])  # fmt: skip
    assert told.request == {"words": "second"}
    assert [step.task_id for step in told.steps] == ["t2"]
    assert (told.new_tasks(), told.open_tasks()) == (["t2"], ["t1"])


def test_a_step_belongs_to_the_task_of_its_plan() -> None:
    told = read_transcript([
        request("both"),
        *profile("a", "t1"),
        *profile("b", "t2"),
        *exchange("c", "assign_expert", {"task_id": "t1"}, {"plan_id": "p1"}),
        *exchange("d", "assign_expert", {}, {"plan_id": "p2"}),
        *exchange("e", "train", {"plan_id": "p1"}, {"valid_score": 1.0}),
        *exchange("f", "train", {"plan_id": "p2"}, {"error": "no"}),
        *exchange("g", "finish", {}, {"delivered": {"t1": {}}}),
    ])  # fmt: skip
    assert [step.name for step in told.of_task("t1")] == [
        "profile_dataset",
        "assign_expert",
        "train",
    ]
    assert [step.is_error for step in told.of_task("t2")] == [False, False, True]
    assert told.finished_tasks() == ["t1"]
    assert not told.is_finished("t2")


def test_results_without_a_call_and_calls_without_a_result_are_left_out() -> None:
    told = read_transcript([
        request("x"),
        Message("tool", "{}", call_id="nobody"),
        Message("assistant", "", (ToolCall("open", "train", {}),)),
    ])  # fmt: skip
    assert told.steps == ()


names = st.sampled_from(["profile_dataset", "assign_expert", "train", "finish", "odd"])
values = st.dictionaries(
    st.sampled_from(["task_id", "plan_id", "delivered", "error", "left_out"]),
    st.none() | st.text(max_size=3) | st.just({"t1": {}}),
)


@given(st.lists(st.tuples(names, values, values), max_size=15))
def test_whatever_was_said_is_read_without_a_fault(made: Any) -> None:
    messages = [request("x")]
    for number, (name, arguments, result) in enumerate(made):
        messages += exchange(str(number), name, arguments, result)
    told = read_transcript(messages)
    assert len(told.steps) == len(made)
    told.new_tasks(), told.open_tasks(), told.finished_tasks()
