"""What comes of requests that are too long, and of services that fail or refuse."""

import json
import socket
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from automl_agent import Agent
from automl_agent.errors import AutomlAgentError, SetupError, TrainingError

from ...chat_models.model_server import (
    ModelServer,
    error_body,
    failure,
)
from ..wire import (
    FINISH,
    LOOK,
    PLAN,
    PREPARE,
    PROFILE,
    SEARCH,
    TRAIN,
    answer,
    check_requests,
    each_mode,
    make_agent,
    script,
)
from .conftest import Events, replaced, run, talk

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
