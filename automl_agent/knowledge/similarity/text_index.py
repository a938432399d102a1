"""The known cards whose texts are most like a card's, found through the index."""

from collections.abc import Callable, Sequence
from pathlib import Path

from automl_agent.cards.data_card import DataCard
from automl_agent.errors import SetupError
from automl_agent.knowledge.encoding.card_text import TEXT_VERSION, describe_card
from automl_agent.knowledge.encoding.encoder import Array
from automl_agent.knowledge.encoding.text_space import TextSpace
from automl_agent.knowledge.records.record import KnownCard
from automl_agent.knowledge.similarity.card_index import CardIndex, open_or_rebuild, seal_path


class TextIndex:
    """Searches the texts of known cards; opened when it is first asked, what it lacks embedded.

    list_cards: all that there are, in the order in which they came, so that a saved index is added
        to. path: where the index is kept; None: nowhere.
    """

    def __init__(
        self,
        texts: TextSpace,
        list_cards: Callable[[], Sequence[KnownCard]],
        path: Path | None = None,
    ) -> None:
        self._texts = texts
        self._list_cards = list_cards
        self._path = path
        self._index: CardIndex | None = None

    def search(self, card: DataCard, among: Sequence[KnownCard], k: int) -> dict[str, float] | None:
        """The cosines, 0 to 1, of the k nearest of some known cards by id; None without an encoder.

        among: of the listed cards.
        """
        wanted = {known.card_id for known in among}
        try:
            query = self._embed([describe_card(card)])[0]
            index = self._open(wanted)
        except _NoEncoderError:
            return None
        found = index.search(query, k, among=wanted)
        return {near.card_id: min(max(near.similarity, 0.0), 1.0) for near in found}

    def _open(self, wanted: set[str]) -> CardIndex:
        """The index with at least these cards."""
        if self._index is None or not wanted <= self._index.known:
            cards = {known.card_id: known.card for known in self._list_cards()}
            self._index = open_or_rebuild(
                self._path,
                list(cards),
                lambda ids: self._embed([describe_card(cards[card_id]) for card_id in ids]),
                encoder=f"{self._texts.encoder_name}, text {TEXT_VERSION}",
            )
        return self._index

    def _embed(self, texts: Sequence[str]) -> Array:
        vectors = self._texts.embed(texts)
        if vectors is None:
            raise _NoEncoderError
        return vectors


class _NoEncoderError(SetupError):
    """Texts cannot be compared; whoever asked was told why."""


def index_path(home: Path) -> Path:
    """Where the index lies below the folder of the state, beside the records."""
    return home / "knowledge" / "cards.faiss"


def discard_index(home: Path) -> None:
    """Remove the saved index, which holds the embeddings of one's own cards too."""
    path = index_path(home)
    for file in (path, seal_path(path)):
        file.unlink(missing_ok=True)
