"""The chat model: what decides the next tool call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class ToolCall:
    """A call that a chat model asks for; arguments are checked before anything is done."""

    call_id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Message:
    """A message of the conversation.

    role: "system", "user", "assistant" or "tool" (the result of the call `call_id`).
    """

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    calls: tuple[ToolCall, ...] = ()
    call_id: str | None = None
    is_error: bool = False

    def to_json(self) -> dict[str, Any]:
        """The message as a JSON object."""
        return {
            "role": self.role,
            "text": self.text,
            "calls": [
                {"call_id": c.call_id, "name": c.name, "arguments": dict(c.arguments)}
                for c in self.calls
            ],
            "call_id": self.call_id,
            "is_error": self.is_error,
        }


@dataclass(frozen=True)
class ToolSpec:
    """A tool as a chat model sees it; parameters: a JSON Schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Usage:
    """What a reply took; cost_usd: None if the price is unknown."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0


@dataclass(frozen=True)
class Reply:
    """A chat model's whole reply."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)


class ChatModel(Protocol):
    """What decides the next tool call."""

    def reply(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        *,
        on_text: Callable[[str], None],
    ) -> Reply:
        """The next message.

        on_text: called with pieces of the text as they come.
        """
        ...


@dataclass(frozen=True)
class ChatModelProvider:
    """Makes the chat models of one provider; `--controller NAME` or `NAME:MODEL` chooses it."""

    name: str
    create: Callable[[str | None], ChatModel]
