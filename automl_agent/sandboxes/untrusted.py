"""Reading single files that a sandbox writes, also while it may still change them."""

import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO


def read_untrusted(
    path: Path, *, max_bytes: int, start: int = 0, n_bytes: int | None = None
) -> bytes:
    """The bytes of a regular file from `start`; a link, device, pipe or larger file is refused.

    max_bytes: of the file. n_bytes: how many are read at most.
    Raises: OSError, FileNotFoundError.
    """
    with _open_untrusted(path) as file:
        if os.fstat(file.fileno()).st_size > max_bytes:
            raise OSError(f"{path.name} is larger than {max_bytes} bytes")
        file.seek(start)
        rest = max_bytes - start
        return file.read(rest if n_bytes is None else min(n_bytes, rest))


def read_tail(path: Path, *, n_bytes: int = 4096) -> str:
    """The end of what a script printed, as text; empty if there is nothing to read."""
    try:
        with _open_untrusted(path) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - n_bytes))
            return file.read(n_bytes).decode("utf-8", "backslashreplace").strip()
    except OSError:
        return ""


def _open_untrusted(path: Path) -> BinaryIO:
    # The folder was the script's to replace, too.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(path.name, flags, dir_fd=folder)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path.name} is not a regular file")
    return os.fdopen(descriptor, "rb")


def parse_strictly(content: bytes) -> Any:
    """The JSON document; ValueError for doubled keys, numbers that are not JSON, and depth."""
    try:
        return json.loads(content, object_pairs_hook=_refuse_doubles, parse_constant=_refuse_number)
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc


def _refuse_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key is there twice")
    return document


def _refuse_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")
