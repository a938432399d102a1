"""Which trainings cannot win any more: while they run, and before they begin."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isfinite

from automl_agent.cards.metric import Metric
from automl_agent.cards.predicted_log import PredictedPoint
from automl_agent.knowledge.records.record import CurvePoint

# Fewer records say little about where a curve goes.
MIN_RECORDS = 8
# Of the way from chance to ideal: a trial that comes so near the best may still be blended with it.
MARGIN = 0.01
# Of the candidates, one of so many is trained: successive halving.
HALVING = 2


@dataclass(frozen=True)
class Standard:
    """What a trial has to beat.

    best: the best score so far, None if there is none. way: from chance to ideal, above 0.
    """

    metric: Metric
    best: float | None
    way: float

    def is_out_of_reach(self, score: float) -> bool:
        """Whether a score is worse than the best by more than the margin."""
        if self.best is None:
            return False
        return self.metric.loss(score) > self.metric.loss(self.best) + MARGIN * self.way

    def optimistic(self, final: PredictedPoint) -> float:
        """The better bound of the 80 % interval."""
        return final.high if self.metric.greater_is_better else final.low


@dataclass(frozen=True)
class StopDecision:
    """Whether to stop a trial, and why in a sentence."""

    is_stop: bool
    reason: str


@dataclass(frozen=True)
class Skipped:
    """A candidate that is not worth training. index: its position among the candidates."""

    index: int
    reason: str


@dataclass(frozen=True)
class Choice:
    """kept: the positions of the candidates to train, the most promising first."""

    kept: tuple[int, ...]
    skipped: tuple[Skipped, ...]


def decide_stop(
    points: Sequence[CurvePoint],
    final: PredictedPoint,
    standard: Standard,
    *,
    min_records: int = MIN_RECORDS,
) -> StopDecision:
    """Stop a trial only if even the optimistic bound of where it ends is clearly beaten.

    points: its validation curve so far, in the metric, in order. final: where it ends.
    What the curve has reached already counts too: a script may keep the best step's model.
    Source: the predictive termination criterion of Domhan, Springenberg and Hutter (2015),
        "Speeding up Automatic Hyperparameter Optimization of Deep Neural Networks by Extrapolation
        of Learning Curves", with an interval in the place of their probability.
    """
    if standard.best is None:
        return StopDecision(False, "there is no finished trial to compare it with")
    if len(points) < min_records:
        return StopDecision(False, f"{len(points)} records are too few to tell")
    if not all(map(isfinite, (final.low, final.median, final.high))):
        return StopDecision(False, "its end cannot be predicted")
    reached = min((point.score for point in points), key=standard.metric.loss)
    hope = min(standard.optimistic(final), reached, key=standard.metric.loss)
    name = describe_metric(standard.metric)
    told = f"predicted {name} {describe_interval(final)}"
    if not standard.is_out_of_reach(hope):
        return StopDecision(False, f"{told} may still beat {standard.best:.4g}")
    step = points[-1].step
    return StopDecision(True, f"stopped after step {step}: {told} cannot beat {standard.best:.4g}")


def choose_candidates(
    forecasts: Sequence[PredictedPoint], n_left: int, standard: Standard, *, n_kept: int = 1
) -> Choice:
    """Rank candidate settings by predicted score and say which are not worth training.

    forecasts: where each candidate ends, as predicted. n_left: the trials that are left.
    The better half is kept, and what ties with its last; of them what may beat the best, and no
    more than n_left. The first n_kept are kept in any case: predictions may be wrong.
    Source: successive halving (Jamieson and Talwalkar 2016), with predictions in the place of
        partial trainings.
    """
    loss = standard.metric.loss
    ranked = sorted(range(len(forecasts)), key=lambda index: loss(forecasts[index].median))
    half = ceil(len(ranked) / HALVING)
    kept: list[int] = []
    skipped: list[Skipped] = []
    for place, index in enumerate(ranked):
        final = forecasts[index]
        last = forecasts[ranked[half - 1]].median
        told = f"predicted {describe_metric(standard.metric)} {describe_interval(final)}"
        if len(kept) >= n_left:
            reason = f"{told} ranks {place + 1} of {len(ranked)}; no trial is left for it"
            skipped.append(Skipped(index, reason))
        elif place < n_kept:
            kept.append(index)
        elif standard.is_out_of_reach(standard.optimistic(final)):
            skipped.append(Skipped(index, f"{told} cannot beat {standard.best:.4g}"))
        elif loss(final.median) > loss(last):
            skipped.append(Skipped(index, f"{told} is in the worse half of {len(ranked)}"))
        else:
            kept.append(index)
    return Choice(tuple(kept), tuple(skipped))


def estimate_saved_s(points: Sequence[CurvePoint], final: PredictedPoint) -> float:
    """The seconds that the steps up to the predicted end would have taken, at the pace so far."""
    last = points[-1]
    if last.step <= 0 or final.step <= last.step:
        return 0.0
    return last.time_s / last.step * (final.step - last.step)


def describe_interval(final: PredictedPoint) -> str:
    """The end in words."""
    return f"{final.median:.4g} (80 %: {final.low:.4g} to {final.high:.4g})"


def describe_metric(metric: Metric) -> str:
    """The metric's name as words."""
    return metric.name.replace("_", " ")
