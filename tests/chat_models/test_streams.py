"""Streams that do not come to a good end: nothing of a broken reply counts."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from automl_agent.chat_models.completions_model import CompletionsWire
from automl_agent.chat_models.endpoint_model import EndpointModel
from automl_agent.configuration.endpoint import Protocol
from automl_agent.errors import (
    ModelBusyError,
)

from .asking import ASK, TOOLS, ask, each_protocol, fail
from .model_server import (
    Answer,
    ModelServer,
    failure,
    good_reply,
    messages_reply,
    named_event,
    plain_event,
    responses_reply,
    silence,
)


@each_protocol
@pytest.mark.parametrize("n_steps", [0, 1, 3])
@pytest.mark.parametrize("way", ["cut_after", "end_after", "stall_after", "trickle_after"])
def test_a_reply_that_does_not_come_to_its_end_is_void(
    protocol: Protocol, way: str, n_steps: int
) -> None:
    answer = good_reply(protocol, "hello", [("train", {"trials": 3})])
    start = time.monotonic()
    error = fail(getattr(answer, way)(n_steps), protocol, idle_timeout_s=0.4)
    assert isinstance(error, ModelBusyError)
    # 0.4 s of silence, 0.2 s until the watch looks again, and a busy machine that imports an SDK.
    assert time.monotonic() - start < 60.0


@each_protocol
def test_an_answer_that_never_begins_ends_in_time(protocol: Protocol) -> None:
    start = time.monotonic()
    error = fail(silence(), protocol, idle_timeout_s=0.4)
    assert isinstance(error, ModelBusyError)
    assert time.monotonic() - start < 60.0


PINGS = {
    "messages": named_event({"type": "ping"}),
    "responses": named_event({"type": "response.in_progress", "response": {}}),
    "chat_completions": plain_event({"choices": [{"index": 0, "delta": {}}]}),
}


@each_protocol
def test_signs_of_life_do_not_make_up_for_progress(protocol: Protocol) -> None:
    answer = good_reply(protocol, "hello").trickle_after(3, PINGS[protocol])
    error = fail(answer, protocol, idle_timeout_s=0.5)
    assert "sent nothing new for 0.5 s" in str(error)


@each_protocol
def test_a_slow_reply_that_goes_on_is_waited_for(protocol: Protocol) -> None:
    answer = good_reply(protocol, "hello", [("train", {"trials": 3})])
    with ModelServer([answer]) as server:
        server.pause_s = 0.4
        model = server.create_model(protocol, idle_timeout_s=2.0)
        reply = model.reply(ASK, TOOLS, on_text=lambda piece: None)
    assert len(answer.steps) * 0.4 > 2.0
    assert (reply.text, len(reply.calls)) == ("hello", 1)


def test_a_reply_ends_when_its_whole_time_is_up() -> None:
    answer = Answer(tuple(plain_event({"choices": [], "n": n}) for n in range(1000)))
    with ModelServer([answer]) as server:
        server.pause_s = 0.1
        endpoint = server.create_endpoint("chat_completions", idle_timeout_s=5.0)
        model = EndpointModel(endpoint, "m", None, CompletionsWire(), total_timeout_s=0.5)
        start = time.monotonic()
        with pytest.raises(ModelBusyError, match=r"did not finish its reply within 0\.5 s"):
            ask(model)
    # All events would take a hundred seconds.
    assert time.monotonic() - start < 30.0


def press_ctrl_c(server: ModelServer) -> None:
    """As soon as the server has the request, and has sent what it will."""
    while not server.requests:
        time.sleep(0.01)
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.usefixtures("ctrl_c")
@each_protocol
@pytest.mark.parametrize("n_steps", [None, 3], ids=["before the reply", "in its midst"])
def test_ctrl_c_gets_through_at_once_and_closes_the_connection(
    protocol: Protocol, n_steps: int | None
) -> None:
    answer = silence() if n_steps is None else good_reply(protocol, "hi").stall_after(n_steps)
    with ModelServer([answer]) as server:
        model = server.create_model(protocol, idle_timeout_s=30.0)
        presser = threading.Thread(target=press_ctrl_c, args=(server,))
        presser.start()
        with pytest.raises(KeyboardInterrupt):
            ask(model)
        presser.join()
        # The client has left long before its own patience is at its end.
        assert server.is_done.wait(10.0)
    watches = [thread for thread in threading.enumerate() if thread.name == "chat-model-watch"]
    assert watches == []


@each_protocol
def test_the_connection_is_closed_when_the_caller_of_the_pieces_fails(protocol: Protocol) -> None:
    def fail_at(piece: str) -> None:
        raise ZeroDivisionError(piece)

    with ModelServer([good_reply(protocol, "hello").stall_after(4)]) as server:
        model = server.create_model(protocol, idle_timeout_s=30.0)
        with pytest.raises(ZeroDivisionError):
            model.reply(ASK, TOOLS, on_text=fail_at)
        assert server.is_done.wait(5.0)


@each_protocol
@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"data: {not json\n\n", id="no JSON"),
        pytest.param(b"data: 5\n\n", id="a number"),
        pytest.param(b'data: ["a"]\n\n', id="a list"),
        pytest.param(b"data: \xff\xfe\n\n", id="no UTF-8"),
        pytest.param(b"data: " + b"[" * 100_000 + b"\n\n", id="too deep"),
    ],
)
def test_a_stream_with_garbage_is_void(protocol: Protocol, garbage: bytes) -> None:
    if protocol == "messages":
        garbage = b"event: message_delta\n" + garbage
    error = fail(good_reply(protocol, "hello").insert(2, garbage), protocol)
    assert isinstance(error, ModelBusyError)


WRONG_TYPES = {
    "messages": named_event({"type": "message_delta", "delta": 5}),
    "responses": named_event({"type": "response.output_item.done", "item": 5}),
    "chat_completions": plain_event({"choices": 5}),
}


@each_protocol
def test_an_event_with_wrong_types_makes_a_stream_void(protocol: Protocol) -> None:
    error = fail(good_reply(protocol, "hello").insert(2, WRONG_TYPES[protocol]), protocol)
    assert "sent no valid reply" in str(error)


@each_protocol
def test_a_stream_whose_compression_is_cut_is_void(protocol: Protocol) -> None:
    error = fail(good_reply(protocol, "hello " * 500).cut_gzip(), protocol)
    assert isinstance(error, ModelBusyError)


def shuffle(answer: Answer, *order: int) -> Answer:
    return replace(answer, steps=tuple(answer.steps[position] for position in order))


TEXT = messages_reply("hello")  # start, block start, two pieces, block end, message end, stop


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(shuffle(TEXT, 0, 0, 1, 2, 3, 4, 5, 6), id="two starts"),
        pytest.param(shuffle(TEXT, 0, 1, 1, 2, 3, 4, 5, 6), id="a block starts twice"),
        pytest.param(shuffle(TEXT, 0, 2, 1, 3, 4, 5, 6), id="a piece before its block"),
        pytest.param(shuffle(TEXT, 0, 1, 2, 4, 3, 5, 6), id="a piece after its block"),
        pytest.param(shuffle(TEXT, 0, 1, 2, 3, 5, 6), id="a block without an end"),
        pytest.param(shuffle(TEXT, 0, 1, 2, 3, 4, 4, 5, 6), id="a block ends twice"),
        pytest.param(shuffle(TEXT, 0, 1, 2, 3, 4, 5, 6, 5), id="something after the end"),
        pytest.param(
            replace(TEXT, steps=tuple(s.replace(b'"index": 0', b'"index": 1') for s in TEXT.steps)),
            id="an index that skips",
        ),
        pytest.param(
            replace(TEXT, steps=tuple(s.replace(b'"text_delta"', b'"input_json_delta"')
                                      .replace(b'"text": "he"', b'"partial_json": "he"')
                                      for s in TEXT.steps)),
            id="a piece of another kind",
        ),
    ],
)  # fmt: skip
def test_blocks_of_messages_that_are_out_of_order_are_void(answer: Answer) -> None:
    error = fail(answer, "messages")
    assert isinstance(error, ModelBusyError)
    assert "sent no valid reply" in str(error)


def test_an_item_of_responses_that_comes_twice_is_void() -> None:
    answer = responses_reply("", [("train", {})])
    error = fail(shuffle(answer, 0, 1, 1, 2), "responses")
    assert "item 0 came twice" in str(error)


def test_a_stream_of_completions_without_any_choice_is_void() -> None:
    error = fail(Answer((plain_event({"choices": []}), b"data: [DONE]\n\n")), "chat_completions")
    assert isinstance(error, ModelBusyError)


def test_an_endless_reply_is_void() -> None:
    half = plain_event({"choices": [{"index": 0, "delta": {"content": "x" * 9_000_000}}]})
    error = fail(Answer((half, half)), "chat_completions")
    assert "it is longer than 16777216 characters" in str(error)


@each_protocol
@pytest.mark.parametrize(
    ("spoil", "may_cost"),
    [
        pytest.param(lambda answer: failure(529), False, id="refused"),
        pytest.param(lambda answer: silence(), True, id="silent"),
        pytest.param(lambda answer: answer.cut_after(3), True, id="cut"),
        pytest.param(lambda answer: answer.end_after(3), True, id="ended"),
        pytest.param(lambda answer: answer.trickle_after(3), True, id="hung up on"),
    ],
)
def test_a_reply_that_broke_off_may_cost(
    protocol: Protocol, spoil: Callable[[Answer], Answer], may_cost: bool
) -> None:
    error = fail(spoil(good_reply(protocol, "hello")), protocol, idle_timeout_s=0.4)
    assert error.may_cost is may_cost


def test_an_error_says_what_the_try_has_taken_so_far() -> None:
    assert fail(messages_reply("hello").cut_after(4), "messages").tokens == (100, 1)
    assert fail(failure(529), "messages").tokens is None
    last_is_cut = good_reply("chat_completions", "hello")
    n_steps = len(last_is_cut.steps) - 1
    assert fail(last_is_cut.cut_after(n_steps), "chat_completions").tokens == (100, 10)


def test_a_stream_under_another_name_is_read_all_the_same() -> None:
    with ModelServer([replace(messages_reply("ok"), headers={})]) as server:
        reply = server.create_model("messages").reply(ASK, TOOLS, on_text=lambda piece: None)
    assert reply.text == "ok"
