"""Tool calls for servers that have none: the reply is a JSON document with the calls in it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from automl_agent.cards.documents import parse_json
from automl_agent.chat_models.chat_model import Message, Reply, ToolCall, ToolSpec
from automl_agent.chat_models.tool_calls import CallIds, read_call

_INSTRUCTIONS = (
    "Reply with one JSON object and nothing else: "
    '{"text": "what you want to say", "calls": [{"name": "a tool", "arguments": {}}]}. '
    "Each item of calls calls one tool; its results come with the next message. Leave calls empty "
    "to call none. The tools, with the JSON Schema of their arguments:"
)
# A weak model that repeats itself must come to an end before its tokens do.
_MAX_CALLS = 8


def describe_tools(
    messages: Sequence[Message], tools: Sequence[ToolSpec]
) -> tuple[list[Message], dict[str, Any] | None]:
    """The messages with the tools told in a system message, and the schema of the reply.

    Without tools there is no schema, and the reply is text.

    Calls and results become text, and roles alternate: many servers take nothing else.
    """
    if not tools:
        return _merge_turns(list(_write_messages(messages))), None
    told = [
        {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
        for tool in tools
    ]
    lines = [_INSTRUCTIONS, *(json.dumps(tool, ensure_ascii=False) for tool in told)]
    spoken = [*_write_messages(messages), Message("system", "\n".join(lines))]
    # A stable order: the instructions end the system's one message.
    spoken.sort(key=lambda message: message.role != "system")
    return _merge_turns(spoken), _write_schema([tool.name for tool in tools])


def read_json_reply(reply: Reply, call_ids: CallIds) -> Reply:
    """The reply whose text is such a document, with the calls taken out of it."""
    if reply.stop != "end":
        return reply
    document = _find_object(reply.text)
    if document is None or not {"text", "calls", "name"} & document.keys():
        return reply
    items = document.get("calls", [document] if "name" in document else [])
    calls = [
        read_call(call_ids, None, item.get("name"), item.get("arguments"))
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict)
    ]
    text = document.get("text")
    return replace(reply, text=text if isinstance(text, str) else "", calls=tuple(calls))


def _write_messages(messages: Sequence[Message]) -> Iterator[Message]:
    names = {call.call_id: call.name for message in messages for call in message.calls}
    for message in messages:
        match message.role:
            case "assistant":
                yield Message("assistant", _write_reply(message.text, message.calls))
            case "tool":
                name = names.get(message.call_id or "", "")
                result = {"tool": name, "is_error": message.is_error, "result": message.text}
                yield Message("user", json.dumps(result, ensure_ascii=False))
            case _:
                yield message


def _write_reply(text: str, calls: Sequence[ToolCall]) -> str:
    said = [{"name": call.name, "arguments": dict(call.arguments)} for call in calls]
    return json.dumps({"text": text, "calls": said}, ensure_ascii=False)


def _merge_turns(messages: Sequence[Message]) -> list[Message]:
    merged: list[Message] = []
    for message in messages:
        if merged and merged[-1].role == message.role:
            merged[-1] = Message(message.role, f"{merged[-1].text}\n\n{message.text}")
        else:
            merged.append(message)
    return merged


def _write_schema(names: list[str]) -> dict[str, Any]:
    call = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "enum": names},
            "arguments": {"type": "object"},
        },
        "required": ["name", "arguments"],
    }
    calls = {"type": "array", "items": call, "maxItems": _MAX_CALLS}
    return {
        "type": "object",
        "properties": {"text": {"type": "string"}, "calls": calls},
        "required": ["text", "calls"],
    }


def _find_object(text: str) -> Mapping[str, Any] | None:
    """The JSON object in a text that may have a fence or words around it."""
    outermost = re.search(r"\{.*\}", text, re.DOTALL)
    if outermost is None:
        return None
    try:
        document = parse_json(outermost[0])
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
