"""Change one's own limits, or run a program on the host through a cgroup."""

import os
from pathlib import Path

from probing import call, check, denied

REFUSALS = ("EROFS", "EACCES", "EPERM", "ENOENT")
CGROUPS = Path("/sys/fs/cgroup")
FILES = (
    "memory/memory.limit_in_bytes",
    "memory/release_agent",
    "memory/notify_on_release",
    "memory/cgroup.procs",
    "pids/pids.max",
    "devices/devices.allow",
    "memory.max",
    "pids.max",
    "cgroup.procs",
    "release_agent",
)

names = sorted(path.name for path in CGROUPS.iterdir())
check("control: the cgroups can be seen", len(names) > 1, len(names))
for name in FILES:
    denied(f"write {name}", lambda n=name: os.open(CGROUPS / n, os.O_WRONLY), *REFUSALS)
denied("a cgroup of its own", lambda: (CGROUPS / "memory" / "mine").mkdir(), *REFUSALS)
Path("/tmp/cgroup").mkdir()
denied(
    "mount a cgroup",
    lambda: call("mount", "cgroup", "/tmp/cgroup", "cgroup", 0, "memory"),
    "EPERM",
    "ENOSYS",
    "EACCES",
)
