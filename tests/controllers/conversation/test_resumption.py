"""Conversations that are taken up from the journal."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from sklearn.datasets import load_iris

from automl_agent.agent import Agent
from automl_agent.cards.data_card import SplitRule
from automl_agent.chat_models.chat_model import Message, ModelTraits, Reply, ToolCall, Usage
from automl_agent.controllers.conversation.conversation import Conversation
from automl_agent.controllers.conversation.dialogue import Dialogue
from automl_agent.controllers.conversation.resumption import resume_conversation
from automl_agent.controllers.request import Request
from automl_agent.errors import InputError, SetupError
from automl_agent.runs.conversation_lock import hold_conversation
from automl_agent.sandboxes.sandbox import SandboxOptions
from automl_agent.testing import ScriptedChatModel

PRICED = ModelTraits("priced:model", price=lambda usage: usage.input_tokens * 1e-4)
PROFILE = (ToolCall("c1", "profile_dataset", {"data": "iris.csv", "target": "target"}),)


@pytest.fixture(autouse=True)
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "iris.csv"
    frame: pd.DataFrame = load_iris(as_frame=True).frame
    frame.to_csv(path, index=False)
    monkeypatch.chdir(tmp_path)
    return path


@contextmanager
def opened(*replies: Reply | str, **options: object) -> Iterator[Dialogue]:
    agent = Agent(sandbox="process", **options)  # type: ignore[arg-type]
    with agent.open_dialogue(is_interactive=True) as dialogue:
        dialogue.model = ScriptedChatModel(replies, traits=PRICED)
        yield dialogue


def said(*replies: Reply | str, **options: object) -> str:
    """The id of a conversation in which a request was answered so."""
    with opened(*replies, **options) as dialogue:
        dialogue.say("look at iris.csv")
        return dialogue.conversation.conversation_id


def resume(dialogue: Dialogue, conversation_id: str) -> Conversation:
    resume_conversation(dialogue.conversation, conversation_id)
    return dialogue.conversation


def test_also_the_last_of_the_replies_without_a_call_is_remembered() -> None:
    refused = [Reply(text, stop="refusal") for text in ("I will not.", "I still will not.")]
    conversation_id = said(*refused)
    with opened() as dialogue:
        messages = resume(dialogue, conversation_id).messages
    assert [m.text for m in messages if m.role == "assistant"] == [r.text for r in refused]


def test_what_was_spent_counts_for_the_limit_of_the_next_session() -> None:
    usage = Usage(input_tokens=900, output_tokens=90, cached_tokens=300, cost_usd=0.09)
    conversation_id = said(Reply("Hello.", usage=usage))
    with opened("Never given.", budget_usd=0.1) as dialogue:
        purse = resume(dialogue, conversation_id).purse
        assert (purse.spent_usd, purse.input_tokens, purse.output_tokens) == (0.09, 900, 90)
        assert (purse.cached_tokens, purse.n_replies, purse.models) == (300, 1, ["priced:model"])
        outcome = dialogue.say("and now?")
    assert outcome.error is not None
    assert isinstance(dialogue.model, ScriptedChatModel)
    assert dialogue.model.received == []


def test_a_try_that_the_program_did_not_survive_is_taken_as_spent() -> None:
    conversation_id = said("Hello.")
    with opened() as dialogue:
        journal = dialogue.conversation.workplace.journal
        intent = {"model": "priced:model", "n_messages": 2, "privacy": "schema"}
        reserved = {"input_tokens": 500, "max_output_tokens": 100, "cost_usd": 0.05}
        journal.begin("model_calls", conversation_id, "dead", intent | reserved)
        conversation = resume(dialogue, conversation_id)
        assert (conversation.purse.risked_usd, conversation.purse.risked_tokens) == (0.05, 600)
        assert all(row["ended"] for row in journal.list_rows("model_calls", conversation_id))


def test_a_call_without_its_result_gets_one() -> None:
    conversation_id = said("Hello.")
    with opened() as dialogue:
        journal = dialogue.conversation.workplace.journal
        n_messages = len(journal.list_messages(conversation_id))
        message = Message("assistant", "", calls=PROFILE)
        journal.add_message(conversation_id, n_messages, message.to_json())
        conversation = resume(dialogue, conversation_id)
        last = conversation.messages[-1]
        assert (last.role, last.call_id, last.is_error) == ("tool", "c1", True)
        stored = journal.list_messages(conversation_id)
        assert [Message.from_json(each) for each in stored] == conversation.messages


def test_rows_that_a_model_may_no_longer_see_are_taken_back() -> None:
    conversation_id = said(Reply("", PROFILE), "There it is.", privacy="sample")
    with opened(privacy="sample") as dialogue:
        shown = resume(dialogue, conversation_id).messages
        assert any('"rows"' in message.text for message in shown if message.role == "tool")
    with opened(privacy="schema") as dialogue:
        shown = resume(dialogue, conversation_id).messages
        assert not any('"rows"' in message.text for message in shown if message.role == "tool")


def test_an_unfinished_plan_is_open_again_under_a_new_run(table: Path) -> None:
    conversation_id = said(Reply("", PROFILE), "There it is.")
    with opened() as dialogue:
        resumed = resume_conversation(dialogue.conversation, conversation_id)
        session = dialogue.conversation.tasks["t1"]
        assert (session.is_ended, session.request.table) == (False, str(table))
        assert session.run_id in resumed.notes[0]
        assert dialogue.conversation.tables == {"iris.csv": str(table)}


def test_a_conversation_that_does_not_exist_is_refused() -> None:
    with opened() as dialogue, pytest.raises(InputError, match="There is no conversation x"):
        resume(dialogue, "x")


def test_a_conversation_has_one_writer(home: Path) -> None:
    with (
        hold_conversation(home, "a"),
        hold_conversation(home, "b"),
        pytest.raises(SetupError, match="a is open in another program"),
        hold_conversation(home, "a"),
    ):
        pass
    with hold_conversation(home, "a"):
        assert [path.name for path in (home / "open").iterdir()] == ["a"]
    assert list((home / "open").iterdir()) == []


def test_a_request_comes_back_from_its_json() -> None:
    request = Request(
        "a.csv",
        "y",
        experts=("xgboost",),
        split=SplitRule("time", "day"),
        constraints=("faster",),
        sandbox_options=SandboxOptions(allow_degraded=("cpu",), n_gpus=1),
    )
    assert Request.from_json(request.to_json()) == request
    assert Request.from_json({"table": "a.csv", "target": "y", "gone": 1}) == Request("a.csv", "y")
