"""Taking up a task whose run did not finish: planned once more, knowing the trials it had."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from automl_agent.chat_models.chat_model import Message, ToolCall
from automl_agent.controllers.conversation.conversation import Conversation, dump
from automl_agent.controllers.conversation.session import Session
from automl_agent.controllers.planner.transcript import Transcript, find_last_request
from automl_agent.controllers.tools.tool import run_call
from automl_agent.errors import ToolError

_PLANNING = (
    "profile_dataset",
    "search_experts",
    "assign_expert",
    "write_script",
    "set_hyperparameters",
    "predict_training_log",
)
_TRAINING = ("train", "tune", "compare_trials", "finish")


@dataclass(frozen=True)
class DeadRun:
    """A run that did not finish; plans, trials: its rows in the journal."""

    run_id: str
    plans: Sequence[Mapping[str, Any]]
    trials: Sequence[Mapping[str, Any]]


def reopen_task(
    conversation: Conversation, told: Transcript, dead: Mapping[str, DeadRun]
) -> list[str]:
    """Open tasks again under new runs, as they were before any training; notes for the person.

    Planning is deterministic and cheap, so it is done again. Trials are not: the tuner knows them.
    Raises: AutomlAgentError if a table is gone or has changed.
    """
    _forget_training(conversation)
    notes = []
    for task_id, run in dead.items():
        _plan_again(conversation, told, task_id)
        session = conversation.tasks.get(task_id)
        if session is None:
            raise ToolError(f"the task {task_id} can no longer be planned.")
        _restore_settings(session, run)
        known = list(_learn(session, run))
        _tell_controller(conversation, session, known)
        notes.append(_describe(session, run, known))
    return notes


def _forget_training(conversation: Conversation) -> None:
    """Take back what was said from the first training of the last request on."""
    start = find_last_request(conversation.messages) or 0
    for position, message in enumerate(conversation.messages[start:], start):
        if any(call.name in _TRAINING for call in message.calls):
            conversation.take_back(position)
            return


def _plan_again(conversation: Conversation, told: Transcript, task_id: str) -> None:
    for number, step in enumerate(told.of_task(task_id)):
        if step.name not in _PLANNING:
            continue
        arguments = dict(step.arguments)
        if step.name != "profile_dataset":
            arguments["task_id"] = task_id
        with suppress(ToolError):  # what failed then, fails again
            run_call(ToolCall(f"again-{number}", step.name, arguments), conversation)


def _restore_settings(session: Session, run: DeadRun) -> None:
    """What the person changed at the gate is not lost."""
    for row in run.plans:
        if row["key"] in session.plans:
            session.change_plan(row["key"], settings=dict(row["intent"]["settings"]))


def _learn(session: Session, run: DeadRun) -> Iterator[dict[str, Any]]:
    """Tell the tuners of the trials that finished."""
    for row in run.trials:
        outcome = row["outcome"] or {}
        score, plan_id = outcome.get("valid_score"), row["intent"]["plan_id"]
        expected = outcome.get("expected_score")
        if expected is not None and plan_id in session.plans:
            tuner = session.find_tuner(session.plans[plan_id])
            tuner.learn(row["intent"]["settings"], expected, is_expected=True)
        if score is None or plan_id not in session.plans:
            continue
        session.find_tuner(session.plans[plan_id]).learn(row["intent"]["settings"], score)
        settings = row["intent"]["settings"]
        yield {"plan_id": plan_id, "settings": settings, "valid_score": score}


def _tell_controller(
    conversation: Conversation, session: Session, known: list[dict[str, Any]]
) -> None:
    note = "The program ended during the training. The task is open again, before any training."
    fields: dict[str, Any] = {"note": note, "task_id": session.task_id}
    if known:
        fields["trials_before"] = known
    conversation.add(Message("user", dump(fields)))


def _describe(session: Session, run: DeadRun, known: list[dict[str, Any]]) -> str:
    text = (
        f"Task {session.task_id} ({session.request.target}) was not finished; it is where it was "
        f"before the training, as run {session.run_id}. "
    )
    if known:
        scores = [trial["valid_score"] for trial in known]
        best = min(scores, key=session.metric.loss)
        text += (
            f"{len(known)} trials had finished in {run.run_id}, the best with "
            f"{session.metric.name} {best:.4f}; they are not repeated. "
        )
    return text + 'Say "go on" to train it.'
