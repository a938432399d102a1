"""Whole runs with the providers' own SDKs: what the wire brings, and what comes of it."""

import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.datasets import load_iris

from automl_agent import Agent, Result
from automl_agent.chat_models.chat_model import Usage
from automl_agent.errors import AutomlAgentError, SetupError, TrainingError
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import journal_path

from ..chat_models.model_server import (
    ModelServer,
    error_body,
    failure,
    named_event,
    plain_event,
)
from .wire import (
    FINISH,
    LOOK,
    MODES,
    PLAN,
    PREPARE,
    PROFILE,
    SEARCH,
    TRAIN,
    WHOLE_RUN,
    answer,
    check_requests,
    each_mode,
    each_protocol,
    find_results,
    make_agent,
    script,
)

Events = list[tuple[str, Mapping[str, Any]]]


@pytest.fixture(scope="module")
def iris() -> pd.DataFrame:
    return load_iris(as_frame=True).frame


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


@pytest.fixture
def events() -> Events:
    return []


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting has tests of its own, with a clock."""
    monkeypatch.setattr("automl_agent.controllers.attempts._FIRST_WAIT_S", 0.01)


def run(
    server: ModelServer, mode: str, iris: pd.DataFrame, events: Events, **options: Any
) -> Result:
    agent = make_agent(
        server, mode, on_event=lambda name, fields: events.append((name, fields)), **options
    )
    try:
        return agent.run(iris, "target", n_trials=2, time_s=60, metric="accuracy", experts="linear")
    finally:
        if server.requests:
            check_requests(server, mode)


def talk(server: ModelServer, mode: str, iris: pd.DataFrame, **options: Any) -> str:
    """Why nothing came of a run in which nothing is trained and the planner does not take over."""
    agent = make_agent(server, mode, **options)
    agent._find_fallback = lambda _model: None  # type: ignore[method-assign,assignment]
    with pytest.raises(TrainingError) as caught:
        agent.run(iris, "target", n_trials=1, time_s=60, experts="linear")
    check_requests(server, mode)
    return str(caught.value)


def named(events: Events, name: str) -> list[Mapping[str, Any]]:
    return [fields for found, fields in events if found == name]


def replaced(events: Events) -> str:
    """Why the planner went on, "" if it did not."""
    return " ".join(str(fields["reason"]) for fields in named(events, "controller_replaced"))


def list_calls(home: Path, table: str = "model_calls") -> list[dict[str, Any]]:
    with Journal(journal_path(home)) as journal:
        (conversation,) = journal.list_conversations()
        return journal.list_rows(table, conversation["conversation_id"])


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


OVERFLOW = failure(400, error_body("prompt is too long: 250000 tokens > 200000 maximum"))


@each_mode
def test_an_overflow_is_met_by_leaving_out_old_results_once(
    mode: str, server: ModelServer, iris: pd.DataFrame
) -> None:
    turns = script(mode, PLAN, PREPARE[:2], FINISH)
    server.script = [turns[0], turns[1], OVERFLOW, turns[2]]
    assert talk(server, mode, iris) == "A linear model."
    before, after = server.requests[2].body, server.requests[3].body
    assert "left_out" not in json.dumps(before)
    assert "left_out" in json.dumps(after)
    assert len(json.dumps(after)) < len(json.dumps(before))


@each_mode
def test_a_second_overflow_ends_it(mode: str, server: ModelServer, iris: pd.DataFrame) -> None:
    server.script = [*script(mode, PLAN), OVERFLOW, OVERFLOW]
    assert "nothing more to leave out" in talk(server, mode, iris)
    assert len(server.requests) == 3


def test_an_overflow_with_nothing_to_leave_out_is_not_sent_again(
    server: ModelServer, iris: pd.DataFrame
) -> None:
    server.script = [OVERFLOW, OVERFLOW]
    assert "nothing more to leave out" in talk(server, "messages", iris)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("mode", "n_turns"), [*(("messages", n) for n in range(5)), ("json_profile", 2)]
)
def test_wherever_the_service_breaks_the_planner_goes_on(
    mode: str, n_turns: int, server: ModelServer, iris: pd.DataFrame, events: Events
) -> None:
    turns = (PROFILE, SEARCH, PREPARE[:1], [*PREPARE[1:], *TRAIN], LOOK)
    server.script = [*script(mode, *turns[:n_turns]), failure(401, error_body("bad key"))]
    result = run(server, mode, iris, events).to_json()
    assert result["status"] == "finished"
    assert result["score"] > 0.8
    assert "does not accept the key" in replaced(events) or "wants a key" in replaced(events)
    if n_turns >= 2:
        assert [plan["plan_id"] for plan in result["plans"]] == ["linear"]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        pytest.param([failure(401, error_body("no", "authentication_error"))], "key", id="key"),
        pytest.param(
            [failure(404, error_body("model: some-model", "not_found_error"))], "MODEL", id="model"
        ),
        pytest.param([failure(403, error_body("no"))], "use --controller", id="forbidden"),
        pytest.param([failure(422, error_body("odd field"))], "refused the request", id="refused"),
    ],
)
def test_what_no_other_try_will_change_is_tried_once_and_told_in_one_sentence(
    answers: Any, said: str, server: ModelServer, iris: pd.DataFrame
) -> None:
    server.script = list(answers)
    error = talk(server, "messages", iris)
    assert len(server.requests) == 1
    assert said in error
    assert "\n" not in error
    assert ".." not in error


def test_in_a_dialogue_nobody_takes_over_and_the_error_is_told(
    server: ModelServer, iris: pd.DataFrame, tmp_path: Path
) -> None:
    iris.to_csv(tmp_path / "iris.csv", index=False)
    server.script = [failure(401, error_body("no", "authentication_error"))]
    agent = make_agent(server, "messages")
    with agent.open_dialogue(folder=tmp_path, is_interactive=True) as dialogue:
        outcome = dialogue.say("predict target")
        assert isinstance(outcome.error, TrainingError)
        assert "config set-key" in str(outcome.error)
        assert ".." not in str(outcome.error)
        server.script = script("messages", [("finish", {"summary": "Hello."})])
        assert dialogue.say("predict target").text == "Hello."
    check_requests(server, "messages")


def test_an_answer_in_words_ends_the_round_of_a_dialogue_with_these_words(
    server: ModelServer, iris: pd.DataFrame, tmp_path: Path
) -> None:
    iris.to_csv(tmp_path / "iris.csv", index=False)
    server.script = [answer("messages"), answer("messages", text="Which column?")]
    agent = make_agent(server, "messages")
    with agent.open_dialogue(folder=tmp_path, is_interactive=True) as dialogue:
        outcome = dialogue.say("predict something")
    assert (outcome.ended, outcome.text, outcome.error) == ("answered", "Which column?", None)
    assert len(server.requests) == 2


def test_a_server_that_is_not_there_is_named(
    iris: pd.DataFrame, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.setenv("AUTOML_AGENT_BASE_URL", f"http://127.0.0.1:{port}/v1")
    agent = Agent(
        controller="compatible:m", on_event=lambda name, fields: events.append((name, fields))
    )
    assert agent.run(iris, "target", n_trials=1).to_json()["n_trials"] == 1
    assert "cannot be reached" in replaced(events)
    assert "start the server" in replaced(events)


def test_a_key_is_not_sent_without_encryption(
    iris: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOML_AGENT_BASE_URL", "http://192.0.2.1/v1")
    monkeypatch.setenv("AUTOML_AGENT_API_KEY", "sk-test")
    with pytest.raises(SetupError, match="never sent unencrypted"):
        Agent(controller="compatible:m").run(iris, "target")


def test_an_endpoint_without_a_key_says_so_before_anything_is_done(iris: pd.DataFrame) -> None:
    with pytest.raises(AutomlAgentError, match=r"needs a key.*config set-key anthropic"):
        Agent(controller="anthropic").run(iris, "target")


PRICED = {"input_usd_per_million": 3.0, "output_usd_per_million": 15.0}


@pytest.mark.parametrize(
    ("mode", "limit_usd"),
    [*(("messages", usd) for usd in (0.0001, 0.06, 0.1, 0.5)), *((m, 0.1) for m in MODES[1:])],
)
def test_the_money_is_never_overspent_and_the_model_delivered(
    mode: str, limit_usd: float, server: ModelServer, iris: pd.DataFrame, events: Events
) -> None:
    """The server takes all that a request may cost: its bytes as tokens, and the longest reply."""
    turns = script(mode, PROFILE, [*SEARCH, *PREPARE, *TRAIN], LOOK, FINISH)
    greedy = Greedy(turns)
    server.script = greedy  # type: ignore[assignment]
    greedy.server = server
    options = {**PRICED, "max_output_tokens": 1000, "budget_usd": limit_usd}
    result = run(server, mode, iris, events, **options).to_json()
    assert result["score"] > 0.8
    assert (result["usage"]["cost_usd"] or 0) <= limit_usd
    if len(server.requests) < 4:
        assert f"the limit of {limit_usd:g} USD is reached" in replaced(events)
    else:
        assert result["usage"]["cost_usd"] > 0.03


@pytest.mark.parametrize("limit", [100, 12_000, 20_000])
def test_the_tokens_are_never_overspent_and_the_model_delivered(
    limit: int, server: ModelServer, iris: pd.DataFrame, events: Events
) -> None:
    greedy = Greedy(script("messages", PROFILE, [*SEARCH, *PREPARE, *TRAIN], LOOK, FINISH))
    server.script = greedy  # type: ignore[assignment]
    greedy.server = server
    options = {"max_output_tokens": 1000, "budget_tokens": limit}
    result = run(server, "messages", iris, events, **options).to_json()
    usage = result["usage"]
    assert result["score"] > 0.8
    assert usage["input_tokens"] + usage["output_tokens"] <= limit
    assert len(server.requests) < 4
    assert f"the limit of {limit} tokens is reached" in replaced(events)


class Greedy(list[Any]):
    """A script whose answers say that they took as much as can be."""

    server: ModelServer

    def pop(self, _index: Any = 0) -> Any:
        body = self.server.requests[-1].body
        n_output = body.get("max_tokens") or body.get("max_output_tokens")
        n_output = n_output or body.get("max_completion_tokens")
        assert n_output
        return _claim(super().pop(0), Usage(_count_bytes(body), n_output))


def _count_bytes(body: Mapping[str, Any]) -> int:
    """All that a model reads of a request, a token for each byte."""
    spoken = [body.get(name, "") for name in ("system", "instructions", "messages", "input")]
    tools = json.dumps(body["tools"]) if "tools" in body else ""
    return len("".join([*_find_texts(spoken), tools]).encode())


def _claim(reply: Any, usage: Usage) -> Any:
    """The answer with another usage."""
    fields = {
        b'"input_tokens": 80': b'"input_tokens": %d' % (usage.input_tokens - 20),
        b'"input_tokens": 100': b'"input_tokens": %d' % usage.input_tokens,
        b'"prompt_tokens": 100': b'"prompt_tokens": %d' % usage.input_tokens,
        b'"output_tokens": 10': b'"output_tokens": %d' % usage.output_tokens,
        b'"completion_tokens": 10': b'"completion_tokens": %d' % usage.output_tokens,
    }
    steps = []
    for step in reply.steps:
        for old, new in fields.items():
            step = step.replace(old, new)
        steps.append(step)
    return type(reply)(tuple(steps))


def _find_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            # An object of arguments is read as it stands; other keys are the protocol's own.
            yield from [json.dumps(item)] if key == "input" else _find_texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _find_texts(item)


def test_tries_that_break_off_count_for_the_limit(
    server: ModelServer, iris: pd.DataFrame, home: Path
) -> None:
    """The service bills what it wrote before the connection broke, and nobody knows how much."""
    whole = answer("chat_completions", [*PLAN, *TRAIN])
    server.script = [whole.cut_after(len(whole.steps) - 2)] * 6
    options = {**PRICED, "max_output_tokens": 8000, "budget_usd": 0.35}
    error = talk(server, "chat_completions", iris, **options)
    tries = list_calls(home)
    assert [row["status"] for row in tries] == ["failed"] * len(server.requests)
    assert 0.3 < sum(row["intent"]["cost_usd"] for row in tries) <= 0.35
    assert "the limit of 0.35 USD is reached" in error


def test_the_price_must_be_known_where_money_is_limited(
    server: ModelServer, iris: pd.DataFrame
) -> None:
    agent = make_agent(server, "chat_completions", budget_usd=1.0)
    with pytest.raises(SetupError, match="price of test:some-model is unknown"):
        agent.run(iris, "target")
    assert server.requests == []


def test_time_that_is_over_delivers_what_is_trained(
    server: ModelServer, iris: pd.DataFrame, events: Events
) -> None:
    """The server takes its time for the last reply; the run does not wait for it."""
    turns = script("messages", [*PLAN, *TRAIN])
    server.script = [*turns, failure(529, error_body("busy"), {"retry-after": "100"})]
    agent = make_agent(server, "messages", on_event=lambda n, f: events.append((n, f)))
    result = agent.run(iris, "target", n_trials=2, time_s=30, metric="accuracy").to_json()
    assert result["score"] > 0.8
    assert "it asks for a wait of 100 s" in replaced(events)


def test_a_model_that_never_stops_is_stopped_by_its_turns(
    server: ModelServer, iris: pd.DataFrame, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automl_agent.controllers.budget.MAX_TURNS", 5)
    turns = script("messages", [*PLAN, *TRAIN], *[LOOK[2:], LOOK[1:2]] * 9)
    server.script = turns
    result = run(server, "messages", iris, events).to_json()
    assert result["summary"] == "Ended early: the controller took 5 turns."
    assert len(server.requests) == 5


def test_an_event_that_means_nothing_is_passed_over(
    server: ModelServer, iris: pd.DataFrame
) -> None:
    (good,) = script("messages", FINISH)
    server.script = [good.insert(1, named_event({"type": "ping"}))]
    assert talk(server, "messages", iris) == "A linear model."
