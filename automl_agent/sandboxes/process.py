"""The process sandbox: a session of its own, limits, a built environment, fresh folders.

It is for template code on a machine without Docker. It does not keep a script from reading the
user's files, from using the network, or from attacking the runner, which belongs to the same user;
generated code belongs into a container. The memory limit counts a job's main process. What a job
leaves running is killed: on Linux all of it, elsewhere what stayed in the job's process group. What
has left the step's session too outlives a runner that is itself killed from outside.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from automl_agent.assets import asset_path
from automl_agent.errors import SandboxError
from automl_agent.sandboxes.collector import collect_folder
from automl_agent.sandboxes.folders import remove_tree
from automl_agent.sandboxes.runner_config import (
    JOB_GRACE_S,
    MAX_FILE_BYTES,
    MAX_OUT_BYTES,
    build_runner_config,
)
from automl_agent.sandboxes.sandbox import SandboxOptions, Status, StepEnd, StepSpec
from automl_agent.sandboxes.thread_environment import build_thread_environment

# The runner needs some milliseconds to kill its job and to end.
GRACE_S = 2.0
_POLL_S = 0.01
_TAIL_BYTES = 4096
# The runner's exit code when the step's time is over.
_STEP_TIMEOUT = 91
# An administrator's work-around for a processor that some OpenBLAS builds do not know.
_PASSED_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


class ProcessSandbox:
    """Runs a step in a process of this machine.

    job_grace_s: from the end of a job's time, which its script is told, to its kill.
    max_file_bytes: of each file that a step writes. max_out_bytes: of all of them.
    """

    name = "process"
    is_container = False

    def __init__(
        self,
        *,
        job_grace_s: float = JOB_GRACE_S,
        max_file_bytes: int = MAX_FILE_BYTES,
        max_out_bytes: int = MAX_OUT_BYTES,
    ) -> None:
        self._job_grace_s = job_grace_s
        self._max_file_bytes = max_file_bytes
        self._max_out_bytes = max_out_bytes

    def find_problem(self, options: SandboxOptions) -> str | None:
        """Why it cannot be used on this machine."""
        if options.n_gpus and not options.cpu_fallback:
            return "It leases no GPUs; use --sandbox docker, or leave --gpus out."
        if os.name != "posix":
            return "It needs Linux or macOS; on Windows, use WSL 2."
        return None

    def start(self, spec: StepSpec) -> "ProcessHandle":
        """Start the runner for a step.

        Raises: SandboxError if the runner cannot be started, or must not run generated code.
        """
        if spec.is_generated and not spec.options.allow_generated:
            raise SandboxError(
                "a language model wrote some of the scripts, and the process sandbox does not run "
                "such code; use --sandbox docker (automl-agent sandbox build makes its image), or, "
                "if you trust the code, --allow-generated-code-in-process."
            )
        folder = spec.folder.resolve()  # the runner has another working directory
        config = build_runner_config(
            spec,
            job_grace_s=self._job_grace_s,
            max_file_bytes=self._max_file_bytes,
            scratch=[str(folder / "tmp")],
            is_contained=False,
            max_out_bytes=self._max_out_bytes,
        ) | {"owner_pid": os.getpid()}
        # -P, -s: neither what lies beside the runner nor the user's own packages count.
        command = [sys.executable, "-P", "-s", "-u", str(asset_path("sandbox", "runner.py"))]
        try:
            (folder / "tmp").mkdir(mode=0o700)
            (folder / "in" / "runner.json").write_text(json.dumps(config))
            with (folder / "output.txt").open("wb") as output:
                process = subprocess.Popen(
                    [*command, *(str(folder / name) for name in ("in", "out", "code"))],
                    cwd=folder / "tmp",
                    env=build_environment(spec),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as exc:
            raise SandboxError(f"The process sandbox cannot start Python: {exc}.") from exc
        return ProcessHandle(process, folder, spec.time_limit_s)


class ProcessHandle:
    """A step that runs in a process."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", folder: Path, time_limit_s: float
    ) -> None:
        self._process = process
        self._folder = folder
        self._time_limit_s = time_limit_s
        self._is_stopped = False

    @property
    def pid(self) -> int:
        """The process id of the runner."""
        return self._process.pid

    def poll(self) -> StepEnd | None:
        """How the runner ended, or None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        evidence = {"exit_code": code, "pid": self.pid, "time_limit_s": self._time_limit_s}
        if code == _STEP_TIMEOUT:
            message = f"The step took longer than its {self._time_limit_s:.0f} s."
            return StepEnd("timeout", message, {**evidence, "enforced_by": "sandbox's runner"})
        status: Status = "ok" if code == 0 else "killed" if code < 0 else "error"
        return StepEnd(status, evidence=evidence)

    def output_tail(self) -> str:
        """The last of what the runner printed."""
        with (self._folder / "output.txt").open("rb") as output:
            output.seek(max(0, output.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return output.read().decode("utf-8", "backslashreplace")

    def stop(self) -> None:
        """Ask the runner to end, which kills its job; after a grace kill what is left of it."""
        if self._is_stopped:
            return  # its process id may be somebody else's by now
        self._is_stopped = True
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_S)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        _kill_session(self.pid)
        remove_tree(self._folder / "tmp")

    def collect(self, job_id: str, destination: Path) -> None:
        """Copy a job's model folder."""
        collect_folder(self._folder / "out" / job_id / "model", destination)

    def discard(self) -> None:
        """Nothing is held."""


def build_environment(spec: StepSpec) -> dict[str, str]:
    """The whole environment of a step; nothing is inherited but what is named here."""
    temporary = str(spec.folder.resolve() / "tmp")
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": temporary,
        "TMPDIR": temporary,
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        **build_thread_environment(spec.resources.cpus),
    }
    passed = {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
    return environment | passed


def _kill_session(leader: int) -> None:
    """SIGKILL to what is left of a session: jobs have groups of their own."""
    deadline = time.monotonic() + GRACE_S
    while (members := list(_find_members(leader))) and time.monotonic() < deadline:
        for pid in members:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_S)


def _find_members(leader: int) -> Iterator[int]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name in parentheses may hold anything, so count from behind it.
            state, _parent, _group, session, *_ = stat.read_text().rpartition(")")[2].split()
            if int(session) == leader and state not in ("Z", "X"):
                yield int(stat.parent.name)
