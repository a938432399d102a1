"""Change the time, by which limits could be outlived."""

import ctypes
import time

from probing import allowed, call, denied

REFUSALS = ("EPERM", "ENOSYS", "EACCES")
moment = (ctypes.c_long * 2)(int(time.time()), 0)

allowed("read the clock", lambda: time.clock_gettime(time.CLOCK_MONOTONIC))
denied("clock_settime", lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()), *REFUSALS)
denied("settimeofday", lambda: call("settimeofday", moment, 0), *REFUSALS)
