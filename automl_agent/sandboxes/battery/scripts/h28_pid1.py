"""Stop and kill PID 1, which ends the container in time."""

import os
import signal
import time
from pathlib import Path

from probing import FACTS, check

pid = os.fork()
if pid == 0:
    time.sleep(60)
os.kill(pid, signal.SIGKILL)
_, status = os.waitpid(pid, 0)
check("control: a child can be killed", os.WIFSIGNALED(status), status)
for number in (signal.SIGSTOP, signal.SIGKILL):
    os.kill(1, number)
time.sleep(0.1)
state = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[0]
check("PID 1 goes on", state in ("S", "R"), state)
command = Path("/proc/1/cmdline").read_bytes().decode().split("\0")
deadline = [FACTS["timeout"], "-k", "10", FACTS["ttl_s"]]
check("PID 1 has a deadline", command[:4] == deadline, command[:4])
