"""A batch: the jobs of one plan in one sandbox step, one after the other."""

import math
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from automl_agent.experts.plan import Plan
from automl_agent.sandboxes.sandbox import Sandbox, SandboxOptions, StepEnd, StepSpec
from automl_agent.sandboxes.step import WARM_UP_LIMIT_S, JobEnd, Step
from automl_agent.training.job import Job
from automl_agent.training.training_log import LogRecord, LogTail

# A step that nobody gave a limit, such as a prediction, is over long before.
DEFAULT_STEP_LIMIT_S = 3600.0
_NO_OPTIONS = SandboxOptions()


class Batch:
    """A sandbox step that takes a plan's jobs until it is closed.

    data_folder: the tables that scripts may read, which they see as data/.
    """

    def __init__(
        self,
        plan: Plan,
        sandbox: Sandbox,
        folder: Path,
        *,
        run_id: str = "run",
        step_id: str | None = None,
        time_limit_s: float = DEFAULT_STEP_LIMIT_S,
        options: SandboxOptions = _NO_OPTIONS,
    ) -> None:
        """Start the step; the sandbox's warm-up goes on while the caller does other things.

        folder: holds in/data; code/, out/ and in/jobs are made here.
        Raises: SandboxError if the sandbox cannot be started.
        """
        spec = StepSpec(
            run_id=run_id,
            step_id=step_id or plan.plan_id,
            folder=folder,
            warm_imports=tuple(m for r in plan.model_card.requirements for m in r.imports),
            resources=plan.resources,
            is_generated=bool(plan.generated),
            time_limit_s=time_limit_s,
            options=options,
        )
        self._step = Step(sandbox, spec, plan.scripts)
        self.data_folder = folder / "in" / "data"

    def find_end(self) -> StepEnd | None:
        """How the step ended, None while it takes jobs."""
        return self._step.find_end()

    def wait_until_warm(self, limit_s: float = WARM_UP_LIMIT_S) -> None:
        """Return when the step takes jobs, or after `limit_s`.

        Raises: SandboxError if the step ends before, or never gets warm.
        """
        self._step.wait_until_warm(limit_s)

    def run(
        self,
        job: Job,
        on_record: Callable[[LogRecord], None] | None = None,
        *,
        kill_after_s: float = math.inf,
        stop_when: Callable[[], str] = lambda: "",
    ) -> JobEnd:
        """Run a job to its end; a KeyboardInterrupt kills it first.

        on_record: called with each record of its training log as it comes.
        kill_after_s: from now; a job that is killed for it has the status "timeout".
        stop_when: asked all the time for a reason to kill the job, which then has the status
            "stopped"; empty: there is none.
        Raises: SandboxError if the step itself ends by no fault of the job.
        """
        job_id = self._step.next_job_id
        tail = LogTail(self.job_folder(job_id) / "training_log.jsonl")
        end = self._step.run(
            job.to_json(job_id),
            kill_after_s=kill_after_s,
            while_waiting=lambda: _pass_on(tail.read_new, on_record),
            stop_when=stop_when,
        )
        _pass_on(tail.read_rest, on_record)
        return end

    def close(self) -> None:
        """End the step; harmless if it has ended."""
        self._step.close()

    def collect(self, job_id: str, destination: Path) -> None:
        """Copy the model that a job saved; after `close` only."""
        self._step.collect(job_id, destination)

    def discard(self) -> None:
        """Give back what the closed step still holds; after its end was recorded."""
        self._step.discard()

    def job_folder(self, job_id: str) -> Path:
        """What a job writes."""
        return self._step.job_folder(job_id)


def link_data(source: Path, destination: Path) -> None:
    """The files of a folder in another one: hard links where the file system has them."""
    destination.mkdir(parents=True, mode=0o700)
    for file in source.iterdir():
        try:
            os.link(file, destination / file.name)
        except OSError:
            shutil.copy2(file, destination / file.name)


def _pass_on(
    read: Callable[[], Iterable[LogRecord]], on_record: Callable[[LogRecord], None] | None
) -> None:
    if on_record:
        for record in read():
            on_record(record)
