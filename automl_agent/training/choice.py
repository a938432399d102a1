"""Choosing what is delivered: the blend, a part of it, or one model, by the constraints."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from automl_agent.cards.metric import Metric
from automl_agent.training.constraints import Bound, find_excess, wishes
from automl_agent.training.measuring import Costs

Weights = Mapping[str, float]
# The costs that a wish weighs; two wishes weigh them together.
_WEIGHED = {"smaller": "model_mib", "faster": "predict_ms_per_row"}


@dataclass(frozen=True)
class Candidate:
    """What could be delivered. measures: scores on validation rows, and costs."""

    weights: Weights
    measures: Costs


def list_weights(blend: Weights, names: Sequence[str]) -> Iterator[dict[str, float]]:
    """The blend, the blends of some of its members, and each model alone, the largest first."""
    for n_members in range(len(blend), 1, -1):
        for members in combinations(blend, n_members):
            total = sum(blend[name] for name in members)
            yield {name: blend[name] / total for name in members}
    for name in names:
        yield {name: 1.0}


def sort_candidates(
    candidates: Sequence[Candidate], bounds: Sequence[Bound], metric: Metric
) -> list[Candidate]:
    """Those that keep to all bounds, the preferred first; then the others, the nearest to it first.

    The best score is preferred, unless a wish prefers the smallest, fastest or simplest.
    """

    def rank(candidate: Candidate) -> tuple[float, ...]:
        excess = [find_excess(bound, candidate.measures) for bound in bounds]
        known = [part for part in excess if math.isfinite(part)]
        preference = _rank_preference(candidate, bounds, metric)
        return (len(excess) - len(known), sum(known), *preference)

    return sorted(candidates, key=rank)


def stand_in(bounds: Sequence[Bound]) -> list[Bound]:
    """The bounds for trials, of which no time of predictions is known: the size stands for it."""
    known = [bound for bound in bounds if bound.measure != "predict_ms_per_row"]
    if len(known) < len(bounds):
        known.append(Bound("smaller", "model_mib", "<", math.inf, "smaller"))
    return known


def _rank_preference(
    candidate: Candidate, bounds: Sequence[Bound], metric: Metric
) -> tuple[float, ...]:
    wished, measures = wishes(bounds), candidate.measures
    n_members = len(candidate.weights) if "simpler" in wished else 0
    # Half the size counts as much as half the time.
    weighed = sum(
        _log_cost(measures.get(cost)) for wish, cost in _WEIGHED.items() if wish in wished
    )
    score = measures[metric.name]
    return n_members, weighed, math.inf if score is None else metric.loss(score)


def _log_cost(cost: float | None) -> float:
    return math.inf if cost is None else math.log(max(cost, 1e-12))
