"""Runs the jobs of one step, each in a process forked from this one, which is warm.

Usage: python runner.py IN OUT CODE

It imports the heavy packages once, then waits for job files: IN/jobs/0001.json and so on, in order,
until IN/jobs/end appears. A job's script runs with AUTOML_IN, AUTOML_OUT and AUTOML_JOB set; its
output goes to OUT/<job>/output.txt and how it ended to OUT/<job>/result.json. A file
IN/jobs/0001.cancel kills that job. Standard library only: this file also runs where automl_agent is
not installed.
"""

import contextlib
import importlib
import json
import os
import resource
import runpy
import signal
import sys
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import NoReturn

# A script is told its time limit and saves its model when it is reached; this is the time for that.
GRACE_S = 10.0
POLL_S = 0.005
# /proc is read this often, not at every poll.
MEMORY_POLL_S = 0.1
PAGE_BYTES = resource.getpagesize()


def main(in_dir: Path, out_dir: Path, code_dir: Path) -> None:
    """Run jobs until there will be no more, or the process that wants them is gone."""
    config = json.loads((in_dir / "runner.json").read_text())
    set_limits(config)
    warm_up(config["warm_imports"])
    sys.path.insert(0, str(code_dir))
    (out_dir / "ready").touch()
    parent = os.getppid()
    number = 1
    while os.getppid() == parent and not (in_dir / "jobs" / "end").exists():
        job_file = in_dir / "jobs" / f"{number:04}.json"
        if job_file.exists():
            run_job(job_file, out_dir / f"{number:04}", in_dir, code_dir, config)
            number += 1
        else:
            time.sleep(POLL_S)


def set_limits(config: dict) -> None:
    """Limits that every job inherits."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for limit, value in (
        (resource.RLIMIT_FSIZE, config["max_file_bytes"]),
        (resource.RLIMIT_NOFILE, 4096),
    ):
        hard = resource.getrlimit(limit)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (allowed, allowed))


def warm_up(modules: list[str]) -> None:
    """Import what the jobs will need; one that is missing fails where it is used."""
    for module in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)


def run_job(job_file: Path, job_out: Path, in_dir: Path, code_dir: Path, config: dict) -> None:
    """Fork, run the job's script, wait for its end, write result.json."""
    job = json.loads(job_file.read_text())
    job_out.mkdir()
    started = time.monotonic()
    start_delay_s = max(0.0, time.time() - job_file.stat().st_mtime)
    pid = os.fork()
    if pid == 0:
        run_script(code_dir / job["script"], job_file, job_out, in_dir)
    stop_with_job(pid)
    deadline = started + job["time_limit_s"] + GRACE_S
    status, wait_status, usage = wait_for(
        pid, deadline, job_file.with_suffix(".cancel"), config["memory_mib"]
    )
    # The job's process id may soon be somebody else's.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    exit_code = os.waitstatus_to_exitcode(wait_status)
    write_result(
        job_out,
        status=status or ("ok" if exit_code == 0 else "error"),
        exit_code=exit_code,
        seconds=time.monotonic() - started,
        start_delay_s=start_delay_s,
        max_rss_mib=usage.ru_maxrss / 1024,
    )


def run_script(script: Path, job_file: Path, job_out: Path, in_dir: Path) -> NoReturn:
    """The child: a process group of its own, output into a file, the script as `__main__`."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    output = os.open(job_out / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update(AUTOML_IN=str(in_dir), AUTOML_OUT=str(job_out), AUTOML_JOB=str(job_file))
    code = 1
    try:
        runpy.run_path(str(script), run_name="__main__")
        code = 0
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    except BaseException:  # noqa: BLE001 - whatever ends a script is reported, KeyboardInterrupt too
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        # Not sys.exit: the parent's clean-up must not run in the child.
        os._exit(code)


def stop_with_job(pid: int) -> None:
    """From now on SIGTERM ends the job's process group and this process."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        kill_group(pid)
        os._exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)


def wait_for(
    pid: int, deadline: float, cancel_file: Path, memory_mib: int
) -> tuple[str | None, int, resource.struct_rusage]:
    """How the child ended: the limit that ended it or None, its wait status, its usage."""
    parent = os.getppid()
    next_memory_poll = 0.0
    while True:
        ended, wait_status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            kill_group(pid)  # what the script left running
            return None, wait_status, usage
        now = time.monotonic()
        limit = None
        if now > deadline:
            limit = "timeout"
        elif cancel_file.exists() or os.getppid() != parent:
            limit = "killed"
        elif now > next_memory_poll:
            next_memory_poll = now + MEMORY_POLL_S
            limit = "oom" if resident_mib(pid) > memory_mib else None
        if limit:
            kill_group(pid)
            _, wait_status, usage = os.wait4(pid, 0)
            return limit, wait_status, usage
        time.sleep(POLL_S)


def kill_group(pid: int) -> None:
    """SIGKILL to the job and to what it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        # The child may not have reached its setpgid yet.
        os.kill(pid, signal.SIGKILL)


def resident_mib(pid: int) -> float:
    """The memory that a process holds now; 0 where there is no /proc."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * PAGE_BYTES / 2**20


def write_result(job_out: Path, **result: object) -> None:
    """result.json appears whole or not at all."""
    partial = job_out / "result.json.partial"
    partial.write_text(json.dumps(result))
    partial.rename(job_out / "result.json")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
