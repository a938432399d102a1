"""What a probe's script is told, so that it can compare what it finds with what must be.

It is made from the policy and not from the container's specification: a specification that forgets
a limit must be noticed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from automl_agent.sandboxes.docker.policy import Policy, count_pids
from automl_agent.sandboxes.docker.specification import TIMEOUT, build_environment
from automl_agent.sandboxes.sandbox import StepSpec

_MIB = 2**20
# What the engine puts into every container's /dev.
_DEVICES = (
    *("console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm"),
    *("stderr", "stdin", "stdout", "tty", "urandom", "zero"),
)
# Without a network the kernel's tunnels are there, down and without an address.
_IDLE_DEVICES = [
    "lo",
    "tunl0",
    "gre0",
    "gretap0",
    "erspan0",
    "ip_vti0",
    "ip6_vti0",
    "sit0",
    "ip6tnl0",
    "ip6gre0",
]
_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
N_DEEP = 40


def build_facts(
    spec: StepSpec,
    policy: Policy,
    *,
    targets: Sequence[tuple[str, int]] = (),
    abstract_name: str = "",
    host_paths: Sequence[Path] = (),
) -> dict[str, Any]:
    """The facts about a step; nothing in it is secret."""
    # "HOSTNAME" is the engine's.
    environment = [*build_environment(spec), "HOSTNAME"]
    file_bytes = str(policy.max_file_bytes)
    no_programs = ["nosuid", "nodev", "noexec"]
    return {
        "targets": [list(target) for target in targets],
        "abstract_name": abstract_name or "nothing",
        "host_paths": [str(path) for path in (spec.folder, *host_paths)],
        "in_names": ["jobs", "runner.json"],
        "environment": environment,
        "pids_limit": count_pids(spec.resources.cpus),
        "memory_mib": spec.resources.memory_mib,
        "tmpfs_mib": {"/tmp": policy.tmp_mib, "/dev/shm": policy.shm_mib},
        "tmp_inodes": policy.tmp_inodes,
        "max_file_mib": policy.max_file_bytes // _MIB,
        "out_mib": policy.max_out_bytes // _MIB,
        "out_files": policy.max_out_files,
        "n_deep": N_DEEP,
        "timeout": TIMEOUT,
        "ttl_s": str(round(spec.time_limit_s + policy.ttl_margin_s)),
        "devices": list(_DEVICES),
        "oom_score": 500,
        # As cgroup v1 says it, and v2; systemd and newer versions of runc round in their own ways.
        "cpu_shares": ["512", "20", "50", "59"],
        "host_namespaces": _read_namespaces(),
        "mounts": {
            "/": ["ro"],
            "/in": ["ro"],
            "/code": ["ro"],
            "/out": ["rw"],
            "/tmp": no_programs,
            "/run": no_programs,
            "/dev/shm": no_programs,
        },
        # MiB, and how many files; 0: as many as the kernel likes.
        "memory_disks": {
            "/tmp": (policy.tmp_mib, policy.tmp_inodes),
            "/run": (16, 1024),
            "/dev/shm": (policy.shm_mib, 0),
        },
        "network_devices": _IDLE_DEVICES,
        "writable": ["/out", "/tmp", "/run", "/dev/shm", "/dev/mqueue"],
        "limits": {
            "Max file size": file_bytes,
            "Max core file size": "0",
            "Max open files": "4096",
        },
    }


def _read_namespaces() -> dict[str, str]:
    """This process's namespaces, where there is a /proc."""
    links = {}
    for name in _NAMESPACES:
        path = Path(f"/proc/self/ns/{name}")
        if path.is_symlink():
            links[name] = str(path.readlink())
    return links
