"""What every adapter does alike with the replies that it gets."""

from typing import Any

import pytest

from automl_agent.chat_models.chat_model import Message, Reply, ToolCall, Usage
from automl_agent.configuration.endpoint import Protocol

from .asking import ASK, THOUGHTS, TRANSCRIPT, ask_for, each_protocol
from .model_server import (
    USAGE,
    Answer,
    ModelServer,
    completions_event,
    good_reply,
    messages_reply,
    plain_event,
    responses_reply,
)


@each_protocol
def test_a_reply_has_text_and_parallel_calls_and_its_usage(protocol: Protocol) -> None:
    pieces: list[str] = []
    calls = [("train", {"trials": 3}), ("finish", {}), ("train", {"note": "naïve ✓"})]
    reply, _ = ask_for(good_reply(protocol, "On it.", calls), protocol, on_text=pieces.append)
    assert reply == Reply(
        "On it.",
        (
            ToolCall("call_0", "train", {"trials": 3}),
            ToolCall("call_1", "finish", {}),
            ToolCall("call_2", "train", {"note": "naïve ✓"}),
        ),
        Usage(100, 10, 20, 0, cost_usd=None),
    )
    assert pieces == ["On ", "it."]


STOPS = {
    "messages": {"cut": "max_tokens", "refused": "refusal"},
    "responses": {"cut": "max_output_tokens", "refused": "content_filter"},
    "chat_completions": {"cut": "length", "refused": "content_filter"},
}


@each_protocol
@pytest.mark.parametrize(
    ("reason", "stop"), [("cut", "max_tokens"), ("refused", "refusal")], ids=["cut", "refused"]
)
def test_the_calls_of_a_reply_that_was_cut_or_refused_are_not_there(
    protocol: Protocol, reason: str, stop: str
) -> None:
    calls = [("train", {"trials": 3}), ("train", '{"tri')]
    answer = good_reply(protocol, "Well", calls, stop=STOPS[protocol][reason])
    reply, _ = ask_for(answer, protocol)
    assert (reply.stop, reply.text, reply.calls, reply.state) == (stop, "Well", (), None)
    assert reply.usage == Usage(100, 10, 20, 0, cost_usd=None)


@pytest.mark.parametrize(
    ("protocol", "answer"),
    [
        pytest.param("messages", messages_reply(), id="messages"),
        pytest.param("responses", responses_reply(), id="responses"),
        pytest.param("chat_completions", good_reply("chat_completions"), id="completions"),
        pytest.param(
            "messages", messages_reply(before=THOUGHTS["messages"]), id="messages, thoughts only"
        ),
        pytest.param(
            "responses",
            responses_reply(before=THOUGHTS["responses"]),
            id="responses, thoughts only",
        ),
        pytest.param(
            "chat_completions",
            good_reply("chat_completions", before=[{"reasoning_content": "Hm."}]),
            id="completions, thoughts only",
        ),
    ],
)
def test_a_reply_without_content_is_an_empty_one(protocol: Protocol, answer: Answer) -> None:
    reply, _ = ask_for(answer, protocol)
    assert (reply.text, reply.calls, reply.stop) == ("", (), "end")


def test_words_of_refusal_are_the_text() -> None:
    part = {"type": "refusal", "refusal": "I will not."}
    item = {"type": "message", "id": "m", "role": "assistant", "content": [part]}
    reply, _ = ask_for(responses_reply(before=[item]), "responses")
    assert (reply.text, reply.stop) == ("I will not.", "refusal")
    answer = Answer(
        (completions_event({"refusal": "I will not."}), completions_event({}, finish="stop"))
    )
    reply, _ = ask_for(answer, "chat_completions")
    assert (reply.text, reply.stop) == ("I will not.", "refusal")


@each_protocol
def test_a_server_that_tells_no_usage_has_it_estimated(protocol: Protocol) -> None:
    messages = [*ASK, Message("user", "word " * 1000)]
    answer = good_reply(protocol, "text " * 80, usage=None)
    reply, _ = ask_for(answer, protocol, messages, output_usd_per_million=1.0)
    # 5,000 characters and the tools are about 1,250 tokens and some; 400 are 100.
    assert 1250 < reply.usage.input_tokens < 1700
    assert reply.usage.output_tokens == 100
    assert reply.usage.cost_usd == pytest.approx(100e-6)


def test_tokens_that_the_cache_took_in_are_part_of_the_input() -> None:
    reply, _ = ask_for(messages_reply("ok", usage=Usage(100, 10, 20, 30)), "messages")
    assert reply.usage == Usage(100, 10, 20, 30, cost_usd=None)


@pytest.mark.parametrize(
    ("answer", "calls"),
    [
        pytest.param(
            Answer((
                completions_event({"tool_calls": [
                    {"id": "a", "index": 0, "function": {"name": "train", "arguments": "{}"}},
                ]}),
                completions_event({"tool_calls": [
                    {"id": "b", "index": 0, "function": {"name": "finish", "arguments": "{}"}},
                ]}, finish="stop"),
            )),
            [("a", "train", {}), ("b", "finish", {})],
            id="all with index 0",
        ),
        pytest.param(
            Answer((
                completions_event({"tool_calls": [
                    {"function": {"name": "train", "arguments": {"trials": 3}}},
                ]}, finish="tool_calls"),
            )),
            [("call-1", "train", {"trials": 3})],
            id="an object, no id, no index",
        ),
        pytest.param(
            Answer((
                completions_event({"tool_calls": [
                    {"id": "b", "index": 1, "function": {"name": "finish", "arguments": ""}},
                ]}),
                completions_event({"tool_calls": [
                    {"id": "a", "index": 0, "function": {"name": "train", "arguments": '{"n"'}},
                ]}),
                completions_event({"tool_calls": [
                    {"index": 1, "function": {"arguments": "{}"}},
                    {"index": 0, "function": {"arguments": ":1}"}},
                ]}),
                completions_event({}, finish="nonsense"),
            )),
            [("b", "finish", {}), ("a", "train", {"n": 1})],
            id="mixed up pieces and an unknown reason to stop",
        ),
        pytest.param(
            Answer((
                completions_event({"tool_calls": [
                    {"id": "a", "index": 0, "function": {"name": None, "arguments": None}},
                ]}, finish="stop"),
            )),
            [("a", "", {})],
            id="an empty name",
        ),
    ],
)  # fmt: skip
def test_the_habits_of_local_servers_are_understood(
    answer: Answer, calls: list[tuple[str, str, Any]]
) -> None:
    reply, _ = ask_for(answer, "chat_completions")
    assert [(call.call_id, call.name, call.arguments) for call in reply.calls] == calls


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            good_reply("chat_completions", "ok").end_after(4), id="no usage, and no [DONE]"
        ),
        pytest.param(
            good_reply("chat_completions", "ok").insert(0, plain_event({"choices": []})),
            id="an event without choices",
        ),
        pytest.param(good_reply("chat_completions", "ok", stop="tool_calls"), id="a wrong reason"),
        pytest.param(
            good_reply("chat_completions", "ok").insert(1, b": keep-alive\n\n"), id="a comment"
        ),
    ],
)
def test_a_reply_is_whole_with_a_reason_to_stop(answer: Answer) -> None:
    reply, _ = ask_for(answer, "chat_completions")
    assert (reply.text, reply.stop) == ("ok", "end")


def test_a_server_may_list_the_items_at_the_end_only() -> None:
    answer = responses_reply("ok", [("train", {})])
    reply, _ = ask_for(Answer(answer.steps[-1:]), "responses")
    assert (reply.text, [call.name for call in reply.calls]) == ("ok", ["train"])


def test_a_server_may_leave_the_numbers_of_items_out() -> None:
    answer = responses_reply("ok", [("train", {})])
    steps = tuple(step.replace(b'"output_index"', b'"other"') for step in answer.steps)
    reply, _ = ask_for(Answer(steps), "responses")
    assert (reply.text, [call.name for call in reply.calls]) == ("ok", ["train"])


@each_protocol
def test_ids_differ_within_a_reply_and_from_earlier_ones(protocol: Protocol) -> None:
    answer = good_reply(protocol, "", [("train", {})] * 3, ids=["a", "new", "new"])
    reply, _ = ask_for(answer, protocol, TRANSCRIPT)
    assert [call.call_id for call in reply.calls] == ["a-1", "new", "new-1"]


def test_an_id_that_was_changed_is_changed_in_the_state_too() -> None:
    before = THOUGHTS["messages"]
    answer = messages_reply("", [("train", {})], ids=["a"], before=before)
    reply, _ = ask_for(answer, "messages", TRANSCRIPT, is_thinking=True)
    assert reply.state is not None
    assert reply.state["content"][-1]["id"] == reply.calls[0].call_id == "a-1"


@each_protocol
def test_traits_name_the_model_and_what_the_endpoint_gives(protocol: Protocol) -> None:
    with ModelServer() as server:
        model = server.create_model(
            protocol, context_tokens=5000, max_output_tokens=700, input_usd_per_million=2.0
        )
        traits = model.traits
    assert (traits.name, traits.context_tokens) == ("test:some-model", 5000)
    assert traits.endpoint.startswith(server.url)
    assert traits.max_output_tokens == 700
    assert traits.price(USAGE) == pytest.approx(200e-6)
