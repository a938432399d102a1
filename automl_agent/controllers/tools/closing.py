"""The tools that turn to the person: ask her, and finish."""

from typing import Any

from automl_agent.controllers.conversation.conversation import Conversation
from automl_agent.controllers.conversation.session import Session
from automl_agent.controllers.conversation.workplace import end_run
from automl_agent.controllers.tools.tool import Tool, builtin_parameters
from automl_agent.controllers.tools.training import deliver_model

_MAX_ROWS = 6


def ask_user(conversation: Conversation, *, question: str) -> dict[str, Any]:
    """The person's answer to a question."""
    with conversation.budget.paused():
        answer = conversation.workplace.gate.answer(question)
    return {"answer": answer} if answer else {"answer": None, "note": "Nobody is there to answer."}


def finish(
    conversation: Conversation, *, summary: str, task_id: str | None = None
) -> dict[str, Any]:
    """Deliver the models of all open tasks, or of one, and end the round if none is left."""
    chosen = [conversation.find_task(task_id)] if task_id else conversation.open_tasks
    conversation.summary = summary
    delivered = {}
    for session in chosen:
        if session.finished_trials and not session.is_ended:
            delivered[session.task_id] = _deliver(session, summary)
    is_last = task_id is None or not conversation.open_tasks
    conversation.is_round_over = is_last
    return {"delivered": delivered or None}


def _deliver(session: Session, summary: str) -> dict[str, Any]:
    session.summary = summary
    deliver_model(session)
    assert session.delivery is not None
    end_run(session, "finished")
    rows = [row.to_json() for row in session.delivery.leaderboard[:_MAX_ROWS]]
    shown = [{key: row[key] for key in ("name", "valid_score", "scores")} for row in rows]
    return {"model": session.delivery.chosen, "leaderboard": shown}


CLOSING_TOOLS = (
    Tool(
        "ask_user",
        "Ask the person a question.",
        builtin_parameters("ask_user"),
        ask_user,
        lambda _conversation: True,
        scope="conversation",
    ),
    Tool(
        "finish",
        "Deliver the best model of each task and end the request. Always the last call.",
        builtin_parameters("finish"),
        finish,
        lambda _conversation: True,
        scope="conversation",
    ),
)
