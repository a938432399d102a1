"""Compaction and counting: long conversations fit, and no request has more tokens than thought."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xllamacpp
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_agent.chat_models.chat_model import Message, ToolCall, ToolSpec, Usage
from automl_agent.chat_models.create import create_chat_model
from automl_agent.configuration.endpoint import Endpoint
from automl_agent.controllers.compaction import TokenMeter, compact, estimate_tokens, shorten

TOOLS = [ToolSpec("look", "Looks.", {"type": "object"}), ToolSpec("train", "Trains.", {})]
NAMES = ["profile_dataset", "assign_expert", "train", "look", "compare_trials", "finish"]

turns = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 3000)), min_size=1, max_size=4),
        st.text(max_size=20),
    ),
    max_size=12,
)


def build(made: list[tuple[list[tuple[str, int]], str]]) -> list[Message]:
    messages = [Message("system", "You train."), Message("user", '{"words":"predict y"}')]
    for number, (calls, text) in enumerate(made):
        ids = [f"c{number}-{position}" for position in range(len(calls))]
        named = zip(ids, calls, strict=True)
        made_calls = tuple(ToolCall(i, name, {"n": size}) for i, (name, size) in named)
        messages.append(Message("assistant", text, made_calls))
        messages += [
            Message("tool", json.dumps({"plan_id": i, "text": "é" * size}), call_id=i)
            for i, (_name, size) in zip(ids, calls, strict=True)
        ]
    return messages


@given(turns, st.integers(100, 60_000))
def test_only_results_become_shorter_and_each_call_keeps_one(made: Any, limit: int) -> None:
    messages = build(made)
    kept = compact(messages, TOOLS, limit)
    assert len(kept) == len(messages)
    for before, after in zip(messages, kept, strict=True):
        if before.role == "tool":
            assert (after.role, after.call_id) == ("tool", before.call_id)
            assert after.is_error == before.is_error
            assert len(after.text) <= len(before.text)
            json.loads(after.text)
        else:
            assert after == before, "these calls have no long texts"
    answered = Counter(m.call_id for m in kept if m.role == "tool")
    assert answered == Counter(c.call_id for m in kept for c in m.calls)


@given(turns, st.integers(100, 60_000))
def test_what_fits_stays_as_it_is_and_what_can_be_made_to_fit_does(made: Any, limit: int) -> None:
    messages = build(made)
    kept = compact(messages, TOOLS, limit)
    if estimate_tokens(messages, TOOLS) <= 0.75 * limit:
        assert kept == messages
    elif estimate_tokens(kept, TOOLS) > 0.5 * limit:
        long = [m for m in kept if m.role == "tool" and len(m.text) > 450]
        assert long == []


def test_the_oldest_and_least_results_go_first() -> None:
    names = ["profile_dataset", "look", "train", *["look"] * 12]
    messages = build([([(name, 1000)], "") for name in names])
    kept = shorten(messages, TOOLS, estimate_tokens(messages, TOOLS) - 2000)
    changed = [i for i, (a, b) in enumerate(zip(messages, kept, strict=True)) if a != b]
    assert changed == [5, 9]  # the two oldest of "look"
    kept = shorten(messages, TOOLS, 9000)
    results = [m for m in kept if m.role == "tool"]
    assert ["left_out" in m.text for m in results] == [True] * 11 + [False] * 4
    assert json.loads(results[0].text)["begins"].startswith('{"plan_id": "c0-0"')


def test_scripts_that_were_written_long_ago_go_with_their_results() -> None:
    messages = build([([("look", 10)], "") for _ in range(8)])
    script = "import numpy\n" * 500
    for position in (2, len(messages) - 2):
        (call,) = messages[position].calls
        written = ToolCall(call.call_id, "write_script", {"plan_id": "p", "text": script})
        messages[position] = Message("assistant", "", (written,), state={"content": script})
    kept = shorten(messages, TOOLS, 0)
    first, last = kept[2], kept[-2]
    cut = f"{script[:200]}… (6500 characters, left out here)"
    assert first.calls[0].arguments == {"plan_id": "p", "text": cut}
    assert first.state is None, "a provider's own blocks have the script too"
    assert last == messages[-2], "the last turns stay as they were"


def test_a_result_of_a_million_tokens_is_left_out_even_if_it_is_the_last() -> None:
    messages = build([([("look", 4_000_000)], "")])
    kept = compact(messages, TOOLS, 200_000)
    assert estimate_tokens(kept, TOOLS) < 2000


texts = st.text(max_size=300) | st.sampled_from(["日本語" * 50, "🙂" * 40, "\u202e" * 9, '"' * 80])


@settings(max_examples=60)
@given(st.lists(texts, min_size=1, max_size=6), st.integers(0, 5))
def test_the_bound_holds_where_each_byte_is_a_token(said: list[str], n_before: int) -> None:
    """The worst tokenizer, and after a reply that told the truth about the messages before."""
    meter, messages = TokenMeter(), [Message("user", text) for text in said]
    n_before = min(n_before, len(messages))

    def count_bytes(sent: list[Message]) -> int:
        tools = json.dumps([[t.name, t.description, dict(t.parameters)] for t in TOOLS])
        return len(tools) + sum(len(m.text.encode("utf-8", "replace")) + 4 for m in sent)

    assert meter.bound("m", messages, TOOLS) >= count_bytes(messages)
    if n_before:
        meter.learn("m", messages[:n_before], TOOLS, Usage(count_bytes(messages[:n_before])))
    assert meter.bound("m", messages, TOOLS) >= count_bytes(messages)


@pytest.fixture(scope="module")
def local_url(small_model: Path) -> Iterator[str]:
    """A real server with a real, small model."""
    parameters = xllamacpp.CommonParams()
    parameters.hostnames, parameters.port = ["127.0.0.1"], 0
    parameters.model.path = str(small_model)
    parameters.n_ctx, parameters.n_parallel = 2048, 1
    parameters.cpuparams.n_threads = 2
    server = xllamacpp.Server(parameters)
    yield server.listening_address
    del server


CONVERSATION = [
    Message("system", "You train."),
    Message("user", '{"words":"predict y from t.csv; größer als 日本語 🙂"}'),
    Message("assistant", "Well.", (ToolCall("call_1", "look", {"deep": [1.5, "x"]}),)),
    Message("tool", json.dumps({"rows": [[n / 7 for n in range(40)]]}), call_id="call_1"),
    Message("user", '"" {} \\n\\n ⚙ \x01'),
]


@pytest.mark.parametrize("tool_calling", ["native", "json_schema"])
def test_a_real_server_counts_no_more_than_thought(local_url: str, tool_calling: Any) -> None:
    fields: Any = {"tool_calling": tool_calling, "context_tokens": 2048}
    endpoint = Endpoint("local", f"{local_url}/v1", "chat_completions", **fields)
    model, meter = create_chat_model(endpoint, "smollm2", None), TokenMeter()
    for n_sent in (2, 5):
        sent = CONVERSATION[:n_sent]
        bound = meter.bound("m", sent, TOOLS)
        reply = model.reply(sent, TOOLS, on_text=lambda _text: None, max_output_tokens=8)
        assert 20 < reply.usage.input_tokens <= bound
        meter.learn("m", sent, TOOLS, reply.usage)


def test_a_count_is_good_for_its_own_model_messages_and_tools_only() -> None:
    meter = TokenMeter()
    first, second = Message("user", "a" * 1000), Message("user", "b" * 1000)
    meter.learn("m", [first], TOOLS, Usage(input_tokens=50))
    assert meter.bound("m", [first], TOOLS) == 50
    assert 1050 <= meter.bound("m", [first, second], TOOLS) <= 1100
    assert meter.bound("other", [first], TOOLS) > 1000
    assert meter.bound("m", [second], TOOLS) > 1000
    more = [*TOOLS, ToolSpec("new", "x" * 500, {})]
    assert meter.bound("m", [first], more) >= 550
    meter.learn("m", [second], TOOLS, Usage())
    assert meter.bound("m", [first], TOOLS) == 50, "a usage of nothing tells nothing"


def test_tools_that_are_not_told_yet_count_when_they_are() -> None:
    meter, message = TokenMeter(), Message("user", "a")
    hidden = [ToolSpec("look", "x" * 500, {}, is_offered=False)]
    shown = [ToolSpec("look", "x" * 500, {})]
    meter.learn("m", [message], hidden, Usage(input_tokens=50))
    assert meter.bound("m", [message], shown) >= 550


def test_ids_arguments_and_state_count() -> None:
    bare = TokenMeter().bound("m", [Message("assistant", "")], [])
    call = ToolCall("i" * 40, "n" * 40, {"a": "b" * 40})
    full = Message("assistant", "", (call,), state={"content": "c" * 40})
    assert TokenMeter().bound("m", [full], []) - bare >= 160
