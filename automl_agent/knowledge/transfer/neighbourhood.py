"""The records of one expert on the data sets most like one, ready to compute with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.metric import Metric
from automl_agent.cards.model_card import ModelCard, Settings
from automl_agent.knowledge.encoding.text_space import TextSpace
from automl_agent.knowledge.knowledge import Knowledge
from automl_agent.knowledge.records.record import Record, fingerprint_card
from automl_agent.knowledge.similarity.meta_features import features_vector
from automl_agent.knowledge.similarity.similar_cards import SimilarCard, find_similar
from automl_agent.knowledge.similarity.text_index import TextIndex
from automl_agent.knowledge.transfer.effort import Effort, EffortRegression, Place
from automl_agent.knowledge.transfer.grid import Points
from automl_agent.knowledge.transfer.scales import find_scales
from automl_agent.knowledge.transfer.settings_vector import dimension_names, settings_matrix
from automl_agent.knowledge.transfer.surrogate import Surrogate, remaining_loss
from automl_agent.training.scoring import chance_score

if TYPE_CHECKING:
    from numpy import ndarray as Array

# More data sets than these change little and cost the cube of their number.
MAX_TABLES = 100
# Of so many, the curves and the best settings.
N_NEAREST = 16
# So many records of one data set; the first ones of a card's, which come in a fixed order.
MAX_RECORDS = 64


@dataclass(frozen=True)
class Neighbourhood:
    """What an expert has reached on similar data sets.

    chance: the score of a constant prediction on the data set itself.
    similar: the data sets, the most similar first. chances: theirs, by card.
    records: of the expert on them and, the last `n_own`, on the data set itself; all have a score
        in the metric.
    """

    card: DataCard
    model: ModelCard
    metric: Metric
    chance: float
    similar: tuple[SimilarCard, ...]
    chances: Mapping[str, float]
    records: tuple[Record, ...]
    n_own: int = 0

    def with_own(self, records: Sequence[Record]) -> "Neighbourhood":
        """The same with what was trained on the data set itself by now."""
        own = tuple(record for record in records if self.metric.name in record.scores)
        n_own = len(own)
        others = self.records[: len(self.records) - self.n_own]
        chances = {**self.chances, **{record.card_id: self.chance for record in own}}
        return replace(self, records=others + own, n_own=n_own, chances=chances)

    @cached_property
    def nearest(self) -> "Neighbourhood":
        """Without the data sets that are less alike."""
        similar = self.similar[:N_NEAREST]
        left = {one.known.card_id for one in self.similar[N_NEAREST:]}
        n_others = len(self.records) - self.n_own
        others = tuple(record for record in self.records[:n_others] if record.card_id not in left)
        return replace(self, similar=similar, records=others + self.records[n_others:])

    @cached_property
    def ranked(self) -> Mapping[str, Sequence[Record]]:
        """The records of each data set, by card, the best first."""
        loss, name = self.metric.loss, self.metric.name
        by_card: dict[str, list[Record]] = {}
        for record in self.records:
            by_card.setdefault(record.card_id, []).append(record)
        return {
            card_id: sorted(records, key=lambda record: loss(record.scores[name]))
            for card_id, records in by_card.items()
        }

    @cached_property
    def remaining(self) -> "Array":
        """The remaining loss of each record, shape (n_records,)."""
        import numpy as np

        return np.array([self.measure(r, r.scores[self.metric.name]) for r in self.records])

    @cached_property
    def settings(self) -> "Array":
        """The settings of each record, shape (n_records, n_dimensions)."""
        distinct = {record.settings_key: record.settings for record in self.records}
        rows = {key: row for row, key in enumerate(distinct)}
        places = settings_matrix(self.model, list(distinct.values()))
        return places[[rows[record.settings_key] for record in self.records]]

    def measure(self, record: Record, score: float) -> float:
        """The remaining loss of a score on the record's data set."""
        return remaining_loss(score, self.metric, self.chances[record.card_id])

    def predict(self, settings: Sequence[Settings]) -> "tuple[Array, Array]":
        """The remaining loss of settings on the data set: means (n,) and covariance (n, n)."""
        posterior = self._surrogate.predict(settings_matrix(self.model, settings))
        return posterior.mean, posterior.covariance + self._ignorance

    def predict_effort(self, settings: Settings) -> Effort:
        """What a training on the data set takes."""
        place = Place(self.card, is_own_machine=True, is_own_data=True)
        return self._effort.predict(place, settings_matrix(self.model, [settings])[0])

    @cached_property
    def _effort(self) -> EffortRegression:
        import numpy as np

        tables = [
            Place(s.known.card, s.known.is_own, is_own_data=number == self._own_number)
            for number, s in enumerate(self.similar)
        ]
        tables.append(Place(self.card, is_own_machine=True, is_own_data=True))
        places = np.array([table.describe() for table in tables])
        rows = self._rows_of_others + [-1] * self.n_own
        return EffortRegression(places[rows], self.settings, self.records)

    @cached_property
    def _surrogate(self) -> Surrogate:
        import numpy as np

        rows = self._rows_of_others
        own = features_vector(self.card)
        observed = Points(
            self._fill(np.vstack([self._features[rows], *([own] * self.n_own)])),
            self.settings,
            np.array([*rows, *([self._own_number] * self.n_own)]),
        )
        return Surrogate(
            find_scales(self.model.name),
            dimension_names(self.model),
            observed,
            self.remaining,
            np.array([record.n_splits for record in self.records]),
            card=self._fill(own),
            table=self._own_number,
        )

    @cached_property
    def _features(self) -> "Array":
        """The meta-features of each similar data set, shape (n_similar, n_features)."""
        import numpy as np

        return np.stack([features_vector(similar.known.card) for similar in self.similar])

    @cached_property
    def _rows_of_others(self) -> list[int]:
        """The place among the similar data sets of each record but the own ones'."""
        rows = {similar.known.card_id: row for row, similar in enumerate(self.similar)}
        n_others = len(self.records) - self.n_own
        return [rows[record.card_id] for record in self.records[:n_others]]

    def _fill(self, vectors: "Array") -> "Array":
        """Meta-features; those that are not told are the mean over the similar data sets."""
        import numpy as np

        told = np.isfinite(self._features)
        means = np.where(told, self._features, 0).sum(axis=0) / np.maximum(told.sum(axis=0), 1)
        return np.where(np.isfinite(vectors), vectors, means)

    @cached_property
    def _ignorance(self) -> float:
        """The variance of the level that is left because the card does not tell all features."""
        import numpy as np

        scales = find_scales(self.model.name)
        weights = np.square(scales.level_weights)
        unknown = ~np.isfinite(features_vector(self.card))
        share = float(weights[unknown].sum() / weights.sum())
        return 0.0 if self.n_own else scales.level * share

    @cached_property
    def _own_number(self) -> int:
        """Of the data set among the similar ones, if it is there; else a new one."""
        card_id = fingerprint_card(self.card)
        same = (n for n, s in enumerate(self.similar) if s.known.card_id == card_id)
        return next(same, -1)


def find_neighbourhood(
    card: DataCard,
    model: ModelCard,
    metric: Metric,
    *,
    chance: float,
    knowledge: Knowledge,
    texts: TextSpace,
    index: TextIndex | None = None,
    max_tables: int = MAX_TABLES,
) -> Neighbourhood | None:
    """The neighbourhood of a data set for an expert; None without any record for its task.

    index: of the texts of all known cards, as in `find_similar`.
    """
    usable = [known for known in knowledge.cards if is_comparable(card, known.card)]
    records = knowledge.records(model.name, {known.card_id for known in usable})
    by_card: dict[str, list[Record]] = {}
    for record in records:
        if metric.name in record.scores:
            by_card.setdefault(record.card_id, []).append(record)
    trained = [known for known in usable if known.card_id in by_card]
    similar = find_similar(card, trained, texts=texts, k=max_tables, index=index)
    chances = {s.known.card_id: chance_score(metric, s.known.card) for s in similar}
    similar = [s for s in similar if chances[s.known.card_id] is not None]
    if not similar:
        return None
    return Neighbourhood(
        card=card,
        model=model,
        metric=metric,
        chance=chance,
        similar=tuple(similar),
        chances={card_id: c for card_id, c in chances.items() if c is not None},
        records=tuple(r for s in similar for r in by_card[s.known.card_id][:MAX_RECORDS]),
    )


def is_comparable(one: DataCard, other: DataCard) -> bool:
    """Whether trainings on one say anything of the other: the same input, classes or values."""
    is_regression = [card.task == "regression" for card in (one, other)]
    return one.input_type == other.input_type and is_regression[0] == is_regression[1]
