"""Runs the jobs of one step, each in a process forked from this one, which is warm.

Usage: python runner.py IN OUT CODE

It imports the heavy packages once, writes OUT/ready, then waits for job files: IN/jobs/0001.json
and so on, in order, until IN/jobs/end appears, SIGTERM comes, or the process that wants the jobs is
gone. A job's script runs with AUTOML_IN, AUTOML_OUT and AUTOML_JOB set. What it writes lies in
OUT/<job>/, what it prints in output.txt there, how it ended in OUT/<job>.result.json. A file
IN/jobs/0001.cancel kills the job. Standard library only: this file also runs where automl_agent is
not installed.
"""

import contextlib
import ctypes
import faulthandler
import gc
import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType
from typing import NoReturn

POLL_S = 0.005
# /proc is read this often, not at every poll.
MEMORY_POLL_S = 0.02
PAGE_BYTES = resource.getpagesize()
# The unit of ru_maxrss.
RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024
PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Step:
    """What the jobs share.

    owner_pid: the process that wants the jobs done, this one's parent.
    grace_s: from the end of a job's time, which its script is told, to its kill.
    """

    in_dir: Path
    out_dir: Path
    code_dir: Path
    owner_pid: int
    memory_mib: int
    grace_s: float
    is_stopped: bool = False

    def is_over(self) -> bool:
        """Whether nobody wants the jobs any more."""
        return self.is_stopped or os.getppid() != self.owner_pid

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        """The handler of SIGTERM."""
        self.is_stopped = True


def main(in_dir: Path, out_dir: Path, code_dir: Path) -> None:
    """Run jobs until there will be no more, or nobody wants them."""
    # The owner may be gone before this line, and another process be the parent.
    config = {"owner_pid": os.getppid(), **json.loads((in_dir / "runner.json").read_text())}
    set_limits(config["max_file_bytes"])
    faulthandler.enable()
    adopt_orphans()
    warm_up(config["warm_imports"])
    sys.path.insert(0, str(code_dir))
    step = Step(
        in_dir=in_dir,
        out_dir=out_dir,
        code_dir=code_dir,
        owner_pid=config["owner_pid"],
        memory_mib=config["memory_mib"],
        grace_s=config["grace_s"],
    )
    signal.signal(signal.SIGTERM, step.stop)
    (out_dir / "ready").touch()
    number = 1
    while not step.is_over() and not (in_dir / "jobs" / "end").exists():
        job_file = in_dir / "jobs" / f"{number:04}.json"
        if job_file.exists():
            run_job(step, job_file)
            number += 1
        else:
            time.sleep(POLL_S)


def set_limits(max_file_bytes: int) -> None:
    """Limits that every job inherits."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for limit, value in ((resource.RLIMIT_FSIZE, max_file_bytes), (resource.RLIMIT_NOFILE, 4096)):
        hard = resource.getrlimit(limit)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (allowed, allowed))


def adopt_orphans() -> None:
    """On Linux, what a job leaves running becomes a child of this process, daemons too."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def warm_up(modules: list[str]) -> None:
    """Import what the jobs will need; one that is missing or broken fails where it is used."""
    for module in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    # The garbage collections of the jobs need not look at, and so copy, all that was imported.
    gc.freeze()


def run_job(step: Step, job_file: Path) -> None:
    """Fork, run the job's script, wait for its end, write how it ended."""
    job = json.loads(job_file.read_text())
    job_out = step.out_dir / job_file.stem
    job_out.mkdir()
    started = time.monotonic()
    start_delay_s = max(0.0, time.time() - job_file.stat().st_mtime)
    pid = os.fork()
    if pid == 0:
        run_script(step, step.code_dir / job["script"], job_file, job_out)
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)  # the child does it too; whoever comes first
    limit, wait_status, usage = wait_for(
        step, pid, started + job["time_limit_s"] + step.grace_s, job_file.with_suffix(".cancel")
    )
    kill_leftovers(pid)
    exit_code = os.waitstatus_to_exitcode(wait_status)
    write_result(
        step.out_dir / f"{job_file.stem}.result.json",
        status=limit or ("ok" if exit_code == 0 else "error"),
        exit_code=exit_code,
        seconds=time.monotonic() - started,
        start_delay_s=start_delay_s,
        max_rss_mib=usage.ru_maxrss * RSS_UNIT_BYTES / 2**20,
    )


def run_script(step: Step, script: Path, job_file: Path, job_out: Path) -> NoReturn:
    """The child: a process group of its own, output into a file, the script as `__main__`."""
    code = 1
    main_module = ModuleType("__main__")
    main_module.__file__ = str(script)
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        output = os.open(job_out / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ.update(
            AUTOML_IN=str(step.in_dir), AUTOML_OUT=str(job_out), AUTOML_JOB=str(job_file)
        )
        sys.modules["__main__"], sys.argv = main_module, [str(script)]
        exec(compile(script.read_bytes(), script, "exec"), vars(main_module))
        code = 0
    except SystemExit as exc:
        code = read_exit_code(exc)
    except BaseException:  # noqa: BLE001 - whatever ends a script is reported, KeyboardInterrupt too
        traceback.print_exc()
    finally:
        try:
            # As at the interpreter's end: files that the script left open are written out.
            vars(main_module).clear()
            gc.collect()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            # Not sys.exit: the parent's clean-up must not run in the child.
            os._exit(code)


def read_exit_code(exc: SystemExit) -> int:
    """The exit code that the interpreter makes of it; a text is printed and is 1."""
    if exc.code is None:
        return 0
    if isinstance(exc.code, int):
        return exc.code & 0xFF
    print(exc.code, file=sys.stderr)
    return 1


def wait_for(
    step: Step, pid: int, deadline: float, cancel_file: Path
) -> tuple[str | None, int, resource.struct_rusage]:
    """How the child ended: the limit that ended it or None, its wait status, its usage."""
    next_memory_poll = 0.0
    while True:
        ended, wait_status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            return None, wait_status, usage
        now = time.monotonic()
        limit = None
        if now > deadline:
            limit = "timeout"
        elif cancel_file.exists() or step.is_over():
            limit = "killed"
        elif now > next_memory_poll:
            next_memory_poll = now + MEMORY_POLL_S
            limit = "oom" if resident_mib(pid) > step.memory_mib else None
        if limit:
            os.kill(pid, signal.SIGKILL)
            _, wait_status, usage = os.wait4(pid, 0)
            return limit, wait_status, usage
        time.sleep(POLL_S)


def kill_leftovers(group: int) -> None:
    """SIGKILL to all that an ended job left running.

    Where orphans are adopted nothing escapes; elsewhere what has left the job's group does.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            ended, _ = os.waitpid(-1, os.WNOHANG)
            children = [] if ended else list(find_children())
            if not ended and not children:
                return
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            time.sleep(POLL_S if children else 0)


def find_children() -> Iterator[int]:
    """The children of this process, ended ones too; none where there is no /proc."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name in parentheses may hold anything, so count from behind it.
            _state, parent, *_ = stat.read_text().rpartition(")")[2].split()
            if int(parent) == os.getpid():
                yield int(stat.parent.name)


def resident_mib(pid: int) -> float:
    """The memory that a process holds now; 0 where there is no /proc."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * PAGE_BYTES / 2**20


def write_result(path: Path, **result: object) -> None:
    """The file appears whole or not at all."""
    partial = path.with_suffix(".partial")
    with partial.open("x") as file:
        json.dump(result, file)
    partial.rename(path)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
