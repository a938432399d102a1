"""`automl-agent knowledge`: what a person types, and what she is told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from automl_agent.cards.documents import check_document
from automl_agent.knowledge.knowledge import open_knowledge
from automl_agent.knowledge.records import packages
from automl_agent.knowledge.records.archive import FILE_NAME, write_archive
from automl_agent.knowledge.records.package_export import read_package

from ..knowledge.making import MANIFEST, make_known, make_record
from .conftest import Outcome

Program = Callable[..., Outcome]
HEART, LUNG = make_known("heart"), make_known("lung")


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Packaged knowledge of lungs, and nothing else that is installed."""
    path = tmp_path / "base" / FILE_NAME
    write_archive(path, [LUNG], [make_record(LUNG)], MANIFEST)
    monkeypatch.setattr(packages, "_BASE", path)
    return path


@pytest.fixture
def own(home: Path) -> None:
    """Two records of hearts that are one's own."""
    store = open_knowledge(home).store
    store.add(HEART, make_record(HEART))
    store.add(HEART, make_record(HEART, expert="linear"))


@pytest.mark.usefixtures("own")
def test_stats_tell_how_much_there_is_and_from_where(program: Program) -> None:
    document = program("knowledge", "stats", "--output-format", "json").document
    check_document(document, "knowledge_stats", source="output")
    assert document["experts"] == {"linear": 1, "xgboost": 2}
    told = program("knowledge", "stats")
    assert "2 cards, 3 records" in told.out
    assert "linear 1, xgboost 1" in told.out


def test_stats_name_what_cannot_be_read(program: Program, base: Path) -> None:
    base.write_bytes(b"damaged")
    told = program("knowledge", "stats")
    assert told.code == 0
    assert "Warning: The knowledge of automl-agent" in told.err


@pytest.mark.usefixtures("own")
def test_an_export_says_what_others_will_read_and_takes_ones_own(
    program: Program, tmp_path: Path
) -> None:
    command = ("knowledge", "export", "clinic", "--output", tmp_path / "out")
    refused = program(*command)
    assert refused.code == 3
    assert "names of their 1 columns and 2 classes" in refused.err
    assert "give --yes if you agree" in refused.err
    assert not (tmp_path / "out").exists()
    done = program(*command, "--yes", "--provenance", "Our clinic; CC0")
    assert done.code == 0
    assert "No rows of data are in it" in done.err
    archive = read_package(tmp_path / "out" / "automl-agent-cards-clinic")
    assert [known.card.name for known in archive.cards.values()] == ["heart"]
    assert archive.n_records == 2
    assert archive.manifest.provenance == "Our clinic; CC0"


@pytest.mark.usefixtures("own")
def test_an_export_can_take_all(program: Program, tmp_path: Path) -> None:
    command = ("knowledge", "export", "clinic", "--output", tmp_path, "--origin", "all", "--yes")
    done = program(*command, "--output-format", "json")
    path = tmp_path / "automl-agent-cards-clinic"
    assert done.document == {"path": str(path), "n_cards": 2, "n_records": 3}
    assert program(*command).code == 3  # it is there already


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("Our Clinic", "small letters, digits and hyphens", id="name"),
        pytest.param("../x", "small letters, digits and hyphens", id="path"),
    ],
)
@pytest.mark.usefixtures("own")
def test_a_name_that_no_package_can_have_is_refused(
    program: Program, name: str, message: str, tmp_path: Path
) -> None:
    done = program("knowledge", "export", name, "--output", tmp_path / "out", "--yes")
    assert (done.code, message in done.err) == (3, True)
    assert not (tmp_path / "out").exists()


def test_without_knowledge_of_ones_own_there_is_nothing_to_export(
    program: Program, tmp_path: Path
) -> None:
    done = program("knowledge", "export", "clinic", "--output", tmp_path / "out", "--yes")
    assert (done.code, "no records of your own yet" in done.err) == (3, True)


def test_an_import_is_kept_and_told_apart(program: Program, base: Path, home: Path) -> None:
    done = program("knowledge", "import", base, "--output-format", "json")
    counts = {"n_cards": 1, "n_records": 1, "n_new": 1}
    assert done.document == {"source": "imported clinic", **counts}
    assert "0 of them new. made for tests" in program("knowledge", "import", base).out
    assert open_knowledge(home).store.records() == [make_record(LUNG)]
    document = program("knowledge", "stats", "--output-format", "json").document
    assert document["sources"][0]["source"] == "imported clinic"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"a,b\n1,2\n", "is no knowledge.jsonl.gz", id="a table"),
        pytest.param(None, "has no file knowledge.jsonl.gz", id="an empty folder"),
    ],
)
def test_a_foreign_file_is_refused_in_one_sentence(
    program: Program, content: bytes | None, message: str, tmp_path: Path, home: Path
) -> None:
    path = tmp_path / "foreign"
    path.mkdir() if content is None else path.write_bytes(content)
    done = program("knowledge", "import", path)
    assert (done.code, done.out) == (3, "")
    assert message in done.err
    assert done.err.startswith(f"Error: {path}: ")
    assert done.err.count("\n") == 1
    assert not (home / "knowledge").exists()


@pytest.mark.usefixtures("own")
def test_a_purge_removes_ones_own_and_leaves_packages(program: Program, home: Path) -> None:
    refused = program("knowledge", "purge", "--expert", "linear")
    assert (refused.code, "give --yes if you agree" in refused.err) == (3, True)
    done = program("knowledge", "purge", "--expert", "linear", "--yes")
    assert done.out.startswith("Removed 1 records and 0 cards of your own. What came with packages")
    done = program("knowledge", "purge", "--card", "heart", "--yes", "--output-format", "json")
    assert done.document == {"n_cards": 1, "n_records": 1}
    assert [known.card.name for known in open_knowledge(home).cards] == ["lung"]


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("options", "n_left"),
    [
        pytest.param(["--all"], 0, id="all"),
        pytest.param(["--before", "2020-01-31"], 2, id="before"),
        pytest.param(["--before", "2999-01-31"], 0, id="before a later day"),
    ],
)
def test_a_purge_takes_all_or_what_is_old(
    program: Program, home: Path, options: list[str], n_left: int
) -> None:
    assert program("knowledge", "purge", *options, "--yes").code == 0
    assert len(open_knowledge(home).store.records()) == n_left


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        pytest.param([], 2, "Say what to remove", id="nothing"),
        pytest.param(["--all", "--card", "heart"], 2, "Say what to remove", id="both"),
        pytest.param(["--card", "lung"], 3, "no card 'lung' of your own", id="packaged card"),
        pytest.param(["--before", "soon"], 3, "'soon' is no date", id="date"),
    ],
)
def test_a_purge_that_says_nothing_sensible_removes_nothing(
    program: Program, home: Path, options: list[str], code: int, message: str
) -> None:
    done = program("knowledge", "purge", *options, "--yes")
    assert (done.code, message in done.err) == (code, True)
    assert len(open_knowledge(home).store.records()) == 2
