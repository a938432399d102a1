"""Fork for ever."""

import os

from probing import allowed


def fork_once() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


allowed("one process can be started", fork_once)
while True:
    try:
        os.fork()
    except OSError:
        continue
