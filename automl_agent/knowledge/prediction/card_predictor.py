"""The simplest predicted log: from what an expert's card says trainings usually reach."""

import math

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.metric import Metric
from automl_agent.cards.model_card import Expectation, ModelCard
from automl_agent.cards.predicted_log import PredictedLog, PredictedPoint

_N_POINTS = 12
# Of what a boosted or iterated training gains, all but 1 % is there at its end.
_CURVE_RATE = math.log(100)


def predict_from_card(
    data: DataCard, model: ModelCard, metric: Metric, *, chance: float
) -> PredictedLog:
    """The predicted log of a training with the expert's defaults.

    chance: the score of a constant prediction; the curve goes from there towards the ideal score,
    as far as the card's expectation says, and approaches its end exponentially.
    """
    expectation = model.expectations[data.task]
    n_points = min(_N_POINTS, expectation.n_steps)
    return PredictedLog(
        predictor="model card",
        metric=metric.name,
        points=tuple(
            _predict_point(expectation, metric, chance, part / n_points)
            for part in range(1, n_points + 1)
        ),
        seconds=_predict_seconds(data, expectation),
        memory_mib=expectation.memory_mib,
    )


def _predict_point(
    expectation: Expectation, metric: Metric, chance: float, progress: float
) -> PredictedPoint:
    way = (metric.ideal - chance) * (1 - math.exp(-_CURVE_RATE * progress))
    low_gain, median_gain, high_gain = expectation.gain
    bounds = sorted((chance + low_gain * way, chance + high_gain * way))
    return PredictedPoint(
        step=round(expectation.n_steps * progress),
        median=_round(chance + median_gain * way),
        low=_round(bounds[0]),
        high=_round(bounds[1]),
    )


def _predict_seconds(data: DataCard, expectation: Expectation) -> float:
    n_cells = (data.n_rows or 0) * (data.n_features or 0)
    return round(expectation.seconds_per_million_cells * n_cells / 1e6, 2)


def _round(score: float) -> float:
    """Six digits; a target in micrograms has errors that are small numbers too."""
    return float(f"{score:.6g}")
