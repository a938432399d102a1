"""Anthropic's Messages."""

import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, cast

from automl_agent.chat_models.chat_model import Message, Reply, StopReason, ToolSpec, Usage
from automl_agent.chat_models.tool_calls import CallIds, Pieces, read_call
from automl_agent.chat_models.wire import (
    NO_SCHEMA,
    NO_TOOLS,
    BrokenReplyError,
    EventStream,
    Json,
    Prompt,
    count,
    find_content,
    keep_thoughts,
    make_usage,
    split_system,
    write_name,
)

if TYPE_CHECKING:
    import httpx2

_CACHED = {"cache_control": {"type": "ephemeral"}}
_MIN_THOUGHT_TOKENS = 1024
_STOPS: dict[str, StopReason] = {
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "max_tokens",
    "refusal": "refusal",
}


class MessagesWire:
    """The protocol of api.anthropic.com and its gateways."""

    features: Mapping[str, re.Pattern[str]] = {
        "adaptive": re.compile("adaptive", re.IGNORECASE),
        "schema": NO_SCHEMA,
        "thinking": re.compile("thinking", re.IGNORECASE),
        "tools": NO_TOOLS,
    }

    def write_body(self, prompt: Prompt, features: frozenset[str]) -> dict[str, Json]:
        """The body of the request.

        Two marks make the cache hold the tools with the system's text, and all turns so far.
        """
        system, messages = split_system(prompt.messages)
        tools = [_write_tool(tool) for tool in prompt.tools]
        blocks = [{"type": "text", "text": system}] if system.strip() else []
        _mark_last(blocks or tools)
        turns = _write_turns(messages, prompt.provider if "thinking" in features else "")
        _mark_last(turns[-1]["content"] if turns else [])
        body: dict[str, Json] = {
            "model": prompt.model,
            "max_tokens": prompt.max_output_tokens,
            "messages": turns,
        }
        optional = {
            "system": blocks,
            "tools": tools,
            "thinking": _write_thinking(prompt, features),
            "output_config": _write_format(prompt, features),
        }
        return body | {name: value for name, value in optional.items() if value}

    def errors(self) -> tuple[type[Exception], ...]:
        """What its SDK raises."""
        import anthropic

        return (anthropic.AnthropicError,)

    def open_stream(
        self, base_url: str, client: "httpx2.Client", body: Mapping[str, Json]
    ) -> AbstractContextManager[EventStream]:
        """Send the request, once; the events of its reply."""
        import anthropic

        service = anthropic.Anthropic(
            api_key="-",  # the client has the real one
            base_url=base_url.rstrip("/").removesuffix("/v1"),
            max_retries=0,
            timeout=client.timeout,
            http_client=client,
            open_telemetry=False,
        )
        with warnings.catch_warnings():
            # It warns of models that retire soon; what works still works.
            warnings.simplefilter("ignore")
            stream = service.messages.create(**body, stream=True)
        return cast("AbstractContextManager[EventStream]", stream)

    def start_reader(self, provider: str) -> "MessagesReader":
        """A reader for one reply."""
        return MessagesReader(provider)


class MessagesReader:
    """Adds up the events of a reply: blocks that come one after the other."""

    def __init__(self, provider: str) -> None:
        self.usage: Usage | None = None
        self._provider = provider
        self._counts: dict[str, int] = {}
        self._blocks: list[dict[str, Json]] = []
        self._pieces: dict[str, Pieces] = {}
        self._is_open = False
        self._stop = ""
        self._is_over = False

    def add(self, event: Mapping[str, Json]) -> str:
        """Take in an event; returns the text in it."""
        if self._is_over:
            raise BrokenReplyError("something came after the end")
        match event["type"]:
            case "message_start":
                self._start(event["message"])
            case "content_block_start":
                self._start_block(event["index"], event["content_block"])
            case "content_block_delta":
                return self._add_delta(event["index"], event["delta"])
            case "content_block_stop":
                self._end_block(event["index"])
            case "message_delta":
                self._stop = event["delta"].get("stop_reason") or self._stop
                self._count(event.get("usage") or {})
            case "message_stop":
                self._is_over = True
        return ""

    def finish(self, call_ids: CallIds) -> Reply:
        """The reply, without its cost."""
        if not self._is_over or self._is_open:
            raise BrokenReplyError("it ended in the middle")
        text = "".join(block["text"] for block in self._blocks if block["type"] == "text")
        stop = _STOPS.get(self._stop, "end")
        if stop != "end":
            return Reply(text, stop=stop)
        calls = []
        for block in self._blocks:
            if block["type"] == "tool_use":
                call = read_call(call_ids, block.get("id"), block.get("name"), block["input"])
                block |= {"id": call.call_id, "name": call.name, "input": dict(call.arguments)}
                calls.append(call)
        return Reply(text, tuple(calls), state=keep_thoughts(self._provider, self._blocks))

    def _start(self, message: Mapping[str, Json]) -> None:
        if self.usage is not None or self._blocks:
            raise BrokenReplyError("it began twice")
        self._count(message.get("usage") or {})

    def _count(self, counts: Mapping[str, Json]) -> None:
        """The latest counts; those of the input may be told once only."""
        self._counts |= {name: count(value) for name, value in counts.items() if count(value)}
        cached = self._counts.get("cache_read_input_tokens", 0)
        written = self._counts.get("cache_creation_input_tokens", 0)
        n_input = self._counts.get("input_tokens", 0) + cached + written
        n_output = self._counts.get("output_tokens", 0)
        if n_input or n_output:
            self.usage = make_usage(n_input, n_output, cached=cached, written=written)

    def _start_block(self, index: int, block: Mapping[str, Json]) -> None:
        if self._is_open or index != len(self._blocks):
            raise BrokenReplyError(f"block {index} is out of order")
        self._blocks.append(dict(block))
        self._pieces = {}
        self._is_open = True

    def _add_delta(self, index: int, delta: Mapping[str, Json]) -> str:
        if not self._is_open or index != len(self._blocks) - 1:
            raise BrokenReplyError(f"a piece of block {index} is out of order")
        kind = (self._blocks[-1]["type"], delta["type"])
        match kind:
            case "text", "text_delta":
                return self._keep("text", delta["text"])
            case "tool_use", "input_json_delta":
                self._keep("input", delta["partial_json"])
            case "thinking", "thinking_delta":
                self._keep("thinking", delta["thinking"])
            case "thinking", "signature_delta":
                self._keep("signature", delta["signature"])
            case _, "text_delta" | "input_json_delta" | "thinking_delta" | "signature_delta":
                raise BrokenReplyError(f"a {kind[1]} is no piece of a block of {kind[0]}")
        return ""

    def _keep(self, field: str, piece: str) -> str:
        self._pieces.setdefault(field, Pieces()).add(piece)
        return piece

    def _end_block(self, index: int) -> None:
        if not self._is_open or index != len(self._blocks) - 1:
            raise BrokenReplyError(f"the end of block {index} is out of order")
        block = self._blocks[-1]
        for field, pieces in self._pieces.items():
            start = block.get(field)
            # The arguments begin as an empty object, all others as a text.
            block[field] = (start if isinstance(start, str) else "") + pieces.join()
        self._is_open = False


def _write_tool(tool: ToolSpec) -> dict[str, Json]:
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": {"type": "object", **tool.parameters},
    }


def _mark_last(blocks: list[dict[str, Json]]) -> None:
    """Let the cache hold everything up to the last of the blocks."""
    if blocks:
        blocks[-1] = blocks[-1] | _CACHED


def _write_thinking(prompt: Prompt, features: frozenset[str]) -> dict[str, Json] | None:
    if "thinking" not in features:
        return None
    if "adaptive" in features:
        # Shown, so that a long thought is no silence.
        return {"type": "adaptive", "display": "summarized"}
    if prompt.max_output_tokens <= _MIN_THOUGHT_TOKENS:
        return None
    n_tokens = max(_MIN_THOUGHT_TOKENS, prompt.max_output_tokens // 2)
    return {"type": "enabled", "budget_tokens": n_tokens}


def _write_format(prompt: Prompt, features: frozenset[str]) -> dict[str, Json] | None:
    if prompt.schema is None or "schema" not in features:
        return None
    return {"format": {"type": "json_schema", "schema": prompt.schema}}


def _write_turns(messages: Sequence[Message], provider: str) -> list[dict[str, Json]]:
    """The turns, in each of which all that one side says is one message.

    provider: whose own blocks go back as they came.
    """
    turns: list[dict[str, Json]] = []
    for message in messages:
        role = "assistant" if message.role == "assistant" else "user"
        blocks = find_content(message, provider, "id") or _write_blocks(message)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": list(blocks)})
    return turns


def _write_blocks(message: Message) -> list[dict[str, Json]]:
    if message.role == "tool":
        result = {"type": "tool_result", "tool_use_id": _write_id(message.call_id or "")}
        return [result | {"content": message.text, "is_error": message.is_error}]
    # A text of blanks is refused.
    texts = [{"type": "text", "text": message.text}] if message.text.strip() else []
    calls = [
        {
            "type": "tool_use",
            "id": _write_id(call.call_id),
            "name": write_name(call.name),
            "input": dict(call.arguments),
        }
        for call in message.calls
    ]
    return [*texts, *calls]


def _write_id(call_id: str) -> str:
    """An id that is taken also if another service gave it."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", call_id)
