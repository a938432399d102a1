"""A step that takes jobs: the agent's side of what `sandbox/runner.py` does inside."""

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from automl_agent.errors import GpuMissingError, SandboxError
from automl_agent.sandboxes.sandbox import LIMITS, Sandbox, Status, StepEnd, StepSpec
from automl_agent.sandboxes.untrusted import parse_strictly, read_tail, read_untrusted

POLL_S = 0.01
# The runner kills a job ten seconds after its limit, and at once when it is told to; a job that
# outlasts this has stopped or killed its runner.
OVERDUE_S = 20.0
# Importing torch from a slow disk takes half of it.
WARM_UP_LIMIT_S = 120.0
_MAX_RESULT_BYTES = 2**20
# The agent alone stops a job; whoever else says so is not believed.
_TOLD_STATUSES = frozenset(get_args(Status)) - {"stopped"}
_MAX_MESSAGE_CHARACTERS = 8192


@dataclass(frozen=True)
class JobEnd:
    """How a job ended.

    exit_code: negative if a signal ended the process. folder: what the script wrote.
    start_delay_s: from the writing of the job to the start of its process.
    message: for a failure, the end of what it printed; for a job that was stopped, the reason.
    evidence: what shows the status.
    """

    job_id: str
    status: Status
    exit_code: int
    seconds: float
    max_rss_mib: float
    start_delay_s: float
    folder: Path
    message: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)


class Step:
    """A started step; its jobs run one after the other until it is closed."""

    def __init__(self, sandbox: Sandbox, spec: StepSpec, scripts: Mapping[str, str]) -> None:
        """Start the step; its warm-up goes on while the caller does other things.

        scripts: the text of each file of code/.
        Raises: SandboxError if the sandbox cannot be started.
        """
        folder = spec.folder
        for name in ("code", "out", "in/jobs"):
            (folder / name).mkdir(parents=True, mode=0o700)
        for name, text in scripts.items():
            (folder / "code" / name).write_text(text, encoding="utf-8")
        self._folder = folder
        self._n_jobs = 0
        self._handle = sandbox.start(spec)

    @property
    def next_job_id(self) -> str:
        """The id that the next job will have."""
        return f"{self._n_jobs + 1:04}"

    def find_end(self) -> StepEnd | None:
        """How the step ended, None while it takes jobs."""
        return self._handle.poll()

    def wait_until_warm(self, limit_s: float = WARM_UP_LIMIT_S) -> None:
        """Return when the step takes jobs, so that no job's time is spent on its start.

        It also returns after `limit_s`, warm or not.
        Raises: SandboxError if the step ends before, or never gets warm.
        """
        started = time.monotonic()
        while not (self._folder / "out" / "ready").exists():
            end = self.find_end()
            if end is not None:
                raise self._build_error(end)
            if time.monotonic() > started + WARM_UP_LIMIT_S:
                raise SandboxError("The sandbox does not get ready; the step is lost.")
            if time.monotonic() > started + limit_s:
                return
            time.sleep(POLL_S)

    def run(
        self,
        job: Mapping[str, Any],
        *,
        kill_after_s: float = math.inf,
        while_waiting: Callable[[], None] = lambda: None,
        stop_when: Callable[[], str] = lambda: "",
    ) -> JobEnd:
        """Run a job to its end; whatever interrupts the waiting kills it first.

        job: what its script reads; "script" and "time_limit_s" are for the runner.
        kill_after_s: from now; a job that is killed for it has the status "timeout".
        stop_when: asked all the time for a reason to kill the job, which then has the status
            "stopped"; empty: there is none.
        Raises: SandboxError if the step ends by no fault of the job.
        """
        job_id = self.next_job_id
        self._n_jobs += 1
        if os.path.lexists(self._result_path(job_id)):
            raise SandboxError(f"An earlier job wrote the result of job {job_id}; it is not run.")
        path = self._folder / "in" / "jobs" / f"{job_id}.json"
        write_whole(path, json.dumps({**job, "job_id": job_id}))
        cancel_file = path.with_suffix(".cancel")
        started = time.monotonic()
        kill_at = started + kill_after_s
        overdue_at = min(kill_at, started + job["time_limit_s"]) + OVERDUE_S
        reason = ""
        try:
            while (end := self._find_job_end(job_id, started, overdue_at)) is None:
                if time.monotonic() > kill_at:
                    cancel_file.touch()
                while_waiting()
                if not reason and (reason := stop_when()):
                    cancel_file.touch()
                    overdue_at = min(overdue_at, time.monotonic() + OVERDUE_S)
                time.sleep(POLL_S)
        except BaseException:
            cancel_file.touch()
            raise
        if end.status == "killed" and reason:
            evidence = {**end.evidence, "enforced_by": "agent"}
            return replace(end, status="stopped", message=reason, evidence=evidence)
        if end.status == "killed" and cancel_file.exists():
            message = f"It was killed after {kill_after_s:.1f} s, when its time was over."
            evidence = {**end.evidence, "enforced_by": "agent", "time_limit_s": kill_after_s}
            return replace(end, status="timeout", message=message, evidence=evidence)
        if end.status == "killed":
            raise SandboxError("Somebody else ended the sandbox, and with it the job that ran.")
        return end

    def output_tail(self) -> str:
        """The last of what the step itself printed."""
        return self._handle.output_tail()

    def close(self) -> None:
        """End the step; harmless if it has ended."""
        try:
            (self._folder / "in" / "jobs" / "end").touch()
        finally:
            self._handle.stop()

    def collect(self, job_id: str, destination: Path) -> None:
        """Copy the model that a job saved; after `close` only."""
        self._handle.collect(job_id, destination)

    def discard(self) -> None:
        """Give back what the closed step still holds; after its end was recorded."""
        self._handle.discard()

    def job_folder(self, job_id: str) -> Path:
        """What a job writes."""
        return self._folder / "out" / job_id

    def _find_job_end(self, job_id: str, started: float, overdue_at: float) -> JobEnd | None:
        """How the job ended, None while it runs.

        Raises: SandboxError if the step ended and the job is not to blame, or wrote a result that
            cannot be read.
        """
        # In this order: a step that has ended writes no result any more.
        step_end = self.find_end()
        end = self._read_end(job_id)
        if end is not None:
            return end
        if step_end is None and time.monotonic() > overdue_at:
            # The runner does not kill the job although it must: the job has stopped it.
            self._handle.stop()
            evidence = {"enforced_by": "agent", "overdue_s": OVERDUE_S}
            step_end = StepEnd("timeout", "It kept its runner from ending it in time.", evidence)
        if step_end is None:
            return None
        if step_end.status not in LIMITS:
            raise self._build_error(step_end)
        return JobEnd(
            job_id,
            step_end.status,
            exit_code=-9,
            seconds=time.monotonic() - started,
            max_rss_mib=0.0,
            start_delay_s=0.0,
            folder=self.job_folder(job_id),
            message=step_end.message,
            evidence=step_end.evidence,
        )

    def _build_error(self, end: StepEnd) -> SandboxError:
        kind = GpuMissingError if end.status == "gpu_missing" else SandboxError
        if end.message:
            return kind(end.message)
        tail = self._handle.output_tail().strip()
        return kind(f"The sandbox ended with {end.status!r}: {tail or 'no output'}")

    def _result_path(self, job_id: str) -> Path:
        return self._folder / "out" / f"{job_id}.result.json"

    def _read_end(self, job_id: str) -> JobEnd | None:
        try:
            content = read_untrusted(self._result_path(job_id), max_bytes=_MAX_RESULT_BYTES)
            return _parse_end(job_id, parse_strictly(content), self.job_folder(job_id))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, ArithmeticError) as exc:
            raise SandboxError(f"The result of job {job_id} cannot be read ({exc!r}).") from exc


def write_whole(path: Path, text: str) -> None:
    """A file that appears with all its text or not at all, and that a sandbox's user may read.

    Who may reach it is for the folders above it to say.
    """
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.chmod(0o644)
    partial.rename(path)


def _parse_end(job_id: str, result: Mapping[str, Any], folder: Path) -> JobEnd:
    status, exit_code, evidence = result["status"], result["exit_code"], result["evidence"]
    numbers = {name: float(result[name]) for name in ("seconds", "max_rss_mib", "start_delay_s")}
    is_sound = status in _TOLD_STATUSES and isinstance(exit_code, int)
    if not is_sound or not all(map(math.isfinite, numbers.values())) or not _is_plain(evidence):
        raise ValueError(str(result)[:_MAX_MESSAGE_CHARACTERS])
    message = "" if status == "ok" else read_tail(folder / "output.txt")
    if status != "ok" and not message:
        message = f"It printed nothing; its exit code is {exit_code}."
    return JobEnd(
        job_id, status, exit_code, folder=folder, message=message, evidence=evidence, **numbers
    )


def _is_plain(evidence: object) -> bool:
    """Whether it is a small object of names and whole numbers, as the runner writes it."""
    return (
        isinstance(evidence, dict)
        and len(evidence) <= 20
        and all(len(name) <= 40 and name.isascii() and name.isidentifier() for name in evidence)
        and all(isinstance(value, int) and abs(value) < 2**63 for value in evidence.values())
    )
