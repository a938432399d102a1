"""The loop with scripted controllers: every call gets one result, and code enforces the order."""

import json
from typing import Any

import pytest

from automl_agent import Reply, Tool, ToolCall
from automl_agent.chat_models.chat_model import Message, ModelTraits
from automl_agent.controllers.conversation.session import Session
from automl_agent.controllers.loop import run_loop
from automl_agent.sandboxes.sandbox import SandboxOptions
from automl_agent.testing import ScriptedChatModel

from .conftest import MakeSession, converse, prepare_asking

PROFILE: tuple[str, dict[str, Any]] = ("profile_dataset", {})
FINISH: tuple[str, dict[str, Any]] = ("finish", {"summary": "done"})
PLAN: list[tuple[str, dict[str, Any]]] = [
    PROFILE,
    ("search_experts", {}),
    ("assign_expert", {"expert": "xgboost", "reason": "it fits"}),
    ("write_script", {"plan_id": "xgboost", "script": "data_processing.py"}),
    ("write_script", {"plan_id": "xgboost", "script": "model.py"}),
    ("set_hyperparameters", {"plan_id": "xgboost", "settings": {"max_leaves": 4}}),
    ("predict_training_log", {"plan_id": "xgboost"}),
]


def run_script(session: Session, *replies: Any) -> tuple[str, ScriptedChatModel]:
    model = ScriptedChatModel(replies)
    conversation = converse(session)
    return run_loop(model, conversation, prepare_asking(conversation)), model


def last_results(model: ScriptedChatModel) -> list[dict[str, Any]]:
    """The results that the model was sent last."""
    results = [m for m in model.received[-1] if m.role == "tool"]
    return [json.loads(message.text) for message in results]


def test_a_scripted_controller_goes_through_all_stages(make_session: MakeSession) -> None:
    session = make_session()
    reason, model = run_script(
        session,
        PLAN,
        [("train", {"plan_id": "xgboost"})],
        [("tune", {"plan_id": "xgboost", "n_trials": 5})],
        [("read_training_log", {"trial_id": "xgboost-1"}), ("compare_trials", {})],
        [FINISH],
    )
    assert reason == "finished"
    assert session.delivery is not None
    assert len(session.trials) == 3
    assert session.trials[0].settings["max_leaves"] == 4
    trained, tuned = last_results(model)[len(PLAN) :][:2]
    assert trained["prediction"]["measured"] == trained["valid_score"]
    assert tuned["n_trials"] == 2
    assert tuned["stopped"] == "All 3 trials are used; call finish."


def test_tools_are_offered_stage_by_stage(make_session: MakeSession) -> None:
    session = make_session()
    _, model = run_script(session, [PROFILE], PLAN[1:3], PLAN[3:], [FINISH])
    always = {"ask_user", "finish"}
    before = always | {"profile_dataset"}
    profiled = before | {"search_experts", "find_similar_datasets", "assign_expert"}
    planning = {"write_script", "set_hyperparameters", "predict_training_log"}
    profiled -= {"profile_dataset"}
    planned = profiled | planning
    assert [set(names) for names in model.offered] == [
        before,
        profiled,
        planned,
        planned | {"train"},
    ]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(
            ("trian", {"plan_id": "xgboost"}),
            "The tool 'trian' cannot be called now.",
            id="unknown tool",
        ),
        pytest.param(
            ("train", {"plan_id": "xgboost"}),
            "The tool 'train' cannot be called now.",
            id="tool of a later stage",
        ),
        pytest.param(
            ("assign_expert", {"expert": "xgboost"}),
            "assign_expert: at /: the field 'reason' is missing.",
            id="missing argument",
        ),
        pytest.param(
            ("search_experts", {"limit": "ten"}),
            'search_experts: at /limit: "ten" must be a whole number.',
            id="argument of a wrong type",
        ),
        pytest.param(
            ("search_experts", {"limt": 3}),
            "search_experts: at /: the field 'limt' is unknown. Did you mean 'limit'?",
            id="unknown argument",
        ),
        pytest.param(
            ("assign_expert", {"expert": "xgbost", "reason": ""}),
            "There is no expert 'xgbost'. Did you mean 'xgboost'?",
            id="unknown expert",
        ),
    ],
)
def test_a_bad_call_gets_a_result_that_says_what_is_valid(
    call: tuple[str, dict[str, Any]], message: str, make_session: MakeSession
) -> None:
    _, model = run_script(make_session(), [PROFILE], [call], [FINISH])
    assert last_results(model)[-1]["error"].startswith(message)
    assert model.received[-1][-1].is_error


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"max_leavs": 3}, "Did you mean 'max_leaves'?", id="name"),
        pytest.param({"max_leaves": 99}, "a whole number from 4 to", id="value"),
    ],
)
def test_bad_hyperparameters_are_explained(
    settings: dict[str, Any], message: str, make_session: MakeSession
) -> None:
    bad = ("set_hyperparameters", {"plan_id": "xgboost", "settings": settings})
    _, model = run_script(make_session(), PLAN[:5], [bad], [FINISH])
    assert message in last_results(model)[-1]["error"]


def test_an_incomplete_plan_is_not_trained(make_session: MakeSession) -> None:
    assign = ("assign_expert", {"expert": "xgboost", "reason": ""})
    train = ("train", {"plan_id": "xgboost-v2"})
    _, model = run_script(make_session(), [*PLAN, assign], [train], [FINISH])
    assert "Plan xgboost-v2 is not complete" in last_results(model)[-1]["error"]


def test_approved_plans_cannot_be_changed(make_session: MakeSession) -> None:
    session = make_session()
    train = ("train", {"plan_id": "xgboost"})
    change = ("set_hyperparameters", {"plan_id": "xgboost", "settings": {}})
    _, model = run_script(session, PLAN, [train], [change], [FINISH])
    assert "cannot be called now" in last_results(model)[-1]["error"]
    assert session.plans["xgboost"].settings["max_leaves"] == 4


def test_generated_code_does_not_run_in_the_process_sandbox(make_session: MakeSession) -> None:
    text = "print('written by a model')\n"
    write = ("write_script", {"plan_id": "xgboost", "script": "model.py", "text": text})
    _, model = run_script(make_session(), PLAN[:3], [write], [FINISH])
    assert last_results(model)[-1]["error"].startswith("Generated code does not run")


def test_generated_code_runs_where_the_person_allowed_it(make_session: MakeSession) -> None:
    session = make_session(sandbox_options=SandboxOptions(allow_generated=True))
    expert = session.plugins.experts["xgboost"]
    text = (expert.templates / "model.py").read_text() + "\n# changed\n"
    write = ("write_script", {"plan_id": "xgboost", "script": "model.py", "text": text})
    run_script(
        session,
        [*PLAN[:3], write, *PLAN[3:4], *PLAN[5:]],
        [("train", {"plan_id": "xgboost"})],
        [FINISH],
    )
    assert session.plans["xgboost"].generated == {"model.py"}
    assert session.plans["xgboost"].scripts["model.py"] == text
    assert session.trials[0].status == "ok"


def test_a_controller_that_only_talks_is_reminded_and_then_stopped(
    make_session: MakeSession,
) -> None:
    session = make_session()
    reason, model = run_script(session, "Hello!", "How are you?")
    assert reason == "the controller stopped calling tools"
    assert model.received[-1][-1].text == "Go on by calling a tool, or call finish."
    kept = session.journal.list_messages(session.run_id)
    assert [message["text"] for message in kept[-3:]] == [
        "Hello!",
        "Go on by calling a tool, or call finish.",
        "How are you?",
    ]


def test_a_controller_that_repeats_itself_is_stopped(make_session: MakeSession) -> None:
    search = [("search_experts", {"query": "x"})]
    reason, model = run_script(make_session(), [PROFILE], *[search] * 4)
    assert reason == "the controller repeats itself"
    assert "repeats itself" in model.received[-1][-1].text


def test_time_that_is_over_ends_the_loop(make_session: MakeSession) -> None:
    session = make_session(time_s=1e-6)
    reason, model = run_script(session)
    assert reason == "the time of 1e-06 s is over"
    assert model.received == []


def test_each_call_has_exactly_one_result_in_order(make_session: MakeSession) -> None:
    session = make_session()
    calls = (
        ToolCall("same", "profile_dataset", {}),
        ToolCall("same", "nonsense", {}),
        ToolCall("", "search_experts", {}),
    )
    _, model = run_script(session, Reply("", calls), [FINISH])
    results = [m for m in model.received[-1] if m.role == "tool"]
    assert [m.call_id for m in results] == ["same", "same", ""]
    assert [m.is_error for m in results] == [False, True, False]


@pytest.mark.parametrize(
    ("run", "message"),
    [
        pytest.param(lambda _session: 1 / 0, "failed with ZeroDivisionError", id="raises"),
        pytest.param(lambda _session: "text", "returned no JSON object", id="returns text"),
        pytest.param(lambda _session: {"a": object()}, "failed with TypeError", id="no JSON"),
    ],
)
def test_a_plugins_tool_that_fails_is_an_error_result(
    run: Any, message: str, make_session: MakeSession
) -> None:
    session = make_session()
    tool = Tool("odd", "", {"type": "object"}, run, lambda _session: True)
    session.plugins.tools.add("odd", tool, distribution="automl-agent-odd")
    _, model = run_script(session, [("odd", {})], [FINISH])
    (result,) = last_results(model)
    assert "'odd' of automl-agent-odd" in result["error"]
    assert message in result["error"]


class InterruptingModel:
    """A controller whose second call is interrupted by a tool of a plugin."""

    traits = ModelTraits("interrupting")

    def __init__(self, received: list[Message]) -> None:
        self.received = received

    def reply(self, messages: Any, tools: Any, **_options: Any) -> Reply:
        del tools
        self.received[:] = messages
        names = ("profile_dataset", "ask_user", "search_experts")
        arguments: list[dict[str, Any]] = [{}, {"question": "?"}, {}]
        calls = zip(names, arguments, strict=True)
        return Reply("", tuple(ToolCall(name, name, given) for name, given in calls))


def test_an_interrupted_call_and_those_after_it_have_a_result_too(
    make_session: MakeSession,
) -> None:
    class InterruptedGate:
        def approve(self, plans: Any) -> Any:
            raise AssertionError

        def answer(self, question: str) -> str | None:
            raise KeyboardInterrupt

    session = make_session()
    session.gate = InterruptedGate()
    conversation = converse(session)
    with pytest.raises(KeyboardInterrupt):
        run_loop(InterruptingModel([]), conversation, prepare_asking(conversation))
    messages = session.journal.list_messages(session.run_id)
    results = [m for m in messages if m["role"] == "tool"]
    assert [m["call_id"] for m in results] == ["profile_dataset", "ask_user", "search_experts"]
    assert [m["is_error"] for m in results] == [False, True, True]
    statuses = [row["status"] for row in session.journal.list_rows("tool_calls", session.run_id)]
    assert statuses == ["done", "abandoned"]


def test_a_reply_is_in_the_journal_before_it_is_acted_on(make_session: MakeSession) -> None:
    session = make_session()
    seen: list[int] = []

    def look(name: str, _fields: Any) -> None:
        if name == "tool_called":
            messages = session.journal.list_messages(session.run_id)
            seen.append(sum(m["role"] == "assistant" for m in messages))

    session.emit = look
    run_script(session, [PROFILE], [FINISH])
    assert seen == [1, 2]
