"""What is remembered of a finished trial, and of the data set that it was trained on."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.model_card import Settings

OWN_ORIGIN = "a run on this machine"


@dataclass(frozen=True)
class KnownCard:
    """A data card that trainings are remembered for.

    origin: where the rows came from, in words. family: cards of one family describe tables that
        have rows or columns in common; by default a card is a family of its own.
    """

    card: DataCard
    origin: str
    family: str = ""

    @cached_property
    def card_id(self) -> str:
        """The fingerprint of the card."""
        return fingerprint_card(self.card)

    @property
    def is_own(self) -> bool:
        """Whether this machine trained on it."""
        return self.origin == OWN_ORIGIN


@dataclass(frozen=True)
class CurvePoint:
    """The validation score after a step; time_s: since the training began."""

    step: int
    score: float
    time_s: float


@dataclass(frozen=True)
class Record:
    """One finished trial.

    card_id: of the data card. metric: what the curve and `score` are in, on validation rows.
    scores: all metrics that were measured on the validation rows, `metric` among them.
    curve: some of the steps, in order; the best one is among them. n_steps: the best one's step.
    n_splits: the number of trainings that the numbers are means of.
    """

    card_id: str
    expert: str
    settings: Settings
    metric: str
    scores: Mapping[str, float]
    curve: tuple[CurvePoint, ...]
    n_steps: int | None
    seconds: float
    memory_mib: float
    n_splits: int = 1

    @property
    def score(self) -> float:
        """The validation score in the record's metric."""
        return self.scores[self.metric]

    @cached_property
    def settings_key(self) -> str:
        """The same for two records with the same settings: most share a list of them."""
        return repr(sorted(self.settings.items()))

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object; a curve's points are [step, score, seconds]."""
        return {
            "card_id": self.card_id,
            "expert": self.expert,
            "settings": dict(self.settings),
            "metric": self.metric,
            "scores": dict(self.scores),
            "curve": [[point.step, point.score, point.time_s] for point in self.curve],
            "n_steps": self.n_steps,
            "seconds": self.seconds,
            "memory_mib": self.memory_mib,
            "n_splits": self.n_splits,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Record":
        """The record in a JSON object that fits schemas/knowledge_record.schema.json."""
        curve = tuple(CurvePoint(*point) for point in document["curve"])
        return cls(**{**document, "curve": curve})


def fingerprint_card(card: DataCard) -> str:
    """The SHA-256 of what the card says, whatever its order; 16 hex digits of it."""
    content = json.dumps(card.to_json(), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
