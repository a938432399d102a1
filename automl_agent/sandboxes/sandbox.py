"""What a sandbox is: a place where one step's scripts run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from automl_agent.experts.plan import Resources

Status = Literal[
    "ok",
    "error",
    "timeout",
    "oom",
    "pids",
    "disk",
    "output_flood",
    "killed",
    "gpu_missing",
    "start_failed",
    "lost",
    "policy",
]


@dataclass(frozen=True)
class StepSpec:
    """One step: the jobs of one plan, run one after the other from a warm parent.

    folder: holds in/ (read by the step), code/ (its scripts), out/ (written by it, empty).
    warm_imports: modules that the parent imports before the first job.
    is_generated: whether a language model wrote or edited any of the scripts.
    allow_generated: whether the person said that such scripts may run outside a container.
    """

    step_id: str
    folder: Path
    warm_imports: tuple[str, ...]
    resources: Resources
    is_generated: bool
    allow_generated: bool = False


class Handle(Protocol):
    """A step that was started."""

    def poll(self) -> Status | None:
        """How the step ended, or None while it runs."""
        ...

    def output_tail(self) -> str:
        """The last 4 KiB of what the step itself printed, for a message."""
        ...

    def stop(self) -> None:
        """End the step and all it started; harmless if it has ended."""
        ...

    def collect(self, job_id: str, destination: Path) -> None:
        """Copy a job's model folder to `destination`, which must not exist; after `stop` only.

        Raises: SandboxError if the folder holds anything but allowed regular files.
        """
        ...


class Sandbox(Protocol):
    """A role with one implementation per kind of place, registered by `register_sandboxes`.

    is_container: whether generated code may run there without more ado.
    """

    name: str
    is_container: bool

    def find_problem(self) -> str | None:
        """Why it cannot be used on this machine, with the remedy; None if it can."""
        ...

    def start(self, spec: StepSpec) -> Handle:
        """Start a step.

        Raises: SandboxError if it cannot be started, or must not run such scripts.
        """
        ...
