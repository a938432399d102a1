"""What the wire brings of replies and calls, whole or broken, and what comes of it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ...chat_models.model_server import (
    ModelServer,
    error_body,
    failure,
    named_event,
    plain_event,
)
from ..wire import (
    FINISH,
    MODES,
    PLAN,
    PREPARE,
    PROFILE,
    SEARCH,
    TRAIN,
    WHOLE_RUN,
    answer,
    each_mode,
    each_protocol,
    find_results,
    script,
)
from .conftest import Events, list_calls, named, replaced, run, talk


@each_mode
def test_a_run_goes_through_all_stages(
    mode: str, server: ModelServer, iris: pd.DataFrame, events: Events, home: Path
) -> None:
    server.script = script(mode, *WHOLE_RUN)
    result = run(server, mode, iris, events).to_json()
    assert replaced(events) == ""
    assert len(server.requests) == len(WHOLE_RUN)
    results = find_results(server.requests[-1], mode)
    assert len(results) == sum(map(len, WHOLE_RUN[:-1]))
    assert not [r for r in results if "error" in r]
    assert result["summary"] == "A linear model."
    assert result["n_trials"] == 2
    assert result["score"] > 0.8
    assert [row["status"] for row in list_calls(home)] == ["done"] * len(WHOLE_RUN)
    usage = result["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (600, 60)


def test_a_plan_in_one_reply_is_done_call_by_call(
    server: ModelServer, iris: pd.DataFrame, events: Events
) -> None:
    server.script = script("messages", [*PLAN, *TRAIN, *FINISH])
    assert run(server, "messages", iris, events).to_json()["n_trials"] == 1
    assert len(server.requests) == 1


@each_mode
def test_a_stream_that_is_cut_is_asked_for_again_and_not_acted_on(
    mode: str, server: ModelServer, iris: pd.DataFrame, home: Path
) -> None:
    whole = answer(mode, PLAN, "Certainly.")
    server.script = [
        whole.cut_after(len(whole.steps) // 2),
        whole.end_after(len(whole.steps) // 2),
        *script(mode, PLAN, FINISH),
    ]
    assert talk(server, mode, iris) == "A linear model."
    assert server.requests[0].body == server.requests[1].body == server.requests[2].body
    assert [row["status"] for row in list_calls(home)] == ["failed", "failed", "done", "done"]
    assert len(list_calls(home, "tool_calls")) == len(PLAN) + 1


@pytest.mark.parametrize(
    ("mode", "status"),
    [
        *(("messages", status) for status in (429, 500, 502, 503, 504, 529)),
        *((mode, 529) for mode in MODES[1:]),
    ],
)
def test_a_passing_failure_is_waited_out(
    mode: str, status: int, server: ModelServer, iris: pd.DataFrame, events: Events
) -> None:
    server.script = [failure(status, "<html>busy</html>"), *script(mode, FINISH)]
    on_event = lambda name, fields: events.append((name, fields))  # noqa: E731
    assert talk(server, mode, iris, on_event=on_event) == "A linear model."
    assert named(events, "model_waiting")[0]["seconds_left"] >= 0


@each_protocol
def test_a_call_that_is_cut_off_is_never_acted_on_nor_asked_for_in_the_same_words(
    mode: str, server: ModelServer, iris: pd.DataFrame, home: Path
) -> None:
    stop = {"messages": "max_tokens", "responses": "max_output_tokens"}.get(mode, "length")
    cut = answer(mode, [("profile_dataset", '{"descri')], "Well,", stop=stop)
    server.script = [cut, *script(mode, PROFILE, FINISH)]
    assert talk(server, mode, iris) == "A linear model."
    assert server.requests[0].body != server.requests[1].body
    assert "cut off after 10 tokens" in json.dumps(server.requests[1].body)
    assert len(list_calls(home, "tool_calls")) == 2


def test_replies_that_are_cut_off_again_and_again_end(
    server: ModelServer, iris: pd.DataFrame
) -> None:
    server.script = [answer("messages", PROFILE, stop="max_tokens")] * 2
    assert "cut off by the limit on their length" in talk(server, "messages", iris)
    assert len(server.requests) == 2


@each_mode
def test_bad_calls_get_results_that_say_what_is_valid(
    mode: str, server: ModelServer, iris: pd.DataFrame
) -> None:
    bad: Any = [
        ("profile_dataset", [1, 2]),
        ("profile_dataset", {"target": 7}),
        ("delete_run", {}),
        ("train", {"plan_id": "x"}),
        ("", {}),
        ("profile_dataset", {"target": "target", "odd": 1}),
        ("profile_d\u0430taset", {}),  # a Cyrillic letter
    ]
    server.script = script(mode, [*bad, *PROFILE], FINISH)
    assert talk(server, mode, iris) == "A linear model."
    results = find_results(server.requests[1], mode)
    assert len(results) == len(bad) + 1
    errors = [result["error"] for result in results[:-1]]
    assert "must be a JSON object" in errors[0]
    assert "schema" in errors[0]
    assert "/target" in errors[1]
    assert all("cannot be called now" in errors[i] for i in (2, 3, 4, 6))
    assert "'odd' is unknown" in errors[5]
    assert "error" not in results[-1]


@each_protocol
@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"target": ', id="cut JSON"),
        pytest.param('{"target": NaN}', id="NaN"),
        pytest.param('{"target": "a", "target": "b"}', id="a field twice"),
        pytest.param('"' + "x" * (2**20 + 1) + '"', id="a MiB"),
    ],
)
def test_arguments_that_are_no_json_get_a_result_with_the_schema(
    mode: str, text: str, server: ModelServer, iris: pd.DataFrame
) -> None:
    server.script = script(mode, [("profile_dataset", text)], FINISH)
    assert talk(server, mode, iris) == "A linear model."
    (error,) = [r["error"] for r in find_results(server.requests[1], mode)]
    assert "The arguments are" in error and '"properties"' in error
    assert len(json.dumps(server.requests[1].body)) < 60_000


@each_protocol
def test_json_in_a_json_string_is_understood(
    mode: str, server: ModelServer, iris: pd.DataFrame
) -> None:
    inside = json.dumps(json.dumps({"target": "target"}))
    server.script = script(mode, [("profile_dataset", inside)], FINISH)
    talk(server, mode, iris)
    assert not [r for r in find_results(server.requests[1], mode) if "error" in r]


@each_protocol
def test_calls_without_ids_or_with_the_same_one_are_told_apart(
    mode: str, server: ModelServer, iris: pd.DataFrame
) -> None:
    ids = ["same"] * (len(PLAN) - 1) + [""]
    server.script = [answer(mode, PLAN, ids=ids), answer(mode, PREPARE[:2], ids=["same"] * 2)]
    server.script += [answer(mode, FINISH, ids=["same"])]
    assert talk(server, mode, iris) == "A linear model."
    assert len(find_results(server.requests[-1], mode)) == len(PLAN) + 2


@each_mode
def test_of_parallel_calls_one_may_fail(mode: str, server: ModelServer, iris: pd.DataFrame) -> None:
    calls = [*PROFILE, ("assign_expert", {"expert": "linaer", "reason": ""}), *SEARCH]
    server.script = script(mode, calls, FINISH)
    talk(server, mode, iris)
    results = find_results(server.requests[1], mode)
    assert ["error" in result for result in results] == [False, True, False, False]
    assert "linear" in results[1]["error"]


@each_mode
def test_a_model_that_fails_at_the_same_again_and_again_is_stopped(
    mode: str, server: ModelServer, iris: pd.DataFrame
) -> None:
    server.script = script(mode, *[[("delete_run", {"run": n})] for n in range(9)])
    assert "meets the same error again and again" in talk(server, mode, iris)
    assert len(server.requests) == 4


@each_mode
def test_a_reply_without_calls_is_answered_once(
    mode: str, server: ModelServer, iris: pd.DataFrame
) -> None:
    server.script = [answer(mode, text="I am glad to help!")] * 2
    assert "stopped calling tools" in talk(server, mode, iris)
    assert len(server.requests) == 2


_THOUGHT = {
    "messages": {"type": "thinking", "thinking": "Hm.", "signature": "s"},
    "responses": {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "e"},
}


@pytest.mark.parametrize("mode", ["messages", "responses"])
def test_only_thoughts_are_answered_and_go_back_unchanged(
    mode: str, server: ModelServer, iris: pd.DataFrame
) -> None:
    server.script = [answer(mode, before=[_THOUGHT[mode]]), *script(mode, FINISH)]
    assert talk(server, mode, iris, is_thinking=True) == "A linear model."
    sent = json.dumps(server.requests[1].body, sort_keys=True)
    assert json.dumps(_THOUGHT[mode], sort_keys=True) in sent
    assert "calling a tool" in json.dumps(server.requests[1].body)


@each_protocol
def test_a_refusal_is_rephrased_once(mode: str, server: ModelServer, iris: pd.DataFrame) -> None:
    stop = {"messages": "refusal"}.get(mode, "content_filter")
    refusal = answer(mode, text="I cannot.", stop=stop)
    server.script = [refusal, *script(mode, FINISH)]
    assert talk(server, mode, iris) == "A linear model."
    assert "about training a model" in json.dumps(server.requests[1].body)
    server.script, server.requests[:] = [refusal, refusal], []
    assert "the model refuses: I cannot." in talk(server, mode, iris)


def test_odd_replies_of_other_servers_are_tried_again(
    server: ModelServer, iris: pd.DataFrame
) -> None:
    (good,) = script("chat_completions", FINISH)
    empty = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    server.script = [
        replace(good, steps=(plain_event(empty | {"choices": []}), b"data: [DONE]\n\n")),
        failure(200, {"error": {"message": "no", "type": "server_error"}}),
        failure(503, error_body("Loading model", "unavailable_error")),
        good,
    ]
    assert talk(server, "chat_completions", iris) == "A linear model."


def test_an_event_that_means_nothing_is_passed_over(
    server: ModelServer, iris: pd.DataFrame
) -> None:
    (good,) = script("messages", FINISH)
    server.script = [good.insert(1, named_event({"type": "ping"}))]
    assert talk(server, "messages", iris) == "A linear model."
