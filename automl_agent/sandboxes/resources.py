"""What this machine has for a training now."""

import os
from pathlib import Path

from automl_agent.experts.plan import Resources

# The rest is for this process and the machine's other work.
_MEMORY_SHARE = 0.8
# Where the kernel tells a container's own limit, in cgroup v2 and v1.
_CGROUP_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


def available_resources() -> Resources:
    """The processors that this process may use and most of the memory that is free."""
    n_cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    free_mib = min(_free_memory_mib(), *_container_limits_mib(), float("inf"))
    return Resources(cpus=n_cpus or 1, memory_mib=int(free_mib * _MEMORY_SHARE))


def _free_memory_mib() -> float:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        (available,) = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
        return int(available) / 1024
    except (OSError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20


def _container_limits_mib() -> list[float]:
    limits = []
    for path in _CGROUP_LIMITS:
        try:
            limits.append(int(Path(path).read_text()) / 2**20)
        except (OSError, ValueError):  # not there, or "max"
            continue
    return limits
