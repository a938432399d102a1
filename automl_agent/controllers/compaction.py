"""Compaction: a long conversation made to fit a model, keeping task, plan and results."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from automl_agent.chat_models.chat_model import Message, ToolSpec, Usage

# Beyond this share of the context the oldest results are left out, down to the second share: were
# it the same one, the provider's cache would be void in every turn.
_FULL_SHARE = 0.75
_COMPACT_SHARE = 0.5
# What the last turns said is what the model works with.
_N_KEPT_RESULTS = 4
_SHORT = 200
# JSON in English; names in other scripts take more, and are counted byte by byte for money.
_BYTES_PER_TOKEN = 3.5
# What providers add to each message, and to a request with tools.
_MESSAGE_TOKENS = 12
_REQUEST_TOKENS = 700
# Results that later turns rest on.
_KEPT_TOOLS = frozenset({"profile_dataset", "assign_expert", "train", "tune", "finish"})


@dataclass(frozen=True)
class _Request:
    """A request that was answered: to which model, and how many tokens it had."""

    model: str
    messages: tuple[Message, ...]
    tools_size: int
    n_tokens: int


@dataclass
class TokenMeter:
    """How many tokens a request will have, from what the last reply said of the one before it."""

    _last: _Request | None = None

    def bound(self, model: str, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> int:
        """At most so many tokens: no token is shorter than a byte."""
        last, tools_size = self._last, _size_offered(tools)
        if last and model == last.model and tuple(messages[: len(last.messages)]) == last.messages:
            new = messages[len(last.messages) :]
            # Servers without tool calls are told of more tools from stage to stage.
            n_more = max(0, tools_size - last.tools_size)
            return last.n_tokens + n_more + sum(map(_size, new)) + _MESSAGE_TOKENS * len(new)
        size = sum(map(_size, messages)) + _size_tools(tools)
        return size + _MESSAGE_TOKENS * len(messages) + _REQUEST_TOKENS

    def learn(
        self, model: str, messages: Sequence[Message], tools: Sequence[ToolSpec], usage: Usage
    ) -> None:
        """Take in what a request with these messages took."""
        if usage.input_tokens:
            size = _size_offered(tools)
            self._last = _Request(model, tuple(messages), size, usage.input_tokens)


def estimate_tokens(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> int:
    """About so many tokens."""
    n_bytes = sum(_size(message) for message in messages) + _size_tools(tools)
    return round(n_bytes / _BYTES_PER_TOKEN) + _REQUEST_TOKENS


def compact(
    messages: Sequence[Message], tools: Sequence[ToolSpec], context_tokens: int
) -> list[Message]:
    """The messages, the oldest results shortened if all of them together are too long.

    Kept are the system's text, what the person said, every call, and the results of the last turns;
    of older results, those of profiling, assigning, training and finishing go last. Of the calls
    that the results answer, long texts such as whole scripts are shortened with them.
    """
    if estimate_tokens(messages, tools) <= _FULL_SHARE * context_tokens:
        return list(messages)
    return shorten(messages, tools, round(_COMPACT_SHARE * context_tokens))


def shorten(
    messages: Sequence[Message], tools: Sequence[ToolSpec], max_tokens: int
) -> list[Message]:
    """The messages with results left out, the oldest first, until they fit or none is left.

    The last turns' results are kept as long as anything else can be left out.
    """
    kept = list(messages)
    names = {call.call_id: call.name for message in messages for call in message.calls}
    results = [i for i, message in enumerate(messages) if message.role == "tool"]
    old, recent = results[:-_N_KEPT_RESULTS], results[-_N_KEPT_RESULTS:]
    callers = _find_callers(messages, {messages[i].call_id for i in recent})
    by_worth = sorted(old, key=lambda i: names.get(messages[i].call_id or "") in _KEPT_TOOLS)
    for index in (*by_worth, *recent):
        if estimate_tokens(kept, tools) <= max_tokens:
            break
        if len(kept[index].text) > 2 * _SHORT:
            kept[index] = _leave_out(kept[index])
        call_id = kept[index].call_id
        if call_id in callers:
            kept[callers[call_id]] = _shorten_call(kept[callers[call_id]], call_id)
    return kept


def _find_callers(
    messages: Sequence[Message], recent: Collection[str | None]
) -> dict[str | None, int]:
    """Where each call is that may be shortened; those of messages with a recent call may not.

    A provider wants its own latest messages back as they were.
    """
    return {
        call.call_id: i
        for i, message in enumerate(messages)
        for call in message.calls
        if not any(own.call_id in recent for own in message.calls)
    }


def _leave_out(message: Message) -> Message:
    note = {"left_out": f"{len(message.text)} characters", "begins": message.text[:_SHORT]}
    return replace(message, text=json.dumps(note, ensure_ascii=False))


def _shorten_call(message: Message, call_id: str | None) -> Message:
    """The message with the long texts of one of its calls cut: a script is in the plan by then.

    A provider's own blocks hold the same texts, and are void if anything in them is changed.
    """
    calls = tuple(
        replace(call, arguments={k: _cut(v) for k, v in call.arguments.items()})
        if call.call_id == call_id
        else call
        for call in message.calls
    )
    return message if calls == message.calls else replace(message, calls=calls, state=None)


def _cut(value: object) -> object:
    if not isinstance(value, str) or len(value) <= 2 * _SHORT:
        return value
    return f"{value[:_SHORT]}… ({len(value)} characters, left out here)"


def _size(message: Message) -> int:
    return message.n_bytes + _MESSAGE_TOKENS * len(message.calls)


def _size_tools(tools: Sequence[ToolSpec]) -> int:
    return sum(
        len(f"{tool.name}{tool.description}".encode("utf-8", "replace"))
        + len(json.dumps(tool.parameters))
        for tool in tools
    )


def _size_offered(tools: Sequence[ToolSpec]) -> int:
    return _size_tools([tool for tool in tools if tool.is_offered])
