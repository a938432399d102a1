"""What a container costs: the same run in the Docker and in the process sandbox, and step starts.

Usage: python benchmarks/sandboxes.py
It needs a Docker engine and the image (automl-agent sandbox build). Each round trains the same
trials on the official Adult data in both sandboxes, in turn; the planner's seed is fixed, so both
do the same work. A step's start is measured from the call to the moment at which it takes jobs,
without warm imports and with those of the experts.
"""

import json
import statistics
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

from automl_agent import Agent
from automl_agent.experts.plan import Resources
from automl_agent.sandboxes.resources import available_resources
from automl_agent.sandboxes.sandbox import Sandbox, StepSpec
from automl_agent.sandboxes.step import Step

ADULT = Path(__file__).parent.parent / "examples" / "adult"
N_ROUNDS = 3
N_TRIALS = 8
N_STARTS = 15
TARGETS = {"added_s": 3.0, "step_start_s": 1.0}
SANDBOXES = ("process", "docker")
IMPORTS: dict[str, tuple[str, ...]] = {
    "bare": (),
    "warm": ("sklearn.ensemble", "xgboost", "pyarrow.parquet"),
}


def run_adult(sandbox: str) -> float:
    """Seconds of a run, from before its tables are read to its result."""
    with tempfile.TemporaryDirectory() as home:
        started = time.monotonic()
        result = Agent(home=home, sandbox=sandbox).run(
            ADULT / "adult_train.csv.gz",
            "income",
            holdout=ADULT / "adult_test.csv.gz",
            n_trials=N_TRIALS,
            time_s=900,
        )
        seconds = time.monotonic() - started
        print(f"{sandbox}: {seconds:.1f} s, {result.score}", file=sys.stderr)
        return seconds


def time_start(sandbox: Sandbox, number: int, imports: tuple[str, ...]) -> float:
    """Seconds until a new step takes jobs."""
    with tempfile.TemporaryDirectory() as folder:
        resources = Resources(1, available_resources().memory_mib // 2)
        name = Path(folder).name
        spec = StepSpec(f"s{number}", Path(folder), imports, resources, False, run_id=name)
        started = time.monotonic()
        step = Step(sandbox, spec, {})
        step.wait_until_warm()
        seconds = time.monotonic() - started
        step.close()
        step.discard()
        return seconds


def summarise(seconds: list[float]) -> dict[str, float]:
    """The median and the largest."""
    return {"median": round(statistics.median(seconds), 3), "max": round(max(seconds), 3)}


def main() -> None:
    """Measure in turn and print."""
    rounds = [{name: round(run_adult(name), 2) for name in SANDBOXES} for _ in range(N_ROUNDS)]
    sandboxes = {name: Agent(sandbox=name).find_sandbox() for name in SANDBOXES}
    starts: dict[str, list[float]] = {}
    for number in range(N_STARTS):
        for (name, sandbox), (kind, imports) in product(sandboxes.items(), IMPORTS.items()):
            seconds = time_start(sandbox, number, imports)
            starts.setdefault(f"{name}, {kind}", []).append(seconds)
    document = {
        "n_trials": N_TRIALS,
        "rounds_s": rounds,
        "added_s": round(statistics.median(r["docker"] - r["process"] for r in rounds), 2),
        "step_start_s": {kind: summarise(seconds) for kind, seconds in starts.items()},
        "targets": TARGETS,
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
