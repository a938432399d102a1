"""The cards that are nearest to another by the embeddings of their texts."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Collection, Sequence, Set
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from automl_agent.errors import IndexCorruptError
from automl_agent.knowledge.encoding.encoder import Array

# Up to here, comparing with all cards takes a few milliseconds and misses nothing.
N_EXACT = 50_000
# Chosen at 100,000 and 1,000,000 cards, docs/benchmarks.md: lists for each root of the number of
# cards, and how many of them are looked into.
_LISTS_PER_ROOT = 4
_N_PROBES = 8
# k-means on more cards, or for longer, did not improve recall.
_TRAINING_CARDS_PER_LIST = 40
_N_TRAINING_ROUNDS = 6
# Lists that were made for a fraction of the cards become long, and the search slow.
_MAX_GROWTH = 4
# Cards that are copied at a time, to bound the memory that adding takes.
_BATCH = 65_536


@dataclass(frozen=True)
class Neighbour:
    """A card and how alike its text is. similarity: cosine, -1 to 1."""

    card_id: str
    similarity: float


@dataclass(frozen=True)
class IndexSeal:
    """What is written beside an index, so that nothing else is taken for it.

    sha256: of the index's file. encoder: its name. n_cards: rows; ids_sha256: of their ids in the
    order of the rows. n_planned: the number of cards that the index was laid out for.
    """

    sha256: str
    encoder: str
    n_cards: int
    ids_sha256: str
    n_planned: int


class CardIndex:
    """Embeddings with the ids of their cards.

    Exact for up to N_EXACT cards when it was built; above, inverted lists of half-precision
    vectors (Jegou et al. 2011, "Product quantization for nearest neighbor search", section IV,
    without the product quantizer): 770 bytes a card.
    encoder: the name of what made the embeddings.
    """

    def __init__(self, dimension: int, *, encoder: str) -> None:
        import faiss

        self.encoder = encoder
        self._index: Any = faiss.IndexFlatIP(dimension)
        self._ids: list[str] = []
        self._known: set[str] = set()
        self._n_planned = N_EXACT

    @classmethod
    def build(cls, ids: Sequence[str], embeddings: Array, *, encoder: str) -> "CardIndex":
        """The index of these cards, laid out for their number.

        embeddings: shape (n, dimension), float32, unit length, in the order of the ids.
        Raises: ValueError if an embedding is not finite, or there is not one for each id.
        """
        index = cls(embeddings.shape[1], encoder=encoder)
        if len(ids) > N_EXACT:
            index._index = _train_lists(embeddings)
            index._n_planned = len(ids)
        index.add(ids, embeddings)
        return index

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the cards, in the order in which they came."""
        return tuple(self._ids)

    @property
    def known(self) -> Set[str]:
        """The ids of the cards."""
        return self._known

    @property
    def is_exact(self) -> bool:
        """Whether each card is compared."""
        return not hasattr(self._index, "nprobe")

    @property
    def is_outgrown(self) -> bool:
        """Whether building it again would make it faster."""
        return len(self) > self._n_planned * (1 if self.is_exact else _MAX_GROWTH)

    def add(self, ids: Sequence[str], embeddings: Array) -> None:
        """Add the cards that are not there yet.

        embeddings: shape (n, dimension), float32, unit length.
        Raises: ValueError if an embedding is not finite, or there is not one for each id.
        """
        import numpy as np

        shape = (len(ids), self._index.d)
        if embeddings.shape != shape or not np.isfinite(embeddings).all():
            raise ValueError(f"Embeddings must be finite and of shape {shape}.")
        first_rows = {card_id: row for row, card_id in reversed(list(enumerate(ids)))}
        rows = sorted(row for card_id, row in first_rows.items() if card_id not in self._known)
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            self._index.add(np.ascontiguousarray(embeddings[batch], dtype=np.float32))
        self._ids.extend(ids[row] for row in rows)
        self._known.update(first_rows)

    def search(
        self, query: Array, k: int, *, among: Collection[str] | None = None
    ) -> list[Neighbour]:
        """The k most similar cards, best first; fewer if there are not so many.

        query: embedding, shape (dimension,), float32, unit length. among: only these cards.
        """
        import numpy as np

        if not self._ids or k < 1:
            return []
        vector = np.ascontiguousarray(query, dtype=np.float32).reshape(1, -1)
        similarities, rows = self._index.search(
            vector, min(k, len(self._ids)), params=self._select(among)
        )
        return [
            Neighbour(self._ids[row], float(similarity))
            for similarity, row in zip(similarities[0], rows[0], strict=True)
            if row >= 0  # the lists that were looked into held fewer
        ]

    def _select(self, among: Collection[str] | None) -> Any:
        """The parameters of a search among some cards; None for all."""
        import faiss
        import numpy as np

        if among is None or self._known <= set(among):
            return None
        rows = [row for row, card_id in enumerate(self._ids) if card_id in among]
        selector = faiss.IDSelectorBatch(np.array(rows, dtype=np.int64))
        # The types that come with faiss do not know the arguments.
        if self.is_exact:
            return faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        return faiss.SearchParametersIVF(  # type: ignore[call-arg]
            sel=selector, nprobe=self._index.nprobe
        )

    def save(self, path: Path) -> None:
        """Write the index, and beside it the seal that `load` asks for; each whole or not at all.

        Raises: OSError.
        """
        import faiss

        path.parent.mkdir(parents=True, exist_ok=True)
        draft = _create_draft(path)
        try:
            faiss.write_index(self._index, str(draft))
            seal = IndexSeal(
                sha256=_hash_file(draft),
                encoder=self.encoder,
                n_cards=len(self),
                ids_sha256=_hash_ids(self._ids),
                n_planned=self._n_planned,
            )
            _finish_draft(draft, path)
            # Killed between the two, the next start finds no seal that fits, and builds again.
            draft = _create_draft(path)
            draft.write_text(json.dumps(asdict(seal)), encoding="utf-8")
            _finish_draft(draft, seal_path(path))
        finally:
            draft.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path, ids: Sequence[str], *, encoder: str) -> "CardIndex":
        """The index that was saved for the first of these cards; the others can be added.

        Raises: IndexCorruptError if a file is missing or is not what was written at save, or the
            index is of other cards or another encoder.
        """
        import faiss
        import numpy as np

        try:
            seal = IndexSeal(**json.loads(seal_path(path).read_text(encoding="utf-8")))
            content = path.read_bytes()
        except (OSError, ValueError, TypeError) as exc:
            raise IndexCorruptError(f"{path}: the index or its seal cannot be read.") from exc
        # What is parsed is what was hashed: the parser is no match for a file of another hand.
        if hashlib.sha256(content).hexdigest() != seal.sha256:
            raise IndexCorruptError(f"{path}: the checksum differs from the one written at save.")
        if seal.encoder != encoder:
            raise IndexCorruptError(f"{path}: it is of the encoder {seal.encoder}, not {encoder}.")
        first = list(ids[: seal.n_cards])
        if _hash_ids(first) != seal.ids_sha256:
            raise IndexCorruptError(f"{path}: it is of other cards.")
        index = cls(1, encoder=encoder)
        index._index = faiss.deserialize_index(np.frombuffer(content, dtype=np.uint8))
        index._ids, index._known, index._n_planned = first, set(first), seal.n_planned
        return index


def open_or_rebuild(
    path: Path | None, ids: Sequence[str], embed: Callable[[Sequence[str]], Array], *, encoder: str
) -> CardIndex:
    """The saved index with the cards that it lacks, or a new one; saved again if it changed.

    path: None for an index that is not kept.
    embed: the embeddings of the cards with these ids, shape (n, dimension), in their order; asked
        only for the cards that are not in the saved index.
    An index that cannot be saved works all the same; the next start builds it again.
    """
    if path is None:
        return CardIndex.build(ids, embed(ids), encoder=encoder)
    try:
        index = CardIndex.load(path, ids, encoder=encoder)
        missing = list(ids[len(index) :])
        if not missing:
            return index
        index.add(missing, embed(missing))
    except IndexCorruptError:
        index = None
    if index is None or index.is_outgrown:
        index = CardIndex.build(ids, embed(ids), encoder=encoder)
    with suppress(OSError):
        index.save(path)
    return index


def seal_path(path: Path) -> Path:
    """Where the seal of an index lies."""
    return path.with_name(f"{path.name}.seal.json")


def _train_lists(embeddings: Array) -> Any:
    import faiss
    import numpy as np

    n_cards, dimension = embeddings.shape
    n_lists = int(_LISTS_PER_ROOT * n_cards**0.5)
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimension),
        dimension,
        n_lists,
        faiss.ScalarQuantizer.QT_fp16,
        faiss.METRIC_INNER_PRODUCT,
        False,  # the vectors themselves, not what is left of them beside the centre of the list
    )
    index.cp.niter, index.cp.seed, index.cp.spherical = _N_TRAINING_ROUNDS, 0, True
    index.cp.max_points_per_centroid = _TRAINING_CARDS_PER_LIST
    n_sampled = min(n_cards, n_lists * _TRAINING_CARDS_PER_LIST)
    rows = np.sort(np.random.default_rng(0).choice(n_cards, n_sampled, replace=False))
    index.train(np.ascontiguousarray(embeddings[rows], dtype=np.float32))
    index.nprobe = _N_PROBES
    return index


def _hash_ids(ids: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def _hash_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _create_draft(path: Path) -> Path:
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(descriptor)
    return Path(draft)


def _finish_draft(draft: Path, path: Path) -> None:
    """Move a file to its place; after a loss of power it is there whole or not at all."""
    with draft.open("rb") as stream:
        os.fsync(stream.fileno())
    draft.replace(path)
