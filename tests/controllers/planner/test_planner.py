"""The built-in planner decides from the conversation alone."""

import json
from typing import Any

import pytest

from automl_agent.chat_models.chat_model import Message, Reply, ToolCall
from automl_agent.controllers.loop import run_loop
from automl_agent.controllers.planner.planner import Planner

from ..conftest import MakeSession, converse, prepare_asking


def ask(messages: list[Message]) -> Reply:
    return Planner().reply(messages, [], on_text=lambda _text: None)


def ask_request(**fields: Any) -> list[Message]:
    task = {"table": "t", "target": "y", "n_trials": 4, "time_s": 60.0, **fields}
    told = json.dumps({"words": "", "task": task})
    return [Message("system", ""), Message("user", told)]


def answer(messages: list[Message], reply: Reply, *results: dict[str, Any]) -> None:
    messages.append(Message("assistant", reply.text, calls=reply.calls))
    for call, result in zip(reply.calls, results, strict=True):
        messages.append(
            Message("tool", json.dumps(result), call_id=call.call_id, is_error="error" in result)
        )


class Stopping(Planner):
    """A planner that somebody stops after some replies."""

    def __init__(self, n_left: int) -> None:
        self.n_left = n_left

    def reply(self, *given: Any, **options: Any) -> Reply:
        if not self.n_left:
            raise KeyboardInterrupt
        self.n_left -= 1
        return super().reply(*given, **options)


def test_it_walks_the_stages_with_the_best_experts_and_tunes_the_best_one() -> None:
    messages = ask_request()
    reply = ask(messages)
    assert [call.name for call in reply.calls] == ["profile_dataset"]
    answer(messages, reply, {"task_id": "t1", "data_card": {}})
    reply = ask(messages)
    assert [call.name for call in reply.calls] == ["search_experts"]
    found = [{"expert": name, "expected_score": 0.5} for name in "abcd"]
    answer(messages, reply, {"experts": found, "unfit": {}})
    reply = ask(messages)
    assert [call.arguments["expert"] for call in reply.calls] == ["a", "b", "c"]
    answer(messages, reply, *({"plan_id": name} for name in "abc"))
    reply = ask(messages)
    assert [call.name for call in reply.calls[:4]] == [
        "write_script",
        "write_script",
        "set_hyperparameters",
        "predict_training_log",
    ]
    answer(messages, reply, *[{}] * 12)
    for name in "abc":
        reply = ask(messages)
        assert [(c.name, c.arguments) for c in reply.calls] == [("train", {"plan_id": name})]
        answer(messages, reply, {"error": "no memory"} if name == "b" else {"valid_score": 1})
    reply = ask(messages)
    assert [call.name for call in reply.calls] == ["compare_trials"]
    best = {"plan_id": "c", "expert": "c", "valid_score": 0.1}
    answer(messages, reply, {"trials": [best], "n_trials_left": 1})
    reply = ask(messages)
    assert [(c.name, c.arguments) for c in reply.calls] == [
        ("tune", {"plan_id": "c", "n_trials": 1})
    ]
    answer(messages, reply, {"n_trials": 1, "best": None, "stopped": ""})
    assert [call.name for call in ask(messages).calls] == ["finish"]


def begin_training(n_trials: int) -> list[Message]:
    """What was said until three plans have one trial each."""
    messages = ask_request(n_trials=n_trials)
    answer(messages, ask(messages), {"task_id": "t1", "data_card": {}})
    found = [{"expert": name, "expected_score": 0.5} for name in "abc"]
    answer(messages, ask(messages), {"experts": found, "unfit": {}})
    answer(messages, ask(messages), *({"plan_id": name} for name in "abc"))
    answer(messages, ask(messages), *[{}] * 12)
    for _ in "abc":
        answer(messages, ask(messages), {"valid_score": 1})
    return messages


def compare(best_first: str, n_left: int) -> dict[str, Any]:
    """What compare_trials tells."""
    trials = [{"plan_id": name, "expert": name, "valid_score": 0.1} for name in best_first]
    return {"trials": trials, "n_trials_left": n_left}


def tuned(n_trials: int, stopped: str = "") -> dict[str, Any]:
    """What tune tells."""
    return {"n_trials": n_trials, "best": None, "stopped": stopped}


def test_it_gives_the_two_leading_plans_some_trials_before_the_better_one_gets_the_rest() -> None:
    messages = begin_training(n_trials=20)
    answer(messages, ask(messages), compare("bca", 17))
    for n_each in (1, 2):
        reply = ask(messages)
        assert [tuple(c.arguments.values()) for c in reply.calls] == [("b", n_each), ("c", n_each)]
        answer(messages, reply, *[tuned(n_each)] * 2)
    answer(messages, ask(messages), compare("cab", 11))
    reply = ask(messages)
    assert [tuple(c.arguments.values()) for c in reply.calls] == [("c", 11)]
    answer(messages, reply, tuned(11))
    (call,) = ask(messages).calls
    assert call.arguments == {"summary": "Compared 20 trials; c was the best plan."}


@pytest.mark.parametrize(
    ("n_left", "rounds"), [(1, []), (2, [1]), (3, [1]), (4, [1, 1]), (5, [1, 1]), (6, [1, 2])]
)
def test_the_leading_plans_share_what_trials_there_are(n_left: int, rounds: list[int]) -> None:
    messages = begin_training(n_trials=n_left + 3)
    answer(messages, ask(messages), compare("bca", n_left))
    for n_each in rounds:
        reply = ask(messages)
        assert [tuple(c.arguments.values()) for c in reply.calls] == [("b", n_each), ("c", n_each)]
        answer(messages, reply, *[tuned(n_each)] * 2)
    (call,) = ask(messages).calls
    assert call.name == ("compare_trials" if rounds else "tune")


def test_a_leading_plan_without_time_for_a_trial_leaves_it_to_the_other() -> None:
    messages = begin_training(n_trials=20)
    answer(messages, ask(messages), compare("bca", 17))
    answer(messages, ask(messages), tuned(0, "no time"), tuned(1))
    reply = ask(messages)
    assert [tuple(c.arguments.values()) for c in reply.calls] == [("b", 2), ("c", 2)]
    answer(messages, reply, *[tuned(0, "no time")] * 2)
    assert [call.name for call in ask(messages).calls] == ["compare_trials"]


def test_without_time_for_any_trial_there_is_no_second_round() -> None:
    messages = begin_training(n_trials=20)
    answer(messages, ask(messages), compare("bca", 17))
    answer(messages, ask(messages), tuned(0, "no time"), {"error": "no time"})
    assert [call.name for call in ask(messages).calls] == ["compare_trials"]


@pytest.mark.parametrize(
    ("fields", "n_experts"),
    [
        pytest.param({}, 3, id="room for all"),
        pytest.param({"n_trials": 2}, 2, id="no more than trials"),
        pytest.param({"time_s": 10.0}, 1, id="little time"),
    ],
)
def test_it_assigns_as_many_experts_as_there_is_room_for(
    fields: dict[str, Any], n_experts: int
) -> None:
    messages = ask_request(**fields)
    answer(messages, ask(messages), {"task_id": "t1", "data_card": {}})
    found = [{"expert": name, "expected_score": 0.5} for name in "abcd"]
    answer(messages, ask(messages), {"experts": found, "unfit": {}})
    assert len(ask(messages).calls) == n_experts


def test_it_stops_with_the_reason_when_a_stage_fails() -> None:
    messages = ask_request()
    answer(messages, ask(messages), {"error": "There is no column 'y'."})
    (call,) = ask(messages).calls
    assert (call.name, call.arguments) == (
        "finish",
        {"summary": "Stopped: There is no column 'y'."},
    )


def test_it_says_why_no_expert_fits() -> None:
    messages = ask_request()
    answer(messages, ask(messages), {"task_id": "t1", "data_card": {}})
    answer(messages, ask(messages), {"experts": [], "unfit": {"a": "it does not read images"}})
    (call,) = ask(messages).calls
    assert call.arguments["summary"].endswith("a: it does not read images")


def test_the_same_conversation_leads_to_the_same_reply() -> None:
    assert ask(ask_request()) == ask(ask_request())


def test_it_trains_and_delivers_through_the_loop(make_session: MakeSession) -> None:
    session = make_session(experts=("xgboost",))
    conversation = converse(session)
    assert run_loop(Planner(), conversation, prepare_asking(conversation)) == "finished"
    assert session.delivery is not None
    assert len(session.trials) == 3


def test_what_a_stricter_privacy_took_back_is_looked_for_again() -> None:
    messages = ask_request()
    answer(messages, ask(messages), {"task_id": "t1", "left_out": "for privacy"})
    searching = ask(messages)
    answer(messages, searching, {"left_out": "for privacy"})
    again = ask(messages)
    assert [(c.name, c.arguments) for c in again.calls] == [
        (c.name, c.arguments) for c in searching.calls
    ]
    found = [{"expert": "a", "expected_score": 0.5}]
    answer(messages, again, {"experts": found, "unfit": {}})
    assert [(c.name, c.arguments["expert"]) for c in ask(messages).calls] == [
        ("assign_expert", "a")
    ]


def test_once_an_expert_is_assigned_nothing_is_looked_for_again() -> None:
    messages = ask_request()
    answer(messages, ask(messages), {"task_id": "t1", "left_out": "for privacy"})
    answer(messages, ask(messages), {"left_out": "for privacy"})
    call = ToolCall("before", "assign_expert", {"task_id": "t1", "expert": "a"})
    answer(messages, Reply("", (call,)), {"plan_id": "a", "left_out": "for privacy"})
    assert {call.name for call in ask(messages).calls} == {
        "write_script",
        "set_hyperparameters",
        "predict_training_log",
    }


@pytest.mark.parametrize("n_before", [1, 2, 3])
def test_it_goes_on_in_order_after_privacy_was_tightened(
    n_before: int, make_session: MakeSession
) -> None:
    conversation = converse(make_session(n_trials=1, experts=("linear",)), privacy="sample")
    asking, planner = prepare_asking(conversation), Stopping(n_before)
    with pytest.raises(KeyboardInterrupt):
        run_loop(planner, conversation, asking)
    conversation.change_privacy("none")
    assert "left_out" in str(conversation.messages)
    planner.n_left = 1000
    assert run_loop(planner, conversation, asking) == "finished"
    names = [call.name for message in conversation.messages for call in message.calls]
    in_order = ["profile_dataset", "search_experts", "assign_expert", "train", "finish"]
    assert [name for name in names if name in in_order] == in_order
