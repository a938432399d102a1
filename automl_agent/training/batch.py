"""A batch: the jobs of one plan in one sandbox step, one after the other."""

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from automl_agent.errors import SandboxError
from automl_agent.experts.plan import Plan
from automl_agent.sandboxes.sandbox import Handle, Sandbox, Status, StepSpec
from automl_agent.training.job import Job
from automl_agent.training.training_log import LogRecord, LogTail, read_tail, read_untrusted

POLL_S = 0.01
# The runner kills a job ten seconds after its limit; one that outlasts this has no runner.
LOST_AFTER_S = 20.0
# Importing torch from a slow disk takes half of it.
WARM_UP_LIMIT_S = 120.0
_MAX_RESULT_BYTES = 2**20


@dataclass(frozen=True)
class JobEnd:
    """How a job ended.

    exit_code: negative if a signal ended the process. folder: what the script wrote.
    start_delay_s: from the writing of the job to the start of its process.
    message: for a failure, the end of what it printed.
    """

    job_id: str
    status: Status
    exit_code: int
    seconds: float
    max_rss_mib: float
    start_delay_s: float
    folder: Path
    message: str = ""


class Batch:
    """A sandbox step that takes jobs until it is closed."""

    def __init__(
        self, plan: Plan, sandbox: Sandbox, folder: Path, *, allow_generated: bool = False
    ) -> None:
        """Start the step; the sandbox's warm-up goes on while the caller does other things.

        folder: holds in/data; code/, out/ and in/jobs are made here.
        """
        for name in ("code", "out", "in/jobs"):
            (folder / name).mkdir(parents=True, mode=0o700)
        for name, text in plan.scripts.items():
            (folder / "code" / name).write_text(text, encoding="utf-8")
        self._folder = folder
        self._n_jobs = 0
        self._handle: Handle = sandbox.start(
            StepSpec(
                step_id=plan.plan_id,
                folder=folder,
                warm_imports=tuple(m for r in plan.model_card.requirements for m in r.imports),
                resources=plan.resources,
                is_generated=bool(plan.generated),
                allow_generated=allow_generated,
            )
        )

    def wait_until_warm(self, limit_s: float = WARM_UP_LIMIT_S) -> None:
        """Return when the sandbox takes jobs, so that no job's time is spent on its start.

        It also returns after `limit_s`, warm or not.
        Raises: SandboxError if the step ends before, or never gets warm.
        """
        started = time.monotonic()
        while not (self._folder / "out" / "ready").exists():
            self._check_alive(started + WARM_UP_LIMIT_S)
            if time.monotonic() > started + limit_s:
                return
            time.sleep(POLL_S)

    def run(
        self,
        job: Job,
        on_record: Callable[[LogRecord], None] | None = None,
        *,
        kill_after_s: float = math.inf,
    ) -> JobEnd:
        """Run a job to its end; a KeyboardInterrupt kills it first.

        on_record: called with each record of its training log as it comes.
        kill_after_s: from now; a job that is killed for it has the status "timeout".
        Raises: SandboxError if the step itself ends.
        """
        self._n_jobs += 1
        job_id = f"{self._n_jobs:04}"
        if os.path.lexists(self._result_path(job_id)):
            raise SandboxError(f"An earlier job wrote the result of job {job_id}; it is not run.")
        path = self._folder / "in" / "jobs" / f"{job_id}.json"
        write_whole(path, json.dumps(job.to_json(job_id)))
        tail = LogTail(self.job_folder(job_id) / "training_log.jsonl")
        started = time.monotonic()
        cancel_file = path.with_suffix(".cancel")
        try:
            while (end := self._read_end(job_id)) is None:
                self._check_alive(started + job.time_limit_s + LOST_AFTER_S)
                if time.monotonic() > started + kill_after_s:
                    cancel_file.touch()
                _pass_on(tail.read_new, on_record)
                time.sleep(POLL_S)
        except BaseException:
            cancel_file.touch()
            raise
        _pass_on(tail.read_rest, on_record)
        if end.status == "killed" and cancel_file.exists():
            message = f"It was killed after {kill_after_s:.1f} s, when its time was over."
            return replace(end, status="timeout", message=message)
        return end

    def close(self) -> None:
        """End the step; harmless if it has ended."""
        try:
            (self._folder / "in" / "jobs" / "end").touch()
        finally:
            self._handle.stop()

    def collect(self, job_id: str, destination: Path) -> None:
        """Copy the model that a job saved; after `close` only."""
        self._handle.collect(job_id, destination)

    def job_folder(self, job_id: str) -> Path:
        """What a job writes."""
        return self._folder / "out" / job_id

    def _check_alive(self, deadline: float) -> None:
        status = self._handle.poll()
        if status is not None:
            tail = self._handle.output_tail().strip()
            raise SandboxError(f"The sandbox ended with {status!r}: {tail or 'no output'}")
        if time.monotonic() > deadline:
            raise SandboxError("The sandbox does not answer; the step is lost.")

    def _result_path(self, job_id: str) -> Path:
        return self._folder / "out" / f"{job_id}.result.json"

    def _read_end(self, job_id: str) -> JobEnd | None:
        try:
            content = read_untrusted(self._result_path(job_id), max_bytes=_MAX_RESULT_BYTES)
            return _parse_end(job_id, json.loads(content), self.job_folder(job_id))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as exc:
            raise SandboxError(f"The result of job {job_id} cannot be read ({exc!r}).") from exc


def write_whole(path: Path, text: str) -> None:
    """A file that appears with all its text or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.rename(path)


def link_data(source: Path, destination: Path) -> None:
    """The files of a folder in another one: hard links where the file system has them."""
    destination.mkdir(parents=True, mode=0o700)
    for file in source.iterdir():
        try:
            os.link(file, destination / file.name)
        except OSError:
            shutil.copy2(file, destination / file.name)


def _parse_end(job_id: str, result: Mapping[str, Any], folder: Path) -> JobEnd:
    status, exit_code = result["status"], result["exit_code"]
    numbers = {name: float(result[name]) for name in ("seconds", "max_rss_mib", "start_delay_s")}
    is_sound = status in get_args(Status) and isinstance(exit_code, int)
    if not is_sound or not all(map(math.isfinite, numbers.values())):
        raise ValueError(result)
    message = "" if status == "ok" else read_tail(folder / "output.txt")
    if status != "ok" and not message:
        message = f"It printed nothing; its exit code is {exit_code}."
    return JobEnd(job_id, status, exit_code, folder=folder, message=message, **numbers)


def _pass_on(
    read: Callable[[], list[LogRecord]], on_record: Callable[[LogRecord], None] | None
) -> None:
    if on_record:
        for record in read():
            on_record(record)
