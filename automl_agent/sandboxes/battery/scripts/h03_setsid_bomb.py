"""Fork twice with a new session, for ever."""

import os

from probing import check

check("control: it is a process of its own", os.getpid() > 1, os.getpid())
while True:
    try:
        if os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
    except OSError:
        continue
