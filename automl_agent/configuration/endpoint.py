"""The endpoint: where a chat model is asked, in which protocol, and with which key."""

from dataclasses import dataclass, field
from typing import Literal

Protocol = Literal["messages", "responses", "chat_completions"]
ToolCalling = Literal["native", "json_schema"]


@dataclass(frozen=True)
class Key:
    """A secret for one endpoint. origin: where it was found, for a person to read."""

    secret: str = field(repr=False)
    origin: str = ""


@dataclass(frozen=True)
class Endpoint:
    """A service that speaks one of the protocols of chat models.

    model: the default model, None if one must be named.
    key_variable: the environment variable with its key. A key is sent to its own endpoint only.
    needs_key: whether it is of no use to ask without a key.
    tool_calling: "json_schema" for servers that have no tool calls of their own.
    input_usd_per_million, output_usd_per_million: prices that count for more than known ones.
    is_thinking: whether models that can think before they answer do.
    idle_timeout_s: the longest silence within a reply.
    key_note: why a key that one may expect to be sent is not, a clause for the person.
    """

    name: str
    base_url: str
    protocol: Protocol
    model: str | None = None
    key_variable: str | None = None
    needs_key: bool = False
    tool_calling: ToolCalling = "native"
    context_tokens: int = 128_000
    max_output_tokens: int = 8_192
    input_usd_per_million: float | None = None
    output_usd_per_million: float | None = None
    is_thinking: bool = False
    idle_timeout_s: float = 90.0
    key_note: str = ""
