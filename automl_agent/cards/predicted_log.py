"""A training log that was written before the training."""

from dataclasses import asdict, dataclass
from typing import Any

from automl_agent.cards.documents import check_document
from automl_agent.errors import CardError

_SCHEMA = {"$ref": "urn:automl-agent:plan:1#/$defs/predicted_log"}


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
    def from_json(cls, document: object, *, source: str = "predicted log") -> "PredictedLog":
        """The predicted log in a JSON object.

        Raises: CardError if it does not fit the schema, an interval is without its median, or the
        steps descend.
        """
        check_document(document, _SCHEMA, source=source)
        assert isinstance(document, dict)
        points = tuple(PredictedPoint(**point) for point in document["points"])
        _check_points(points, source=source)
        return cls(**{**document, "points": points})


def _check_points(points: tuple[PredictedPoint, ...], *, source: str) -> None:
    last_step = 0
    for index, point in enumerate(points):
        place = f"{source}: at /points/{index}"
        if not point.low <= point.median <= point.high:
            raise CardError(
                f"{place}: the median {point.median} is not between low {point.low} and high "
                f"{point.high}."
            )
        if point.step < last_step:
            raise CardError(f"{place}/step: {point.step} is below the step before, {last_step}.")
        last_step = point.step
