"""A chat model that says what a test tells it to."""

from collections.abc import Callable, Iterable, Sequence

from automl_agent.chat_models.chat_model import (
    Message,
    ModelTraits,
    Reply,
    ToolCall,
    ToolSpec,
)

_TRAITS = ModelTraits("scripted")


class ScriptedChatModel:
    """Replies from a queue; keeps what it was sent in `received` and `offered`.

    traits: what the loop is told of it. A reply is text, or a list of (tool, arguments) pairs, or
    a whole Reply.
    """

    def __init__(
        self,
        replies: Iterable[str | list[tuple[str, dict[str, object]]] | Reply],
        *,
        traits: ModelTraits = _TRAITS,
    ) -> None:
        self.traits = traits
        self._queue = list(replies)
        self.received: list[list[Message]] = []
        self.offered: list[list[str]] = []

    def reply(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        *,
        on_text: Callable[[str], None],
        max_output_tokens: int | None = None,
    ) -> Reply:
        """The next of the queue.

        Raises: AssertionError if the queue is empty.
        """
        self.received.append(list(messages))
        del max_output_tokens
        self.offered.append([tool.name for tool in tools if tool.is_offered])
        if not self._queue:
            raise AssertionError(f"The script is over; the last message was {messages[-1]}.")
        reply = self._queue.pop(0)
        if isinstance(reply, str):
            reply = Reply(reply)
        elif isinstance(reply, list):
            turn = len(self.received)
            calls = [ToolCall(f"t{turn}-{i}", name, args) for i, (name, args) in enumerate(reply)]
            reply = Reply("", tuple(calls))
        on_text(reply.text)
        return reply
