"""One writer for each conversation: who has it open keeps a lock, which ends with the process."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automl_agent.errors import SetupError


@contextmanager
def hold_conversation(home: Path, conversation_id: str | None) -> Iterator[None]:
    """Nobody else has the conversation open as long as the context lasts; None: none is held.

    Raises: SetupError if somebody has.
    """
    if conversation_id is None:
        yield
        return
    path = home / "open" / conversation_id
    descriptor = _lock(path)
    if descriptor is None:
        raise SetupError(
            f"The conversation {conversation_id} is open in another program; leave it there first, "
            "or begin a new one."
        )
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def is_held(home: Path, conversation_id: str) -> bool:
    """Whether somebody has the conversation open."""
    try:
        descriptor = os.open(home / "open" / conversation_id, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who ask at once do not take each other for its owner.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock(path: Path) -> int | None:
    """A descriptor that has the lock, None if another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        # Whoever had it before may have removed the file between the two lines above.
        if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
            return descriptor
        os.close(descriptor)
