"""The chat model: what decides the next tool call."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

StopReason = Literal["end", "max_tokens", "refusal"]


@dataclass(frozen=True)
class ToolCall:
    """A call that a chat model asks for; arguments are checked before anything is done.

    problem: why the arguments, as they came, could not be read; they are then empty.
    """

    call_id: str
    name: str
    arguments: Mapping[str, Any]
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """The call as a JSON object."""
        document = {"call_id": self.call_id, "name": self.name, "arguments": dict(self.arguments)}
        return document | ({"problem": self.problem} if self.problem else {})


@dataclass(frozen=True)
class Message:
    """A message of the conversation.

    role: "system", "user", "assistant" or "tool" (the result of the call `call_id`).
    state: what the model's provider wants back with its own message, such as signed thoughts.
    """

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    calls: tuple[ToolCall, ...] = ()
    call_id: str | None = None
    is_error: bool = False
    state: Mapping[str, Any] | None = None

    @cached_property
    def n_bytes(self) -> int:
        """About how long it is in a request; counted once, as each turn asks again."""
        calls = sum(
            len(json.dumps([call.call_id, call.name, dict(call.arguments)])) for call in self.calls
        )
        state = len(json.dumps(dict(self.state))) if self.state else 0
        return len(self.text.encode("utf-8", "replace")) + len(self.call_id or "") + calls + state

    def to_json(self) -> dict[str, Any]:
        """The message as a JSON object."""
        return {
            "role": self.role,
            "text": self.text,
            "calls": [call.to_json() for call in self.calls],
            "call_id": self.call_id,
            "is_error": self.is_error,
            "state": self.state and dict(self.state),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Message":
        """The message in a JSON object that `to_json` made."""
        calls = tuple(ToolCall(**call) for call in document["calls"])
        return cls(**{**document, "calls": calls})


@dataclass(frozen=True)
class ToolSpec:
    """A tool as a chat model sees it; parameters: a JSON Schema of an object.

    is_offered: whether it can be called now. Those that cannot are told to a model all the same:
    a list that never changes is a prefix that its provider keeps in a cache.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    is_offered: bool = True


@dataclass(frozen=True)
class Usage:
    """What a reply took.

    input_tokens: all that were sent, also the cached_tokens that the provider's cache had and the
    cache_write_tokens that it took in. output_tokens: with thoughts.
    cost_usd: None if the price is unknown.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float | None = 0.0


@dataclass(frozen=True)
class Reply:
    """A chat model's whole reply.

    stop: "max_tokens" if it was cut off, and then nothing of it may be acted on; "refusal" if the
    model or its provider declined. state: see Message.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)
    stop: StopReason = "end"
    state: Mapping[str, Any] | None = None


def _costs_nothing(usage: Usage) -> float | None:
    del usage
    return 0.0


@dataclass(frozen=True)
class ModelTraits:
    """What must be known of a chat model before it is asked.

    name: such as "anthropic:claude-sonnet-4-5". endpoint: the base URL of where messages go, "" if
    nothing leaves this process. context_tokens: what messages, tools and reply may be together.
    max_output_tokens: of one reply, unless the caller asks for fewer.
    price: the cost in USD of a usage (its own cost_usd is not looked at), None if unknown.
    """

    name: str
    endpoint: str = ""
    context_tokens: int = 128_000
    max_output_tokens: int = 8_192
    price: Callable[[Usage], float | None] = _costs_nothing


class ChatModel(Protocol):
    """What decides the next tool call."""

    @property
    def traits(self) -> ModelTraits:
        """What must be known of it before it is asked."""
        ...

    def reply(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        *,
        on_text: Callable[[str], None],
        max_output_tokens: int | None = None,
    ) -> Reply:
        """The next message, asked for once: whoever calls decides about another try.

        on_text: called with pieces of the text as they come. If the reply fails after that, the
        pieces are void.
        max_output_tokens: the longest reply, if not that of the traits.
        Raises: ModelError of the kind that says whether another try may help.
        """
        ...


@dataclass(frozen=True)
class ChatModelProvider:
    """Makes the chat models of one provider; `--controller NAME` or `NAME:MODEL` chooses it."""

    name: str
    create: Callable[[str | None], ChatModel]
