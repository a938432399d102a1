"""Become somebody else."""

import os
import shutil
import subprocess
from pathlib import Path

from probing import OUT, check, denied, in_child

REFUSALS = ("EPERM", "ENOSYS", "EACCES")
# PID 1 has what the container was given; a process may give up some of it by itself.
for pid in ("self", "1"):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    ids = set(status["Uid"].split()) | set(status["Gid"].split())
    check(f"{pid} is not root", "0" not in ids, sorted(ids))
    groups = set(status["Groups"].split())
    check(f"{pid} has no group of the host", groups <= {status["Gid"].split()[0]}, sorted(groups))
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        check(f"{pid}: {name} is empty", int(status[name], 16) == 0, status[name])
    gains = status["NoNewPrivs"]
    check(f"{pid} gains no privileges", gains == "1", gains)
    check(f"{pid}: system calls are filtered", status["Seccomp"] == "2", status["Seccomp"])
denied("setuid", lambda: in_child(lambda: os.setuid(0)), *REFUSALS)
denied("setgid", lambda: in_child(lambda: os.setgid(0)), *REFUSALS)
denied("setgroups", lambda: in_child(lambda: os.setgroups([0])), *REFUSALS)
denied("chown", lambda: os.chown(OUT, 0, 0), *REFUSALS)
shell = OUT / "shell"
shutil.copy("/bin/sh", shell)
shell.chmod(0o6755)
printed = subprocess.run(
    [shell, "-c", "grep -E '^(Uid|CapEff)' /proc/self/status"], capture_output=True, text=True
).stdout
shell.unlink()
words = printed.split()
check("control: a copied shell runs", "Uid:" in words, printed)
check("a set-uid bit changes nothing", words[1:5] == [str(os.getuid())] * 4, printed)
