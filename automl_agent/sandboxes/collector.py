"""Copying results out of a folder that untrusted code wrote, following no link."""

import os
import shutil
import stat
from pathlib import Path

from automl_agent.errors import SandboxError

ALLOWED_SUFFIXES = frozenset({".json", ".npy", ".safetensors", ".skops", ".txt", ".ubj"})
MAX_FILES = 1_000
MAX_DEPTH = 4
MAX_TOTAL_BYTES = 8 * 2**30
# A sparse file costs its writer nothing and its reader its size. File systems that compress make
# a model somewhat smaller, too.
_SMALL_BYTES = 2**20
_SHARE = 1 / 64
_BLOCK_BYTES = 512


def collect_folder(source: Path, destination: Path) -> None:
    """Copy the regular files below `source`; `destination` appears whole or not at all.

    Raises: SandboxError for a link, a device, a forbidden suffix, too many, too deep or too large.
    """
    staging = destination.with_name(destination.name + ".partial")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        folder = _open_folder(source)
        try:
            _copy_folder(folder, staging, depth=0, totals={"entries": 0, "bytes": 0})
        finally:
            os.close(folder)
        staging.rename(destination)
    except OSError as exc:
        raise SandboxError(f"The results cannot be collected: {exc}.") from exc
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _open_folder(path: Path) -> int:
    """A descriptor of a folder; neither it nor the one it lies in may be a link."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    parent = os.open(path.parent, flags)
    try:
        return os.open(path.name, flags, dir_fd=parent)
    finally:
        os.close(parent)


def _copy_folder(folder: int, destination: Path, *, depth: int, totals: dict[str, int]) -> None:
    if depth > MAX_DEPTH:
        raise SandboxError(f"The results lie more than {MAX_DEPTH} folders deep.")
    destination.mkdir()
    with os.scandir(folder) as entries:  # one by one: there may be millions
        for found in entries:
            totals["entries"] += 1
            _check_totals(totals)
            _copy_entry(folder, destination / found.name, depth=depth, totals=totals)


def _copy_entry(folder: int, destination: Path, *, depth: int, totals: dict[str, int]) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    entry = os.open(destination.name, flags, dir_fd=folder)
    try:
        if stat.S_ISDIR(os.fstat(entry).st_mode):
            _copy_folder(entry, destination, depth=depth + 1, totals=totals)
        else:
            _copy_file(entry, destination, totals)
    finally:
        os.close(entry)


def _copy_file(entry: int, destination: Path, totals: dict[str, int]) -> None:
    status = os.fstat(entry)
    name = destination.name
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise SandboxError(f"The result {name!r} is not a regular file of its own.")
    if destination.suffix not in ALLOWED_SUFFIXES:
        allowed = ", ".join(sorted(ALLOWED_SUFFIXES))
        raise SandboxError(f"The result {name!r} is of a kind that is refused; allowed: {allowed}.")
    if status.st_size > _SMALL_BYTES and status.st_blocks * _BLOCK_BYTES < _SHARE * status.st_size:
        raise SandboxError(f"The result {name!r} is mostly holes; write a file in full.")
    totals["bytes"] += status.st_size
    _check_totals(totals)
    with os.fdopen(os.dup(entry), "rb") as source, destination.open("xb") as target:
        shutil.copyfileobj(source, target)
        target.flush()
        os.fsync(target.fileno())


def _check_totals(totals: dict[str, int]) -> None:
    if totals["entries"] > MAX_FILES or totals["bytes"] > MAX_TOTAL_BYTES:
        raise SandboxError(
            f"The results are more than {MAX_FILES} files or {MAX_TOTAL_BYTES} bytes."
        )
