"""How much a step has written, measured while it may still write."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

# Below this the machine itself gets into trouble; a small disk gets the smaller of the two.
FLOOR_BYTES = 5 * 2**30
FLOOR_SHARE = 0.05
_BLOCK_BYTES = 512


@dataclass
class Usage:
    """What lies below a folder; counting ends at the first number that is over its maximum.

    n_unreadable: folders that hide what is in them from their owner.
    """

    n_bytes: int = 0
    n_files: int = 0
    depth: int = 0
    n_unreadable: int = 0


def measure_folder(folder: Path, *, max_files: int, max_depth: int) -> Usage:
    """What a folder takes on the disk, following no link."""
    usage = Usage()
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except PermissionError:  # its mode is the step's to change
        return Usage(n_unreadable=1)
    try:
        _add_folder(usage, descriptor, depth=1, max_files=max_files, max_depth=max_depth)
    finally:
        os.close(descriptor)
    return usage


def find_shortage(folder: Path) -> str | None:
    """Why nothing may be written to the disk of a folder; None if there is room."""
    disk = shutil.disk_usage(folder)
    floor_bytes = min(FLOOR_BYTES, FLOOR_SHARE * disk.total)
    if disk.free >= floor_bytes:
        return None
    return (
        f"the disk of {folder} has {disk.free / 2**30:.1f} GiB left, and {floor_bytes / 2**30:.1f} "
        "GiB are kept free; free some, or set AUTOML_AGENT_HOME to another disk"
    )


def _add_folder(
    usage: Usage, descriptor: int, *, depth: int, max_files: int, max_depth: int
) -> None:
    usage.depth = max(usage.depth, depth)
    with os.scandir(descriptor) as entries:  # one by one: there may be millions
        for entry in entries:
            usage.n_files += 1
            if usage.n_files > max_files or usage.depth > max_depth:
                return
            try:
                usage.n_bytes += entry.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES
                if entry.is_dir(follow_symlinks=False):
                    _add_subfolder(
                        usage,
                        descriptor,
                        entry.name,
                        depth,
                        max_files=max_files,
                        max_depth=max_depth,
                    )
            except PermissionError:
                usage.n_unreadable += 1
            except OSError:  # gone since, or replaced by something else
                continue


def _add_subfolder(
    usage: Usage, parent: int, name: str, depth: int, *, max_files: int, max_depth: int
) -> None:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    descriptor = os.open(name, flags, dir_fd=parent)
    try:
        _add_folder(usage, descriptor, depth=depth + 1, max_files=max_files, max_depth=max_depth)
    finally:
        os.close(descriptor)
