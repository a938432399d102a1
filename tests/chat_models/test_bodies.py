"""What each protocol sends: through its SDK, to a real server."""

import pytest

from automl_agent.chat_models.chat_model import Message, ToolCall, ToolSpec
from automl_agent.configuration.endpoint import Protocol

from .asking import ASK, PARAMETERS, TOOLS, TRANSCRIPT, ask_for, each_protocol, ignore
from .model_server import (
    ModelServer,
    good_reply,
    messages_reply,
    responses_reply,
)

CACHED = {"cache_control": {"type": "ephemeral"}}
BODIES = {
    "messages": {
        "model": "some-model",
        "max_tokens": 8192,
        "stream": True,
        "system": [{"type": "text", "text": "Be brief.", **CACHED}],
        "tools": [
            {"name": "train", "description": "Train a model.", "input_schema": PARAMETERS},
            {"name": "finish", "description": "End the run.", "input_schema": {"type": "object"}},
        ],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Train it."}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Two at once."},
                    {"type": "tool_use", "id": "a", "name": "train", "input": {"trials": 3}},
                    {"type": "tool_use", "id": "b", "name": "guess", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "a",
                        "content": '{"score":0.9}',
                        "is_error": False,
                    },
                    {
                        "type": "tool_result",
                        "tool_use_id": "b",
                        "content": '{"error":"no such tool"}',
                        "is_error": True,
                    },
                    {"type": "text", "text": "Go on.", **CACHED},
                ],
            },
        ],
    },
    "responses": {
        "model": "some-model",
        "max_output_tokens": 8192,
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "instructions": "Be brief.",
        "parallel_tool_calls": True,
        "tools": [
            {
                "type": "function",
                "name": "train",
                "description": "Train a model.",
                "parameters": PARAMETERS,
                "strict": False,
            },
            {
                "type": "function",
                "name": "finish",
                "description": "End the run.",
                "parameters": {"type": "object"},
                "strict": False,
            },
        ],
        "tool_choice": {
            "type": "allowed_tools",
            "mode": "auto",
            "tools": [{"type": "function", "name": "train"}],
        },
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Train it."}],
            },
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Two at once."}],
            },
            {
                "type": "function_call",
                "call_id": "a",
                "name": "train",
                "arguments": '{"trials": 3}',
            },
            {"type": "function_call", "call_id": "b", "name": "guess", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": '{"score":0.9}'},
            {"type": "function_call_output", "call_id": "b", "output": '{"error":"no such tool"}'},
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Go on."}],
            },
        ],
    },
    "chat_completions": {
        "model": "some-model",
        "max_tokens": 8192,
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "train",
                    "description": "Train a model.",
                    "parameters": PARAMETERS,
                },
            },
            {
                "type": "function",
                "function": {
                    "name": "finish",
                    "description": "End the run.",
                    "parameters": {"type": "object"},
                },
            },
        ],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Train it."},
            {
                "role": "assistant",
                "content": "Two at once.",
                "tool_calls": [
                    {
                        "id": "a",
                        "type": "function",
                        "function": {"name": "train", "arguments": '{"trials": 3}'},
                    },
                    {
                        "id": "b",
                        "type": "function",
                        "function": {"name": "guess", "arguments": "{}"},
                    },
                ],
            },
            {"role": "tool", "tool_call_id": "a", "content": '{"score":0.9}'},
            {"role": "tool", "tool_call_id": "b", "content": '{"error":"no such tool"}'},
            {"role": "user", "content": "Go on."},
        ],
    },
}


@each_protocol
def test_a_conversation_has_this_body(protocol: Protocol) -> None:
    _, body = ask_for(good_reply(protocol, "Done."), protocol, TRANSCRIPT)
    assert body == BODIES[protocol]


@each_protocol
def test_fewer_tokens_can_be_asked_for_but_not_more_than_the_endpoint_gives(
    protocol: Protocol,
) -> None:
    sent = []
    for limit in (100, 9000):
        _, body = ask_for(good_reply(protocol, "ok"), protocol, max_output_tokens=limit)
        sent.append(body.get("max_tokens") or body["max_output_tokens"])
    assert sent == [100, 8192]


@each_protocol
def test_the_list_of_tools_stays_the_same_whatever_is_offered(protocol: Protocol) -> None:
    others = [ToolSpec(t.name, t.description, t.parameters, not t.is_offered) for t in TOOLS]
    with ModelServer([good_reply(protocol, "ok")] * 2) as server:
        model = server.create_model(protocol)
        for tools in (TOOLS, others):
            model.reply(ASK, tools, on_text=ignore)
        first, second = (request.body["tools"] for request in server.requests)
    assert first == second


@pytest.mark.parametrize(
    ("offered", "choice"),
    [
        pytest.param((), "none", id="none"),
        pytest.param(("train", "finish"), "auto", id="all"),
    ],
)
def test_responses_needs_no_list_of_allowed_tools_where_there_is_no_choice(
    offered: tuple[str, ...], choice: str
) -> None:
    tools = [ToolSpec(t.name, t.description, t.parameters, t.name in offered) for t in TOOLS]
    with ModelServer([responses_reply("ok")]) as server:
        server.create_model("responses").reply(ASK, tools, on_text=ignore)
        assert server.requests[0].body["tool_choice"] == choice


@each_protocol
def test_without_tools_and_system_text_nothing_is_said_of_them(protocol: Protocol) -> None:
    with ModelServer([good_reply(protocol, "ok")]) as server:
        server.create_model(protocol).reply([Message("user", "Hi")], [], on_text=ignore)
        assert {"tools", "tool_choice", "system"} & server.requests[0].body.keys() == set()


def test_a_prefix_without_system_text_is_cached_up_to_the_last_tool() -> None:
    _, body = ask_for(messages_reply("ok"), "messages", [Message("user", "Hi")])
    assert [tool.get("cache_control") for tool in body["tools"]] == [None, {"type": "ephemeral"}]


def test_blanks_are_not_sent_as_texts_that_messages_refuses() -> None:
    messages = [Message("user", "Hi"), Message("assistant", " \n"), Message("user", "Hi?")]
    _, body = ask_for(messages_reply("ok"), "messages", messages)
    texts = [block["text"] for turn in body["messages"] for block in turn["content"]]
    assert texts == ["Hi", "Hi?"]
    assert [turn["role"] for turn in body["messages"]] == ["user"]


@each_protocol
def test_names_and_ids_that_a_model_made_up_are_sent_back_in_a_form_that_is_taken(
    protocol: Protocol,
) -> None:
    messages = [
        *ASK,
        Message(
            "assistant", "", calls=(ToolCall("a", "", {}), ToolCall("b", "tr\u0430in it!", {}))
        ),
        Message("tool", "{}", call_id="a"),
        Message("tool", "{}", call_id="b"),
    ]
    _, body = ask_for(good_reply(protocol, "ok"), protocol, messages)
    text = str(body)
    assert "'unknown'" in text
    assert "'tr_in_it_'" in text


@each_protocol
def test_halves_of_characters_are_neither_kept_nor_sent(protocol: Protocol) -> None:
    answer = good_reply(protocol, "", [("train", '{"note": "\\ud83d and \\ud83d\\ude00"}')])
    reply, body = ask_for(answer, protocol, [*ASK, Message("user", "half: \ud83d")])
    assert reply.calls[0].arguments == {"note": "\ufffd and 😀"}
    assert "half: \ufffd" in str(body)
