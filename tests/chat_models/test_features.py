"""What models and servers offer or lack: thoughts, and parts of requests."""

from typing import Any

import pytest

from automl_agent.chat_models.chat_model import Message
from automl_agent.configuration.endpoint import Protocol

from .asking import ASK, THOUGHTS, TOOLS, ignore
from .model_server import (
    ModelServer,
    error_body,
    failure,
    good_reply,
    messages_reply,
    responses_reply,
)


@pytest.mark.parametrize("protocol", ["messages", "responses"])
def test_thoughts_go_back_unchanged_to_the_model_that_had_them(protocol: Protocol) -> None:
    answer = good_reply(protocol, "On it.", [("train", {})], before=THOUGHTS[protocol])
    with ModelServer([answer, good_reply(protocol, "ok")]) as server:
        model = server.create_model(protocol, is_thinking=True)
        reply = model.reply(ASK, TOOLS, on_text=ignore)
        said = Message("assistant", reply.text, calls=reply.calls, state=reply.state)
        # As after a resume: what goes back was in the journal.
        said = Message.from_json(said.to_json())
        model.reply([*ASK, said, Message("tool", "{}", call_id="call_0")], TOOLS, on_text=ignore)
        body = server.requests[1].body
    if protocol == "messages":
        call = {"type": "tool_use", "id": "call_0", "name": "train", "input": {}}
        content = [*THOUGHTS[protocol], {"type": "text", "text": "On it."}, call]
        assert body["messages"][1]["content"] == content
    else:
        assert body["input"][1] == THOUGHTS[protocol][0]
        assert [item["type"] for item in body["input"]] == [
            "message", "reasoning", "message", "function_call", "function_call_output",
        ]  # fmt: skip


@pytest.mark.parametrize("protocol", ["messages", "responses"])
@pytest.mark.parametrize("other", ["model", "calls"])
def test_thoughts_do_not_go_to_another_model_or_with_other_calls(
    protocol: Protocol, other: str
) -> None:
    answer = good_reply(protocol, "On it.", [("train", {})], before=THOUGHTS[protocol])
    with ModelServer([answer, good_reply(protocol, "ok")]) as server:
        reply = server.create_model(protocol, is_thinking=True).reply(ASK, TOOLS, on_text=ignore)
        calls = () if other == "calls" else reply.calls
        said = Message("assistant", reply.text, calls=calls, state=reply.state)
        name = "another-model" if other == "model" else "some-model"
        model = server.create_model(protocol, model=name, is_thinking=True)
        model.reply([*ASK, said, Message("user", "Go on.")], TOOLS, on_text=ignore)
        sent = str(server.requests[1].body)
    assert "b3BhcXVl" not in sent
    assert "On it." in sent


@pytest.mark.parametrize(
    ("refusals", "thinking"),
    [
        pytest.param([], {"type": "adaptive", "display": "summarized"}, id="adaptive"),
        pytest.param(
            ["adaptive thinking is not supported on this model"],
            {"type": "enabled", "budget_tokens": 4096},
            id="with a budget",
        ),
        pytest.param(
            ["adaptive thinking is not supported", "`thinking` is not supported by this model"],
            None,
            id="not at all",
        ),
    ],
)
def test_a_model_thinks_in_the_way_that_it_offers(
    refusals: list[str], thinking: dict[str, Any] | None
) -> None:
    script = [failure(400, error_body(text)) for text in refusals]
    with ModelServer([*script, messages_reply("ok"), messages_reply("ok")]) as server:
        model = server.create_model("messages", is_thinking=True)
        for _ in range(2):
            assert model.reply(ASK, TOOLS, on_text=ignore).text == "ok"
        sent = [request.body.get("thinking") for request in server.requests]
    # What a server lacks is asked for once only.
    assert sent[len(refusals) :] == [thinking, thinking]


def test_responses_shows_a_summary_of_thoughts_where_it_can() -> None:
    refusal = failure(400, error_body("Verify your organization for reasoning summaries."))
    with ModelServer([refusal, *[responses_reply("ok")] * 2]) as server:
        model = server.create_model("responses", is_thinking=True)
        for _ in range(2):
            assert model.reply(ASK, TOOLS, on_text=ignore).text == "ok"
        sent = [request.body.get("reasoning") for request in server.requests]
    assert sent == [{"summary": "auto"}, None, None]


@pytest.mark.parametrize(
    ("protocol", "refusal", "field", "later"),
    [
        pytest.param(
            "responses", "Encrypted content is not supported with this model.", "include", None,
            id="encrypted thoughts",
        ),
        pytest.param(
            "responses", "tool_choice must be a string", "tool_choice", "auto", id="allowed tools"
        ),
        pytest.param(
            "chat_completions", "unknown field: stream_options", "stream_options", None, id="usage"
        ),
        pytest.param(
            "chat_completions",
            "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
            "max_completion_tokens", 8192,
            id="the limit's name",
        ),
    ],
)  # fmt: skip
def test_what_a_server_does_not_know_is_left_out(
    protocol: Protocol, refusal: str, field: str, later: object
) -> None:
    script = [failure(400, error_body(refusal)), *[good_reply(protocol, "ok")] * 2]
    with ModelServer(script) as server:
        model = server.create_model(protocol)
        for _ in range(2):
            assert model.reply(ASK, TOOLS, on_text=ignore).text == "ok"
        assert [request.body.get(field) for request in server.requests][1:] == [later, later]
