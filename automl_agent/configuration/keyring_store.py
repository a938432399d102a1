"""Keys in the keyring of the user's desktop, where there is one that can be used."""

import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

T = TypeVar("T")
SERVICE = "automl-agent"
# A locked keyring asks for its password in a window, which takes a person a while.
_LIMIT_S = 60.0
_LIMIT_WITHOUT_TERMINAL_S = 5.0
# Backends of a lower priority are no keyring, or keep keys in plain text or in memory.
_MIN_PRIORITY = 1
# Set once a keyring did not answer: this process waits for none again.
_is_hanging = threading.Event()


def read_from_keyring(base_url: str) -> str | None:
    """The key for a base URL, None if there is none or no keyring."""
    return _ask(lambda keyring: keyring.get_password(SERVICE, base_url))


def write_to_keyring(base_url: str, secret: str) -> bool:
    """Whether the keyring now has the key."""

    def write(keyring: "KeyringBackend") -> bool:
        keyring.set_password(SERVICE, base_url, secret)
        return keyring.get_password(SERVICE, base_url) == secret

    return _ask(write) or False


def delete_from_keyring(base_url: str) -> bool:
    """Whether there was a key, which is now gone."""

    def delete(keyring: "KeyringBackend") -> bool:
        if keyring.get_password(SERVICE, base_url) is None:
            return False
        keyring.delete_password(SERVICE, base_url)
        return True

    return _ask(delete) or False


def _ask(question: "Callable[[KeyringBackend], T]") -> T | None:
    """The answer of the first keyring that can be used; None without one, if it fails or hangs."""
    if _is_hanging.is_set():
        return None
    answers: list[T] = []

    def ask() -> None:
        try:
            keyring = next(_find_keyrings(), None)
            if keyring is not None:
                answers.append(question(keyring))
        except Exception:  # noqa: BLE001 - a keyring is a plugin; the file of keys does without it
            return

    # A bus that does not answer would hold up everything; a daemon ends with the program.
    thread = threading.Thread(target=ask, name="keyring", daemon=True)
    thread.start()
    has_person = sys.stdin is not None and sys.stdin.isatty()
    thread.join(_LIMIT_S if has_person else _LIMIT_WITHOUT_TERMINAL_S)
    if thread.is_alive():
        _is_hanging.set()
    return answers[0] if answers else None


def _find_keyrings() -> "Iterator[KeyringBackend]":
    import keyring

    found = keyring.get_keyring()
    # A chain of keyrings would go on to those that keep keys in plain text.
    for backend in getattr(found, "backends", [found]):
        if backend.priority >= _MIN_PRIORITY:
            yield backend
