"""The round: what is done for one request, whatever becomes of the controller, and its results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automl_agent.chat_models.chat_model import ChatModel, Message
from automl_agent.controllers.attempts import Asking
from automl_agent.controllers.conversation.conversation import Conversation, dump
from automl_agent.controllers.conversation.session import Session
from automl_agent.controllers.conversation.workplace import end_run
from automl_agent.controllers.garbage import postponed_collections
from automl_agent.controllers.loop import ANSWERED, DECLINED, FINISHED, run_loop
from automl_agent.controllers.planner.planner import Planner
from automl_agent.controllers.planner.transcript import DELIVERED
from automl_agent.controllers.tools.training import deliver_model
from automl_agent.errors import (
    DeclinedError,
    SandboxError,
    TrainingError,
    UserError,
)

# All tries for one reply together, of which a provider may ask for long waits.
PATIENCE_S = 600.0
INTERRUPTED = "interrupted"
_GOOD_ENDS = (FINISHED, ANSWERED, DECLINED)


@dataclass(frozen=True)
class Outcome:
    """What came of a round.

    ended: why it ended; results: of the runs that ended in it. error: why there is no result.
    """

    ended: str
    text: str
    results: tuple[Mapping[str, Any], ...] = ()
    error: UserError | None = None


def find_fallback(model: ChatModel) -> ChatModel | None:
    """What goes on where a model gives up: the planner, unless that was it."""
    return None if isinstance(model, Planner) else Planner()


def run_round(conversation: Conversation, model: ChatModel, fallback: ChatModel | None) -> Outcome:
    """Let the controller work for what the person asked; deliver what there is however it ends.

    fallback: goes on where the model gives up; None: nothing does.
    Raises: KeyboardInterrupt if it is interrupted before there is anything to deliver.
    """
    before = {task_id for task_id, session in conversation.tasks.items() if session.is_ended}
    try:
        conversation.purse.check_price(model.traits)
        with postponed_collections():
            ended = _run_with_fallback(conversation, model, fallback)
    except KeyboardInterrupt:
        if not any(
            conversation.tasks[t].finished_trials for t in conversation.tasks.keys() - before
        ):
            raise
        # What is finished is kept: the first Ctrl-C ends the search, not the run.
        ended = INTERRUPTED
        for session in conversation.open_tasks:
            session.budget.time_s = 0.0
    error = _end_tasks(conversation, ended)
    sessions = [s for t, s in conversation.tasks.items() if t not in before and s.is_ended]
    results = tuple(s.result for s in sessions if s.result is not None)
    if not results and error is None:
        error = _find_error(conversation, ended)
    return Outcome(ended, conversation.summary, results, error if not results else None)


def _run_with_fallback(
    conversation: Conversation, model: ChatModel, fallback: ChatModel | None
) -> str:
    ended = run_loop(model, conversation, _prepare_asking(conversation))
    is_spent = conversation.budget.spent_reason() is not None
    if fallback is None or ended in _GOOD_ENDS or is_spent:
        return ended
    conversation.emit("controller_replaced", {"reason": ended, "by": fallback.traits.name})
    return run_loop(fallback, conversation, _prepare_asking(conversation))


def _prepare_asking(conversation: Conversation) -> Asking:
    return Asking(
        purse=conversation.purse,
        meter=conversation.meter,
        recorder=conversation,
        on_text=lambda text: conversation.emit("controller_text", {"text": text}),
        on_wait=lambda reason, left_s: conversation.emit(
            "model_waiting", {"reason": reason, "seconds_left": round(left_s, 1)}
        ),
        patience_s=lambda: min(PATIENCE_S, conversation.budget.time_left_s),
    )


def _end_tasks(conversation: Conversation, ended: str) -> UserError | None:
    """End the tasks that have come to an end; returns the error of the first that failed."""
    first: UserError | None = None
    for session in conversation.open_tasks:
        if session.finished_trials:
            error = _deliver(session, ended)
            if error is None:
                _note_delivery(conversation, session, ended)
        elif conversation.is_interactive and ended in _GOOD_ENDS:
            continue  # the person may go on with the plan
        else:
            error = _find_error(conversation, ended, session)
            end_run(session, _status(error), str(error or ended))
        first = first or error
    return first


def _deliver(session: Session, ended: str) -> UserError | None:
    session.summary = session.summary or f"Ended early: {ended}."
    status = INTERRUPTED if ended == INTERRUPTED else "finished"
    try:
        if session.delivery is None:
            deliver_model(session)
    except SandboxError as exc:
        error = TrainingError(f"No finished trial could be delivered: {exc}")
        end_run(session, "failed", str(error))
        return error
    end_run(session, status)
    return None


def _note_delivery(conversation: Conversation, session: Session, ended: str) -> None:
    """Let the controller know what it did not call for, or the next request would not find it."""
    assert session.delivery is not None
    model = {session.task_id: {"model": session.delivery.chosen}}
    conversation.add(Message("user", dump({"note": f"Ended early: {ended}.", DELIVERED: model})))


def _status(error: UserError | None) -> str:
    return "declined" if isinstance(error, DeclinedError) else "failed"


def _find_error(
    conversation: Conversation, ended: str, session: Session | None = None
) -> UserError | None:
    """Why there is no model, None if nobody expects one."""
    if conversation.last_error is not None:
        return conversation.last_error
    if session is not None:
        error = _explain_trials(session)
        if error is not None:
            return error
    if ended == ANSWERED or (conversation.is_interactive and ended == FINISHED):
        return None
    return TrainingError(conversation.summary or f"Nothing was trained: {ended}.")


def _explain_trials(session: Session) -> UserError | None:
    failed = [trial for trial in session.trials if trial.message or trial.status != "ok"]
    is_late = session.budget.time_left_s <= 0 or any(t.status == "timeout" for t in failed)
    if is_late:
        return session.budget.too_short()
    if not failed:
        return None
    last_line = (failed[0].message.splitlines() or [failed[0].status])[-1]
    return TrainingError(
        f"All {len(session.trials)} trials failed, the first with: {last_line} "
        f"Its output is in {failed[0].folder / 'output.txt'}."
    )
