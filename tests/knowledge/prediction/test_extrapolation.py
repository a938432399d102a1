"""Where curves end: from others that went on, and from the prior where nothing is alike."""

import math

import numpy as np
import pytest

from automl_agent.agent import load_all_plugins
from automl_agent.cards.predicted_log import PredictedLog, PredictedPoint
from automl_agent.knowledge.prediction.extrapolation import (
    MIN_CURVES,
    Extrapolator,
    make_curve,
    pace_weights,
)
from automl_agent.knowledge.records.record import CurvePoint
from automl_agent.knowledge.transfer.settings_vector import dimension_names
from automl_agent.training.scoring import BUILTIN_METRICS

LOSS = next(metric for metric in BUILTIN_METRICS if metric.name == "log_loss")
CHANCE, N_STEPS = 0.7, 256
STEPS = [2**power for power in range(9)]
PRIOR = PredictedLog(
    "neighbours", "log_loss", (PredictedPoint(N_STEPS, median=0.5, low=0.3, high=0.6),), 1.0, 1.0
)
SETTINGS = np.array([0.5])


def falling(gain: float, rate: float = 0.5, *, until: int = N_STEPS) -> list[CurvePoint]:
    """A power law from chance downwards; `gain` is what it loses in all, in logarithms."""
    points = []
    for step in STEPS:
        if step <= until:
            loss = CHANCE * math.exp(gain * (step**-rate - 1))
            points.append(CurvePoint(step, loss, time_s=step / 10))
    return points


def make_extrapolator(n_curves: int = 30) -> Extrapolator:
    gains = np.linspace(0.2, 2.0, n_curves)
    curves = [make_curve(falling(float(gain)), SETTINGS, LOSS, CHANCE) for gain in gains]
    return Extrapolator(curves, SETTINGS, LOSS, CHANCE)


@pytest.mark.parametrize("gain", [0.35, 0.8, 1.6])
def test_a_curve_like_known_ones_ends_where_they_would(gain: float) -> None:
    points = falling(gain, until=32)
    real = falling(gain)[-1].score
    final = make_extrapolator().extrapolate(points, PRIOR)
    assert final.low <= final.median <= final.high
    assert abs(final.median - real) < abs(points[-1].score - real) / 3


def test_a_faster_curve_than_all_known_ones_is_expected_to_lose_more() -> None:
    known = [make_curve(falling(0.5), SETTINGS, LOSS, CHANCE)] * MIN_CURVES
    extrapolator = Extrapolator(known, SETTINGS, LOSS, CHANCE)
    slow, fast = (falling(gain, until=32) for gain in (0.5, 1.0))
    lost = [
        math.log(points[-1].score / extrapolator.extrapolate(points, PRIOR).median)
        for points in (slow, fast)
    ]
    assert lost[1] == pytest.approx(2 * lost[0], rel=0.05)


def test_a_flat_curve_stays_where_it_is() -> None:
    points = [CurvePoint(step, 0.6, time_s=step / 10) for step in STEPS[:6]]
    final = make_extrapolator().extrapolate(points, PRIOR)
    assert 0.55 < final.median <= 0.6


def test_with_too_few_curves_the_prior_counts_but_never_less_than_what_is_reached() -> None:
    points = falling(0.7, until=32)
    final = make_extrapolator(MIN_CURVES - 1).extrapolate(points, PRIOR)
    assert (final.step, final.low) == (N_STEPS, PRIOR.final.low)
    assert final.high == final.median == points[-1].score
    assert make_extrapolator().extrapolate([], PRIOR) == PRIOR.final


def test_the_step_size_counts_most() -> None:
    card = load_all_plugins().experts["xgboost"].card
    weights = dict(zip(dimension_names(card), pace_weights(card), strict=True))
    assert weights.pop("learning_rate") > max(weights.values()) > 0
