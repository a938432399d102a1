"""How much a step has written, in real folders."""

import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from automl_agent.sandboxes.docker.disk import FLOOR_BYTES, Usage, find_shortage, measure_folder


def measure(folder: Path, *, max_files: int = 100, max_depth: int = 5) -> Usage:
    return measure_folder(folder, max_files=max_files, max_depth=max_depth)


def test_an_empty_folder_holds_nothing(tmp_path: Path) -> None:
    assert measure(tmp_path) == Usage(0, 0, 1)


def test_files_and_folders_count_and_bytes_are_those_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(b"x" * 10_000)
    (tmp_path / "file").write_bytes(b"x" * 20_000)
    usage = measure(tmp_path)
    assert (usage.n_files, usage.depth) == (4, 3)
    # Blocks of at most 4 KiB for each file, and what the file system takes for two folders.
    assert 30_000 <= usage.n_bytes <= 30_000 + 4 * 4096


def test_a_sparse_file_counts_with_what_it_takes(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**40)
    assert measure(tmp_path).n_bytes <= 4096


@pytest.mark.parametrize("name", ["folder", "file"])
def test_a_link_is_not_followed(tmp_path: Path, name: str) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    (outside / "folder").mkdir(parents=True)
    (outside / "folder" / "large").write_bytes(bytes(2**20))
    (outside / "file").write_bytes(bytes(2**20))
    inside.mkdir()
    (inside / "link").symlink_to(outside / name)
    usage = measure(inside)
    assert (usage.n_files, usage.depth) == (1, 1)
    assert usage.n_bytes <= 4096


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        measure(tmp_path / "link")


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    assert measure(tmp_path).n_files == 1


def test_counting_ends_at_the_first_file_too_many(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / str(number)).touch()
    assert measure(tmp_path, max_files=10).n_files == 11


def test_counting_ends_below_the_deepest_folder_that_is_allowed(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(60):
        folder /= "d"
        folder.mkdir()
    assert measure(tmp_path, max_depth=8).depth == 9


def test_what_cannot_be_opened_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"x")
    assert measure(tmp_path).n_files == 2


Disk = namedtuple("Disk", "total used free")


@pytest.mark.parametrize(
    ("total", "free", "is_short"),
    [
        pytest.param(2**40, FLOOR_BYTES, False, id="large, with just enough"),
        pytest.param(2**40, FLOOR_BYTES - 1, True, id="large, with less"),
        pytest.param(20 * 2**30, 2**30, False, id="small, with a twentieth"),
        pytest.param(20 * 2**30, 2**30 - 1, True, id="small, with less"),
    ],
)
def test_a_floor_of_the_disk_is_kept_free(
    total: int, free: int, is_short: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: Disk(total, total - free, free))
    text = find_shortage(tmp_path)
    assert (text is not None) == is_short
    assert text is None or "AUTOML_AGENT_HOME" in text
