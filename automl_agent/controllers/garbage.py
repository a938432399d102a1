"""Garbage: Python's full collections, kept out of the turns of a round.

With the SDKs in memory there are some hundred thousand objects; to go through all of them takes a
quarter of a second and more, and Python does it in whatever turn its count is full.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# No count reaches it.
_NEVER = 2**31 - 1


@contextmanager
def postponed_collections() -> Iterator[None]:
    """In here Python starts no full collection by itself; `collect_if_due` does.

    Young objects, which nearly all garbage is, are collected as ever.
    """
    young, middle, old = gc.get_threshold()
    if old == _NEVER:  # another round, in another thread, has postponed them and will end that
        yield
        return
    gc.set_threshold(young, middle, _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(young, middle, old)


def collect_if_due(*, after: int = 10) -> None:
    """A full collection, where nobody waits for this process, if garbage may have gathered.

    after: so many collections of younger objects; the default is Python's own.
    """
    if gc.isenabled() and gc.get_count()[2] > after:
        gc.collect()
