"""Signals: Ctrl-C, of which the second means more than the first; and a terminal that is closed."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from automl_agent.errors import HangUp


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


@contextmanager
def obeying_hang_up(leave: Callable[[], None]) -> Iterator[None]:
    """In here SIGHUP raises HangUp, once; leave: called before, as nothing can be shown any more.

    Whoever started the program with SIGHUP ignored, as nohup does, wants it to go on.
    """
    number = getattr(signal, "SIGHUP", None)  # Windows has none
    is_main = threading.current_thread() is threading.main_thread()
    if number is None or not is_main or signal.getsignal(number) == signal.SIG_IGN:
        yield
        return

    def take(_number: int, _frame: FrameType | None) -> None:
        # The shell sends another one; it must not break off what is being cleaned up.
        signal.signal(number, signal.SIG_IGN)
        leave()
        raise HangUp

    before = signal.signal(number, take)
    try:
        yield
    finally:
        signal.signal(number, before)
