"""Where a running training ends, from how curves of other trainings went on from there.

Each known curve that is as long as the running one says how much remaining loss it still lost after
the same step. Those that looked alike until then (their last slopes, their place, their settings)
are asked; what each says is scaled by how fast the running one falls against it, and the quantiles
of their answers are the interval.
Source: predicting the final score from features of the partial curve and the settings, after Baker,
Gupta, Raskar and Naik 2017, "Accelerating neural architecture search using performance prediction"
(arXiv 1705.10823); nearest curves and their quantiles in place of a support vector regression.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_agent.cards.metric import Metric
from automl_agent.cards.model_card import ModelCard
from automl_agent.cards.predicted_log import PredictedLog, PredictedPoint
from automl_agent.knowledge.records.record import CurvePoint
from automl_agent.knowledge.transfer.settings_vector import dimension_names
from automl_agent.knowledge.transfer.surrogate import remaining_loss, score_of

if TYPE_CHECKING:
    from numpy import ndarray as Array

# So many alike curves are asked; fewer than the least say nothing.
N_CURVES, MIN_CURVES = 40, 12
_QUANTILES = (0.1, 0.5, 0.9)
# The parts of the running curve whose slopes are compared: the last half, and the half before.
_LOOK_BACK = (2.0, 4.0)
# How much differences in slope and in place count against one in a setting that spans its range.
_SLOPE_WEIGHT, _PLACE_WEIGHT = 6.0, 0.3
# Where both curves are flat, their slopes say nothing of each other; and not without limit.
_FLAT, _MOST_SCALE = 0.003, 5.0
# The step size sets the pace of a curve; other settings hardly do.
_PACE, _PACE_WEIGHT, _OTHER_WEIGHT = "learning_rate", 2.0, 0.5
# Of the common grid of steps, by their logarithms.
_N_GRID = 64


@dataclass(frozen=True)
class Curve:
    """A finished training's curve. settings: (n_dimensions,), times `pace_weights`.

    log_steps: (n,), natural logarithms, ascending. losses: (n,), the remaining loss of the best
    step so far, descending; the last one is final.
    """

    settings: "Array"
    log_steps: "Array"
    losses: "Array"


def pace_weights(model: ModelCard) -> "Array":
    """How much each dimension of a settings vector says of how curves fall, (n_dimensions,)."""
    import numpy as np

    names = dimension_names(model)
    return np.array([_PACE_WEIGHT if name == _PACE else _OTHER_WEIGHT for name in names])


def make_curve(
    points: Sequence[CurvePoint], settings: "Array", metric: Metric, chance: float
) -> Curve:
    """The curve of a record, or of a training that runs.

    Raises: ValueError if there is no point.
    """
    import numpy as np

    if not points:
        raise ValueError("a curve needs a point")
    losses = [remaining_loss(point.score, metric, chance) for point in points]
    steps = np.log([max(1, point.step) for point in points])
    return Curve(settings, steps, np.minimum.accumulate(losses))


class Extrapolator:
    """Curves of finished trainings of one expert, to compare a running one with.

    settings: of the running training, as in a Curve.
    """

    def __init__(
        self, curves: Sequence[Curve], settings: "Array", metric: Metric, chance: float
    ) -> None:
        self._curves = _Curves(curves)
        self._settings = settings
        self._metric = metric
        self._chance = chance

    def extrapolate(self, points: Sequence[CurvePoint], prior: PredictedLog) -> PredictedPoint:
        """Where the running training ends: the median and the 80 % interval.

        points: its validation curve so far, in order. prior: what was predicted before it began,
        which is all that is known of a curve that nothing is like.
        """
        import numpy as np

        if not points:
            return prior.final
        running = make_curve(points, self._settings, self._metric, self._chance)
        gains = self._curves.find_gains(running)
        if len(gains) < MIN_CURVES:
            return _narrow(prior, points, self._metric)
        now = float(running.losses[-1])
        ends = [now - float(gain) for gain in np.quantile(gains, _QUANTILES)]
        scores = sorted(score_of(end, self._metric, self._chance) for end in ends)
        step = max(prior.final.step, points[-1].step)
        return PredictedPoint(step, median=scores[1], low=scores[0], high=scores[2])


class _Curves:
    """Many curves on one grid of steps, so that all are looked at together."""

    def __init__(self, curves: Sequence[Curve]) -> None:
        import numpy as np

        longest = max((float(curve.log_steps[-1]) for curve in curves), default=1.0)
        self._grid = np.linspace(0, max(longest, 1.0), _N_GRID)
        losses = [np.interp(self._grid, curve.log_steps, curve.losses) for curve in curves]
        self._losses = np.array(losses).reshape(len(curves), _N_GRID)
        self._ends = np.array([curve.log_steps[-1] for curve in curves])
        self._finals = np.array([curve.losses[-1] for curve in curves])
        self._settings = np.array([curve.settings for curve in curves])

    def find_gains(self, running: Curve) -> "Array":
        """The remaining loss that the most alike curves still lost after the same step, (n,)."""
        import numpy as np

        now = float(running.log_steps[-1])
        longer = np.flatnonzero(self._ends > now)
        if len(longer) < MIN_CURVES:
            return np.array([])
        nearest = longer[self._differ(running, longer).argsort(kind="stable")[:N_CURVES]]
        gains = (self._losses_at(now)[nearest] - self._finals[nearest]).clip(min=0)
        scaled: Array = gains * self._compare_slopes(running, nearest)
        return scaled

    def _compare_slopes(self, running: Curve, others: "Array") -> "Array":
        """How fast the running curve falls against the others, over the last half of its steps."""
        now = float(running.log_steps[-1])
        before = now - math.log(_LOOK_BACK[0])
        own = _loss_at(running, before) - _loss_at(running, now)
        theirs = (self._losses_at(before) - self._losses_at(now))[others]
        scales: Array = ((own + _FLAT) / (theirs + _FLAT)).clip(1 / _MOST_SCALE, _MOST_SCALE)
        return scales

    def _differ(self, running: Curve, others: "Array") -> "Array":
        """How unlike curves are to the running one until its last step, (n,)."""
        import numpy as np

        now = float(running.log_steps[-1])
        places = [now, *(now - math.log(times) for times in _LOOK_BACK)]
        own = [_loss_at(running, place) for place in places]
        theirs = [self._losses_at(place)[others] for place in places]
        by_setting = ((self._settings[others] - running.settings) ** 2).sum(axis=1)
        by_slope = np.hypot(
            (theirs[0] - theirs[1]) - (own[0] - own[1]), (theirs[1] - theirs[2]) - (own[1] - own[2])
        )
        by_place = (theirs[0] - own[0]) ** 2
        difference: Array = by_setting + _SLOPE_WEIGHT * by_slope + _PLACE_WEIGHT * by_place
        return difference

    def _losses_at(self, log_step: float) -> "Array":
        """The remaining loss of all curves after a step, (n,)."""
        import numpy as np

        place = float(np.interp(log_step, self._grid, np.arange(_N_GRID)))
        left = min(int(place), _N_GRID - 2)
        share = place - left
        losses: Array = (1 - share) * self._losses[:, left] + share * self._losses[:, left + 1]
        return losses


def _loss_at(curve: Curve, log_step: float) -> float:
    import numpy as np

    return float(np.interp(log_step, curve.log_steps, curve.losses))


def _narrow(prior: PredictedLog, points: Sequence[CurvePoint], metric: Metric) -> PredictedPoint:
    """What was predicted, but no worse than what is reached already."""
    better = max if metric.greater_is_better else min
    best = better(point.score for point in points)
    final = prior.final
    low, median, high = (better(value, best) for value in (final.low, final.median, final.high))
    return PredictedPoint(final.step, median=median, low=low, high=high)
