"""All knowledge together: one's own and packages', each card once, nothing read too early."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from automl_agent.cards.documents import check_document
from automl_agent.knowledge.knowledge import Knowledge, open_knowledge
from automl_agent.knowledge.records import packages
from automl_agent.knowledge.records.archive import FILE_NAME, write_archive
from automl_agent.knowledge.statistics import describe_knowledge

from .making import MANIFEST, make_known, make_record

HEART, LUNG = make_known("heart"), make_known("lung")


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Packaged knowledge: of both cards, with a record that is one's own too."""
    path = tmp_path / "base" / FILE_NAME
    kept = [make_record(HEART), make_record(LUNG, expert="linear")]
    write_archive(path, [HEART, LUNG], kept, MANIFEST)
    monkeypatch.setattr(packages, "_BASE", path)
    return path


@pytest.fixture
def knowledge(base: Path, tmp_path: Path) -> Knowledge:
    """The knowledge of a machine with one record of its own."""
    del base
    found = open_knowledge(tmp_path / "home")
    found.add(HEART, make_record(HEART, seconds=7.0))
    return found


def test_ones_own_comes_first_and_each_card_once(knowledge: Knowledge) -> None:
    assert [known.card for known in knowledge.cards] == [HEART.card, LUNG.card]
    assert [known.origin.partition(" (")[0] for known in knowledge.cards] == ["a clinic"] * 2
    own, packaged = make_record(HEART, seconds=7.0), make_record(HEART)
    assert list(knowledge.records("xgboost")) == [own, packaged]
    assert list(knowledge.records(card_ids=[LUNG.card_id])) == [make_record(LUNG, expert="linear")]
    assert knowledge.count_records(HEART.card_id) == {"xgboost": 2}
    assert knowledge.count_records("0" * 16) == {}
    assert list(knowledge.warnings) == []


def test_nothing_is_read_before_it_is_asked_for(base: Path, tmp_path: Path) -> None:
    base.write_bytes(b"damaged")
    knowledge = open_knowledge(tmp_path / "home")
    knowledge.add(HEART, make_record(HEART))
    assert list(knowledge.warnings) == []
    assert len(knowledge.records()) == len(knowledge.cards) == 1
    (warning,) = knowledge.warnings
    assert "The knowledge of automl-agent" in warning


def test_without_packaged_knowledge_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "_BASE", tmp_path / "nowhere")
    knowledge = open_knowledge(tmp_path)
    assert (list(knowledge.cards), list(knowledge.records())) == ([], [])
    assert list(knowledge.warnings) == []


def test_a_store_that_cannot_be_read_is_a_warning(knowledge: Knowledge) -> None:
    path = knowledge.store.path
    path.unlink()
    path.mkdir()
    assert len(knowledge.records()) == 2
    assert len(knowledge.cards) == 2
    assert knowledge.count_records(LUNG.card_id) == {"linear": 1}
    (warning,) = knowledge.warnings
    assert f"{path}, cannot be used" in warning
    document = describe_knowledge(knowledge)
    assert (document["n_records"], document["warnings"]) == (2, [warning])


def test_what_is_not_to_be_remembered_is_not(base: Path, tmp_path: Path) -> None:
    del base
    knowledge = open_knowledge(tmp_path / "home", remembers=False)
    knowledge.add(HEART, make_record(HEART))
    assert len(knowledge.records()) == 2
    assert not (tmp_path / "home").exists()


def test_the_statistics_fit_their_schema_and_add_up(knowledge: Knowledge) -> None:
    knowledge.store.add_all([LUNG], [make_record(LUNG)], source="imported clinic")
    document = describe_knowledge(knowledge)
    check_document(document, "knowledge_stats", source="statistics")
    assert json.loads(json.dumps(document)) == document
    assert (document["n_cards"], document["n_records"]) == (2, 4)
    assert document["experts"] == {"linear": 1, "xgboost": 3}
    imported, own, packaged = document["sources"]
    assert (imported["source"], own["source"]) == ("imported clinic", "own")
    assert packaged["source"].startswith("automl-agent ")
    assert packaged["provenance"] == MANIFEST.provenance
    assert (own["n_cards"], own["n_records"], own["experts"]) == (1, 1, {"xgboost": 1})
    assert document["first"] <= document["last"] <= imported["last"]


def test_importing_it_imports_nothing_heavy() -> None:
    code = (
        "import sys, automl_agent.knowledge.knowledge\n"
        "print([n for n in ('numpy', 'pandas', 'jsonschema', 'sklearn') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
