"""Taking away folders that untrusted code filled: of any depth, with any names and modes."""

import contextlib
import os
import secrets
import stat
from itertools import islice
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
# Entries are taken away in portions: there may be millions.
_PORTION = 1000


def remove_tree(path: Path) -> None:
    """Remove a file or folder and all below it; what cannot be removed stays, without an error.

    For trees that nobody changes any more. It follows no link and never recurses. Paths that are
    longer than the system allows are no hindrance: what a folder holds is moved up to the root of
    the tree, so that no path is longer than two names.
    """
    with contextlib.suppress(OSError):
        parent = os.open(path.absolute().parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _remove_entry(parent, path.name)
        finally:
            os.close(parent)


def _remove_entry(parent: int, name: str) -> None:
    if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=parent)
        return
    root = _open_folder(parent, name)
    try:
        while names := _list_some(root):
            for entry, is_folder in names:
                if is_folder:
                    _dissolve_folder(root, entry)
                else:
                    os.unlink(entry, dir_fd=root)
    finally:
        os.close(root)
    os.rmdir(name, dir_fd=parent)


def _dissolve_folder(root: int, name: str) -> None:
    """Remove a folder of the root, and move those that it holds to the root."""
    folder = _open_folder(root, name)
    try:
        while names := _list_some(folder):
            for entry, is_folder in names:
                if is_folder:
                    _open_up(folder, entry)
                    os.rename(entry, secrets.token_hex(16), src_dir_fd=folder, dst_dir_fd=root)
                else:
                    os.unlink(entry, dir_fd=folder)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=root)


def _open_folder(parent: int, name: str) -> int:
    _open_up(parent, name)
    return os.open(name, _FOLDER, dir_fd=parent)


def _open_up(parent: int, name: str) -> None:
    """Make a folder one that its owner may read and change."""
    with contextlib.suppress(OSError):  # a user who may not do this may yet remove it
        os.chmod(name, 0o700, dir_fd=parent)


def _list_some(folder: int) -> list[tuple[str, bool]]:
    """Some of a folder's entries, and whether they are folders; none if it is empty."""
    with os.scandir(folder) as entries:
        return [(e.name, e.is_dir(follow_symlinks=False)) for e in islice(entries, _PORTION)]
