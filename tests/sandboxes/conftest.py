"""A step in the process sandbox whose jobs are scripts that a test writes."""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from automl_agent.experts.plan import Resources
from automl_agent.sandboxes.process import ProcessHandle, ProcessSandbox
from automl_agent.sandboxes.sandbox import StepSpec

# Far more than anything here takes; a test that waits so long has found a fault.
PATIENCE_S = 30.0


class Step:
    """A step's folder; once it is started, `submit` and `wait` for scripts, or `run` them."""

    def __init__(self, folder: Path) -> None:
        for name in ("in/jobs", "out", "code"):
            (folder / name).mkdir(parents=True)
        self.folder = folder
        self._n_jobs = 0

    def start(
        self,
        sandbox: ProcessSandbox,
        *,
        warm_imports: Sequence[str] = (),
        memory_mib: int = 4096,
        time_limit_s: float = 3600.0,
    ) -> ProcessHandle:
        """The handle of the started step."""
        spec = StepSpec(
            step_id="step",
            folder=self.folder,
            warm_imports=tuple(warm_imports),
            resources=Resources(cpus=1, memory_mib=memory_mib),
            is_generated=False,
            time_limit_s=time_limit_s,
        )
        self.handle = sandbox.start(spec)
        return self.handle

    def run(self, script: str, *, time_limit_s: float = PATIENCE_S) -> dict[str, Any]:
        """How a job ended that runs this script, as the runner wrote it."""
        return self.wait(self.submit(script, time_limit_s=time_limit_s))

    def submit(self, script: str, *, time_limit_s: float = PATIENCE_S) -> str:
        """The id of a new job."""
        self._n_jobs += 1
        job_id = f"{self._n_jobs:04}"
        (self.folder / "code" / f"script{job_id}.py").write_text(script)
        job = {"script": f"script{job_id}.py", "time_limit_s": time_limit_s}
        partial = self.folder / "in" / "partial.json"
        partial.write_text(json.dumps(job))
        partial.rename(self.folder / "in" / "jobs" / f"{job_id}.json")
        return job_id

    def wait(self, job_id: str) -> dict[str, Any]:
        """How a job ended."""
        path = self.folder / "out" / f"{job_id}.result.json"
        wait_until(path.exists)
        result: dict[str, Any] = json.loads(path.read_text())
        return result

    def cancel(self, job_id: str) -> None:
        """Ask for the end of a job."""
        (self.folder / "in" / "jobs" / f"{job_id}.cancel").touch()

    def output(self, job_id: str) -> str:
        """What a job printed."""
        return (self.out(job_id) / "output.txt").read_text()

    def out(self, job_id: str) -> Path:
        """The folder that a job writes to."""
        return self.folder / "out" / job_id

    def read_pid(self, job_id: str, name: str) -> int:
        """The process id that a job writes to a file, waited for."""
        path = self.out(job_id) / name
        wait_until(lambda: path.exists() and path.read_text().endswith("\n"))
        return int(path.read_text())


MakeStep = Callable[..., Step]
WriteDriver = Callable[..., Path]
A, B, C = "GPU-aaaa", "GPU-bbbb", "GPU-cccc"
THREE_GPUS = """\
GPU-aaaa, NVIDIA H100, 81559, 300
GPU-bbbb, NVIDIA H100, 81559, 4
GPU-cccc, NVIDIA L4, 23034, 4
"""
# As the driver prints them: of today, and of the time before version 470.
PARTED = f"""\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: {A})
  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
  MIG 1c.2g.10gb  Device  1: (UUID: MIG-{A}/2/0)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: {B})
"""


@pytest.fixture
def make_step(tmp_path: Path) -> Iterator[MakeStep]:
    """Makes started steps; the sandbox and options of `Step.start` can be given."""
    steps: list[Step] = []

    def make(*, sandbox: ProcessSandbox | None = None, **options: Any) -> Step:
        step = Step(tmp_path / f"step{len(steps)}")
        step.start(sandbox or ProcessSandbox(job_grace_s=0.3), **options)
        steps.append(step)
        return step

    yield make
    for step in steps:
        step.handle.stop()


@pytest.fixture
def write_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteDriver:
    """Puts an nvidia-smi before all others that gives these answers, or runs another script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def write(table: str = THREE_GPUS, listing: str = "", *, script: str = "") -> Path:
        (folder / "table").write_text(table)
        (folder / "listing").write_text(listing)
        program = folder / "nvidia-smi"
        answer = f'case "$1" in -L) cat {folder}/listing;; *) cat {folder}/table;; esac'
        program.write_text(f"#!/bin/sh\n{script or answer}\n")
        program.chmod(0o755)
        return program

    return write


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The folder of the lease table."""
    return tmp_path / "gpus"


def wait_until(condition: Callable[[], object]) -> None:
    """Return when the condition holds; fail if that takes too long."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.005)


def is_running(pid: int) -> bool:
    """Whether a process lives; one that has ended and is not yet waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in ("Z", "X")
