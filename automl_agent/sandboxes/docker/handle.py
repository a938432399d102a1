"""A step in a container: a thread starts it, watches it, ends it, and keeps what shows how."""

import contextlib
import math
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_agent.errors import SandboxError
from automl_agent.sandboxes.collector import collect_folder
from automl_agent.sandboxes.docker.container import STDERR, Container, ContainerGoneError
from automl_agent.sandboxes.docker.disk import Usage, find_shortage, measure_folder
from automl_agent.sandboxes.docker.engine import (
    CALL_LIMIT_S,
    EngineError,
    GpuRefusedError,
    open_engine,
)
from automl_agent.sandboxes.docker.output import Output
from automl_agent.sandboxes.docker.policy import Policy, count_pids
from automl_agent.sandboxes.docker.verdict import judge_end
from automl_agent.sandboxes.sandbox import StepEnd, StepSpec

if TYPE_CHECKING:
    from docker import APIClient

# The end of a container is noticed at once, by the end of its output; this is for all else.
_WATCH_S = 0.5
_DISK_WATCH_S = 1.0
# How long an engine may not answer, or not end a container that it was told to, before the step
# counts as lost.
LOST_AFTER_S = 15.0
# What a container printed is complete soon after its end, unless the engine hangs.
_LAST_OUTPUT_S = 2.0
_TAIL_CHARACTERS = 4096
_EVIDENCE_CHARACTERS = 2**16
_UNENDING = (
    "The engine does not end the container: it hangs in a device or on a disk. The step is lost; "
    "restart the machine."
)
# The first attempt, and one more for a GPU that did not show up.
_N_ATTEMPTS = 2

Launch = Callable[["APIClient", int], Container]


class DockerHandle:
    """A step that runs in a container."""

    def __init__(self, spec: StepSpec, policy: Policy, launch: Launch) -> None:
        """Start the step in the background.

        launch: makes and starts the container of an attempt, or finds the one that runs already.
        """
        self._spec = spec
        self._policy = policy
        self._launch = launch
        self._output = Output()
        self._wake = threading.Event()
        self._is_stopping = False
        self._container: Container | None = None
        self._attempt = 1
        self._usage = Usage()
        self._end: StepEnd | None = None
        name = f"container of {spec.run_id} {spec.step_id}"
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    @property
    def container_id(self) -> str | None:
        """The engine's id of the container, once there is one."""
        return self._container.container_id if self._container else None

    def poll(self) -> StepEnd | None:
        """How the step ended, or None while it runs."""
        return self._end

    def output_tail(self) -> str:
        """The last of what the runner printed."""
        return self._output.tail(_TAIL_CHARACTERS)

    def stop(self) -> None:
        """SIGTERM, a grace, SIGKILL; an engine that does not answer loses the step."""
        self._is_stopping = True
        self._wake.set()
        # Starting, stopping and looking each have the engine's deadline.
        self._thread.join(3 * CALL_LIMIT_S + self._policy.stop_grace_s)
        if self._end is None:
            self._end = StepEnd("lost", "The Docker engine did not end the step in time.")

    def collect(self, job_id: str, destination: Path) -> None:
        """Copy a job's model folder."""
        if self._end is None:
            raise SandboxError("The results of a step are collected after its end.")
        collect_folder(self._spec.folder / "out" / job_id / "model", destination)

    def discard(self) -> None:
        """Remove the container."""
        # The reaper removes what an engine that does not answer keeps.
        with contextlib.suppress(EngineError):
            if self._container is not None:
                with closing(open_engine()) as client:
                    Container(client, self._container.container_id).remove()

    def _live(self) -> None:
        try:
            with closing(open_engine()) as client:
                self._end = self._run_attempts(client)
        except GpuRefusedError as exc:
            self._end = StepEnd("gpu_missing", str(exc))
        except EngineError as exc:
            self._end = StepEnd("lost" if self._container else "start_failed", str(exc))
        except Exception as exc:  # noqa: BLE001 - nobody else sees what a thread raises
            self._kill_unwatched()
            self._end = StepEnd("lost", f"The watch of the container failed: {exc!r}")

    def _kill_unwatched(self) -> None:
        # What fails here ends at the container's own deadline.
        with contextlib.suppress(EngineError):
            if self._container is not None:
                with closing(open_engine()) as client:
                    Container(client, self._container.container_id).kill()

    def _run_attempts(self, client: "APIClient") -> StepEnd:
        while True:
            shortage = find_shortage(self._spec.folder)
            if shortage:
                return StepEnd("start_failed", f"Nothing is started: {shortage}.")
            self._container = self._launch(client, self._attempt)
            end = self._watch(self._container)
            if end.status != "gpu_missing" or self._attempt == _N_ATTEMPTS or self._is_stopping:
                return end
            self._container.remove()
            self._attempt += 1
            self._output = Output()

    def _watch(self, container: Container) -> StepEnd:
        reader = threading.Thread(target=self._read_output, args=(container,), daemon=True)
        reader.start()
        try:
            return self._watch_to_end(container, reader)
        finally:
            container.stop_following()

    def _watch_to_end(self, container: Container, reader: threading.Thread) -> StepEnd:
        cause: StepEnd | None = None
        lost_at = math.inf
        deadline = time.monotonic() + self._spec.time_limit_s
        answered = time.monotonic()
        next_disk_watch = 0.0
        while self._end is None:
            try:
                found = container.inspect()
                answered = time.monotonic()
                if not found["State"]["Running"]:
                    reader.join(_LAST_OUTPUT_S)
                    return self._judge(found, cause)
                if answered > lost_at:
                    return StepEnd("lost", _UNENDING, self._describe())
                if self._is_stopping:
                    cause = StepEnd("ok")
                elif cause is None:
                    cause = self._find_cause(deadline, look_at_disk=answered > next_disk_watch)
                    if answered > next_disk_watch:
                        next_disk_watch = answered + _DISK_WATCH_S
                if cause is not None:
                    lost_at = min(lost_at, answered + self._policy.stop_grace_s + LOST_AFTER_S)
                    self._end_container(container)
            except ContainerGoneError as exc:
                return StepEnd("killed", str(exc), self._describe())
            except EngineError as exc:
                if time.monotonic() > answered + LOST_AFTER_S:
                    return StepEnd("lost", f"{exc} The step is lost.", self._describe())
            self._wake.wait(_WATCH_S)
            self._wake.clear()
        return self._end

    def _end_container(self, container: Container) -> None:
        if self._is_stopping:
            # An engine that cannot stop it may still be able to kill it.
            with contextlib.suppress(EngineError):
                container.stop(self._policy.stop_grace_s)
        container.kill()

    def _read_output(self, container: Container) -> None:
        # The stream ends with the container, or with its engine; the watch sees which.
        with contextlib.suppress(EngineError), closing(open_engine()) as client:
            for stream, piece in container.follow_output(client):
                target = self._output.stderr if stream == STDERR else self._output.stdout
                target.add(piece)
                if self._output.n_bytes > self._policy.max_output_bytes:
                    self._wake.set()
        self._wake.set()

    def _find_cause(self, deadline: float, *, look_at_disk: bool) -> StepEnd | None:
        """The limit that a running step is over, if there is one."""
        if time.monotonic() > deadline:
            limit_s = self._spec.time_limit_s
            return StepEnd("timeout", f"The step took longer than its {limit_s:.0f} s.")
        if self._output.n_bytes > self._policy.max_output_bytes:
            limit_mib = self._policy.max_output_bytes / 2**20
            return StepEnd("output_flood", f"The step printed more than {limit_mib:.0f} MiB.")
        return self._find_disk_cause() if look_at_disk else None

    def _find_disk_cause(self) -> StepEnd | None:
        policy = self._policy
        self._usage = measure_folder(
            self._spec.folder / "out",
            max_files=policy.max_out_files,
            max_depth=policy.max_out_depth,
        )
        text = None
        if self._usage.n_bytes > policy.max_out_bytes:
            text = f"the step wrote more than {policy.max_out_bytes / 2**20:.0f} MiB"
        elif self._usage.n_files > policy.max_out_files:
            text = f"the step wrote more than {policy.max_out_files} files"
        elif self._usage.depth > policy.max_out_depth:
            text = f"the step wrote folders more than {policy.max_out_depth} deep"
        elif self._usage.n_unreadable:
            text = "the step made folders that cannot be looked into"
        text = text or find_shortage(self._spec.folder)
        return StepEnd("disk", f"It was ended: {text}.") if text else None

    def _judge(self, found: dict[str, Any], cause: StepEnd | None) -> StepEnd:
        """What the end of a container means; cause: why we ended it, if we did."""
        state = found["State"]
        evidence = self._describe() | {
            "exit_code": state["ExitCode"],
            "oom_killed": state["OOMKilled"],
            "engine_error": state["Error"],
            "started_at": state["StartedAt"],
            "finished_at": state["FinishedAt"],
            "output": self._output.tail(_EVIDENCE_CHARACTERS),
        }
        if cause is not None:
            return StepEnd(cause.status, cause.message, evidence)
        has_end = (self._spec.folder / "in" / "jobs" / "end").exists()
        return judge_end(
            state,
            self._spec,
            self._policy,
            is_expected=self._is_stopping or has_end,
            printed=self.output_tail(),
            evidence=evidence,
        )

    def _describe(self) -> dict[str, Any]:
        """What a limit is measured against."""
        resources = self._spec.resources
        return {
            "container": self.container_id,
            "attempt": self._attempt,
            "memory_limit_mib": resources.memory_mib,
            "pids_limit": count_pids(resources.cpus),
            "time_limit_s": self._spec.time_limit_s,
            "out_limit_mib": self._policy.max_out_bytes // 2**20,
            "out_mib": round(self._usage.n_bytes / 2**20, 1),
            "out_files": self._usage.n_files,
            "printed_bytes": self._output.n_bytes,
        }
