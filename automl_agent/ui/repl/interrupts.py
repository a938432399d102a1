"""Ctrl-C while something runs: counted, because the second one means more than the first."""

import signal
import threading
from types import FrameType


class Interrupts:
    """As a context: SIGINT raises KeyboardInterrupt, and n_seen counts how often it came."""

    def __init__(self) -> None:
        self.n_seen = 0
        self._before: object = None

    def __enter__(self) -> "Interrupts":
        self.n_seen = 0
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._take)
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)  # type: ignore[arg-type]
            self._before = None

    def _take(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.n_seen += 1
        raise KeyboardInterrupt
