"""Embeddings that come with a package: a first comparison embeds nothing but its own card."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

from automl_agent.errors import IndexCorruptError
from automl_agent.knowledge.encoding.embedding_cache import hash_text
from automl_agent.knowledge.encoding.encoder import Array, Encoder

_KEY_BYTES = 32


def write_vectors(path: Path, encoder: Encoder, texts: Sequence[str]) -> None:
    """Write the embeddings of these texts, in half precision, which changes cosines by 1e-4."""
    import numpy as np

    unique = sorted(set(texts))
    keys = b"".join(hash_text(encoder.name, text) for text in unique)
    vectors = encoder.encode(unique).astype("<f2")
    shaped = np.frombuffer(keys, dtype=np.uint8).reshape(len(unique), _KEY_BYTES)
    with path.open("wb") as stream:
        np.savez_compressed(stream, keys=shaped, vectors=vectors)


def read_vectors(path: Path) -> Mapping[bytes, Array]:
    """The embeddings in a file that `write_vectors` wrote, float32, unit length, by their keys.

    Raises: IndexCorruptError if it is no such file.
    """
    import numpy as np

    try:
        # Opened here, because numpy leaves a file open that it cannot read.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            keys, stored = archive["keys"], archive["vectors"].astype(np.float32)
        lengths = np.linalg.norm(stored, axis=1, keepdims=True)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as exc:
        raise IndexCorruptError(f"{path}: is no file of embeddings.") from exc
    if keys.shape != (len(stored), _KEY_BYTES) or not (np.abs(lengths - 1) < 0.01).all():
        raise IndexCorruptError(f"{path}: holds what are no embeddings.")
    return {key.tobytes(): vector for key, vector in zip(keys, stored / lengths, strict=True)}
