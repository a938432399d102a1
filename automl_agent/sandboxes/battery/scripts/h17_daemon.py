"""Leave a daemon behind: forked twice, in a session of its own, with no file open."""

import os
import time

from probing import OUT, check

heartbeat = OUT / "heartbeat"
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.closerange(0, 256)
    while True:
        heartbeat.write_text(str(time.monotonic()))
        time.sleep(0.02)
for _ in range(200):
    if heartbeat.exists():
        break
    time.sleep(0.01)
check("control: the daemon runs", heartbeat.exists(), "a heartbeat")
