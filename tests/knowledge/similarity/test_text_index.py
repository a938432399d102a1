"""The index of texts: kept beside the records, added to, made again, and never in the way."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from automl_agent.errors import SetupError
from automl_agent.knowledge.encoding.encoder import Array
from automl_agent.knowledge.encoding.text_space import TextSpace
from automl_agent.knowledge.knowledge import open_knowledge
from automl_agent.knowledge.records.record import KnownCard
from automl_agent.knowledge.similarity import similar_cards
from automl_agent.knowledge.similarity.card_index import seal_path
from automl_agent.knowledge.similarity.similar_cards import find_similar
from automl_agent.knowledge.similarity.text_index import TextIndex, discard_index, index_path

from ..making import make_known, make_record

NAMES = ("heart", "lung", "kidney", "flowers", "houses")


class Letters:
    """An encoder whose vectors count letters; it remembers what it was asked for."""

    name, dimension = "letters", 26

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> Array:
        self.asked += texts
        counts = np.array([[t.lower().count(chr(97 + n)) + 0.01 for n in range(26)] for t in texts])
        unit: Array = counts / np.linalg.norm(counts, axis=1, keepdims=True)
        return unit.astype(np.float32)


@pytest.fixture
def encoder() -> Letters:
    return Letters()


def describe(*names: str) -> list[KnownCard]:
    return [make_known(name, description=f"all about {name}") for name in names]


def open_index(encoder: Letters, known: list[KnownCard], home: Path) -> TextIndex:
    return TextIndex(TextSpace(encoder), lambda: known, index_path(home))


def test_the_index_gives_the_cosines_of_the_texts(encoder: Letters, tmp_path: Path) -> None:
    known = describe(*NAMES)
    found = open_index(encoder, known, tmp_path).search(known[3].card, known, 5)
    assert found is not None
    assert set(found) == {card.card_id for card in known}
    assert found[known[3].card_id] == pytest.approx(1)
    assert max(found, key=lambda card_id: found[card_id]) == known[3].card_id


def test_only_the_cards_that_are_asked_for_are_found(encoder: Letters, tmp_path: Path) -> None:
    known = describe(*NAMES)
    found = open_index(encoder, known, tmp_path).search(known[0].card, known[2:4], 5)
    assert found is not None
    assert set(found) == {card.card_id for card in known[2:4]}


def test_a_saved_index_is_read_again_and_a_new_card_added(encoder: Letters, tmp_path: Path) -> None:
    known = describe(*NAMES)
    before = open_index(encoder, known, tmp_path).search(known[0].card, known, 9)
    later = [*known, *describe("trees")]
    encoder.asked.clear()
    after = open_index(encoder, later, tmp_path).search(known[0].card, known, 9)
    assert after == pytest.approx(before)
    # The card that asks, and the new one.
    assert len(encoder.asked) == 2
    assert "trees" in encoder.asked[-1]


def test_a_card_that_came_since_is_found_too(encoder: Letters, tmp_path: Path) -> None:
    known = describe(*NAMES)
    index = open_index(encoder, known, tmp_path)
    index.search(known[0].card, known, 9)
    known += describe("trees")
    found = index.search(known[-1].card, known, 1)
    assert found is not None
    assert list(found) == [known[-1].card_id]


@pytest.mark.parametrize("damage", ["cut", "other", "no seal"])
def test_a_damaged_index_is_made_again(damage: str, encoder: Letters, tmp_path: Path) -> None:
    known = describe(*NAMES)
    before = open_index(encoder, known, tmp_path).search(known[0].card, known, 9)
    path = index_path(tmp_path)
    whole = path.read_bytes()
    if damage == "no seal":
        seal_path(path).unlink()
    else:
        path.write_bytes(whole[:99] if damage == "cut" else whole[:-4] + b"\0\0\0\0")
    assert open_index(encoder, known, tmp_path).search(known[0].card, known, 9) == before
    assert path.read_bytes() == whole
    discard_index(tmp_path)
    assert list(path.parent.iterdir()) == []


def test_an_encoder_that_fails_is_done_without(tmp_path: Path) -> None:
    class Broken(Letters):
        def encode(self, texts: Sequence[str]) -> Array:
            raise SetupError("The model is not there.")

    known, warnings = describe(*NAMES), []
    texts = TextSpace(Broken(), warn=warnings.append)
    index = TextIndex(texts, lambda: known, index_path(tmp_path))
    assert index.search(known[0].card, known, 3) is None
    assert len(warnings) == 1
    found = find_similar(known[0].card, known, texts=texts, k=2, index=index)
    assert [similar.text for similar in found] == [None, None]


def test_of_very_many_cards_the_nearest_texts_are_compared_in_all_parts(
    encoder: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similar_cards, "N_COMPARED", 2)
    known = describe(*NAMES)
    found = find_similar(known[1].card, known, texts=TextSpace(encoder), k=2)
    assert found[0].known == known[1]
    measured = []
    monkeypatch.setattr(
        similar_cards, "measure_card", lambda card: measured.append(card.name) or np.zeros(1)
    )
    monkeypatch.setattr(similar_cards, "compare_features", lambda _one, _other: 0.5)
    find_similar(known[1].card, known, texts=TextSpace(encoder), k=2)
    assert len(measured) == 1 + 2


def test_ones_own_cards_are_added_behind_those_of_packages(tmp_path: Path) -> None:
    knowledge = open_knowledge(tmp_path)
    packaged = knowledge.cards_as_they_came
    known = make_known("of mine")
    knowledge.add(known, make_record(known))
    assert knowledge.cards_as_they_came == (*packaged, known)
    assert knowledge.cards == (known, *packaged)
