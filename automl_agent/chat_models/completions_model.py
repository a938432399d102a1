"""Chat Completions, as OpenAI-compatible servers speak it."""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, cast

from automl_agent.chat_models.chat_model import Message, Reply, StopReason, ToolSpec, Usage
from automl_agent.chat_models.openai_service import open_service, sdk_errors
from automl_agent.chat_models.tool_calls import CallIds, Pieces, read_call
from automl_agent.chat_models.wire import (
    NO_SCHEMA,
    NO_TOOLS,
    BrokenReplyError,
    EventStream,
    Json,
    Prompt,
    count,
    make_usage,
    write_arguments,
    write_name,
)

if TYPE_CHECKING:
    import httpx2

_STOPS: dict[str, StopReason] = {"length": "max_tokens", "content_filter": "refusal"}


class CompletionsWire:
    """The protocol of Ollama, vLLM, llama.cpp and most others."""

    features: Mapping[str, re.Pattern[str]] = {
        "max_tokens": re.compile("max_completion_tokens", re.IGNORECASE),
        "schema": NO_SCHEMA,
        "tools": NO_TOOLS,
        "usage": re.compile("stream_options|include_usage", re.IGNORECASE),
    }

    def write_body(self, prompt: Prompt, features: frozenset[str]) -> dict[str, Json]:
        """The body of the request. OpenAI's newer models want the limit under another name."""
        limit = "max_tokens" if "max_tokens" in features else "max_completion_tokens"
        body: dict[str, Json] = {
            "model": prompt.model,
            "messages": [_write_message(message) for message in prompt.messages],
            limit: prompt.max_output_tokens,
        }
        if "usage" in features:
            body["stream_options"] = {"include_usage": True}
        if prompt.tools:
            body["tools"] = [_write_tool(tool) for tool in prompt.tools]
        if prompt.schema is not None and "schema" in features:
            form = {"name": "reply", "schema": prompt.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body

    def errors(self) -> tuple[type[Exception], ...]:
        """What its SDK raises."""
        return sdk_errors()

    def open_stream(
        self, base_url: str, client: "httpx2.Client", body: Mapping[str, Json]
    ) -> AbstractContextManager[EventStream]:
        """Send the request, once; the events of its reply."""
        # Beside its own arguments, whose types it would go through for a tenth of a second.
        stream = open_service(base_url, client).chat.completions.create(
            model=body["model"], messages=[], stream=True, extra_body=dict(body)
        )
        return cast("AbstractContextManager[EventStream]", stream)

    def start_reader(self, provider: str) -> "CompletionsReader":
        """A reader for one reply."""
        del provider  # this protocol has no state
        return CompletionsReader()


class _PartialCall:
    """A call of which the pieces come one after the other."""

    def __init__(self, call_id: str) -> None:
        self.call_id = call_id
        self.name = ""
        self.pieces = Pieces()
        self.arguments: Json = None

    def add(self, function: Mapping[str, Json]) -> None:
        self.name += function.get("name") or ""
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            self.pieces.add(arguments)
        elif arguments is not None:
            self.arguments = arguments  # an object, and whole, from some local servers

    def finish(self, call_ids: CallIds) -> Json:
        arguments = self.arguments if self.arguments is not None else self.pieces.join()
        return read_call(call_ids, self.call_id, self.name, arguments)


class CompletionsReader:
    """Adds up the pieces of a reply."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._text = Pieces()
        self._calls: list[_PartialCall] = []
        self._positions: dict[int, int] = {}
        self._stop = ""
        self._is_refused = False

    def add(self, event: Mapping[str, Json]) -> str:
        """Take in an event; returns the text in it."""
        self._count(event.get("usage") or {})
        for choice in event.get("choices") or ():
            self._stop = choice.get("finish_reason") or self._stop
            return self._add_delta(choice.get("delta") or {})
        return ""

    def finish(self, call_ids: CallIds) -> Reply:
        """The reply, without its cost."""
        if not self._stop:
            raise BrokenReplyError("it ended in the middle")
        stop = "refusal" if self._is_refused else _STOPS.get(self._stop, "end")
        if stop != "end":
            return Reply(self._text.join(), stop=stop)
        return Reply(self._text.join(), tuple(call.finish(call_ids) for call in self._calls))

    def _add_delta(self, delta: Mapping[str, Json]) -> str:
        for piece in delta.get("tool_calls") or ():
            self._find_call(piece).add(piece.get("function") or {})
        refusal = delta.get("refusal") or ""
        self._is_refused = self._is_refused or bool(refusal)
        text = (delta.get("content") or "") + refusal
        self._text.add(text)
        return text

    def _find_call(self, piece: Mapping[str, Json]) -> _PartialCall:
        """The call that a piece belongs to; some servers give all calls the index 0, or none."""
        call_id = piece.get("id") or ""
        index = piece.get("index")
        position = self._positions.get(index) if index is not None else len(self._calls) - 1
        known = self._calls[position] if position is not None and self._calls else None
        if known is not None and call_id in ("", known.call_id):
            return known
        self._calls.append(_PartialCall(call_id))
        self._positions[index or 0] = len(self._calls) - 1
        return self._calls[-1]

    def _count(self, usage: Mapping[str, Json]) -> None:
        n_input, n_output = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
        if n_input or n_output:
            details = usage.get("prompt_tokens_details") or {}
            cached = count(details.get("cached_tokens"))
            self.usage = make_usage(n_input, n_output, cached=cached)


def _write_tool(tool: ToolSpec) -> dict[str, Json]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
    return {"type": "function", "function": function}


def _write_message(message: Message) -> dict[str, Json]:
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.call_id, "content": message.text}
    if not message.calls:
        return {"role": message.role, "content": message.text}
    calls = [
        {
            "id": call.call_id,
            "type": "function",
            "function": {"name": write_name(call.name), "arguments": write_arguments(call)},
        }
        for call in message.calls
    ]
    return {"role": message.role, "content": message.text or None, "tool_calls": calls}
