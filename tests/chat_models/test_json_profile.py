"""Tool calls for servers that have none: told in text, and read from a JSON document."""

import json
from typing import Any

import pytest

from automl_agent.chat_models.chat_model import Message, Reply, ToolCall, ToolSpec
from automl_agent.chat_models.json_profile import describe_tools, read_json_reply
from automl_agent.chat_models.tool_calls import CallIds
from automl_agent.configuration.endpoint import Protocol

from .model_server import PROTOCOLS, ModelServer, error_body, failure, good_reply

ASK = [Message("system", "Be brief."), Message("user", "Train it.")]
TOOLS = [
    ToolSpec("train", "Train a model.", {"type": "object"}),
    ToolSpec("finish", "End the run.", {"type": "object"}, is_offered=False),
]
SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "calls": {
            "type": "array",
            "maxItems": 8,
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "enum": ["train"]},
                    "arguments": {"type": "object"},
                },
                "required": ["name", "arguments"],
            },
        },
    },
    "required": ["text", "calls"],
}
DOCUMENT = {"text": "On it.", "calls": [{"name": "train", "arguments": {"trials": 3}}]}


def ignore(piece: str) -> None:
    del piece


def find_schema(protocol: Protocol, body: Any) -> object:
    match protocol:
        case "messages":
            return body["output_config"]["format"]["schema"]
        case "responses":
            return body["text"]["format"]["schema"]
        case _:
            return body["response_format"]["json_schema"]["schema"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_reply_is_constrained_and_its_calls_are_read(protocol: Protocol) -> None:
    pieces: list[str] = []
    with ModelServer([good_reply(protocol, json.dumps(DOCUMENT))]) as server:
        model = server.create_model(protocol, tool_calling="json_schema")
        reply = model.reply(ASK, TOOLS, on_text=pieces.append)
        body = server.requests[0].body
    assert reply.calls == (ToolCall("call-1", "train", {"trials": 3}),)
    assert (reply.text, pieces) == ("On it.", ["On it."])
    assert "tools" not in body
    assert find_schema(protocol, body) == SCHEMA


REFUSALS = {
    "ollama": (400, "registry.ollama.ai/library/gemma:2b does not support tools"),
    "llama.cpp": (500, "tools param requires --jinja flag"),
    "vllm": (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser'),
    "openrouter": (404, "No endpoints found that support tool use."),
    "other": (422, "Tool calling is not supported by this model"),
}


@pytest.mark.parametrize(("status", "text"), REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_server_that_refuses_tools_is_asked_in_text_from_then_on(
    protocol: Protocol, status: int, text: str
) -> None:
    answers = [good_reply(protocol, json.dumps(DOCUMENT))] * 2
    with ModelServer([failure(status, error_body(text)), *answers]) as server:
        model = server.create_model(protocol)
        for _ in range(2):
            assert model.reply(ASK, TOOLS, on_text=ignore).calls[0].name == "train"
        assert ["tools" in request.body for request in server.requests] == [True, False, False]


def test_a_server_that_knows_no_schemas_gets_the_instructions_alone() -> None:
    refusal = failure(400, error_body("response_format of type json_schema is not supported"))
    answer = good_reply("chat_completions", json.dumps(DOCUMENT))
    with ModelServer([refusal, answer]) as server:
        model = server.create_model("chat_completions", tool_calling="json_schema")
        assert model.reply(ASK, TOOLS, on_text=ignore).calls[0].name == "train"
        assert "response_format" not in server.requests[1].body


def test_a_conversation_becomes_text_in_turns() -> None:
    calls = (ToolCall("a", "train", {"trials": 3}), ToolCall("b", "guess", {}))
    messages = [
        *ASK,
        Message("assistant", "Two.", calls=calls),
        Message("tool", '{"score":0.9}', call_id="a"),
        Message("tool", "no such tool", call_id="b", is_error=True),
        Message("user", "Go on."),
    ]
    system, user, assistant, results = describe_tools(messages, TOOLS[:1])[0]
    assert system.text.startswith("Be brief.\n\nReply with one JSON object")
    told = {"name": "train", "description": "Train a model.", "parameters": {"type": "object"}}
    assert json.loads(system.text.splitlines()[-1]) == told
    assert user == ASK[1]
    assert json.loads(assistant.text) == {
        "text": "Two.",
        "calls": [
            {"name": "train", "arguments": {"trials": 3}},
            {"name": "guess", "arguments": {}},
        ],
    }
    assert results == Message(
        "user",
        '{"tool": "train", "is_error": false, "result": "{\\"score\\":0.9}"}\n\n'
        '{"tool": "guess", "is_error": true, "result": "no such tool"}\n\n'
        "Go on.",
    )


def test_without_an_offered_tool_the_reply_is_free_text() -> None:
    messages, schema = describe_tools(ASK, [])
    assert (messages, schema) == (ASK, None)


CALL = ToolCall("call-1", "train", {"trials": 3})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(json.dumps(DOCUMENT), Reply("On it.", (CALL,)), id="as asked for"),
        pytest.param(
            f"Sure!\n```json\n{json.dumps(DOCUMENT)}\n```", Reply("On it.", (CALL,)), id="a fence"
        ),
        pytest.param(
            '{"name": "train", "arguments": {"trials": 3}}', Reply("", (CALL,)), id="a call alone"
        ),
        pytest.param(
            '{"calls": [{"name": "train", "arguments": "{\\"trials\\": 3}"}]}',
            Reply("", (CALL,)),
            id="arguments as a text",
        ),
        pytest.param('{"text": "Hi", "calls": []}', Reply("Hi"), id="no calls"),
        pytest.param('{"text": 5, "calls": "train"}', Reply(""), id="wrong types"),
        pytest.param('{"calls": ["train", null]}', Reply(""), id="calls that are none"),
        pytest.param("I cannot.", Reply("I cannot."), id="no JSON"),
        pytest.param('{"calls": [{"name"', Reply('{"calls": [{"name"'), id="cut JSON"),
        pytest.param('{"a": 1}', Reply('{"a": 1}'), id="another document"),
        pytest.param("", Reply(""), id="nothing"),
    ],
)
def test_a_document_is_read_as_far_as_it_is_one(text: str, expected: Reply) -> None:
    assert read_json_reply(Reply(text), CallIds()) == expected


def test_arguments_that_cannot_be_read_are_told_as_such() -> None:
    reply = read_json_reply(
        Reply('{"calls": [{"name": "train", "arguments": [1]}]}'), CallIds(["call-1"])
    )
    assert reply.calls[0].call_id == "call-2"
    assert reply.calls[0].problem.startswith("The arguments must be a JSON object")


def test_a_document_that_was_cut_is_not_read() -> None:
    reply = Reply(json.dumps(DOCUMENT), stop="max_tokens")
    assert read_json_reply(reply, CallIds()) == reply
