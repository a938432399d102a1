"""What the tests of chat models ask, and how they do."""

from collections.abc import Callable
from typing import Any

import pytest

from automl_agent.chat_models.chat_model import ChatModel, Message, Reply, ToolCall, ToolSpec
from automl_agent.configuration.endpoint import Key, Protocol
from automl_agent.errors import ModelError

from .model_server import PROTOCOLS, Answer, ModelServer

ASK = [Message("system", "Be brief."), Message("user", "Train it.")]
PARAMETERS = {"type": "object", "properties": {"trials": {"type": "integer"}}}
TOOLS = [
    ToolSpec("train", "Train a model.", PARAMETERS),
    ToolSpec("finish", "End the run.", {"type": "object"}, is_offered=False),
]
# A conversation with all that can be in one: parallel calls, a result that is an error.
TRANSCRIPT = [
    *ASK,
    Message(
        "assistant",
        "Two at once.",
        calls=(ToolCall("a", "train", {"trials": 3}), ToolCall("b", "guess", {})),
    ),
    Message("tool", '{"score":0.9}', call_id="a"),
    Message("tool", '{"error":"no such tool"}', call_id="b", is_error=True),
    Message("user", "Go on."),
]
# What models of these protocols want back as it came.
THOUGHTS = {
    "messages": [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
    ],
    "responses": [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "b3BhcXVl"}
    ],
}
SECRET = "sk-very-secret-0123456789"
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


def ignore(piece: str) -> None:
    del piece


def ask_for(
    answer: Answer,
    protocol: Protocol,
    messages: list[Message] = ASK,
    *,
    on_text: Callable[[str], None] = ignore,
    max_output_tokens: int | None = None,
    **fields: Any,
) -> tuple[Reply, Any]:
    """The reply that the answer gives, and the body of the request for it."""
    with ModelServer([answer]) as server:
        model = server.create_model(protocol, **fields)
        reply = model.reply(messages, TOOLS, on_text=on_text, max_output_tokens=max_output_tokens)
        return reply, server.requests[0].body


def ask(model: ChatModel) -> Reply:
    """The reply to the usual messages."""
    return model.reply(ASK, TOOLS, on_text=ignore)


def fail(answer: Answer, protocol: Protocol, **fields: float) -> ModelError:
    """The error that an answer leads to; one request was made."""
    with ModelServer([answer]) as server:
        model = server.create_model(protocol, key=Key(SECRET, "a test"), **fields)
        with pytest.raises(ModelError) as caught:
            ask(model)
        assert len(server.requests) == 1
    assert SECRET not in str(caught.value)
    assert str(caught.value).isprintable()
    return caught.value
