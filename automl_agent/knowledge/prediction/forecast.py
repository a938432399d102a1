"""Predicted training logs: from an expert's card, from neighbours' curves, and both combined.

Source: the predicted training log of AutoML-GPT (arXiv 2305.02499, section 3.4), here made of real
curves and checked afterwards by the ledger.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from automl_agent.cards.metric import Metric
from automl_agent.cards.model_card import Settings
from automl_agent.cards.predicted_log import PredictedLog, PredictedPoint
from automl_agent.knowledge.prediction.extrapolation import (
    Curve,
    Extrapolator,
    make_curve,
    pace_weights,
)
from automl_agent.knowledge.records.record import CurvePoint, Record
from automl_agent.knowledge.transfer.candidates import DEVIATIONS_80
from automl_agent.knowledge.transfer.neighbourhood import Neighbourhood
from automl_agent.knowledge.transfer.scales import find_scales
from automl_agent.knowledge.transfer.settings_vector import settings_matrix
from automl_agent.knowledge.transfer.surrogate import remaining_loss, score_of

if TYPE_CHECKING:
    from numpy import ndarray as Array

NEIGHBOURS, MODEL_CARD, LANGUAGE_MODEL = "neighbours", "model card", "language model"
COMBINED = "combined"
# How much each predictor counts before the ledger has seen it: neighbours' curves are measured on
# other data sets, a card's expectation is one for all, a language model is a guess.
PRIOR_WEIGHTS: Mapping[str, float] = {NEIGHBOURS: 0.8, MODEL_CARD: 0.1, LANGUAGE_MODEL: 0.1}
_N_POINTS = 12
# So many curves of the settings that are most alike give the shape.
_N_SHAPES = 40


@dataclass(frozen=True)
class Forecast:
    """A predicted log and what it was combined from, one for each predictor."""

    combined: PredictedLog
    parts: tuple[PredictedLog, ...]


def predict_from_neighbours(neighbourhood: Neighbourhood, settings: Settings) -> PredictedLog:
    """The predicted log of a training with these settings.

    The end comes from the surrogate, with the noise of a single training in its interval; the way
    there has the shape of the curves of similar settings. Where none were kept in the metric (the
    packaged ones are of losses), the log has one point: the end.
    """
    mean, covariance = neighbourhood.predict([settings])
    scales = find_scales(neighbourhood.model.name)
    variance = max(float(covariance[0, 0]), 0.0) + scales.noise
    end, deviation = float(mean[0]), math.sqrt(variance) * scales.interval_factor
    effort = neighbourhood.predict_effort(settings)
    shapes = _list_shapes(neighbourhood.nearest, settings)
    n_points = min(_N_POINTS, effort.n_steps) if shapes else 1
    steps = _spread_steps(effort.n_steps, n_points)
    points = [
        _predict_point(neighbourhood, step, end, deviation, _find_excess(shapes, step, steps[-1]))
        for step in steps
    ]
    return PredictedLog(
        predictor=NEIGHBOURS,
        metric=neighbourhood.metric.name,
        points=tuple(points),
        seconds=effort.seconds,
        memory_mib=effort.memory_mib,
    )


def make_extrapolator(neighbourhood: Neighbourhood, settings: Settings) -> Extrapolator:
    """What says where a training with these settings ends, once it runs."""
    neighbourhood = neighbourhood.nearest
    metric, chances = neighbourhood.metric, neighbourhood.chances
    weights = pace_weights(neighbourhood.model)
    vectors = neighbourhood.settings * weights
    curves = [
        make_curve(record.curve, vector, metric, chances[record.card_id])
        for record, vector in zip(neighbourhood.records, vectors, strict=True)
        if record.curve and record.metric == metric.name
    ]
    own = settings_matrix(neighbourhood.model, [settings])[0] * weights
    return Extrapolator(curves, own, metric, neighbourhood.chance)


def combine_logs(
    logs: Sequence[PredictedLog], weights: Mapping[str, float], metric: Metric, chance: float
) -> Forecast:
    """One predicted log of several: weighted means of their quantiles, in remaining loss.

    weights: by predictor, at least 0; their sum need not be 1. The steps are those of the log that
    counts most, and so are its seconds and memory.
    Source: Vincent averaging, as Lichtendahl, Grushka-Cockayne and Winkler 2013, "Is it better to
    average probabilities or quantiles?"
    Raises: ValueError if there is no log.
    """
    if not logs:
        raise ValueError("there is no predicted log to combine")
    shares = [max(weights.get(log.predictor, 0.0), 0.0) for log in logs]
    if not any(shares):
        shares = [1.0] * len(logs)
    main = logs[max(range(len(logs)), key=lambda position: shares[position])]
    points = tuple(
        _combine_points(point, main, logs, shares, metric, chance) for point in main.points
    )
    return Forecast(replace(main, predictor=COMBINED, points=points), tuple(logs))


def _combine_points(
    point: PredictedPoint,
    main: PredictedLog,
    logs: Sequence[PredictedLog],
    shares: Sequence[float],
    metric: Metric,
    chance: float,
) -> PredictedPoint:
    part = point.step / main.final.step if main.final.step else 1.0
    # A log of one point says where the training ends, and nothing of the way there.
    told = [
        (log, share)
        for log, share in zip(logs, shares, strict=True)
        if log is main or len(log.points) > 1 or part == 1
    ]
    total = sum(share for _, share in told)
    bounds = []
    for name in ("low", "median", "high"):
        losses = [
            remaining_loss(_value_at(log, part, name), metric, chance) * share
            for log, share in told
        ]
        bounds.append(round_score(score_of(sum(losses) / total, metric, chance)))
    low, median, high = sorted(bounds)
    return PredictedPoint(point.step, median=median, low=low, high=high)


def _value_at(log: PredictedLog, part: float, name: str) -> float:
    """A quantile of a log at a part, 0 to 1, of its steps."""
    import numpy as np

    parts = [point.step / max(1, log.final.step) for point in log.points]
    return float(np.interp(part, parts, [getattr(point, name) for point in log.points]))


def _spread_steps(n_steps: int, n_points: int) -> list[int]:
    """Up to so many steps, close together at the start; the last one is `n_steps`."""
    import numpy as np

    return sorted({int(step) for step in np.geomspace(n_steps, 1, n_points).round()})


def _list_shapes(neighbourhood: Neighbourhood, settings: Settings) -> list[Curve]:
    """The curves of the records whose settings are most alike, up to their best steps."""
    metric, chances = neighbourhood.metric, neighbourhood.chances
    own = settings_matrix(neighbourhood.model, [settings])[0]
    ways = ((neighbourhood.settings - own) ** 2).sum(axis=1)
    found: list[Curve] = []
    for position in ways.argsort(kind="stable"):
        record = neighbourhood.records[int(position)]
        if record.metric == metric.name and len(found) < _N_SHAPES:
            points = _until_best(record)
            if points:
                vector: Array = neighbourhood.settings[int(position)]
                found.append(make_curve(points, vector, metric, chances[record.card_id]))
    return found


def _until_best(record: Record) -> list[CurvePoint]:
    return [p for p in record.curve if record.n_steps is None or p.step <= record.n_steps]


def _find_excess(shapes: Sequence[Curve], step: int, n_steps: int) -> tuple[float, float]:
    """How much more loss remains than at the end: the median, and the 80 % half-width."""
    import numpy as np

    if step == n_steps:
        return 0.0, 0.0
    part = math.log(step) / math.log(n_steps) if n_steps > 1 else 1.0
    excess = [
        float(np.interp(part * curve.log_steps[-1], curve.log_steps, curve.losses))
        - float(curve.losses[-1])
        for curve in shapes
    ]
    low, median, high = np.quantile(excess, (0.1, 0.5, 0.9))
    return float(median), float(high - low) / 2


def _predict_point(
    neighbourhood: Neighbourhood,
    step: int,
    end: float,
    deviation: float,
    excess: tuple[float, float],
) -> PredictedPoint:
    metric, chance = neighbourhood.metric, neighbourhood.chance
    median = end + excess[0]
    half = math.hypot(DEVIATIONS_80 * deviation, excess[1])
    scores = [round_score(score_of(median + way, metric, chance)) for way in (-half, 0.0, half)]
    low, middle, high = sorted(scores)
    return PredictedPoint(step, median=middle, low=low, high=high)


def round_score(score: float) -> float:
    """Six digits; a target in micrograms has errors that are small numbers too."""
    return float(f"{score:.6g}")
