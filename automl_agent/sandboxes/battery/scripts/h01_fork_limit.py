"""Fork sleeping children until the kernel says no."""

import os
import signal
import time

from probing import FACTS, check

children = []
failure = "none"
while len(children) < 2 * FACTS["pids_limit"]:
    try:
        pid = os.fork()
    except OSError as exc:
        failure = str(exc)
        break
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    children.append(pid)
for pid in children:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
check("control: some processes can be started", len(children) >= 16, len(children))
check("no more than the limit", len(children) < FACTS["pids_limit"], len(children))
check("the kernel refused", "temporarily unavailable" in failure, failure)
