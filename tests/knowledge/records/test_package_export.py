"""Knowledge as a pip package: pip builds and installs it, and it is read from there."""

import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from automl_agent.errors import KnowledgeError
from automl_agent.knowledge.records.archive import make_manifest
from automl_agent.knowledge.records.package_export import read_package, write_package
from automl_agent.knowledge.records.record import OWN_ORIGIN

from ..making import MANIFEST, make_known, make_record

HEART, LUNG = make_known("heart"), make_known("lung | `x`")
RECORDS = [make_record(HEART), make_record(HEART, expert="linear"), make_record(LUNG)]
READ_INSTALLED = """
import json, sys
sys.path.insert(0, sys.argv[1])
from automl_agent.knowledge.records.packages import find_packages

warnings = []
(source,) = [s for s in find_packages(warnings) if s.distribution == "automl-agent-cards-clinic"]
archive = source.read()
assert "automl_agent_cards_clinic" not in sys.modules
documents = [record.to_json() for record in archive.records()]
print(json.dumps([source.version, [k.origin for k in archive.cards.values()], documents]))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The folder of an exported package."""
    return write_package(tmp_path / "exports", MANIFEST, [HEART, LUNG], RECORDS)


def run_pip(*arguments: object) -> None:
    command = [sys.executable, "-m", "pip", *arguments, "--no-index", "--no-deps", "--quiet"]
    subprocess.run([*command, "--no-build-isolation"], check=True, capture_output=True)


def test_pip_installs_it_and_it_is_read_from_there(project: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    run_pip("install", "--target", target, project)
    command = [sys.executable, "-c", READ_INSTALLED, target]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    version, origins, documents = json.loads(done.stdout)
    assert version == "2026.1.31.750"
    assert origins == ["a clinic (automl-agent-cards-clinic 2026.1.31.750)"] * 2
    assert documents == [record.to_json() for record in RECORDS]


def test_a_run_of_this_machine_is_none_of_the_machine_that_reads_it(tmp_path: Path) -> None:
    own = replace(HEART, origin=OWN_ORIGIN)
    project = write_package(tmp_path, MANIFEST, [own, LUNG], [])
    found = read_package(project).cards
    assert [known.origin for known in found.values()] == ["a run on another machine", "a clinic"]


def test_a_wheel_is_read_without_installing_it(project: Path, tmp_path: Path) -> None:
    run_pip("wheel", "--wheel-dir", tmp_path / "wheels", project)
    (wheel,) = (tmp_path / "wheels").iterdir()
    assert read_package(wheel).records() == RECORDS
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = "automl_agent_cards_clinic"
    assert names == {f"{package}/__init__.py", f"{package}/knowledge.jsonl.gz"}


def test_a_folder_and_a_file_are_read(project: Path) -> None:
    package = project / "automl_agent_cards_clinic"
    for path in (project, package, package / "knowledge.jsonl.gz"):
        assert read_package(path).manifest == MANIFEST


def test_it_tells_where_it_comes_from_and_how_much_it_is(project: Path) -> None:
    text = (project / "README.md").read_text()
    assert "3 trainings on 2 data sets" in text
    assert f"Where it comes from: {MANIFEST.provenance}\n" in text
    assert "| heart | binary classification |  | 2 |" in text
    assert "| lung _ _x_ | binary classification |  | 1 |" in text


def test_a_later_export_is_a_later_version() -> None:
    from packaging.version import Version

    from automl_agent.knowledge.records.package_export import _name_version

    dates = ("2026-01-31T12:30:00Z", "2026-01-31T23:01:00Z", "2026-02-01T00:00:00Z")
    versions = [Version(_name_version(make_manifest("x", "", created=date))) for date in dates]
    assert versions == sorted(set(versions))


def test_what_is_there_already_is_not_overwritten(project: Path) -> None:
    with pytest.raises(KnowledgeError, match="is there already; give another --output"):
        write_package(project.parent, MANIFEST, [HEART], [])


def test_what_has_no_knowledge_is_named(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match=r"has no file knowledge\.jsonl\.gz"):
        read_package(tmp_path)
    wheel = tmp_path / "x-1-py3-none-any.whl"
    wheel.write_bytes(b"no wheel")
    with pytest.raises(KnowledgeError, match="cannot be read as a wheel"):
        read_package(wheel)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("x/y/knowledge.jsonl.gz", b"")
    with pytest.raises(KnowledgeError, match="has no file"):
        read_package(wheel)
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/knowledge.jsonl.gz", bytes(70 * 2**20))
    with pytest.raises(KnowledgeError, match="larger than any knowledge"):
        read_package(wheel)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KnowledgeError, match="cannot be written"):
        write_package(tmp_path / "file", MANIFEST, [HEART], [])
