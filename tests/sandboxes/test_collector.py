"""Collecting what untrusted code wrote: all of it as it is, or nothing."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from automl_agent.errors import SandboxError
from automl_agent.sandboxes import collector
from automl_agent.sandboxes.collector import ALLOWED_SUFFIXES, collect_folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder as a script would leave it, with one good file."""
    folder = tmp_path / "job" / "model"
    folder.mkdir(parents=True)
    (folder / "a.json").write_text("{}")
    return folder


def read_tree(folder: Path) -> dict[str, bytes]:
    """The files below a folder: path and content."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_files_and_folders_are_copied_as_they_are(model: Path, tmp_path: Path) -> None:
    (model / "trees" / "more").mkdir(parents=True)
    (model / "trees" / "more" / "b.ubj").write_bytes(bytes(range(256)))
    for suffix in ALLOWED_SUFFIXES:
        (model / f"file{suffix}").write_text(suffix)
    collect_folder(model, tmp_path / "out")
    assert read_tree(tmp_path / "out") == read_tree(model)
    assert len(read_tree(model)) == 2 + len(ALLOWED_SUFFIXES)


def test_an_empty_folder_is_collected(model: Path, tmp_path: Path) -> None:
    (model / "a.json").unlink()
    collect_folder(model, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_an_earlier_attempt_left_is_removed_first(model: Path, tmp_path: Path) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "old.json").touch()
    collect_folder(model, tmp_path / "out")
    assert read_tree(tmp_path / "out") == {"a.json": b"{}"}


HOSTILE: dict[str, Callable[[Path], object]] = {
    "a link to a file": lambda m: (m / "z.json").symlink_to("/etc/passwd"),
    "a link to a folder": lambda m: (m / "z").symlink_to("/etc"),
    "a link to a file beside it": lambda m: (m / "z.json").symlink_to("a.json"),
    "a link to nothing": lambda m: (m / "z.json").symlink_to("nothing"),
    "a hard link": lambda m: os.link(m / "a.json", m.parent / "elsewhere.json"),
    "a pipe": lambda m: os.mkfifo(m / "z.json"),
    "a pickle": lambda m: (m / "z.pkl").touch(),
    "a shared object": lambda m: (m / "z.so").touch(),
    "a suffix in capitals": lambda m: (m / "z.JSON").touch(),
    "no suffix": lambda m: (m / "z").touch(),
    "a name of a suffix alone": lambda m: (m / ".json").touch(),
    "a pickle in a folder": lambda m: ((m / "z").mkdir(), (m / "z" / "z.pkl").touch()),
}


@pytest.mark.parametrize("spoil", HOSTILE.values(), ids=HOSTILE)
def test_anything_else_is_refused_and_leaves_nothing(
    model: Path, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    spoil(model)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SandboxError):
        collect_folder(model, tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
def test_a_device_is_refused(model: Path, tmp_path: Path) -> None:
    os.mknod(model / "z.json", 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero, which never ends
    with pytest.raises(SandboxError, match="is not a regular file of its own"):
        collect_folder(model, tmp_path / "out")


def test_a_socket_is_refused(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model)  # a socket's path may be some hundred characters long only
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("z.json")
    with pytest.raises(SandboxError):
        collect_folder(model, tmp_path / "out")


@pytest.mark.parametrize("replaced", ["model", "job"])
def test_a_folder_that_was_replaced_by_a_link_is_refused(
    model: Path, tmp_path: Path, replaced: str
) -> None:
    secret = tmp_path / "secret" / "model"
    secret.mkdir(parents=True)
    (secret / "key.txt").touch()
    folder = model if replaced == "model" else model.parent
    folder.rename(tmp_path / "moved")
    folder.symlink_to(secret if replaced == "model" else secret.parent)
    with pytest.raises(SandboxError):
        collect_folder(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").touch()
    with pytest.raises(SandboxError, match="Not a directory"):
        collect_folder(tmp_path / "model", tmp_path / "out")


def test_a_destination_that_exists_is_not_overwritten(model: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.json").touch()
    with pytest.raises(SandboxError):
        collect_folder(model, tmp_path / "out")
    assert read_tree(tmp_path / "out") == {"mine.json": b""}
    assert not (tmp_path / "out.partial").exists()


@pytest.mark.parametrize(("depth", "is_allowed"), [(4, True), (5, False)])
def test_folders_may_be_four_deep(
    model: Path, tmp_path: Path, depth: int, is_allowed: bool
) -> None:
    model.joinpath(*["d"] * depth).mkdir(parents=True)
    if is_allowed:
        collect_folder(model, tmp_path / "out")
    else:
        with pytest.raises(SandboxError, match="more than 4 folders deep"):
            collect_folder(model, tmp_path / "out")
    assert (tmp_path / "out").exists() == is_allowed


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir], ids=["files", "folders"])
@pytest.mark.parametrize(("n_more", "is_allowed"), [(4, True), (5, False)])
def test_the_number_of_files_and_folders_is_limited(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], None],
    n_more: int,
    is_allowed: bool,
) -> None:
    monkeypatch.setattr(collector, "MAX_FILES", 5)
    for number in range(n_more):
        make(model / f"{number}.txt")
    if is_allowed:
        collect_folder(model, tmp_path / "out")
    else:
        with pytest.raises(SandboxError, match="more than 5 files"):
            collect_folder(model, tmp_path / "out")
    assert (tmp_path / "out").exists() == is_allowed


@pytest.mark.parametrize(("n_bytes", "is_allowed"), [(98, True), (99, False)])
def test_the_size_of_all_files_together_is_limited(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_bytes: int, is_allowed: bool
) -> None:
    monkeypatch.setattr(collector, "MAX_TOTAL_BYTES", 100)
    (model / "b.npy").write_bytes(bytes(n_bytes))
    if is_allowed:
        collect_folder(model, tmp_path / "out")
    else:
        with pytest.raises(SandboxError, match="or 100 bytes"):
            collect_folder(model, tmp_path / "out")
    assert (tmp_path / "out").exists() == is_allowed


def test_a_file_of_holes_is_refused_and_a_short_one_is_not(model: Path, tmp_path: Path) -> None:
    with (model / "holes.npy").open("wb") as file:
        file.truncate(2**20)
    collect_folder(model, tmp_path / "first")
    with (model / "holes.npy").open("r+b") as file:
        file.truncate(2**20 + 1)
    with pytest.raises(SandboxError, match="holes"):
        collect_folder(model, tmp_path / "second")
