"""The conversation: who a call is about, what a model may see, what the journal keeps."""

import json
from pathlib import Path
from typing import Any

import pytest

from automl_agent import Tool
from automl_agent.chat_models.chat_model import Message, ToolCall, Usage
from automl_agent.controllers.budget import Budget
from automl_agent.controllers.conversation.conversation import Conversation
from automl_agent.controllers.gate import Approval
from automl_agent.controllers.loop import run_loop
from automl_agent.controllers.purse import Reservation
from automl_agent.errors import HangUp, InputError, ToolError
from automl_agent.testing import ScriptedChatModel

from ..conftest import MakeSession, converse, prepare_asking


def run_script(conversation: Conversation, *replies: Any) -> list[dict[str, Any]]:
    """The results of all calls."""
    run_loop(ScriptedChatModel(replies), conversation, prepare_asking(conversation))
    return [json.loads(m.text) for m in conversation.messages if m.role == "tool"]


def two_tasks(make_session: MakeSession) -> Conversation:
    conversation = converse(make_session())
    other = make_session()
    other.task_id = "t2"
    conversation.adopt(other)
    return conversation


def test_a_call_goes_to_its_task(make_session: MakeSession) -> None:
    conversation = two_tasks(make_session)
    first, second = conversation.tasks.values()
    first.plans["p"] = None  # type: ignore[assignment]
    assert conversation.route({"task_id": "t2"}) is second
    assert conversation.route({"plan_id": "p"}) is first
    with pytest.raises(ToolError, match=r"Say which task .* t1 \(target\), t2 \(target\)"):
        conversation.route({})
    second.is_ended = True
    assert conversation.route({}) is first
    first.is_ended = True
    assert conversation.route({}) is second, "a finished task can be looked at"


@pytest.mark.parametrize("key", ["task_id", "plan_id", "trial_id"])
def test_what_there_is_not_is_named(key: str, make_session: MakeSession) -> None:
    with pytest.raises(ToolError, match=f"There is no {key[:-3]} 'x'"):
        two_tasks(make_session).route({key: "x"})


def test_a_plugins_tool_need_not_know_of_tasks_to_be_called_for_one(
    make_session: MakeSession,
) -> None:
    conversation = two_tasks(make_session)
    parameters = {"type": "object", "properties": {}, "additionalProperties": False}
    seen: list[str] = []
    tool = Tool("look", "", parameters, lambda s: {"seen": seen.append(s.task_id)}, lambda _s: True)
    conversation.workplace.plugins.tools.add("look", tool, distribution="odd")
    calls = [("look", {"task_id": "t2"}), ("look", {}), ("look", {"task_id": "t2", "x": 1})]
    results = run_script(conversation, calls, [("finish", {"summary": ""})])
    assert seen == ["t2"]
    assert "Say which task" in results[1]["error"]
    assert "'x' is unknown" in results[2]["error"]


@pytest.mark.parametrize(
    ("run", "said"),
    [
        pytest.param(lambda _s: (_ for _ in ()).throw(SystemExit(3)), "SystemExit", id="exits"),
        pytest.param(lambda _s: {"x": "y" * 60_000}, "characters", id="tells too much"),
    ],
)
def test_a_plugins_tool_can_neither_end_the_run_nor_flood_it(
    run: Any, said: str, make_session: MakeSession
) -> None:
    conversation = converse(make_session())
    tool = Tool("look", "", {"type": "object"}, run, lambda _session: True)
    conversation.workplace.plugins.tools.add("look", tool, distribution="odd")
    results = run_script(conversation, [("look", {})], [("finish", {"summary": ""})])
    assert said in results[0]["error"]
    assert len(results[0]["error"]) < 1000


def test_a_closed_terminal_ends_a_tool_and_all_that_called_it(make_session: MakeSession) -> None:
    def run(_session: object) -> dict[str, Any]:
        raise HangUp

    conversation = converse(make_session())
    tool = Tool("look", "", {"type": "object"}, run, lambda _session: True)
    conversation.workplace.plugins.tools.add("look", tool, distribution="odd")
    with pytest.raises(HangUp):
        run_script(conversation, [("look", {})], [("finish", {"summary": ""})])


def test_only_tables_that_were_named_can_be_read(make_session: MakeSession) -> None:
    conversation = converse(make_session())
    conversation.tables = {"a.csv": "/data/a.csv", "b.csv": "/data/b.csv"}
    assert conversation.find_table("a.csv") == "/data/a.csv"
    assert conversation.find_table("A") == "/data/a.csv"
    for name in ("/etc/passwd", "../c.csv", "", "a.csv/../../x"):
        with pytest.raises(InputError, match="no table"):
            conversation.find_table(name)


def test_messages_are_in_the_journal_as_they_were_said(make_session: MakeSession) -> None:
    conversation = converse(make_session())
    call = ToolCall("a", "train", {"plan_id": "p"})
    said = [
        Message("assistant", "I see Smith.", (call,), state={"thought": "Smith"}),
        Message("tool", '{"rows": [{"a": "Smith"}]}', call_id="a"),
    ]
    for message in said:
        conversation.add(message)
    conversation.change_privacy("schema")
    conversation.change_privacy("sample")
    conversation.change_privacy("none")
    kept = conversation.workplace.journal.list_messages(conversation.conversation_id)
    assert [Message.from_json(document) for document in kept[2:]] == said
    assert "Smith" not in str(conversation.messages)
    assert conversation.messages[2].calls == (call,)


def test_looser_privacy_takes_nothing_back(make_session: MakeSession) -> None:
    conversation = converse(make_session())
    before = list(conversation.messages)
    conversation.change_privacy("sample")
    assert conversation.messages == before
    assert {s.privacy for s in conversation.tasks.values()} == {"sample"}


def test_a_message_about_a_call_has_no_names_that_the_model_may_not_see(
    make_session: MakeSession,
) -> None:
    conversation, call = converse(make_session()), ToolCall("a", "train", {"metric": ["mine"]})
    text = "No 'mine' with 'sepal length (cm)' for 'Smith' in 'linear'."
    assert conversation.mask(text, call) == (
        "No 'mine' with 'sepal length (cm)' for '…' in 'linear'."
    )
    conversation.change_privacy("none")
    assert conversation.mask(text, call) == "No 'mine' with '…' for '…' in 'linear'."


def test_tries_are_in_the_journal_with_what_they_took(make_session: MakeSession) -> None:
    conversation = converse(make_session())
    keys = [conversation.begin_try("a:b", Reservation(10, 20, 0.5)) for _ in range(2)]
    conversation.end_try(keys[0], None, "It is busy.")
    conversation.end_try(keys[1], Usage(5, 6, cost_usd=0.1), "")
    rows = conversation.workplace.journal.list_rows("model_calls", conversation.conversation_id)
    assert [row["status"] for row in rows] == ["failed", "done"]
    assert (rows[0]["outcome"]["usage"], rows[0]["outcome"]["error"]) == (None, "It is busy.")
    assert rows[1]["outcome"]["usage"]["cost_usd"] == 0.1
    assert rows[1]["intent"]["cost_usd"] == 0.5


def test_the_time_in_which_a_person_thinks_is_nobodys() -> None:
    now = [0.0]
    budget = Budget(100.0, 5, lambda: now[0])
    tasks = [budget.for_task(), budget.for_task()]
    now[0] = 10.0
    for pausing in (budget, *tasks):
        with pausing.paused():
            now[0] += 1000.0
    assert [b.elapsed_s for b in (budget, *tasks)] == [10.0] * 3
    assert [b.time_left_s for b in (budget, *tasks)] == [90.0] * 3


def test_a_long_look_at_the_plan_does_not_end_the_run(
    make_session: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task's gate stops the time of the whole conversation."""
    conversation = converse(make_session(time_s=50))
    session = conversation.tasks["t1"]
    now = [0.0]
    conversation.budget = Budget(50.0, 3, lambda: now[0])
    session.budget = conversation.budget.for_task()

    class SlowGate:
        def approve(self, plans: Any) -> Approval:
            now[0] += 3600.0
            return Approval(approved=True)

        def answer(self, question: str) -> None:
            now[0] += 3600.0

    session.gate = SlowGate()
    monkeypatch.setattr(session, "_start_ahead", lambda: None)
    session.pass_gate()
    assert conversation.budget.spent_reason() is None
    assert session.budget.time_left_s == 50.0


def test_shown_names_stand_for_the_columns(make_session: MakeSession, tmp_path: Path) -> None:
    odd, long = "od\u202ed", "n" * 100
    frame = make_session().frame.rename(columns={"target": long, "sepal width (cm)": odd})
    frame.to_csv(tmp_path / "t.csv", index=False)
    conversation = converse(make_session())
    conversation.tasks.clear()
    conversation.tables = {"t.csv": str(tmp_path / "t.csv")}
    asked = {"data": "t.csv", "target": "n" * 63 + "…", "drop": ["od\\u202ed"]}
    results = run_script(conversation, [("profile_dataset", asked)], [("finish", {"summary": ""})])
    assert "error" not in results[0]
    (session,) = conversation.tasks.values()
    assert (session.request.target, session.request.drop) == (long, (odd,))
