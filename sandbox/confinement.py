"""What confines a job: limits that are set before it starts, read while it runs, enforced after it.

The other half of runner.py, and like it standard library only.
"""

import contextlib
import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PAGE_BYTES = resource.getpagesize()
KILL_POLL_S = 0.005
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
CGROUPS = Path("/sys/fs/cgroup")
# The name of each count, and where cgroup v2 and v1 keep it.
COUNTS = {
    "oom": (("memory.events", "oom_kill"), ("memory/memory.oom_control", "oom_kill")),
    "pids": (("pids.events", "max"), ("pids/pids.events", "max")),
}
# The exit code of a step that does not see the GPUs that it was given.
GPU_MISSING = 90
GPU_PROBE_LIMIT_S = 60
MAX_OUT_FILES = 20_000


def set_limits(max_file_bytes: int) -> None:
    """Limits that every job inherits."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for limit, value in ((resource.RLIMIT_FSIZE, max_file_bytes), (resource.RLIMIT_NOFILE, 4096)):
        hard = resource.getrlimit(limit)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (allowed, allowed))


def give_up_privileges() -> None:
    """What a container has already: private files, first to go without memory, no setuid gains."""
    os.umask(0o077)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def adopt_orphans() -> None:
    """On Linux, what a job leaves running becomes a child of this process, daemons too."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def check_gpus(leased: list[str]) -> None:
    """Nothing, if the GPUs that are visible are those that were leased; else the step ends."""
    if not leased:
        return
    try:
        command = ["nvidia-smi", "-L"]
        listed = subprocess.run(
            command, capture_output=True, text=True, timeout=GPU_PROBE_LIMIT_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as exc:
        print(f"nvidia-smi does not answer: {exc}", file=sys.stderr)
        sys.exit(GPU_MISSING)
    if sorted(read_devices(listed)) != sorted(leased):
        print(f"Leased: {leased}; visible: {listed}", file=sys.stderr)
        sys.exit(GPU_MISSING)


def read_devices(listing: str) -> list[str]:
    """The devices in the answer to `nvidia-smi -L`; of a GPU that is divided (MIG), its parts."""
    devices: list[str] = []
    for line in listing.splitlines():
        # "GPU 0: NAME (UUID: GPU-…)" and below it "  MIG 1g.5gb Device 0: (UUID: MIG-…)".
        _, found, rest = line.rpartition("(UUID: ")
        device = rest.rstrip().removesuffix(")")
        if device.startswith("MIG-") and devices and devices[-1].startswith("GPU-"):
            devices.pop()
        if found:
            devices.append(device)
    return devices


def prefer_as_victim() -> None:
    """Out of memory, the kernel kills the job and not the runner, which reports it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def limit_gpu_memory(fraction: float) -> None:
    """A bound that PyTorch itself keeps; nothing else can limit a GPU's memory."""
    torch = sys.modules.get("torch")
    if torch is not None and fraction < 1:
        for device in range(torch.cuda.device_count()):
            torch.cuda.set_per_process_memory_fraction(fraction, device)


def read_counts() -> dict[str, int]:
    """How often the kernel's limits on memory and processes have struck, where it counts that."""
    counts = {}
    for name, places in COUNTS.items():
        for file, key in places:
            with contextlib.suppress(OSError, ValueError):
                lines = (CGROUPS / file).read_text().splitlines()
                counts[name] = int(dict(line.split() for line in lines)[key])
                break
    return counts


def read_pids_limit() -> dict[str, int]:
    """How many processes and threads there may be in this container."""
    for file in ("pids.max", "pids/pids.max"):
        with contextlib.suppress(OSError, ValueError):
            return {"pids_limit": int((CGROUPS / file).read_text())}
    return {}


def resident_mib(pid: int) -> float:
    """The memory that a process holds now; 0 where there is no /proc."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * PAGE_BYTES / 2**20


def measure_file(path: Path) -> int:
    """The size of a file in bytes, of a link itself and not of what it leads to; 0 if missing."""
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def has_filled_disk(folder: Path, max_bytes: int) -> bool:
    """Whether more lies below a folder than may, following no link."""
    n_bytes, n_files, folders = 0, 0, [str(folder)]
    while folders and n_bytes <= max_bytes and n_files <= MAX_OUT_FILES:
        # A job may change all of it meanwhile.
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                n_files += 1
                n_bytes += entry.stat(follow_symlinks=False).st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
    return n_bytes > max_bytes or n_files > MAX_OUT_FILES


def empty_folders(folders: list[str], kept: str = "") -> None:
    """Take away what a job left, so that the next one finds what the first one found."""
    for folder in folders:
        with contextlib.suppress(OSError):
            for entry in [entry for entry in os.scandir(folder) if entry.name != kept]:
                # What is nested too deeply stays until the step ends.
                with contextlib.suppress(OSError, RecursionError):
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        Path(entry.path).unlink()


def kill_leftovers(group: int) -> None:
    """SIGKILL to all that an ended job left running.

    Where orphans are adopted nothing escapes; elsewhere what has left the job's group does.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    n_rounds = 0
    with contextlib.suppress(ChildProcessError):
        while True:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
            left = find_descendants()
            if not left:
                return
            # A bomb forks as fast as it is killed. What is stopped keeps its place among the
            # processes that there may be, until there is none to fork into; then all are killed.
            awake = [pid for pid, state in left.items() if state in "RS"]
            n_rounds += 1
            # Now and then without: they may wake each other up.
            is_stopping = bool(awake) and n_rounds % 8 > 0
            for pid in awake if is_stopping else left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP if is_stopping else signal.SIGKILL)
            time.sleep(0 if is_stopping else KILL_POLL_S)


def find_descendants() -> dict[int, str]:
    """What this process started, and what that did, with the state of each; none without /proc."""
    children: dict[int, list[tuple[int, str]]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name in parentheses may hold anything, so count from behind it.
            state, parent, *_ = stat.read_text().rpartition(")")[2].split()
            children.setdefault(int(parent), []).append((int(stat.parent.name), state))
    found: dict[int, str] = {}
    waiting = [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting += [pid for pid, _ in below]
    return found
