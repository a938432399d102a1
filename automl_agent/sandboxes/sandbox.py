"""What a sandbox is: a place where one step's scripts run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

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
    "stopped",
    "gpu_missing",
    "start_failed",
    "lost",
    "policy",
]
# Limits that a step's own scripts run into; the other ends are no fault of theirs.
LIMITS: frozenset[Status] = frozenset({"timeout", "oom", "pids", "disk", "output_flood"})


@dataclass(frozen=True)
class SandboxOptions:
    """What the person allows and asks for.

    allow_generated: scripts that a language model wrote may run outside a container.
    allow_degraded: names of limits that a container must have, and that she does without.
    runtime: the container runtime, such as "runsc"; empty for the engine's default.
    n_gpus: how many GPUs a step gets.
    cpu_fallback: whether a step may do without the GPUs if they cannot be had.
    """

    allow_generated: bool = False
    allow_degraded: tuple[str, ...] = ()
    runtime: str = ""
    n_gpus: int = 0
    cpu_fallback: bool = False


@dataclass(frozen=True)
class StepSpec:
    """One step: the jobs of one plan, run one after the other from a warm parent.

    step_id: unique within the run.
    folder: holds in/ (read by the step), code/ (its scripts), out/ (written by it, empty).
    warm_imports: modules that the parent imports before the first job.
    is_generated: whether a language model wrote or edited any of the scripts.
    time_limit_s: from the start of the step; a little later it ends, whoever is alive to see it.
    """

    step_id: str
    folder: Path
    warm_imports: tuple[str, ...]
    resources: Resources
    is_generated: bool
    run_id: str = "run"
    time_limit_s: float = 3600.0
    options: SandboxOptions = field(default_factory=SandboxOptions)


@dataclass(frozen=True)
class StepEnd:
    """How a step ended.

    message: one sentence for the person, with the next step if there is one.
    evidence: what shows it, as plain JSON values.
    """

    status: Status
    message: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)


class Handle(Protocol):
    """A step that was started."""

    def poll(self) -> StepEnd | None:
        """How the step ended, or None while it runs; cheap enough to ask all the time."""
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

    def discard(self) -> None:
        """Give back what an ended step still holds; after its end was recorded."""
        ...


class Sandbox(Protocol):
    """A role with one implementation per kind of place, registered by `register_sandboxes`.

    is_container: whether generated code may run there without more ado.
    """

    name: str
    is_container: bool

    def find_problem(self, options: SandboxOptions) -> str | None:
        """Why it cannot be used on this machine, with the remedy; None if it can."""
        ...

    def start(self, spec: StepSpec) -> Handle:
        """Start a step; what goes wrong later is its end.

        Raises: SandboxError if it cannot be started, or must not run such scripts.
        """
        ...
