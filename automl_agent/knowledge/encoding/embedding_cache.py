"""Embeddings that were computed before, in a SQLite file that may be lost at any time."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from automl_agent.knowledge.encoding.encoder import Array, Encoder

_TABLE = "CREATE TABLE IF NOT EXISTS embeddings (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID"
# Another process writes for milliseconds; who waits longer is better off without the cache.
_WAIT_S = 5.0
# SQLite takes so many values in a statement everywhere.
_BATCH = 500


class EmbeddingCache:
    """The embeddings of texts, each kept under the SHA-256 of the encoder's name and the text.

    Several processes may use one file. A file that is damaged is thrown away and begun anew, and
    one that cannot be used is done without; either way `warn` is told in one sentence.
    packaged: embeddings from `read_vectors`, which are looked up first and not kept again.
    """

    def __init__(
        self,
        path: Path,
        *,
        packaged: Mapping[bytes, Array] | None = None,
        keeps: bool = True,
        warn: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._path = path
        self._keeps = keeps
        self._packaged = packaged or {}
        self._warn = warn

    def encode(self, encoder: Encoder, texts: Sequence[str]) -> Array:
        """The vectors of the texts, shape (n, dimension), float32, unit length.

        Only what is not known yet goes to the encoder, each text once.
        """
        import numpy as np

        keys = [hash_text(encoder.name, text) for text in texts]
        found = {key: self._packaged[key] for key in keys if key in self._packaged}
        found |= self._read([key for key in keys if key not in found], encoder.dimension)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if missing:
            fresh = encoder.encode(list(missing.values()))
            new = dict(zip(missing, np.asarray(fresh, dtype="<f4"), strict=True))
            self._write((key, vector.tobytes()) for key, vector in new.items())
            found |= new
        rows = [found[key] for key in keys]
        return np.stack(rows) if rows else np.zeros((0, encoder.dimension), dtype=np.float32)

    def store(self, encoder_name: str, texts: Sequence[str], vectors: Array) -> None:
        """Keep vectors that are known from elsewhere, such as a package."""
        keys = [hash_text(encoder_name, text) for text in texts]
        rows = vectors.astype("<f4")
        self._write((key, row.tobytes()) for key, row in zip(keys, rows, strict=True))

    def _read(self, keys: Sequence[bytes], dimension: int) -> dict[bytes, Array]:
        import numpy as np

        found: dict[bytes, Array] = {}
        if not keys or not self._path.exists():
            return found
        with self._guard(), self._connect() as connection:
            for start in range(0, len(keys), _BATCH):
                batch = keys[start : start + _BATCH]
                marks = ",".join("?" * len(batch))
                query = f"SELECT key, vector FROM embeddings WHERE key IN ({marks})"
                for key, content in connection.execute(query, batch):
                    if isinstance(content, bytes) and len(content) == 4 * dimension:
                        vector = np.frombuffer(content, dtype="<f4")
                        # What else was written there shows in the length.
                        if abs(float(np.linalg.norm(vector.astype(float))) - 1) < 1e-3:
                            found[key] = vector
        return found

    def _write(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        if not self._keeps:
            return
        with self._guard():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._connect() as connection, connection:
                connection.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?)", rows)

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=_WAIT_S)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            # After a loss of power a few embeddings are missing, which costs a moment.
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(_TABLE)
            yield connection

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, OSError) as exc:
            self._warn(f"{self._path}: embeddings are not kept ({exc}).")
        except sqlite3.DatabaseError as exc:
            self._warn(f"{self._path}: is damaged ({exc}); it is thrown away and begun anew.")
            self._discard()

    def _discard(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


def embeddings_path(home: Path) -> Path:
    """Where the embeddings are kept."""
    return home / "knowledge" / "embeddings.sqlite"


def hash_text(encoder_name: str, text: str) -> bytes:
    """What an embedding is kept under."""
    content = f"{encoder_name}\0{text}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).digest()
