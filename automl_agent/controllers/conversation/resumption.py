"""Going on with an earlier conversation: what was said, what it took, and its tasks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_agent.cards.data_card import read_data_card
from automl_agent.chat_models.chat_model import Message, Usage
from automl_agent.configuration.setting import PRIVACY_LEVELS, Privacy
from automl_agent.controllers.conversation.conversation import Conversation, dump
from automl_agent.controllers.conversation.reopening import DeadRun, reopen_task
from automl_agent.controllers.conversation.session import Session
from automl_agent.controllers.mentions import find_tables
from automl_agent.controllers.planner.transcript import (
    list_requests,
    read_transcript,
    restore_messages,
)
from automl_agent.controllers.purse import Purse, Reservation
from automl_agent.controllers.request import Request
from automl_agent.errors import AutomlAgentError, InputError, UserError
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import RunDirectory
from automl_agent.sandboxes.resources import available_resources

if TYPE_CHECKING:
    from pandas import DataFrame

Row = Mapping[str, Any]
_ENDED_WITH_PROGRAM = "The program ended before it did."
# A call whose reply, or whose result, the program did not live to see.
_UNFINISHED = dump({"error": "Not finished: the program ended."})


@dataclass
class Resumed:
    """What was taken up. notes: sentences for the person about what could not be, and what was."""

    title: str
    n_finished: int = 0
    notes: list[str] = field(default_factory=list)


def resume_conversation(conversation: Conversation, conversation_id: str) -> Resumed:
    """Make a fresh conversation an earlier one, that nobody else has open.

    Raises: UserError if there is none of that id.
    """
    journal = conversation.workplace.journal
    titles = {row["conversation_id"]: row["title"] for row in journal.list_conversations()}
    if conversation_id not in titles:
        raise InputError(f"There is no conversation {conversation_id}.")
    told = journal.list_messages(conversation_id)
    tries = journal.list_rows("model_calls", conversation_id)
    messages = restore_messages(told)
    n_recorded = max(len(told), len(tries))
    conversation.take_up(conversation_id, messages, n_recorded=n_recorded)
    _restore_purse(conversation.purse, tries)
    _restore_privacy(conversation, tries)
    _end_dead_rows(journal, conversation_id)
    _answer_open_calls(conversation)
    resumed = Resumed(titles[conversation_id])
    _restore_tables(conversation)
    _restore_tasks(conversation, resumed)
    return resumed


def _restore_purse(purse: Purse, tries: list[dict[str, Any]]) -> None:
    """What was spent counts for the limits of today."""
    for row in tries:
        intent, outcome = row["intent"], row["outcome"]
        reservation = Reservation(
            intent["input_tokens"], intent["max_output_tokens"], intent["cost_usd"]
        )
        if outcome is None:
            purse.risk(reservation, None)
        elif outcome.get("usage"):
            purse.settle(Usage(**outcome["usage"]), intent["model"], reservation)
        if outcome is not None and "risked_usd" in outcome:
            purse.risked_usd = outcome["risked_usd"]
            purse.risked_tokens = outcome["risked_tokens"]


def _restore_privacy(conversation: Conversation, tries: list[dict[str, Any]]) -> None:
    """What a model may no longer see is taken back, as when privacy is changed in between."""
    privacy = conversation.privacy
    levels = [row["intent"].get("privacy", privacy) for row in tries]
    loosest: Privacy = max([privacy, *levels], key=PRIVACY_LEVELS.index)
    conversation.privacy = loosest
    conversation.change_privacy(privacy)


def _end_dead_rows(journal: Journal, conversation_id: str) -> None:
    """End what a killed program left open; nobody else has the conversation."""
    for table in ("tool_calls", "model_calls"):
        for row in journal.list_rows(table, conversation_id):
            if row["ended"] is None:
                outcome = {"error": _ENDED_WITH_PROGRAM}
                journal.end(table, conversation_id, row["key"], "abandoned", outcome)
    for row in _list_runs(journal, conversation_id):
        if row["ended"] is None:
            journal.end_run(row["run_id"], "interrupted", {"error": _ENDED_WITH_PROGRAM})


def _answer_open_calls(conversation: Conversation) -> None:
    """Give each call its result: no chat model takes a call without one."""
    answered = {message.call_id for message in conversation.messages if message.role == "tool"}
    open_calls = [
        call
        for message in conversation.messages
        for call in message.calls
        if call.call_id not in answered
    ]
    for call in open_calls:
        conversation.add(Message("tool", _UNFINISHED, call_id=call.call_id, is_error=True))


def _restore_tables(conversation: Conversation) -> None:
    """The tables that the person named, where they still lie."""
    journal = conversation.workplace.journal
    for request in list_requests(conversation.messages):
        named = find_tables(str(request.get("words", "")), None).tables
        for name, path in named.items():
            conversation.tables[name] = str(Path(path).resolve())
    for row in _list_runs(journal, conversation.conversation_id):
        table = Path(row["request"]["table"])
        if table.is_file():
            conversation.tables[table.name] = str(table)


def _restore_tasks(conversation: Conversation, resumed: Resumed) -> None:
    told = read_transcript(conversation.messages)
    begun_last = told.new_tasks()
    dead: list[tuple[str, DeadRun]] = []
    for task_id, row in _match_tasks(conversation):
        if "leaderboard" in (row["result"] or {}):
            _restore_finished(conversation, task_id, row, resumed)
        elif task_id in begun_last and row["status"] in ("started", "interrupted"):
            trials = conversation.workplace.journal.list_rows("trials", row["run_id"])
            plans = conversation.workplace.journal.list_rows("plans", row["run_id"])
            dead.append((task_id, DeadRun(row["run_id"], plans, trials)))
    if dead:
        try:
            resumed.notes += reopen_task(conversation, told, dict(dead))
        except AutomlAgentError as exc:
            resumed.notes.append(f"The unfinished task could not be taken up: {exc}")


def _restore_finished(conversation: Conversation, task_id: str, row: Row, resumed: Resumed) -> None:
    request = Request.from_json(row["request"])
    try:
        frame = conversation.workplace.read_table(request.table)
        holdout = None
        if request.holdout is not None:
            holdout = conversation.workplace.read_table(request.holdout)
        session = _build_session(conversation, task_id, row, frame, holdout)
    except UserError as exc:
        resumed.notes.append(
            f"Run {row['run_id']} can be looked at, but not improved any more: {exc}"
        )
        return
    conversation.tasks[task_id] = session
    resumed.n_finished += 1


def _build_session(
    conversation: Conversation,
    task_id: str,
    row: Row,
    frame: "DataFrame",
    holdout: "DataFrame | None",
) -> Session:
    """A finished task. It starts nothing any more, so any sandbox will do."""
    workplace = conversation.workplace
    directory = RunDirectory(workplace.home / "runs" / row["run_id"])
    options = workplace.sandbox_options
    return Session(
        request=replace(Request.from_json(row["request"]), sandbox_options=options),
        frame=frame,
        holdout_frame=holdout,
        plugins=workplace.plugins,
        sandbox=next(iter(workplace.plugins.sandboxes.values())),
        resources=available_resources(),
        journal=workplace.journal,
        directory=directory,
        budget=conversation.budget.for_task(),
        gate=workplace.gate,
        emit=workplace.emit,
        card=read_data_card(directory.data_card),
        is_approved=True,
        is_ended=True,
        result=dict(row["result"]),
        summary=str(row["result"].get("summary", "")),
        task_id=task_id,
        conversation_id=conversation.conversation_id,
        privacy=conversation.privacy,
        purse=conversation.purse,
    )


def _match_tasks(conversation: Conversation) -> Iterator[tuple[str, Row]]:
    """Each task that was begun, with its run: the one that began while the task was profiled."""
    journal, owner = conversation.workplace.journal, conversation.conversation_id
    runs = _list_runs(journal, owner)
    for call in journal.list_rows("tool_calls", owner):
        task_id = (call["outcome"] or {}).get("task_id")
        if call["intent"]["name"] != "profile_dataset" or task_id is None:
            continue
        row = next((r for r in runs if call["started"] <= r["started"] <= call["ended"]), None)
        if row is None and len(runs) == 1:
            row = runs[0]  # a run of the program begins before its profile
        if row is not None:
            yield task_id, row


def _list_runs(journal: Journal, conversation_id: str) -> list[dict[str, Any]]:
    """The runs of a conversation, oldest first."""
    runs = reversed(journal.list_runs())
    return [row for row in runs if row["conversation_id"] == conversation_id]
