"""What the framework adds to the bare training of the same trials, and how fast trials start.

    python benchmarks/overhead.py

Prints JSON. The bare training runs the very jobs of a run of the framework (same scripts, same
settings, same tables, also those for the delivery) one after the other in one process that has
imported what they need: nothing is profiled, chosen, journaled or scored. Both are measured several
times in turn; the targets are at most 3 s and 5 % more, and 50 ms from a job to its start.
"""

import json
import os
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from automl_agent import Agent
from automl_agent.sandboxes.process import build_environment
from automl_agent.sandboxes.sandbox import StepSpec

ADULT = Path(__file__).parent.parent / "examples" / "adult"
N_ROUNDS = 3
N_TRIALS = 10


def run_framework(home: Path) -> tuple[float, Path]:
    """Seconds of a run, from before its tables are read, and its folder."""
    started = time.monotonic()
    result = Agent(home=home, sandbox="process").run(
        ADULT / "adult_train.csv.gz",
        "income",
        holdout=ADULT / "adult_test.csv.gz",
        experts=("xgboost",),
        n_trials=N_TRIALS,
        time_s=600,
    )
    return time.monotonic() - started, result.directory.root


def run_bare(run: Path) -> float:
    """Seconds of the run's jobs without the framework, in a process of their own."""
    (step,) = (run / "steps").iterdir()
    spec = StepSpec("bare", step, (), _read_resources(step), is_generated=False)
    environment = build_environment(spec) | {"TMPDIR": tempfile.gettempdir(), "HOME": str(step)}
    started = time.monotonic()
    subprocess.run([sys.executable, __file__, "--bare", step], env=environment, check=True)
    return time.monotonic() - started


def run_jobs(step: Path) -> None:
    """In the bare process: every job of a step, in order."""
    sys.path.insert(0, str(step / "code"))
    for job in sorted((step / "in" / "jobs").glob("*.json")):
        out = Path(tempfile.mkdtemp())
        variables = {"AUTOML_IN": step / "in", "AUTOML_OUT": out, "AUTOML_JOB": job}
        os.environ.update({name: str(path) for name, path in variables.items()})
        runpy.run_path(
            str(step / "code" / json.loads(job.read_text())["script"]), run_name="__main__"
        )


def read_start_delays(run: Path) -> list[float]:
    """Seconds from the writing of each job to the start of its process, in order."""
    results = sorted(run.glob("steps/*/out/*.result.json"))
    return [json.loads(path.read_text())["start_delay_s"] for path in results]


def _read_resources(step: Path) -> Any:
    from automl_agent.experts.plan import Resources

    job = json.loads((step / "in" / "jobs" / "0001.json").read_text())
    return Resources(**{**job["resources"], "gpus": ()})


def main() -> None:
    """Measure in turn and print."""
    rounds = []
    delays: list[float] = []
    for _ in range(N_ROUNDS):
        with tempfile.TemporaryDirectory() as home:
            framework_s, run = run_framework(Path(home))
            bare_s = run_bare(run)
            delays += read_start_delays(run)[1:]
        rounds.append({"framework_s": round(framework_s, 2), "bare_s": round(bare_s, 2)})
    added = [r["framework_s"] - r["bare_s"] for r in rounds]
    allowed = [3 + 0.05 * r["bare_s"] for r in rounds]
    document = {
        "n_trials": N_TRIALS,
        "rounds": rounds,
        "added_s": round(statistics.median(added), 2),
        "allowed_s": round(statistics.median(allowed), 2),
        "start_of_later_trials_ms": {
            "median": round(1000 * statistics.median(delays), 1),
            "max": round(1000 * max(delays), 1),
            "target": 50,
        },
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        run_jobs(Path(sys.argv[2]))
    else:
        main()
