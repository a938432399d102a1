"""OpenAI's Responses."""

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, cast

from automl_agent.chat_models.chat_model import Message, Reply, Usage
from automl_agent.chat_models.openai_service import open_service, sdk_errors
from automl_agent.chat_models.tool_calls import CallIds, read_call
from automl_agent.chat_models.wire import (
    NO_SCHEMA,
    NO_TOOLS,
    BrokenReplyError,
    EventStream,
    Json,
    Prompt,
    ReportedError,
    count,
    find_content,
    keep_thoughts,
    make_usage,
    split_system,
    write_arguments,
    write_name,
)

if TYPE_CHECKING:
    import httpx2


class ResponsesWire:
    """The protocol of api.openai.com. Nothing is stored there: thoughts come and go encrypted."""

    features: Mapping[str, re.Pattern[str]] = {
        "allowed": re.compile("allowed_tools|tool_choice", re.IGNORECASE),
        "encrypted": re.compile("encrypted|'?include'?", re.IGNORECASE),
        "schema": NO_SCHEMA,
        "thinking": re.compile("reasoning", re.IGNORECASE),
        "tools": NO_TOOLS,
    }

    def write_body(self, prompt: Prompt, features: frozenset[str]) -> dict[str, Json]:
        """The body of the request."""
        instructions, messages = split_system(prompt.messages)
        provider = prompt.provider if "encrypted" in features else ""
        body: dict[str, Json] = {
            "model": prompt.model,
            "input": _write_items(messages, provider),
            "max_output_tokens": prompt.max_output_tokens,
            "store": False,
        }
        include = ["reasoning.encrypted_content"] if "encrypted" in features else []
        # Shown, so that a long thought is no silence.
        reasoning = {"summary": "auto"} if "thinking" in features else None
        optional = {
            "instructions": instructions,
            "include": include,
            "reasoning": reasoning,
            **_write_tools(prompt, features),
        }
        if prompt.schema is not None and "schema" in features:
            form = {"type": "json_schema", "name": "reply", "schema": prompt.schema}
            optional["text"] = {"format": form | {"strict": False}}
        return body | {name: value for name, value in optional.items() if value}

    def errors(self) -> tuple[type[Exception], ...]:
        """What its SDK raises."""
        return sdk_errors()

    def open_stream(
        self, base_url: str, client: "httpx2.Client", body: Mapping[str, Json]
    ) -> AbstractContextManager[EventStream]:
        """Send the request, once; the events of its reply."""
        # Beside its own arguments, whose types it would go through for a fifth of a second.
        stream = open_service(base_url, client).responses.create(
            model=body["model"], input=[], stream=True, extra_body=dict(body)
        )
        return cast("AbstractContextManager[EventStream]", stream)

    def start_reader(self, provider: str) -> "ResponsesReader":
        """A reader for one reply."""
        return ResponsesReader(provider)


class ResponsesReader:
    """Collects the items of a reply, each as it is when it is done."""

    def __init__(self, provider: str) -> None:
        self.usage: Usage | None = None
        self._provider = provider
        self._items: dict[int, dict[str, Json]] = {}
        self._response: Mapping[str, Json] | None = None

    def add(self, event: Mapping[str, Json]) -> str:
        """Take in an event; returns the text in it."""
        if self._response is not None:
            raise BrokenReplyError("something came after the end")
        match event["type"]:
            case "response.output_text.delta" | "response.refusal.delta":
                return str(event["delta"])
            case "response.output_item.done":
                self._add_item(event.get("output_index", len(self._items)), event["item"])
            case "response.completed" | "response.incomplete":
                self._response = event["response"]
                self._count(event["response"].get("usage") or {})
            case "response.failed":
                self._count(event["response"].get("usage") or {})
                raise ReportedError(event["response"].get("error"), is_whole=False)
            case "error":
                raise ReportedError(dict(event), is_whole=False)
        return ""

    def finish(self, call_ids: CallIds) -> Reply:
        """The reply, without its cost."""
        if self._response is None:
            raise BrokenReplyError("it ended in the middle")
        items = [self._items[index] for index in sorted(self._items)]
        # Some servers list the items at the end only.
        items = items or [dict(item) for item in self._response.get("output") or ()]
        parts = [part for item in items for part in item.get("content") or () if _is_said(item)]
        text = "".join(str(part.get("text") or part.get("refusal") or "") for part in parts)
        if any(part["type"] == "refusal" for part in parts):
            return Reply(text, stop="refusal")
        if self._response.get("status") == "incomplete":
            reason = (self._response.get("incomplete_details") or {}).get("reason")
            return Reply(text, stop="refusal" if reason == "content_filter" else "max_tokens")
        calls = []
        for item in items:
            if item["type"] == "function_call":
                call = read_call(
                    call_ids, item.get("call_id"), item.get("name"), item.get("arguments")
                )
                item |= {"call_id": call.call_id}
                calls.append(call)
        return Reply(text, tuple(calls), state=keep_thoughts(self._provider, items))

    def _add_item(self, index: int, item: Mapping[str, Json]) -> None:
        if index in self._items:
            raise BrokenReplyError(f"item {index} came twice")
        self._items[index] = dict(item)

    def _count(self, usage: Mapping[str, Json]) -> None:
        n_input, n_output = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
        if n_input or n_output:
            details = usage.get("input_tokens_details") or {}
            cached = count(details.get("cached_tokens"))
            written = count(details.get("cache_write_tokens"))
            self.usage = make_usage(n_input, n_output, cached=cached, written=written)


def _is_said(item: Mapping[str, Json]) -> bool:
    return bool(item["type"] == "message")


def _write_tools(prompt: Prompt, features: frozenset[str]) -> dict[str, Json]:
    """All tools, always in the same words; and apart from those the choice that is offered now."""
    if not prompt.tools:
        return {}
    tools = [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters),
            "strict": False,
        }
        for tool in prompt.tools
    ]
    offered = [{"type": "function", "name": t.name} for t in prompt.tools if t.is_offered]
    choice: Json = "auto"
    if not offered:
        choice = "none"
    elif "allowed" in features and len(offered) < len(tools):
        choice = {"type": "allowed_tools", "mode": "auto", "tools": offered}
    return {"tools": tools, "tool_choice": choice, "parallel_tool_calls": True}


def _write_items(messages: Sequence[Message], provider: str) -> list[dict[str, Json]]:
    """The items. provider: whose own items go back as they came."""
    items: list[dict[str, Json]] = []
    for message in messages:
        items += find_content(message, provider, "call_id") or _write_message(message)
    return items


def _write_message(message: Message) -> list[dict[str, Json]]:
    if message.role == "tool":
        output = {"type": "function_call_output", "call_id": message.call_id}
        return [output | {"output": message.text}]
    kind = "output_text" if message.role == "assistant" else "input_text"
    content = [{"type": kind, "text": message.text}]
    said = [{"type": "message", "role": message.role, "content": content}] if message.text else []
    calls = [
        {
            "type": "function_call",
            "call_id": call.call_id,
            "name": write_name(call.name),
            "arguments": write_arguments(call),
        }
        for call in message.calls
    ]
    return [*said, *calls]
