"""A training log that was written before the training."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class PredictedPoint:
    """The metric after a step: its median and the bounds of its 80 % interval, low ≤ high."""

    step: int
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class PredictedLog:
    """What a predictor expects of a training: the metric's curve, its end, seconds and memory."""

    predictor: str
    metric: str
    points: tuple[PredictedPoint, ...]
    seconds: float
    memory_mib: float

    @property
    def final(self) -> PredictedPoint:
        """The expected end of the training."""
        return self.points[-1]

    def to_json(self) -> dict[str, Any]:
        """The predicted log as a JSON object."""
        return {**asdict(self), "points": [asdict(point) for point in self.points]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "PredictedLog":
        """The predicted log from the JSON object that `to_json` wrote."""
        points = tuple(PredictedPoint(**point) for point in document["points"])
        return cls(**{**document, "points": points})
