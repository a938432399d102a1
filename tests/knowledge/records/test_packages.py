"""Knowledge of installed packages: found and read without importing any."""

import importlib
import sys
from pathlib import Path

import pytest

from automl_agent.knowledge.knowledge import open_knowledge
from automl_agent.knowledge.records import packages
from automl_agent.knowledge.records.archive import FILE_NAME, read_archive, write_archive
from automl_agent.knowledge.records.packages import find_base, find_packages

from ..making import MANIFEST, make_known, make_record

HEART, LUNG = make_known("heart"), make_known("lung")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on sys.path; this package's own knowledge is not looked at."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(packages, "_BASE", tmp_path / "nothing")
    return folder


def install(site: Path, name: str, package: str = "", *, has_file: bool = True) -> Path:
    """A distribution that says that its package carries knowledge."""
    package = package or f"automl_agent_cards_{name}"
    metadata = site / f"automl_agent_cards_{name}-2.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Name: automl-agent-cards-{name}\nVersion: 2.1\n")
    (metadata / "entry_points.txt").write_text(f"[automl_agent_cards]\n{name} = {package}\n")
    folder = site / package.split(".")[0]
    folder.mkdir()
    (folder / "__init__.py").write_text("raise AssertionError('a package was imported')\n")
    if has_file:
        write_archive(folder / FILE_NAME, [HEART], [make_record(HEART)], MANIFEST)
    importlib.invalidate_caches()
    return folder / FILE_NAME


def test_installed_knowledge_is_read_without_importing_its_package(site: Path) -> None:
    install(site, "clinic")
    (source,) = find_packages([])
    assert (source.distribution, source.version) == ("automl-agent-cards-clinic", "2.1")
    archive = source.read()
    assert archive.records() == [make_record(HEART)]
    (known,) = archive.cards.values()
    assert known.origin == "a clinic (automl-agent-cards-clinic 2.1)"
    assert (known.card, known.family) == (HEART.card, HEART.family)
    assert "automl_agent_cards_clinic" not in sys.modules


def test_a_broken_package_is_named_and_the_others_are_read(site: Path, tmp_path: Path) -> None:
    install(site, "bad").write_bytes(b"nothing")
    install(site, "gone", has_file=False)
    install(site, "inner", "automl_agent_cards_inner.deep", has_file=False)
    install(site, "clinic")
    (site / "odd-1.dist-info").mkdir()  # what a broken uninstall leaves behind
    knowledge = open_knowledge(tmp_path)
    assert knowledge.records() == [make_record(HEART)]
    gone, inner, bad = knowledge.warnings
    assert "automl-agent-cards-bad 2.1 is left out: " in bad
    assert bad.endswith("pip install --force-reinstall automl-agent-cards-bad")
    assert "automl_agent_cards_gone/knowledge.jsonl.gz cannot be found" in gone
    assert "automl_agent_cards_inner/knowledge.jsonl.gz cannot be found" in inner


def test_a_package_that_is_no_longer_there_is_named(site: Path) -> None:
    path = install(site, "clinic")
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    importlib.invalidate_caches()
    warnings: list[str] = []
    assert list(find_packages(warnings)) == []
    assert len(warnings) == 1


def test_the_packages_own_knowledge_stands_up_to_the_strict_reading_of_others() -> None:
    (base,) = find_base("1")
    strict, quick = read_archive(base.path), read_archive(base.path, is_own=True)
    assert (strict.manifest, strict.cards) == (quick.manifest, quick.cards)
    assert len(strict.cards) >= 60
