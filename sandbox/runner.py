"""Runs the jobs of one step, each in a process forked from this one, which is warm.

Usage: python runner.py IN OUT CODE

It imports the heavy packages once, writes OUT/ready, then waits for job files: IN/jobs/0001.json
and so on, in order, until IN/jobs/end appears, SIGTERM comes, or the process that wants the jobs is
gone. A job's script runs with AUTOML_IN, AUTOML_OUT and AUTOML_JOB set. What it writes lies in
OUT/<job>/, what it prints in output.txt there, how it ended in OUT/<job>.result.json. A file
IN/jobs/0001.cancel kills the job. Standard library only: this file also runs where automl_agent is
not installed.

IN/runner.json says what to import and which limits hold. In a container the kernel counts how often
its limits on memory and processes struck; a job that fails while a count goes up ended by it.
"""

import contextlib
import faulthandler
import gc
import importlib
import json
import math
import os
import resource
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import FrameType, ModuleType
from typing import NoReturn

# With -I or -P Python does not look beside this file, where its other half lies.
sys.path.insert(0, str(Path(__file__).parent))
import confinement

sys.path.pop(0)

POLL_S = 0.005
# /proc is read this often, not at every poll.
MEMORY_POLL_S = 0.02
# What is written is measured this often: it costs a system call for each file.
DISK_POLL_S = 1.0
# The unit of ru_maxrss.
RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024
# The exit code of a step whose time is over.
STEP_TIMEOUT = 91


@dataclass
class Step:
    """What the jobs share.

    owner_pid: the process that wants the jobs done, this one's parent.
    grace_s: from the end of a job's time, which its script is told, to its kill.
    scratch: folders that are emptied after each job.
    is_contained: whether the kernel's counts are this step's own.
    gpu_memory_fraction: of each GPU's memory, what a job may take if it uses PyTorch.
    max_out_bytes: of all that the step writes to out_dir; None where somebody else watches that.
    deadline: of the step as a whole, on the monotonic clock.
    """

    in_dir: Path
    out_dir: Path
    code_dir: Path
    owner_pid: int
    memory_mib: int
    grace_s: float
    max_output_bytes: int
    scratch: list[str]
    is_contained: bool
    gpu_memory_fraction: float
    max_out_bytes: int | None
    deadline: float
    is_stopped: bool = False

    def is_over(self) -> bool:
        """Whether nobody wants the jobs any more, or has waited for them long enough."""
        return self.is_stopped or os.getppid() != self.owner_pid or self.is_late()

    def is_late(self) -> bool:
        """Whether the step's time is over."""
        return time.monotonic() > self.deadline

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        """The handler of SIGTERM."""
        self.is_stopped = True


def main(in_dir: Path, out_dir: Path, code_dir: Path) -> None:
    """Run jobs until there will be no more, or nobody wants them."""
    # The owner may be gone before this line, and another process be the parent.
    config = {"owner_pid": os.getppid(), **json.loads((in_dir / "runner.json").read_text())}
    confinement.set_limits(config["max_file_bytes"])
    if not config["is_contained"]:
        confinement.give_up_privileges()
    faulthandler.enable()
    confinement.adopt_orphans()
    confinement.check_gpus(config["gpus"])
    warm_up(config["warm_imports"], config["unneeded_imports"])
    sys.path.insert(0, str(code_dir))
    step = Step(
        in_dir=in_dir,
        out_dir=out_dir,
        code_dir=code_dir,
        owner_pid=config["owner_pid"],
        memory_mib=config["memory_mib"],
        grace_s=config["grace_s"],
        max_output_bytes=config["max_output_bytes"],
        scratch=config["scratch"],
        is_contained=config["is_contained"],
        gpu_memory_fraction=config["gpu_memory_fraction"],
        max_out_bytes=config["max_out_bytes"],
        deadline=time.monotonic() + (config["time_limit_s"] or math.inf),
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
    if step.is_late():
        print("The step's time is over.", file=sys.stderr)
        sys.exit(STEP_TIMEOUT)


def warm_up(modules: list[str], unneeded: list[str]) -> None:
    """Import what the jobs will need; one that is missing or broken fails where it is used.

    unneeded: modules that others import only because they are installed.
    """
    absent = Absent(unneeded)
    sys.meta_path.insert(0, absent)
    failed = [module for module in modules if not is_importable(module)]
    sys.meta_path.remove(absent)
    for module in failed:  # it may have needed one of them
        is_importable(module)
    # The garbage collections of the jobs need not look at, and so copy, all that was imported.
    gc.freeze()


class Absent(MetaPathFinder):
    """Lets modules be as if they were not installed."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        """Raises: ModuleNotFoundError for one of them."""
        if fullname in self.names:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def is_importable(module: str) -> bool:
    """Whether a module can be imported; it is, then."""
    with contextlib.suppress(Exception):
        importlib.import_module(module)
        return True
    return False


def run_job(step: Step, job_file: Path) -> None:
    """Fork, run the job's script, wait for its end, write how it ended."""
    job = json.loads(job_file.read_text())
    job_out = step.out_dir / job_file.stem
    job_out.mkdir()
    before = confinement.read_counts() if step.is_contained else {}
    started = time.monotonic()
    start_delay_s = max(0.0, time.time() - job_file.stat().st_mtime)
    pid = os.fork()
    if pid == 0:
        run_script(step, step.code_dir / job["script"], job_file, job_out)
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)  # the child does it too; whoever comes first
    limit, wait_status, usage = wait_for(
        step,
        pid,
        deadline=started + job["time_limit_s"] + step.grace_s,
        cancel_file=job_file.with_suffix(".cancel"),
        output=job_out / "output.txt",
    )
    confinement.kill_leftovers(pid)
    confinement.empty_folders(step.scratch)
    if limit == "disk":
        confinement.empty_folders([str(job_out)], kept="output.txt")
    exit_code = os.waitstatus_to_exitcode(wait_status)
    after = confinement.read_counts()
    struck = {name: after[name] - count for name, count in before.items() if name in after}
    write_result(
        step.out_dir / f"{job_file.stem}.result.json",
        status=limit or name_status(exit_code, struck),
        exit_code=exit_code,
        seconds=time.monotonic() - started,
        start_delay_s=start_delay_s,
        max_rss_mib=usage.ru_maxrss * RSS_UNIT_BYTES / 2**20,
        evidence={
            **{f"{name}_limit_struck": count for name, count in struck.items()},
            "memory_limit_mib": step.memory_mib,
            "time_limit_s": round(job["time_limit_s"] + step.grace_s),
            "output_bytes": confinement.measure_file(job_out / "output.txt"),
            "output_limit_bytes": step.max_output_bytes,
            "ended_by_runner": int(limit is not None),
            **(confinement.read_pids_limit() if step.is_contained else {}),
            **({"out_limit_bytes": step.max_out_bytes} if limit == "disk" else {}),
        },
    )


def name_status(exit_code: int, struck: dict[str, int]) -> str:
    """The status of a job that was not ended from here; struck: how often each limit was met."""
    if exit_code == 0:
        return "ok"
    return next((name for name, count in struck.items() if count > 0), "error")


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
        confinement.prefer_as_victim()
        confinement.limit_gpu_memory(step.gpu_memory_fraction)
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
    step: Step, pid: int, *, deadline: float, cancel_file: Path, output: Path
) -> tuple[str | None, int, resource.struct_rusage]:
    """How the child ended: the limit that ended it or None, its wait status, its usage."""
    next_poll, next_disk_poll = 0.0, time.monotonic() + DISK_POLL_S
    while True:
        ended, wait_status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            return None, wait_status, usage
        now = time.monotonic()
        limit = None
        if now > deadline or step.is_late():
            limit = "timeout"
        elif cancel_file.exists() or step.is_over():
            limit = "killed"
        elif now > next_poll:
            next_poll = now + MEMORY_POLL_S
            limit = find_excess(step, pid, output)
        if limit is None and now > next_disk_poll:
            limit = "disk" if is_over_disk_limit(step) else None
            # However many files there are, most of the time is the job's.
            next_disk_poll = now + max(DISK_POLL_S, 10 * (time.monotonic() - now))
        if limit:
            os.kill(pid, signal.SIGKILL)
            _, wait_status, usage = os.wait4(pid, 0)
            return limit, wait_status, usage
        time.sleep(POLL_S)


def is_over_disk_limit(step: Step) -> bool:
    """Whether the step has written more than it may."""
    limit = step.max_out_bytes
    return limit is not None and confinement.has_filled_disk(step.out_dir, limit)


def find_excess(step: Step, pid: int, output: Path) -> str | None:
    """The limit that a running job is over, if there is one."""
    if confinement.resident_mib(pid) > step.memory_mib:
        return "oom"
    return "output_flood" if confinement.measure_file(output) > step.max_output_bytes else None


def write_result(path: Path, **result: object) -> None:
    """The file appears whole or not at all."""
    partial = path.with_suffix(".partial")
    with partial.open("x") as file:
        json.dump(result, file)
    partial.rename(path)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
    sys.stdout.flush()
    # To take apart all that was imported would take longer than many a job.
    os._exit(0)
