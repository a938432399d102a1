"""What a script sees from inside its sandbox: the kernel's own account of each limit, as JSON.

It runs as a job: facts.json in its folder is what it found. What the facts mean is judged outside.
It also leaves a model with a link in it, which the collector must refuse. Standard library only.
"""

import ctypes
import errno
import json
import os
import platform
import resource
import socket
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
# Where cgroup v2 and v1 keep a limit.
CGROUP_FILES = {
    "memory": ("memory.max", "memory/memory.limit_in_bytes"),
    "swap": ("memory.swap.max", "memory/memory.memsw.limit_in_bytes"),
    "pids": ("pids.max", "pids/pids.max"),
    "cpu": ("cpu.max", "cpu/cpu.cfs_quota_us"),
    "cpu_period": ("cpu.max", "cpu/cpu.cfs_period_us"),
}
STATUS_FIELDS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
# Calls that no script needs, with arguments that a kernel without a filter refuses differently:
# the number on x86_64, the number elsewhere, the arguments.
SYSTEM_CALLS = {
    "bpf": (321, 280, (-1, 0, 0)),
    "io_uring_setup": (425, 425, (0, 0)),
    "keyctl": (250, 219, (-1, 0, 0, 0, 0)),
    "perf_event_open": (298, 241, (0, 0, -1, -1, 0)),
    "process_vm_readv": (310, 270, (0, 0, 0, 0, 0, 0)),
    "ptrace": (101, 117, (-1, 0, 0, 0)),
    # A new user namespace, with a flag beside it that does not exist.
    "unshare": (272, 97, (0x10000001,)),
    "userfaultfd": (323, 282, (-1,)),
}
FAMILIES = {"AF_ALG": 38, "AF_PACKET": 17, "AF_VSOCK": 40}


def main() -> None:
    """Write what can be seen, and the model that must be refused."""
    out = Path(os.environ["AUTOML_OUT"])
    (out / "facts.json").write_text(json.dumps(gather_facts(out)))
    (out / "model").mkdir()
    (out / "model" / "weights.json").symlink_to("/etc/passwd")


def gather_facts(out: Path) -> dict[str, object]:
    """All that can be seen."""
    first_process = Path("/proc/1/cmdline").read_bytes().decode().split("\0")
    return {
        "user_ids": os.getresuid(),
        "group_ids": os.getresgid(),
        "groups": os.getgroups(),
        "status": read_status(),
        "cgroup": {name: read_cgroup(name) for name in CGROUP_FILES},
        "mounts": read_mounts(),
        "limits": {
            name: resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1]
            for name in ("core", "fsize", "nofile")
        },
        "interfaces": read_interfaces(),
        "environment": dict(os.environ),
        "first_process": first_process[:-1],
        "first_process_is_closed": not can_read(Path("/proc/1/mem")),
        # The job's own value is higher still: the runner is to outlive it.
        "oom_score_adj": int(Path(f"/proc/{os.getppid()}/oom_score_adj").read_text()),
        "namespaces": {name: str(Path("/proc/self/ns", name).readlink()) for name in NAMESPACES},
        "writable": {
            folder: can_write(Path(folder))
            for folder in ("/", "/in", "/code", "/usr", "/etc", "/tmp", str(out))
        },
        "runs_from_tmp": can_run_from(Path("/tmp")),
        "entries": sorted(path.name for path in Path("/in").iterdir()),
        "devices": sorted(path.name for path in Path("/dev").iterdir()),
        "allowed_calls": find_allowed_calls(),
        "allowed_families": find_allowed_families(),
    }


def read_status() -> dict[str, str]:
    """What the kernel grants this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: fields[name].strip() for name in STATUS_FIELDS if name in fields}


def read_cgroup(name: str) -> str | None:
    """A limit as the kernel writes it; None where it is not to be seen."""
    for file in CGROUP_FILES[name]:
        try:
            return (CGROUPS / file).read_text().strip()
        except OSError:
            continue
    return None


def read_mounts() -> dict[str, list[str]]:
    """The options of each mount; of those on one place the last one counts."""
    mounts = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        first, _, second = line.partition(" - ")
        options = {*first.split()[5].split(","), *second.split()[2].split(",")}
        # Of a read-only mount of a writable file system, both words are there.
        options -= {"rw"} if "ro" in options else set()
        mounts[first.split()[4]] = sorted(options)
    return mounts


def read_interfaces() -> list[str]:
    """The names of the network's interfaces, without asking the kernel by a socket."""
    lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    return sorted(line.partition(":")[0].strip() for line in lines)


def can_read(path: Path) -> bool:
    """Whether it opens for reading."""
    try:
        with path.open("rb"):
            return True
    except OSError:
        return False


def can_write(folder: Path) -> bool:
    """Whether a file can be made there; it is taken away again."""
    path = folder / "automl-agent-probe"
    try:
        path.write_text("")
        path.unlink()
    except OSError:
        return False
    return True


def can_run_from(folder: Path) -> bool:
    """Whether a program that lies there can be started."""
    path = folder / "automl-agent-probe"
    path.write_text("#!/bin/sh\nexit 0\n")
    path.chmod(0o700)
    try:
        pid = os.posix_spawn(path, [str(path)], {})
        os.waitpid(pid, 0)
    except OSError:
        return False
    finally:
        path.unlink()
    return True


def find_allowed_calls() -> list[str]:
    """The calls that reach the kernel."""
    call = ctypes.CDLL(None, use_errno=True).syscall
    refused = (errno.EPERM, errno.ENOSYS)
    allowed = []
    for name, (on_x86, elsewhere, arguments) in SYSTEM_CALLS.items():
        number = on_x86 if platform.machine() == "x86_64" else elsewhere
        ctypes.set_errno(0)
        call(ctypes.c_long(number), *(ctypes.c_long(argument) for argument in arguments))
        if ctypes.get_errno() not in refused:
            allowed.append(name)
    return allowed


def find_allowed_families() -> list[str]:
    """The families of sockets, of those that no script needs, that can be opened."""
    allowed = []
    for name, number in FAMILIES.items():
        kind = socket.SOCK_SEQPACKET if name == "AF_ALG" else socket.SOCK_STREAM
        kind = socket.SOCK_RAW if name == "AF_PACKET" else kind
        try:
            socket.socket(number, kind).close()
            allowed.append(name)
        except OSError:
            continue
    return allowed


if __name__ == "__main__":
    main()
