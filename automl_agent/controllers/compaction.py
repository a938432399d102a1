"""Compaction: a long conversation made to fit a model, keeping task, plan and results."""

import json
from collections.abc import Sequence
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
    of older results, those of profiling, assigning, training and finishing go last.
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
    old = results[:-_N_KEPT_RESULTS]
    by_worth = sorted(old, key=lambda i: names.get(messages[i].call_id or "") in _KEPT_TOOLS)
    for index in (*by_worth, *results[-_N_KEPT_RESULTS:]):
        if estimate_tokens(kept, tools) <= max_tokens:
            break
        if len(kept[index].text) > 2 * _SHORT:
            kept[index] = _leave_out(kept[index])
    return kept


def _leave_out(message: Message) -> Message:
    note = {"left_out": f"{len(message.text)} characters", "begins": message.text[:_SHORT]}
    return replace(message, text=json.dumps(note, ensure_ascii=False))


def _size(message: Message) -> int:
    calls = sum(
        len(json.dumps([call.call_id, call.name, dict(call.arguments)])) + _MESSAGE_TOKENS
        for call in message.calls
    )
    state = len(json.dumps(dict(message.state))) if message.state else 0
    text = len(message.text.encode("utf-8", "replace")) + len(message.call_id or "")
    return text + calls + state


def _size_tools(tools: Sequence[ToolSpec]) -> int:
    return sum(
        len(f"{tool.name}{tool.description}".encode("utf-8", "replace"))
        + len(json.dumps(tool.parameters))
        for tool in tools
    )


def _size_offered(tools: Sequence[ToolSpec]) -> int:
    return _size_tools([tool for tool in tools if tool.is_offered])
