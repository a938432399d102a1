"""The loop: ask the controller, record its reply, act on its calls, record the results, repeat."""

from typing import Any

from automl_agent.chat_models.chat_model import ChatModel, Message, Reply, ToolCall
from automl_agent.controllers.attempts import Asking, SpentError
from automl_agent.controllers.conversation.conversation import Conversation, dump
from automl_agent.controllers.instructions import CUT_OFF, NUDGE, REPHRASED, STUCK_NUDGE
from automl_agent.controllers.stuck import StuckDetector
from automl_agent.controllers.tools.tool import offered_names, run_call, tool_specs
from automl_agent.errors import (
    DeclinedError,
    ModelRefusedError,
    SandboxError,
    SetupError,
    ToolError,
    UserError,
)

FINISHED = "finished"
ANSWERED = "answered"
DECLINED = "declined"
_MAX_SILENT_TURNS = 2
# A turn costs nothing to count, so that the calls in it need a limit of their own.
_MAX_CALLS = 40


def run_loop(model: ChatModel, conversation: Conversation, asking: Asking) -> str:
    """Let the controller work until the round is over; returns why it ended.

    Raises: KeyboardInterrupt, after every call has its result.
    """
    detector = StuckDetector()
    n_odd = 0
    while not conversation.is_round_over:
        spent = conversation.budget.spent_reason()
        if spent:
            return spent
        conversation.budget.n_turns_used += 1
        try:
            reply = asking.ask(model, conversation.messages, tool_specs(conversation))
        except SpentError as exc:
            return str(exc)
        except ModelRefusedError as exc:
            return f"the model gave no answer: {_clause(exc)}"
        except Exception as exc:  # noqa: BLE001 - a plugin's model; finished trials are kept
            return f"the controller failed with {type(exc).__name__}: {_clause(exc)}"
        n_odd = n_odd + 1 if _is_odd(reply) else 0
        if n_odd:
            if conversation.is_interactive and reply.stop == "end" and reply.text.strip():
                conversation.add(Message("assistant", reply.text, state=reply.state))
                conversation.summary = reply.text
                return ANSWERED
            _add_odd(reply, conversation)
            if n_odd >= _MAX_SILENT_TURNS:
                return _describe_odd(reply)
            conversation.add(Message("user", _answer_odd(reply)))
            continue
        conversation.add(Message("assistant", reply.text, calls=reply.calls, state=reply.state))
        results = _act_on(reply.calls, conversation)
        verdict = detector.observe(reply.calls, results, conversation.progress())
        if verdict == "stuck" and not conversation.is_round_over:
            return f"the controller {detector.reason}"
        if verdict == "nudge":
            conversation.add(Message("user", STUCK_NUDGE.format(reason=detector.reason)))
    return DECLINED if isinstance(conversation.last_error, DeclinedError) else FINISHED


def _is_odd(reply: Reply) -> bool:
    return reply.stop != "end" or not reply.calls


def _describe_odd(reply: Reply) -> str:
    if reply.stop == "max_tokens":
        return "the model's replies are cut off by the limit on their length"
    if reply.stop == "refusal":
        return f"the model refuses: {reply.text[:300] or 'it gives no reason'}"
    return "the controller stopped calling tools"


def _add_odd(reply: Reply, conversation: Conversation) -> None:
    # Half of a provider's own blocks is refused by it: the next request would fail.
    state = reply.state if reply.stop == "end" else None
    conversation.add(Message("assistant", reply.text or "…", state=state))


def _answer_odd(reply: Reply) -> str:
    """What is said to a reply without calls."""
    if reply.stop == "max_tokens":
        return CUT_OFF.format(n_tokens=reply.usage.output_tokens or "too many")
    return REPHRASED if reply.stop == "refusal" else NUDGE


def _clause(exc: Exception) -> str:
    """An error as a part of a sentence of ours."""
    return (str(exc) or type(exc).__name__).rstrip(".")


def _act_on(calls: tuple[ToolCall, ...], conversation: Conversation) -> list[Message]:
    """Run calls in order. Each gets exactly one result, also when one is interrupted."""
    turn, start = conversation.budget.n_turns_used, len(conversation.messages)
    results: list[Message] = []
    for position, call in enumerate(calls):
        is_last = position == len(calls) - 1
        try:
            outcome, is_error = _run_recorded(call, turn, position, conversation)
        except BaseException as exc:
            for unanswered in calls[len(conversation.messages) - start :]:
                text = f"Not finished: {type(exc).__name__}."
                conversation.add(_result(unanswered, {"error": text}, is_error=True))
            raise
        news = conversation.tools_news(offered_names(conversation)) if is_last else None
        told = outcome | ({"tools_now": list(news)} if news else {})
        results.append(_result(call, told, is_error=is_error))
        conversation.add(results[-1])
    return results


def _run_recorded(
    call: ToolCall, turn: int, position: int, conversation: Conversation
) -> tuple[dict[str, Any], bool]:
    if conversation.is_round_over:
        return {"error": "The run is over."}, True
    if position >= _MAX_CALLS:
        text = f"Not done: a reply may have {_MAX_CALLS} calls; call it again in the next one."
        return {"error": text}, True
    journal, owner = conversation.workplace.journal, conversation.conversation_id
    key = f"{conversation.n_recorded}-{turn}-{position}"
    intent = call.to_json()
    journal.begin("tool_calls", owner, key, intent)
    try:
        conversation.emit("tool_called", intent)
        outcome, is_error = _run_guarded(call, conversation)
    except BaseException as exc:
        journal.end("tool_calls", owner, key, "abandoned", {"error": type(exc).__name__})
        raise
    journal.end("tool_calls", owner, key, "failed" if is_error else "done", outcome)
    conversation.emit("tool_returned", {**intent, "outcome": outcome, "is_error": is_error})
    return outcome, is_error


def _run_guarded(call: ToolCall, conversation: Conversation) -> tuple[dict[str, Any], bool]:
    try:
        outcome = run_call(call, conversation)
        if call.name != "finish":
            conversation.last_error = None  # what was wrong has been put right
        return outcome, False
    except ToolError as exc:
        return {"error": str(exc)}, True  # names and schemas, no values of cells
    except SandboxError as exc:
        text = f"The sandbox failed, not the script: {exc}"
        return {"error": conversation.mask(text, call)}, True
    except UserError as exc:
        conversation.last_error = exc
        if isinstance(exc, DeclinedError | SetupError):
            conversation.is_round_over = True  # it would be the same with every plan
        return {"error": conversation.mask(str(exc), call)}, True


def _result(call: ToolCall, outcome: dict[str, Any], *, is_error: bool) -> Message:
    return Message("tool", dump(outcome), call_id=call.call_id, is_error=is_error)
