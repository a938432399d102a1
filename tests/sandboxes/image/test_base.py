"""Where debootstrap cannot run, one sentence says what to do; the real base is the image's."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from automl_agent.errors import SandboxError
from automl_agent.sandboxes.image import base
from automl_agent.sandboxes.image.base import (
    explain_debootstrap,
    find_base,
    find_obstacle,
    make_base,
)

if TYPE_CHECKING:
    from docker import APIClient


def test_a_missing_debootstrap_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "sudo apt-get install debootstrap" in (find_obstacle() or "")


def test_without_the_rights_of_root_the_remedy_is_sudo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "debootstrap").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "run this command with sudo" in (find_obstacle() or "")


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        ("Failed getting release file http://x/Release", "--mirror URL"),
        ("Release signed by unknown key (key id 1)", "install debian-archive-keyring"),
        ("Cannot install into target mounted with noexec or nodev", "where programs may run."),
    ],
    ids=["mirror", "key", "noexec"],
)
def test_a_failed_debootstrap_says_what_to_do(error: str, ends: str) -> None:
    text = explain_debootstrap([error])
    assert text.startswith(f"The base cannot be made: {error}. ")
    assert text.endswith(ends)


@pytest.mark.docker
@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("debootstrap") is None, reason="needs root and debootstrap"
)
def test_a_mirror_that_nobody_reaches_leaves_nothing_behind(
    engine: "APIClient", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(base.tempfile, "tempdir", str(tmp_path))
    before = find_base()
    lines: list[str] = []
    with pytest.raises(SandboxError, match=r"The base cannot be made: .*--mirror URL"):
        make_base(mirror="http://127.0.0.1:9/debian", on_line=lines.append)
    assert lines
    assert find_base() == before
    assert list(tmp_path.iterdir()) == []
    assert [i for i in engine.images(base.REPOSITORY) if "draft" in str(i["RepoTags"])] == []
