"""Embeddings that are kept: asked for once, by several processes, and lost without harm."""

import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from automl_agent.knowledge.encoding.embedding_cache import EmbeddingCache, embeddings_path


class Counting:
    """An encoder that remembers what it was asked for."""

    def __init__(self, name: str = "counting", dimension: int = 4) -> None:
        self.name = name
        self.dimension = dimension
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        vectors = [np.random.default_rng(len(text)).normal(size=self.dimension) for text in texts]
        rows = np.array(vectors, dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return embeddings_path(tmp_path)


def test_each_text_is_encoded_once(path: Path) -> None:
    encoder = Counting()
    first = EmbeddingCache(path).encode(encoder, ["a", "bb", "a"])
    again = EmbeddingCache(path).encode(encoder, ["bb", "a", "ccc"])
    assert encoder.asked == ["a", "bb", "ccc"]
    np.testing.assert_array_equal(first[[1, 0]], again[:2])
    np.testing.assert_array_equal(first[0], first[2])
    assert (again.dtype, again.shape) == (np.float32, (3, 4))


def test_more_texts_than_a_statement_takes(path: Path) -> None:
    encoder = Counting()
    texts = ["x" * n for n in range(1200)]
    expected = EmbeddingCache(path).encode(encoder, texts)
    found = EmbeddingCache(path).encode(encoder, texts)
    assert len(encoder.asked) == 1200
    np.testing.assert_array_equal(found, expected)


def test_no_texts_make_no_file(path: Path) -> None:
    assert EmbeddingCache(path).encode(Counting(), []).shape == (0, 4)
    assert not path.exists()


def test_another_encoder_has_vectors_of_its_own(path: Path) -> None:
    one, other, wide = Counting("one"), Counting("other"), Counting("wide", dimension=8)
    for encoder in (one, other, wide):
        vectors = EmbeddingCache(path).encode(encoder, ["a"])
        assert vectors.shape == (1, encoder.dimension)
        assert encoder.asked == ["a"]


def test_vectors_from_elsewhere_are_taken(path: Path) -> None:
    encoder = Counting()
    vectors = np.eye(4, dtype=np.float32)[:2]
    EmbeddingCache(path).store(encoder.name, ["a", "b"], vectors)
    np.testing.assert_array_equal(EmbeddingCache(path).encode(encoder, ["a", "b"]), vectors)
    assert encoder.asked == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"no database at all, but long enough to be one" * 100, id="other file"),
        pytest.param(None, id="damaged page"),
    ],
)
def test_a_damaged_file_is_begun_anew_with_a_warning(path: Path, content: bytes | None) -> None:
    encoder, warnings = Counting(), list[str]()
    EmbeddingCache(path).encode(encoder, ["x" * n for n in range(300)])
    if content is None:
        whole = path.read_bytes()
        content = whole[:100] + bytes(len(whole) - 100)
    path.write_bytes(content)
    vectors = EmbeddingCache(path, warn=warnings.append).encode(encoder, ["x"])
    assert vectors.shape == (1, 4)
    assert len(warnings) == 1
    assert "is damaged" in warnings[0]
    EmbeddingCache(path, warn=warnings.append).encode(encoder, ["x"])
    assert len(encoder.asked) == 301
    assert len(warnings) == 1


@pytest.mark.parametrize("vector", [b"", b"\0" * 16, b"\x7f" * 16, "text"], ids=repr)
def test_a_vector_that_cannot_be_is_encoded_again(path: Path, vector: object) -> None:
    encoder = Counting()
    expected = EmbeddingCache(path).encode(encoder, ["a"])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE embeddings SET vector = ?", (vector,))
    connection.close()
    np.testing.assert_array_equal(EmbeddingCache(path).encode(encoder, ["a"]), expected)
    assert encoder.asked == ["a", "a"]


def test_a_place_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    warnings: list[str] = []
    cache = EmbeddingCache(tmp_path / "file" / "cache.sqlite", warn=warnings.append)
    assert cache.encode(Counting(), ["a"]).shape == (1, 4)
    assert len(warnings) == 1
    assert "embeddings are not kept" in warnings[0]


def test_several_processes_share_one_file(path: Path) -> None:
    script = f"""
import sys
import numpy as np
from pathlib import Path
from automl_agent.knowledge.encoding.embedding_cache import EmbeddingCache
warnings = []
cache = EmbeddingCache(Path({str(path)!r}), warn=warnings.append)
own = int(sys.argv[1])
for n in range(40):
    cache.store("m", [f"{{own}}-{{n}}", f"shared-{{n}}"], np.eye(4, dtype="f4")[[own, 3]])
print(warnings)
"""
    command = [sys.executable, "-c", script]
    processes = [
        subprocess.Popen([*command, str(own)], stdout=subprocess.PIPE, text=True)
        for own in range(3)
    ]
    assert [process.communicate()[0] for process in processes] == ["[]\n"] * 3
    encoder = Counting("m")
    texts = [f"{own}-{n}" for own in range(3) for n in range(40)] + ["shared-7"]
    vectors = EmbeddingCache(path).encode(encoder, texts)
    assert encoder.asked == []
    np.testing.assert_array_equal(vectors.argmax(axis=1), [0] * 40 + [1] * 40 + [2] * 40 + [3])
