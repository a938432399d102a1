"""Trees that a hostile script leaves are removed whole."""

import os
from pathlib import Path

import pytest

from automl_agent.sandboxes.folders import remove_tree


def test_a_tree_of_5000_folders_with_the_longest_names_is_removed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    folder = os.open(root, os.O_RDONLY)
    for _ in range(5000):
        os.mkdir("d" * 255, dir_fd=folder)
        below = os.open("d" * 255, os.O_RDONLY, dir_fd=folder)
        os.close(os.open("f" * 255, os.O_CREAT | os.O_WRONLY, dir_fd=below))
        os.close(folder)
        folder = below
    os.close(folder)
    remove_tree(root)
    assert list(tmp_path.iterdir()) == []


def test_a_wide_tree_is_removed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for n in range(2500):
        (root / f"{n}" / "a").mkdir(parents=True)
        (root / f"{n}.txt").touch()
    remove_tree(root)
    assert list(tmp_path.iterdir()) == []


def test_modes_do_not_keep_it(tmp_path: Path) -> None:
    inner = tmp_path / "root" / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "file").touch(mode=0)
    for folder in (inner, inner.parent, inner.parent.parent):
        folder.chmod(0)
    # Root may enter such folders anyway; somebody else is as a person's agent.
    pid = os.fork()
    if pid == 0:
        try:
            remove_tree(tmp_path / "root")
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_person_who_is_not_root_removes_what_hides_itself(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o777)  # noqa: PTH101
    for parent in tmp_path.parents:
        if parent.stat().st_uid == 0 and len(parent.parts) > 2:
            parent.chmod(0o711)
    pid = os.fork()
    if pid == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            inner = tmp_path / "root" / "a" / "b"
            inner.mkdir(parents=True)
            for folder in (inner, inner.parent, inner.parent.parent):
                folder.chmod(0)
            remove_tree(tmp_path / "root")
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert list(tmp_path.iterdir()) == []


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    root = tmp_path / "root"
    root.mkdir()
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "kept")
    (root / "nowhere").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    remove_tree(root)
    assert list(tmp_path.iterdir()) == [outside]
    assert [path.name for path in outside.iterdir()] == ["kept"]


def test_a_link_itself_is_removed_and_what_is_missing_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "outside")
    remove_tree(link)
    remove_tree(link)
    remove_tree(tmp_path / "no" / "such")
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
