"""How long the framework takes in a turn, from the end of a reply to the next request.

    python benchmarks/turns.py

Prints JSON. A scripted model calls one cheap tool a turn, in a dialogue of four long requests; its
replies come through the real SDKs from a server on loopback in this process. "reply_to_call" is
the time from the moment before the last byte of a reply is sent to the event `tool_called`; "own"
is all from there to the arrival of the next request, without the tool's own time: parsing,
checking, journaling, compacting, connecting and sending. "late" are the last hundred turns, when
some 900 messages are sent each time.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir
from dataclasses import replace
from itertools import pairwise
from typing import Any

from model_service import CONTROLLER, PROTOCOLS, ROOT, ModelService, Part, Said, load_experts

from automl_agent import Agent
from automl_agent.configuration.configuration import load_configuration
from automl_agent.configuration.endpoint import Protocol
from automl_agent.controllers.conformance.plan_only import IdleSandbox
from automl_agent.experts.registry import Registry
from automl_agent.plugins import Plugins

N_EXPERTS = (5, 200)
# A task has twelve plans at most, and a controller that makes none in twelve turns counts as stuck.
N_PLANS = 12
N_TURNS_PER_PLAN = 9
N_TURNS = N_PLANS * N_TURNS_PER_PLAN + 2
N_REQUESTS = 4
N_LATE = 100
TARGETS_MS = {"reply_to_call": 20, "own": 50}
EXPERT = "linear"


class PatientModel:
    """Makes plan after plan, and changes each again and again, one call a turn."""

    def __init__(self) -> None:
        self._steps = self._walk()

    def __call__(self, parts: list[Part]) -> Said:
        """The next call."""
        del parts
        return next(self._steps)

    def _walk(self) -> Iterator[Said]:
        for number in range(N_REQUESTS):
            profile = {"data": "adult_train.csv.gz", "target": "income"}
            yield Said("Measuring.", [("profile_dataset", profile)])
            for turn in range(N_TURNS - 2):
                yield Said("On it.", [self._call(turn, f"t{number + 1}")])
            yield Said("Done.", [("finish", {"summary": "Done."})])

    def _call(self, turn: int, task_id: str) -> tuple[str, dict[str, Any]]:
        number, step = divmod(turn, N_TURNS_PER_PLAN)
        stem = EXPERT if task_id == "t1" else f"{task_id}-{EXPERT}"
        plan = {"plan_id": f"{stem}-v{number + 1}" if number else stem}
        if step == 0:
            task = {"task_id": task_id, "expert": EXPERT, "reason": "The cheapest."}
            return "assign_expert", task
        if step < 3:
            script = ("data_processing.py", "model.py")[step - 1]
            return "write_script", plan | {"script": script}
        if step == 3:
            return "predict_training_log", plan
        return "set_hyperparameters", plan | {"settings": {"alpha": 0.1 * step}}


class Clock:
    """When tools were called, and how long each took by itself."""

    def __init__(self) -> None:
        self.called_s: list[float] = []
        self.tool_s: list[float] = []

    def note(self, name: str, fields: object) -> None:
        """Take in an event."""
        del fields
        if name == "tool_called":
            self.called_s.append(time.monotonic())

    def time_tools(self, plugins: Plugins) -> Plugins:
        """The plugins with tools that tell how long they took."""
        tools: Registry[Any] = Registry(plugins.tools.kind)
        for name, tool in plugins.tools.items():
            timed = replace(tool, run=self._time(tool.run))
            tools.add(name, timed, distribution=plugins.tools.distribution(name))
        return replace(plugins, tools=tools)

    def _time(self, run: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            started = time.monotonic()
            try:
                return run(*arguments, **options)
            finally:
                self.tool_s.append(time.monotonic() - started)

        return timed


def measure(protocol: Protocol, n_experts: int) -> dict[str, Any]:
    """The times of all turns of a dialogue but the first, which imports what is imported late."""
    clock = Clock()
    plugins = clock.time_tools(load_experts(n_experts))
    plugins.sandboxes.add("idle", IdleSandbox(), distribution="benchmark")
    given = {"controller": CONTROLLER, "sandbox": "idle"}
    with ModelService(protocol, PatientModel()) as service, tempfile.TemporaryDirectory() as home:
        service.register(plugins)
        agent = Agent(
            home=home,
            plugins=plugins,
            configuration=load_configuration(given),
            on_event=clock.note,
        )
        with (
            chdir(ROOT / "examples" / "adult"),
            agent.open_dialogue(is_interactive=True) as dialogue,
        ):
            for _ in range(N_REQUESTS):
                dialogue.say("Predict income from adult_train.csv.gz.")
        exchanges = service.exchanges
    assert len(exchanges) == len(clock.called_s) == len(clock.tool_s) == N_REQUESTS * N_TURNS
    to_call = [c - e.last_byte_s for c, e in zip(clock.called_s, exchanges, strict=True)]
    own = [
        after.received_s - before.last_byte_s - tool_s
        for (before, after), tool_s in zip(pairwise(exchanges), clock.tool_s, strict=False)
    ]
    # Between the requests the person speaks, and a table is read.
    own = [own_s for turn, own_s in enumerate(own, 1) if turn % N_TURNS]
    return {
        "n_turns": len(to_call) - 1,
        "n_bytes_last_request": len(exchanges[-1].raw),
        "load_average": round(os.getloadavg()[0], 1),
        "reply_to_call_ms": describe(to_call[1:]),
        "own_ms": describe(own[1:]),
        "n_own_over_target": sum(1000 * s > TARGETS_MS["own"] for s in own[1:]),
        "late": {
            "reply_to_call_ms": describe(to_call[-N_LATE:]),
            "own_ms": describe(own[-N_LATE:]),
        },
    }


def describe(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "median": round(1000 * statistics.median(ordered), 1),
        "p95": round(1000 * ordered[int(0.95 * len(ordered))], 1),
        "max": round(1000 * ordered[-1], 1),
    }


def main() -> None:
    """Measure each protocol with few and with many experts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--protocol", choices=PROTOCOLS, help="only this one")
    options = parser.parse_args()
    protocols = [options.protocol] if options.protocol else PROTOCOLS
    document: dict[str, Any] = {"targets_ms": TARGETS_MS}
    for protocol in protocols:
        document[protocol] = {n: measure(protocol, n) for n in N_EXPERTS}
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
