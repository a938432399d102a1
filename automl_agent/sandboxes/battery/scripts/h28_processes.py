"""Read what other processes are, and what they were told."""

import os
from pathlib import Path

from probing import FACTS, allowed, check, denied

REFUSALS = ("EROFS", "EACCES", "EPERM", "ENOENT")

allowed("its own command line", lambda: Path("/proc/self/cmdline").read_bytes())
pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
check("only the container's processes", 2 <= len(pids) <= 8, pids)
commands = [Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ") for pid in pids]
ours = [c for c in commands if b"/code/main.py" in c]
check("only the container's commands", len(ours) == len(commands), commands)
for pid in pids:
    try:
        content = Path(f"/proc/{pid}/environ").read_bytes()
    except PermissionError:
        continue
    names = {entry.partition(b"=")[0].decode() for entry in content.split(b"\0") if entry}
    unknown = names - set(FACTS["environment"])
    check(f"no other variable in process {pid}", not unknown, sorted(unknown))
denied("PID 1's memory", lambda: os.open("/proc/1/mem", os.O_RDWR), "EACCES", "EPERM")
denied("the kernel's memory", lambda: os.open("/proc/kcore", os.O_RDONLY), *REFUSALS)
for path in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches"):
    denied(path, lambda p=path: os.open(p, os.O_WRONLY), *REFUSALS)
