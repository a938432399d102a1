"""The advisor: what is known of earlier trainings, asked about one data set and one expert."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.metric import Metric
from automl_agent.cards.model_card import ModelCard, Settings
from automl_agent.cards.predicted_log import PredictedLog
from automl_agent.errors import IndexCorruptError
from automl_agent.knowledge.encoding.embedding_cache import EmbeddingCache, embeddings_path
from automl_agent.knowledge.encoding.encoder import Encoder
from automl_agent.knowledge.encoding.text_space import TextSpace
from automl_agent.knowledge.encoding.vector_file import read_vectors
from automl_agent.knowledge.knowledge import Knowledge, open_knowledge
from automl_agent.knowledge.prediction.calibration import weights_from
from automl_agent.knowledge.prediction.card_predictor import predict_from_card
from automl_agent.knowledge.prediction.extrapolation import Extrapolator
from automl_agent.knowledge.prediction.forecast import (
    PRIOR_WEIGHTS,
    Forecast,
    combine_logs,
    make_extrapolator,
    predict_from_neighbours,
)
from automl_agent.knowledge.prediction.ledger import Entry
from automl_agent.knowledge.records.record import Record
from automl_agent.knowledge.similarity.similar_cards import SimilarCard, find_similar
from automl_agent.knowledge.similarity.text_index import TextIndex, index_path
from automl_agent.knowledge.transfer.candidates import Transfer, transfer_settings
from automl_agent.knowledge.transfer.neighbourhood import Neighbourhood, find_neighbourhood

_VECTORS = Path(__file__).parent / "base" / "vectors.npz"
# As many as a person reads, and a first round of trials.
N_CANDIDATES = 8


@dataclass(frozen=True)
class Question:
    """A data set and an expert. chance: the score of a constant prediction on the data set."""

    card: DataCard
    model: ModelCard
    metric: Metric
    chance: float


@dataclass
class Advisor:
    """Answers from knowledge; without any, from the experts' cards.

    read_history: the ledger's entries, which say how far each predictor is to be trusted.
    index_path: where the index of the cards' texts is kept; None: nowhere.
    """

    knowledge: Knowledge
    texts: TextSpace
    read_history: Callable[[], Iterable[Entry]] = tuple
    index_path: Path | None = None
    _found: dict[tuple[str, ...], Neighbourhood | None] = field(default_factory=dict)
    _proposed: dict[tuple[str, ...], Transfer] = field(default_factory=dict)

    def find_similar(self, card: DataCard, k: int) -> Sequence[SimilarCard]:
        """The most similar data sets that anything was trained on."""
        cards = self.knowledge.cards
        return find_similar(card, cards, texts=self.texts, k=k, index=self._index)

    def propose(self, question: Question, *, n_candidates: int = N_CANDIDATES) -> Transfer:
        """The settings to try first, in order."""
        key = (*_make_key(question), str(n_candidates))
        if key not in self._proposed:
            found = self._find_neighbourhood(question)
            self._proposed[key] = transfer_settings(
                found, question.model, n_candidates=n_candidates
            )
        return self._proposed[key]

    def predict(
        self,
        question: Question,
        settings: Settings,
        *,
        others: Sequence[PredictedLog] = (),
        own: Sequence[Record] = (),
    ) -> Forecast:
        """The predicted log of a training.

        others: what others predict of it, such as a language model; they are combined with it.
        own: what the expert has reached on the data set itself by now.
        """
        card_log = predict_from_card(
            question.card, question.model, question.metric, chance=question.chance
        )
        logs = [card_log, *others]
        found = self._find_neighbourhood(question)
        if found is not None:
            found = found.with_own(own) if own else found
            logs.insert(0, predict_from_neighbours(found, settings))
        return combine_logs(logs, self._weights, question.metric, question.chance)

    @cached_property
    def _weights(self) -> Mapping[str, float]:
        """Read once: a run's own trials hardly change what the whole history says."""
        return weights_from(self.read_history(), PRIOR_WEIGHTS)

    def watch(self, question: Question, settings: Settings) -> Extrapolator | None:
        """What says where a running training ends; None if no comparable one is known."""
        found = self._find_neighbourhood(question)
        return None if found is None else make_extrapolator(found, settings)

    def _find_neighbourhood(self, question: Question) -> Neighbourhood | None:
        """The same for all questions of a run about an expert: its own trials are not in it."""
        key = _make_key(question)
        if key not in self._found:
            self._found[key] = find_neighbourhood(
                question.card,
                question.model,
                question.metric,
                chance=question.chance,
                knowledge=self.knowledge,
                texts=self.texts,
                index=self._index,
            )
        return self._found[key]

    @cached_property
    def _index(self) -> TextIndex:
        return TextIndex(self.texts, lambda: self.knowledge.cards_as_they_came, self.index_path)


def _make_key(question: Question) -> tuple[str, ...]:
    return repr(question.card), question.model.name, question.metric.name


def open_advisor(
    home: Path,
    encoder: Encoder | None,
    *,
    knowledge: Knowledge | None = None,
    read_history: Callable[[], Iterable[Entry]] = tuple,
    warn: Callable[[str], None] = lambda _text: None,
) -> Advisor:
    """The advisor of this machine; nothing is read before it is asked.

    home: the folder of the state. encoder: None for no comparison of texts. knowledge: the
        machine's own by default. warn: told in a sentence what cannot be used.
    """
    knowledge = knowledge or open_knowledge(home)
    texts = open_texts(home, encoder, keeps=knowledge.remembers, warn=warn)
    path = index_path(home) if knowledge.remembers else None
    return Advisor(knowledge, texts, read_history, path)


def open_texts(
    home: Path,
    encoder: Encoder | None,
    *,
    keeps: bool = True,
    warn: Callable[[str], None] = lambda _text: None,
) -> TextSpace:
    """Where texts of cards are compared: with the cache, and the embeddings that are packaged.

    keeps: whether new embeddings are kept on this machine.
    """
    try:
        packaged = read_vectors(_VECTORS)
    except IndexCorruptError as exc:
        packaged = {}
        warn(f"{exc} Install the package again.")
    cache = EmbeddingCache(embeddings_path(home), packaged=packaged, keeps=keeps, warn=warn)
    return TextSpace(encoder, cache=cache, warn=warn)
