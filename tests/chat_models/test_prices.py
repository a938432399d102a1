"""What a usage costs."""

import socket
from typing import NoReturn

import pytest

from automl_agent.chat_models.chat_model import Message, Usage
from automl_agent.chat_models.prices import find_price
from automl_agent.configuration.endpoint import Endpoint, Protocol

from .model_server import PROTOCOLS, ModelServer, good_reply

USAGE = Usage(1000, 100, cached_tokens=500, cache_write_tokens=100)
HOSTS = {
    "messages": "https://api.anthropic.com",
    "responses": "https://api.openai.com/v1",
    "chat_completions": "http://127.0.0.1:11434/v1",
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is the installed one: nothing is fetched."""

    def refuse(*args: object) -> NoReturn:
        raise AssertionError(args)

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize(
    ("protocol", "base_url", "model", "cost_usd"),
    [
        # 400 fresh tokens at 3, 500 read from the cache at 0.3, 100 written at 3.75, 100 out at 15.
        pytest.param("messages", HOSTS["messages"], "claude-sonnet-4-5", 0.003225, id="anthropic"),
        pytest.param(
            "messages", "https://gateway.example", "claude-sonnet-4-5", 0.003225, id="its gateway"
        ),
        # 500 at 1.25, 500 at 0.125, 100 out at 10 (OpenAI's writes cost what fresh ones do).
        pytest.param("responses", HOSTS["responses"], "gpt-5", 0.0016875, id="openai"),
        pytest.param("responses", "https://gateway.example", "gpt-5", 0.0016875, id="its gateway"),
        pytest.param("messages", HOSTS["messages"], "no-such-model", None, id="unknown model"),
        pytest.param("chat_completions", HOSTS["chat_completions"], "gpt-5", None, id="local"),
        pytest.param("chat_completions", "https://x.example/v1", "gpt-5", None, id="unknown host"),
        pytest.param(
            "chat_completions", HOSTS["responses"], "gpt-5", 0.0016875, id="openai's completions"
        ),
    ],
)
def test_known_models_have_a_price(
    protocol: Protocol, base_url: str, model: str, cost_usd: float | None
) -> None:
    price = find_price(Endpoint("e", base_url, protocol), model)
    assert price(USAGE) == (cost_usd if cost_usd is None else pytest.approx(cost_usd))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("input_price", "output_price", "cost_usd"),
    [(1.0, 10.0, 0.002), (1.0, None, 0.001), (None, 10.0, 0.001), (0.0, 0.0, 0.0)],
)
def test_the_endpoint_s_own_prices_count_for_more(
    protocol: Protocol, input_price: float | None, output_price: float | None, cost_usd: float
) -> None:
    endpoint = Endpoint(
        "e",
        HOSTS[protocol],
        protocol,
        input_usd_per_million=input_price,
        output_usd_per_million=output_price,
    )
    for model in ("claude-sonnet-4-5", "gpt-5", "whatever"):
        assert find_price(endpoint, model)(USAGE) == pytest.approx(cost_usd)


def test_the_cost_is_that_of_the_usage_and_not_what_it_says_of_itself() -> None:
    price = find_price(Endpoint("e", HOSTS["messages"], "messages"), "claude-sonnet-4-5")
    assert price(Usage(0, 0, cost_usd=7.0)) == 0.0


@pytest.mark.parametrize("protocol", ["messages", "responses"])
def test_a_reply_has_its_cost(protocol: Protocol, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    model_name = "claude-sonnet-4-5" if protocol == "messages" else "gpt-5"
    with ModelServer([good_reply(protocol, "ok", usage=Usage(1000, 100, 500, 0))]) as server:
        model = server.create_model(protocol, model=model_name)
        reply = model.reply([Message("user", "Hi")], [], on_text=lambda piece: None)
    # Fresh, cached and output tokens at 3, 0.3 and 15, or at 1.25, 0.125 and 10, for a million.
    assert reply.usage.cost_usd == pytest.approx(0.00315 if protocol == "messages" else 0.0016875)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_usage_that_makes_no_sense_costs_nothing_negative(
    protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    with ModelServer([good_reply(protocol, "ok", usage=Usage(-50, 10, 900, -7))]) as server:
        model = server.create_model(protocol, model="gpt-5", input_usd_per_million=1.0)
        reply = model.reply([Message("user", "Hi")], [], on_text=lambda piece: None)
    usage = reply.usage
    assert 0 <= usage.cached_tokens + usage.cache_write_tokens <= usage.input_tokens
    assert usage.cost_usd is not None and usage.cost_usd >= 0
