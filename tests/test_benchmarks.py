"""The parts of benchmarks that decide what is counted."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from automl_agent.chat_models.chat_model import Message, ToolCall, ToolSpec
from automl_agent.configuration.endpoint import Protocol
from automl_agent.plugins import Plugins

from .chat_models.model_server import PROTOCOLS

TOOLS = [ToolSpec("train", "Train.", {"type": "object", "properties": {}})]
FIRST = [Message("system", "You train."), Message("user", "Please.")]
SECOND = [
    *FIRST,
    Message("assistant", "Now.", calls=(ToolCall("a", "train", {"n": 1}),)),
    Message("tool", '{"score":0.9}', call_id="a"),
]


@pytest.fixture(scope="module")
def benchmarks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")
        yield


@pytest.fixture(scope="module")
def service(benchmarks: None) -> ModuleType:
    return import_module("model_service")


@pytest.fixture(scope="module")
def tokens(benchmarks: None) -> ModuleType:
    return import_module("tokens")


def send(service: ModuleType, protocol: Protocol, *conversations: list[Message]) -> Any:
    plugins = Plugins()
    with service.ModelService(protocol, lambda parts: service.Said("Fine.")) as running:
        running.register(plugins)
        model = plugins.chat_models[service.CONTROLLER].create(None)
        for messages in conversations:
            assert model.reply(messages, TOOLS, on_text=lambda _text: None).text == "Fine."
    return running.exchanges


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_parts_of_a_prompt_come_in_the_order_of_caches(
    service: ModuleType, protocol: Protocol
) -> None:
    (exchange,) = send(service, protocol, SECOND)
    kinds = list(dict.fromkeys(part.kind for part in exchange.parts))
    assert kinds == ["tools", "system", "user", "assistant", "tool"]
    texts = [part.text for part in exchange.parts]
    assert '"name":"train"' in texts[0]
    assert texts[1:3] == ["You train.", "Please."]
    assert "Now." in texts[3]
    assert "train" in texts[-2] and "1" in texts[-2]
    assert texts[-1] == '{"score":0.9}'


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_only_what_was_not_sent_before_is_counted_as_uncached(
    service: ModuleType, tokens: ModuleType, protocol: Protocol
) -> None:
    exchanges = send(service, protocol, FIRST, SECOND)
    assert tokens.is_prefix_stable(exchanges)
    counted = tokens.count_run(exchanges, len)
    first = sum(tokens.count_part(part, len) for part in exchanges[0].parts)
    second = sum(tokens.count_part(part, len) for part in exchanges[1].parts)
    assert counted["cached"] == first
    assert counted["uncached"] == second
    assert counted["n_requests"] == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_changed_beginning_is_seen(
    service: ModuleType, tokens: ModuleType, protocol: Protocol
) -> None:
    changed = [Message("system", "You train well."), *SECOND[1:]]
    exchanges = send(service, protocol, FIRST, changed)
    assert not tokens.is_prefix_stable(exchanges)
    assert tokens.count_shared(exchanges[0].parts, exchanges[1].parts) == 1


def test_copies_of_experts_are_found_after_their_originals(service: ModuleType) -> None:
    experts = service.load_experts(50).experts
    assert len(experts) == 50
    copies = [name for name in experts if experts.distribution(name) == "benchmark"]
    for name in copies:
        copy = experts[name].card
        original = experts[name.rpartition("-")[0]].card
        for task, expectation in copy.to_json()["expectations"].items():
            assert expectation["gain"][1] < original.to_json()["expectations"][task]["gain"][1]


def test_a_request_may_use_its_tables_or_all_real_ones(benchmarks: None) -> None:
    module = import_module("request_tables")
    described = module.read_requests()["tables"]
    assert module.list_tables({"tables": ["pets.csv"]}, described) == ["pets.csv"]
    real = module.list_tables({"tables": "all"}, described)
    assert "adult.csv" in real
    assert "pets.csv" not in real
