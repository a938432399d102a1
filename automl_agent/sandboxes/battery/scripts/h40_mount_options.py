"""Read back how everything is mounted and limited, whatever the specification says."""

import os
import stat
import subprocess
from pathlib import Path

from probing import FACTS, check, denied


def read_mounts() -> dict[str, set[str]]:
    """The options of each mount point."""
    mounts = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        mounts[fields[4]] = set(fields[5].split(","))
    return mounts


mounts = read_mounts()
for path, needed in FACTS["mounts"].items():
    options = mounts.get(path, set())
    check(f"{path} is {', '.join(needed)}", set(needed) <= options, sorted(options))
for path, (size_mib, n_files) in FACTS["memory_disks"].items():
    found = os.statvfs(path)
    found_mib = found.f_blocks * found.f_frsize // 2**20
    check(f"{path} has {size_mib} MiB", found_mib == size_mib, found_mib)
    if n_files:
        check(f"{path} has room for {n_files} files", found.f_files == n_files, found.f_files)
# What the engine hides below /proc is a mount, too.
writable = {
    path
    for path, options in mounts.items()
    if "rw" in options and os.access(path, os.W_OK) and not path.startswith("/proc/")
}
# Those of the engine: what hides parts of /proc and /sys, and three files of /etc.
others = {path for path in mounts if not path.startswith(("/proc", "/sys", "/dev", "/etc/"))}
check("nothing else is mounted", others <= set(FACTS["mounts"]), sorted(others))
check("nothing else can be written to", writable <= set(FACTS["writable"]), sorted(writable))
program = Path("/tmp/program")
program.write_text("#!/bin/sh\nexit 0\n")
program.chmod(stat.S_IRWXU)
denied("a program in /tmp", lambda: subprocess.run([program], check=False), "EACCES")
done = subprocess.run(["/bin/sh", "-c", "exit 7"], check=False).returncode
check("control: a program of the image runs", done == 7, done)
limits = {
    line[:26].strip(): line[26:].split()[1]
    for line in Path("/proc/1/limits").read_text().splitlines()[1:]
}
for name, value in FACTS["limits"].items():
    check(f"{name.lower()} is {value}", limits.get(name) == value, limits.get(name))
score = int(Path("/proc/1/oom_score_adj").read_text())
check("the kernel would rather end this than the agent", score >= FACTS["oom_score"], score)
host_name = os.uname().nodename
check("the host's name is not told", host_name == "sandbox", host_name)
links = {name: os.readlink(f"/proc/self/ns/{name}") for name in FACTS["host_namespaces"]}
shared = [name for name, link in FACTS["host_namespaces"].items() if links[name] == link]
check("no namespace is the host's", shared == [], shared)


def read_limit(*places: str) -> str:
    for place in places:
        path = Path("/sys/fs/cgroup") / place
        if path.exists():
            return path.read_text().strip()
    return "not there"


memory = read_limit("memory.max", "memory/memory.limit_in_bytes")
check("the limit on memory", memory == str(FACTS["memory_mib"] * 2**20), memory)
pids = read_limit("pids.max", "pids/pids.max")
check("the limit on processes", pids == str(FACTS["pids_limit"]), pids)
swap = read_limit("memory.swap.max", "memory/memory.memsw.limit_in_bytes")
check("no swap beyond it", swap in ("0", memory, "not there"), swap)
processors = read_limit("cpu.max", "cpu/cpu.cfs_quota_us").split()[0]
check("the limit on processors", processors not in ("max", "-1"), processors)
share = read_limit("cpu.weight", "cpu/cpu.shares")
check("less of a processor than the host", share in FACTS["cpu_shares"], share)
