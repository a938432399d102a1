"""No limit of money, tokens, time or turns is overspent, whatever the wire brings."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from automl_agent.chat_models.chat_model import Usage
from automl_agent.errors import SetupError

from ...chat_models.model_server import (
    ModelServer,
    error_body,
    failure,
)
from ..wire import (
    FINISH,
    LOOK,
    MODES,
    PLAN,
    PREPARE,
    PROFILE,
    SEARCH,
    TRAIN,
    answer,
    make_agent,
    script,
)
from .conftest import Events, list_calls, replaced, run, talk

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
