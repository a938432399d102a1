"""Ignore every signal that can be ignored."""

import contextlib
import signal
import time

from probing import check

for number in signal.valid_signals():
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_IGN)
deaf = signal.getsignal(signal.SIGTERM)
check("control: signals can be ignored", deaf is signal.SIG_IGN, deaf)
while True:
    time.sleep(1)
