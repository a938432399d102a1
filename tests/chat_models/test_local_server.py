"""A real server with a real, small model: llama.cpp in this process, SmolLM2 from a package."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import xllamacpp

from automl_agent.chat_models.chat_model import Message, Reply, ToolCall, ToolSpec
from automl_agent.chat_models.create import create_chat_model
from automl_agent.configuration.endpoint import Endpoint, Protocol, ToolCalling
from automl_agent.errors import ContextOverflowError

from .model_server import PROTOCOLS

pytestmark = pytest.mark.slow
N_CONTEXT = 2048
TOOLS = [
    ToolSpec(
        "train",
        "Train a model.",
        {"type": "object", "properties": {"trials": {"type": "integer"}}, "required": ["trials"]},
    )
]
CONVERSATION = [
    Message("system", "You are a helpful assistant."),
    Message("user", "Please train."),
    Message("assistant", "", calls=(ToolCall("a", "train", {"trials": 1}),)),
    Message("tool", '{"score": 0.9}', call_id="a"),
    Message("user", "Say hello."),
]


@pytest.fixture(scope="module")
def url(small_model: Path) -> Iterator[str]:
    parameters = xllamacpp.CommonParams()
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.model.path = str(small_model)
    parameters.n_ctx = N_CONTEXT
    parameters.n_parallel = 1
    parameters.sampling.temp = 0.0  # the same reply each time
    parameters.cpuparams.n_threads = 2
    server = xllamacpp.Server(parameters)
    yield server.listening_address
    del server


def ask(
    url: str, protocol: Protocol, messages: list[Message], tool_calling: ToolCalling = "native"
) -> tuple[Reply, list[str]]:
    base_url = url if protocol == "messages" else f"{url}/v1"
    endpoint = Endpoint(
        "local", base_url, protocol, tool_calling=tool_calling, context_tokens=N_CONTEXT
    )
    pieces: list[str] = []
    model = create_chat_model(endpoint, "smollm2", None)
    reply = model.reply(messages, TOOLS, on_text=pieces.append, max_output_tokens=80)
    return reply, pieces


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_protocol_gives_a_reply_in_pieces(url: str, protocol: Protocol) -> None:
    reply, pieces = ask(url, protocol, CONVERSATION)
    assert reply.text
    assert "".join(pieces) == reply.text
    assert len(pieces) > 1
    assert 20 < reply.usage.input_tokens < 500
    assert 0 < reply.usage.output_tokens <= 80
    assert reply.usage.cost_usd is None


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_protocol_takes_the_profile_for_servers_without_tools(
    url: str, protocol: Protocol
) -> None:
    reply, _ = ask(url, protocol, CONVERSATION, "json_schema")
    # Which calls a model of this size makes is a matter of luck, not that they are read.
    assert {call.name for call in reply.calls} <= {"train", ""}


def test_completions_constrain_the_reply_to_the_document(url: str) -> None:
    reply, _ = ask(url, "chat_completions", CONVERSATION, "json_schema")
    assert reply.stop == "end"
    assert reply.calls
    # The model's own words would be anything; only the schema makes them such calls.
    assert {call.name for call in reply.calls} == {"train"}
    assert not any(call.problem for call in reply.calls)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_protocol_tells_that_messages_are_too_long(url: str, protocol: Protocol) -> None:
    with pytest.raises(ContextOverflowError, match=r"5\d{3} tokens"):
        ask(url, protocol, [Message("user", "word " * 5000)])
