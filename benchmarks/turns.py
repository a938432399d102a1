"""How long the framework takes in a turn, from the end of a reply to the next request.

    python benchmarks/turns.py

Prints JSON. A scripted model calls one cheap tool a turn, in a dialogue of four long requests; its
replies come through the real SDKs from a server on loopback in this process. "reply_to_call" is
the time from the moment before the last byte of a reply is sent to the event `tool_called`; "own"
is all from there to the arrival of the next request, without the tool's own time: parsing,
checking, journaling, compacting, connecting and sending. "own_cpu" is what the process computed in
it: a turn that is long by the clock alone waited for another process, or for the disk. "late" are
the last hundred turns, when some 900 messages are sent each time. "over_target" are the turns whose
own time is too long, each with its parts; "n_additions_per_s" says how fast this machine is now.
"""

import argparse
import gc
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from model_service import (
    CONTROLLER,
    PROTOCOLS,
    ROOT,
    Exchange,
    ModelService,
    Moment,
    Part,
    Said,
    load_experts,
)

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
N_ADDITIONS = 2_000_000
TARGETS_MS = {"reply_to_call": 20, "own": 50}
EXPERT = "linear"


class PatientModel:
    """Makes plan after plan, and changes each again and again, one call a turn."""

    def __init__(self) -> None:
        self._steps = self._walk()

    def __call__(self, parts: list[Part]) -> Said:
        """The next call."""
        # Kept with all exchanges, they would be more objects than the framework has.
        parts.clear()
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


@dataclass(frozen=True)
class Span:
    """The time of something, in seconds by the clock and of computing."""

    wall_s: float
    cpu_s: float

    def __sub__(self, other: "Span") -> "Span":
        return Span(self.wall_s - other.wall_s, self.cpu_s - other.cpu_s)


class Clock:
    """When tools were called, how long each took by itself, and the collections of garbage."""

    def __init__(self) -> None:
        self.called: list[Moment] = []
        self.tools: list[Span] = []
        self.collections: list[tuple[Moment, Span]] = []
        self._collecting = Moment()

    def note(self, name: str, fields: object) -> None:
        """Take in an event."""
        del fields
        if name == "tool_called":
            self.called.append(Moment())

    def time_tools(self, plugins: Plugins) -> Plugins:
        """The plugins with tools that tell how long they took."""
        tools: Registry[Any] = Registry(plugins.tools.kind)
        for name, tool in plugins.tools.items():
            timed = replace(tool, run=self._time(tool.run))
            tools.add(name, timed, distribution=plugins.tools.distribution(name))
        return replace(plugins, tools=tools)

    @contextmanager
    def timing_collections(self) -> Iterator[None]:
        """Take note of every collection in here."""
        gc.callbacks.append(self._note_collection)
        try:
            yield
        finally:
            gc.callbacks.remove(self._note_collection)

    def collecting_s(self, start: Moment, end: Moment) -> float:
        """The seconds of collections that began between."""
        return sum(
            span.wall_s
            for began, span in self.collections
            if start.wall_s <= began.wall_s < end.wall_s
        )

    def _note_collection(self, phase: str, info: object) -> None:
        del info
        if phase == "start":
            self._collecting = Moment()
        else:
            self.collections.append((self._collecting, span_of(self._collecting, Moment())))

    def _time(self, run: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            started = Moment()
            try:
                return run(*arguments, **options)
            finally:
                self.tools.append(span_of(started, Moment()))

        return timed


def span_of(start: Moment, end: Moment) -> Span:
    return Span(end.wall_s - start.wall_s, end.cpu_s - start.cpu_s)


def measure(protocol: Protocol, n_experts: int) -> dict[str, Any]:
    """The times of all turns of a dialogue but the first, which imports what is imported late."""
    clock = Clock()
    n_additions = count_additions()
    with clock.timing_collections():
        exchanges = talk(protocol, n_experts, clock)
    assert len(exchanges) == len(clock.called) == len(clock.tools) == N_REQUESTS * N_TURNS
    to_call = [
        span_of(e.last_byte, called).wall_s
        for called, e in zip(clock.called, exchanges, strict=True)
    ]
    turns = {
        turn: (before.last_byte, after.received, span_of(before.last_byte, after.received) - tool)
        for turn, ((before, after), tool) in enumerate(
            zip(pairwise(exchanges), clock.tools, strict=False), 1
        )
        # Between the requests the person speaks, and a table is read.
        if turn % N_TURNS and turn > 1
    }
    own = [span.wall_s for _, _, span in turns.values()]
    own_cpu = [span.cpu_s for _, _, span in turns.values()]
    return {
        "n_turns": len(to_call) - 1,
        "n_bytes_last_request": len(exchanges[-1].raw),
        "load_average": round(os.getloadavg()[0], 1),
        "n_additions_per_s": n_additions,
        "reply_to_call_ms": describe(to_call[1:]),
        "own_ms": describe(own),
        "own_cpu_ms": describe(own_cpu),
        "n_own_over_target": sum(1000 * s > TARGETS_MS["own"] for s in own),
        "n_own_cpu_over_target": sum(1000 * s > TARGETS_MS["own"] for s in own_cpu),
        "late": {
            "reply_to_call_ms": describe(to_call[-N_LATE:]),
            "own_ms": describe(own[-N_LATE:]),
            "own_cpu_ms": describe(own_cpu[-N_LATE:]),
        },
        "over_target": [
            {
                "turn": turn,
                "own_ms": round(1000 * span.wall_s, 1),
                "own_cpu_ms": round(1000 * span.cpu_s, 1),
                "collecting_ms": round(1000 * clock.collecting_s(start, end), 1),
            }
            for turn, (start, end, span) in turns.items()
            if 1000 * span.wall_s > TARGETS_MS["own"]
        ],
    }


def talk(protocol: Protocol, n_experts: int, clock: Clock) -> list[Exchange]:
    """What was sent and replied in the whole dialogue."""
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
        return service.exchanges


def count_additions() -> int:
    """How many additions of a loop this machine does in a second of computing."""
    started = time.process_time()
    total = 0
    for number in range(N_ADDITIONS):
        total += number
    return round(N_ADDITIONS / (time.process_time() - started))


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
