"""The wire: what is asked of a model in any protocol, and what its events add up to."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from automl_agent.chat_models.chat_model import Message, Reply, ToolCall, ToolSpec, Usage
from automl_agent.chat_models.tool_calls import CallIds

if TYPE_CHECKING:
    import httpx2

# What comes from a server has the shape that it likes.
Json: TypeAlias = Any

# How servers without tool calls say so.
NO_TOOLS = re.compile(
    r"tools?\b.{0,60}(not|un) ?support|(not|n't) support.{0,40}(tool|function)|support tool use"
    r"|--jinja|--enable-auto-tool-choice",
    re.IGNORECASE,
)
NO_SCHEMA = re.compile(
    r"response_format|json_schema|output_config|output_format|text\.format|grammar", re.IGNORECASE
)


class BrokenReplyError(Exception):
    """A stream that is no whole reply, so that nothing of it counts."""


class ReportedError(Exception):
    """A failure that a server reports where a reply should be. body: as it came."""

    def __init__(self, body: Json, *, is_whole: bool) -> None:
        super().__init__("reported instead of a reply")
        self.body = body
        self.is_whole = is_whole


@dataclass(frozen=True)
class Prompt:
    """What a model is asked. schema: of the JSON document that its text must be, or None.

    provider: whose state of a message may be sent back.
    """

    model: str
    provider: str
    messages: Sequence[Message]
    tools: Sequence[ToolSpec]
    max_output_tokens: int
    schema: Mapping[str, Json] | None = None


class EventStream(Protocol):
    """The events of a reply as an SDK reads them; closed by leaving its context."""

    @property
    def response(self) -> "httpx2.Response":
        """The HTTP response that they come in."""
        ...

    def __iter__(self) -> Iterator[Json]:
        """One event after the other."""
        ...


class Reader(Protocol):
    """Adds up the events of one reply.

    usage: as far as it is known, or None.
    """

    @property
    def usage(self) -> Usage | None:
        """What the reply took so far."""
        ...

    def add(self, event: Mapping[str, Json]) -> str:
        """Take in an event; returns the text in it.

        Raises: BrokenReplyError if it does not fit the earlier ones.
        """
        ...

    def finish(self, call_ids: CallIds) -> Reply:
        """The reply, without its cost.

        Raises: BrokenReplyError if its end is missing.
        """
        ...


class Wire(Protocol):
    """A protocol. features: what servers may lack, and how a refusal for that reason reads."""

    @property
    def features(self) -> Mapping[str, re.Pattern[str]]:
        """Each is left out of later requests once a server refused it."""
        ...

    def write_body(self, prompt: Prompt, features: frozenset[str]) -> dict[str, Json]:
        """The body of the request."""
        ...

    def errors(self) -> tuple[type[Exception], ...]:
        """What its SDK raises."""
        ...

    def open_stream(
        self, base_url: str, client: "httpx2.Client", body: Mapping[str, Json]
    ) -> AbstractContextManager[EventStream]:
        """Send the request, once; the events of its reply."""
        ...

    def start_reader(self, provider: str) -> Reader:
        """A reader for one reply."""
        ...


def split_system(messages: Sequence[Message]) -> tuple[str, list[Message]]:
    """The text of the system messages that lead, and the messages after those."""
    n_leading = 0
    while n_leading < len(messages) and messages[n_leading].role == "system":
        n_leading += 1
    text = "\n\n".join(message.text for message in messages[:n_leading])
    return text, list(messages[n_leading:])


def keep_thoughts(provider: str, content: list[dict[str, Json]]) -> dict[str, Json] | None:
    """The state of a message: its content as its own provider wants it back, None without thoughts.

    Thoughts are blocks of Messages, such as "redacted_thinking", or "reasoning" of Responses.
    """
    has_thoughts = any(item["type"].endswith(("thinking", "reasoning")) for item in content)
    return {"provider": provider, "content": content} if has_thoughts else None


def find_content(message: Message, provider: str, id_field: str) -> list[dict[str, Json]] | None:
    """What the provider itself said in the message; None if that was another, or is not all."""
    if message.state is None or message.state.get("provider") != provider:
        return None
    content: list[dict[str, Json]] = message.state["content"]
    ids = [item[id_field] for item in content if item["type"] in ("tool_use", "function_call")]
    return content if ids == [call.call_id for call in message.calls] else None


def write_name(name: str) -> str:
    """A tool's name that every service takes, also if a model made it up."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64] or "unknown"


def write_arguments(call: ToolCall) -> str:
    """The arguments as a JSON text."""
    return json.dumps(dict(call.arguments), ensure_ascii=False)


def count(value: object) -> int:
    """A number of tokens, 0 if it is none."""
    return value if isinstance(value, int) and value > 0 else 0


def make_usage(input_tokens: int, output_tokens: int, *, cached: int, written: int = 0) -> Usage:
    """A usage whose parts are no more than the whole, whatever a server says."""
    cached = min(cached, input_tokens)
    return Usage(input_tokens, output_tokens, cached, min(written, input_tokens - cached), None)
