"""The process sandbox: a session of its own, limits, a built environment, fresh folders.

It is for template code on a machine without Docker. It does not keep a script from reading the
user's files or from using the network; generated code belongs into a container.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from automl_agent.assets import asset_path
from automl_agent.errors import SandboxError
from automl_agent.sandboxes.collector import collect_folder
from automl_agent.sandboxes.sandbox import Status, StepSpec

MAX_FILE_BYTES = 2 * 2**30
GRACE_S = 2.0
_TAIL_BYTES = 4096
# An administrator's work-around for a processor that some OpenBLAS builds do not know.
_PASSED_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


class ProcessSandbox:
    """Runs a step in a process of this machine."""

    name = "process"

    def find_problem(self) -> str | None:
        """Why it cannot be used on this machine."""
        if os.name != "posix":
            return "It needs Linux or macOS; on Windows, use WSL 2."
        return None

    def start(self, spec: StepSpec) -> "ProcessHandle":
        """Start the runner for a step.

        Raises: SandboxError if the runner cannot be started.
        """
        (spec.folder / "tmp").mkdir(mode=0o700)
        config = {
            "warm_imports": spec.warm_imports,
            "memory_mib": spec.resources.memory_mib,
            "max_file_bytes": MAX_FILE_BYTES,
        }
        (spec.folder / "in" / "runner.json").write_text(json.dumps(config))
        folders = [str(spec.folder / name) for name in ("in", "out", "code")]
        output = spec.folder / "output.txt"
        try:
            with output.open("wb") as file:
                process = subprocess.Popen(
                    # -P, -s: neither the working directory nor the user's own packages count.
                    [
                        sys.executable,
                        "-P",
                        "-s",
                        "-u",
                        asset_path("sandbox", "runner.py"),
                        *folders,
                    ],
                    cwd=spec.folder / "tmp",
                    env=build_environment(spec),
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as exc:
            raise SandboxError(f"The process sandbox cannot start Python: {exc}.") from exc
        return ProcessHandle(process, spec.folder, output)


class ProcessHandle:
    """A step that runs in a process."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path, output: Path) -> None:
        self._process = process
        self._folder = folder
        self._output = output

    def poll(self) -> Status | None:
        """How the runner ended, or None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        return "ok" if code == 0 else "killed" if code < 0 else "error"

    def output_tail(self) -> str:
        """The last of what the runner printed."""
        return self._output.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "backslashreplace")

    def stop(self) -> None:
        """Ask the runner to end, which kills its job; after a grace kill its session."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_S)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self._folder / "tmp", ignore_errors=True)

    def collect(self, job_id: str, destination: Path) -> None:
        """Copy a job's model folder."""
        collect_folder(self._folder / "out" / job_id / "model", destination)


def build_environment(spec: StepSpec) -> dict[str, str]:
    """The whole environment of a step; nothing is inherited but what is named here."""
    temporary = str(spec.folder / "tmp")
    threads = str(spec.resources.cpus)
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": temporary,
        "TMPDIR": temporary,
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        # Threads that wait by spinning take the processor from the ones they wait for: on a busy
        # machine a training of 2 s was seen to take 160 s.
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    passed = {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
    return environment | passed
