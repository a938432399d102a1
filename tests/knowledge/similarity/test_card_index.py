"""The index of cards: what it finds, and what it refuses to read."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_agent.errors import IndexCorruptError
from automl_agent.knowledge.similarity import card_index
from automl_agent.knowledge.similarity.card_index import CardIndex, open_or_rebuild, seal_path

ENCODER = "test encoder"


def make_vectors(n: int, *, seed: int = 0, dimension: int = 16, n_groups: int = 40) -> np.ndarray:
    """Vectors in groups, as cards are; float32, unit length."""
    centres = np.random.default_rng(7).normal(size=(n_groups, dimension))
    random = np.random.default_rng(seed)
    x = centres[random.integers(0, n_groups, n)] + 0.5 * random.normal(size=(n, dimension))
    unit: np.ndarray = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    return unit


def make_ids(n: int) -> list[str]:
    return [f"{row:016x}" for row in range(n)]


class Embedder:
    """Embeddings by id, and the ids that were asked for."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors
        self.asked: list[str] = []

    def __call__(self, ids: Sequence[str]) -> np.ndarray:
        self.asked += ids
        rows: np.ndarray = self.vectors[[int(card_id, 16) for card_id in ids]]
        return rows


@pytest.fixture
def low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists instead of comparing with all, from 500 cards on."""
    monkeypatch.setattr(card_index, "N_EXACT", 500)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """An index of 100 cards."""
    path = tmp_path / "knowledge" / "cards.faiss"
    CardIndex.build(make_ids(100), make_vectors(100), encoder=ENCODER).save(path)
    return path


def test_few_cards_are_all_compared() -> None:
    vectors, query = make_vectors(300), make_vectors(1, seed=1)[0]
    index = CardIndex.build(make_ids(300), vectors, encoder=ENCODER)
    found = index.search(query, 10)
    expected = np.argsort(-(vectors @ query))[:10]
    assert index.is_exact
    assert [neighbour.card_id for neighbour in found] == [f"{row:016x}" for row in expected]
    similarities = [neighbour.similarity for neighbour in found]
    np.testing.assert_allclose(similarities, (vectors @ query)[expected], atol=1e-6)


@pytest.mark.usefixtures("low_limit")
def test_of_many_cards_nearly_all_neighbours_are_found() -> None:
    vectors, queries = make_vectors(5000), make_vectors(100, seed=1)
    index = CardIndex.build(make_ids(5000), vectors, encoder=ENCODER)
    assert not index.is_exact
    hits = 0
    for query in queries:
        expected = {f"{row:016x}" for row in np.argsort(-(vectors @ query))[:10]}
        hits += len(expected & {neighbour.card_id for neighbour in index.search(query, 10)})
    # The target at a million cards in 384 dimensions is 0.98; these groups overlap far more.
    assert hits / 1000 > 0.9


def test_there_are_no_more_neighbours_than_cards() -> None:
    index = CardIndex(16, encoder=ENCODER)
    query = make_vectors(1)[0]
    assert index.search(query, 5) == []
    index.add(["a", "b"], make_vectors(2))
    assert len(index.search(query, 5)) == 2
    assert index.search(query, 0) == []


@pytest.mark.parametrize("limit", [500, 50], ids=["exact", "lists"])
def test_cards_are_added_one_after_the_other_and_each_once(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_index, "N_EXACT", limit)
    vectors = make_vectors(120)
    index = CardIndex.build(make_ids(100), vectors[:100], encoder=ENCODER)
    index.add(make_ids(120)[90:], vectors[90:])
    index.add(["0" * 16, "new", "new"], vectors[[5, 6, 7]])
    assert index.ids == (*make_ids(120), "new")
    assert index.search(vectors[110], 1)[0].card_id == f"{110:016x}"


@pytest.mark.parametrize(
    "vectors",
    [
        pytest.param(make_vectors(3), id="more than ids"),
        pytest.param(make_vectors(2, dimension=8), id="another dimension"),
        pytest.param(np.full((2, 16), np.nan, dtype=np.float32), id="not a number"),
    ],
)
def test_vectors_that_do_not_fit_are_refused_and_change_nothing(vectors: np.ndarray) -> None:
    index = CardIndex(16, encoder=ENCODER)
    with pytest.raises(ValueError, match="must be finite and of shape"):
        index.add(["a", "b"], vectors)
    assert len(index) == 0


@pytest.mark.parametrize("limit", [500, 50], ids=["exact", "lists"])
def test_a_saved_index_finds_the_same(
    limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_index, "N_EXACT", limit)
    path, query = tmp_path / "cards.faiss", make_vectors(1, seed=3)[0]
    index = CardIndex.build(make_ids(100), make_vectors(100), encoder=ENCODER)
    index.save(path)
    loaded = CardIndex.load(path, make_ids(100), encoder=ENCODER)
    assert loaded.search(query, 20) == index.search(query, 20)
    assert (loaded.ids, loaded.is_exact) == (index.ids, index.is_exact)
    loaded.add(["new"], query.reshape(1, -1))
    assert loaded.search(query, 1)[0].card_id == "new"


def test_beside_an_index_lies_its_seal_and_nothing_else(saved: Path) -> None:
    assert sorted(saved.parent.iterdir()) == [saved, seal_path(saved)]
    seal = json.loads(seal_path(saved).read_text())
    assert (seal["encoder"], seal["n_cards"]) == (ENCODER, 100)
    assert len(seal["sha256"]) == len(seal["ids_sha256"]) == 64


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replace_with_list(path: Path) -> None:
    seal_path(path).write_text("[1]")


def drop_seal_field(path: Path) -> None:
    seal = json.loads(seal_path(path).read_text())
    del seal["encoder"]
    seal_path(path).write_text(json.dumps(seal))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": cut,
    "a bit": flip,
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
    "no seal": lambda path: seal_path(path).unlink(),
    "seal is no JSON": lambda path: seal_path(path).write_bytes(b"\xff{"),
    "seal is a list": replace_with_list,
    "seal without a field": drop_seal_field,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_index_never_reaches_the_parser(
    saved: Path, damage: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    import faiss

    def refuse(*_: object) -> None:
        pytest.fail("the parser was given a file that was not checked")

    damage(saved)
    monkeypatch.setattr(faiss, "deserialize_index", refuse)
    monkeypatch.setattr(faiss, "read_index", refuse)
    with pytest.raises(IndexCorruptError):
        CardIndex.load(saved, make_ids(100), encoder=ENCODER)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_index_is_built_again(saved: Path, damage: Callable[[Path], object]) -> None:
    damage(saved)
    embed = Embedder(make_vectors(100))
    index = open_or_rebuild(saved, make_ids(100), embed, encoder=ENCODER)
    assert embed.asked == make_ids(100)
    assert index.ids == CardIndex.load(saved, make_ids(100), encoder=ENCODER).ids


@pytest.mark.parametrize(
    ("ids", "encoder"),
    [
        pytest.param(make_ids(100), "another encoder", id="encoder"),
        pytest.param(make_ids(100)[::-1], ENCODER, id="order"),
        pytest.param(make_ids(99), ENCODER, id="one was removed"),
        pytest.param([], ENCODER, id="all were removed"),
    ],
)
def test_an_index_of_something_else_is_refused(saved: Path, ids: list[str], encoder: str) -> None:
    with pytest.raises(IndexCorruptError, match="it is of "):
        CardIndex.load(saved, ids, encoder=encoder)


def test_only_new_cards_are_embedded(saved: Path) -> None:
    embed = Embedder(make_vectors(103))
    open_or_rebuild(saved, make_ids(100), embed, encoder=ENCODER)
    assert embed.asked == []
    for _ in range(2):
        index = open_or_rebuild(saved, make_ids(103), embed, encoder=ENCODER)
        assert len(index) == 103
    assert embed.asked == make_ids(103)[100:]


@pytest.mark.usefixtures("low_limit")
def test_an_index_that_is_outgrown_is_laid_out_again(tmp_path: Path) -> None:
    path, embed = tmp_path / "cards.faiss", Embedder(make_vectors(600))
    assert open_or_rebuild(path, make_ids(400), embed, encoder=ENCODER).is_exact
    assert not open_or_rebuild(path, make_ids(600), embed, encoder=ENCODER).is_exact
    assert not CardIndex.load(path, make_ids(600), encoder=ENCODER).is_exact


def test_a_folder_that_cannot_be_written_leaves_an_index_that_works(tmp_path: Path) -> None:
    # Permissions would not do: root may write everywhere.
    blocked = tmp_path / "a file where the folder must be"
    blocked.write_text("")
    index = open_or_rebuild(
        blocked / "cards.faiss", make_ids(5), Embedder(make_vectors(5)), encoder=ENCODER
    )
    assert len(index) == 5


def test_a_place_that_is_taken_leaves_an_index_that_works(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "cards.faiss"
    index = open_or_rebuild(path, make_ids(5), Embedder(make_vectors(5)), encoder=ENCODER)
    assert len(index) == 5


def test_killed_between_the_two_files_the_index_is_built_again(saved: Path) -> None:
    old_seal = seal_path(saved).read_bytes()
    CardIndex.build(make_ids(101), make_vectors(101), encoder=ENCODER).save(saved)
    seal_path(saved).write_bytes(old_seal)
    embed = Embedder(make_vectors(101))
    assert len(open_or_rebuild(saved, make_ids(101), embed, encoder=ENCODER)) == 101
    assert embed.asked == make_ids(101)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), max_size=8), max_size=6))
def test_however_cards_arrive_each_is_there_once_in_order(batches: list[list[int]]) -> None:
    vectors = make_vectors(31)
    index = CardIndex(16, encoder=ENCODER)
    for batch in batches:
        index.add([str(row) for row in batch], vectors[batch])
    expected = list(dict.fromkeys(str(row) for batch in batches for row in batch))
    assert list(index.ids) == expected
    for card_id in expected:
        assert index.search(vectors[int(card_id)], 1)[0].card_id == card_id
