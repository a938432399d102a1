"""Embeddings that come with a package."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from automl_agent.cards.stated_card import parse_stated_card
from automl_agent.errors import IndexCorruptError
from automl_agent.knowledge.encoding.embedding_cache import EmbeddingCache
from automl_agent.knowledge.encoding.packaged_encoder import PackagedEncoder
from automl_agent.knowledge.encoding.text_space import TextSpace
from automl_agent.knowledge.encoding.vector_file import read_vectors, write_vectors
from automl_agent.knowledge.records.record import KnownCard
from automl_agent.knowledge.similarity.similar_cards import find_similar, list_texts


class Asked(PackagedEncoder):
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += texts
        vectors: np.ndarray = super().encode(texts)
        return vectors


def make_known(name: str, *classes: str) -> KnownCard:
    space = {"kind": "classes", "classes": list(classes)}
    headline = {"input_type": "tabular", "metric": "accuracy", "label_space": space}
    return KnownCard(parse_stated_card({"name": name, **headline}), "here")


def test_with_packaged_embeddings_only_the_card_itself_is_embedded(tmp_path: Path) -> None:
    known = [make_known("pets", "cat", "dog"), make_known("wines", "red", "white")]
    write_vectors(tmp_path / "vectors.npz", PackagedEncoder(), list_texts(known))
    packaged = read_vectors(tmp_path / "vectors.npz")
    encoder, card = Asked(), make_known("animals", "kitten", "puppy").card
    cache = EmbeddingCache(tmp_path / "own.sqlite", packaged=packaged)
    found = find_similar(card, known, texts=TextSpace(encoder, cache=cache), k=2)
    plain = find_similar(card, known, texts=TextSpace(PackagedEncoder()), k=2)
    assert [text[:7] for text in encoder.texts] == ["animals", "kitten", "puppy"]
    # Half precision.
    assert [similar.similarity for similar in found] == pytest.approx(
        [similar.similarity for similar in plain], abs=1e-3
    )
    assert [similar.known for similar in found] == known


def test_no_texts_make_a_file_too(tmp_path: Path) -> None:
    write_vectors(tmp_path / "vectors.npz", PackagedEncoder(), [])
    assert read_vectors(tmp_path / "vectors.npz") == {}


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04"], ids=repr)
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vectors.npz"
    path.write_bytes(content)
    with pytest.raises(IndexCorruptError, match="is no file of embeddings"):
        read_vectors(path)
    with pytest.raises(IndexCorruptError, match="is no file of embeddings"):
        read_vectors(tmp_path / "missing.npz")


@pytest.mark.parametrize(
    ("keys", "vectors", "message"),
    [
        pytest.param(np.zeros((1, 32), "u1"), np.zeros((1, 4), "f2"), "no embeddings", id="zero"),
        pytest.param(np.zeros((1, 32), "u1"), np.eye(2, dtype="f2"), "no embeddings", id="number"),
        pytest.param(np.array([{}]), np.eye(1), "no file", id="objects"),
        pytest.param(
            np.zeros((1, 32), "u1"), np.full((1, 4), np.nan, "f2"), "no embeddings", id="nan"
        ),
    ],
)
def test_what_are_no_embeddings_are_refused(
    tmp_path: Path, keys: np.ndarray, vectors: np.ndarray, message: str
) -> None:
    path = tmp_path / "vectors.npz"
    np.savez(path, keys=keys, vectors=vectors)
    with pytest.raises(IndexCorruptError, match=message):
        read_vectors(path)
