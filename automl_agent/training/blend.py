"""Blending: a weighted mean of the predictions of several trials."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from automl_agent.cards.metric import Metric
from automl_agent.training.scoring import score_predictions

if TYPE_CHECKING:
    from numpy import ndarray as Array

_N_ROUNDS = 25


def choose_weights(
    metric: Metric, labels: "Array", predictions: Mapping[str, "Array"]
) -> dict[str, float]:
    """The weights, with sum 1, of the members that a blend is made of.

    Members are added one at a time, each time the one that helps most, with repetition; the best
    blend on the way counts.
    Source: ensemble selection (Caruana et al. 2004).
    """
    counts = dict.fromkeys(predictions, 0)
    best_counts, best_score = counts, float("nan")
    total: Array | float = 0.0
    for n_members in range(1, _N_ROUNDS + 1):
        scores = {
            name: score_predictions(metric, labels, (total + one) / n_members)
            for name, one in predictions.items()
        }
        name = min(scores, key=lambda member: metric.loss(scores[member]))
        total = total + predictions[name]
        counts = {**counts, name: counts[name] + 1}
        if metric.is_better(scores[name], best_score):
            best_counts, best_score = counts, scores[name]
    n_best = sum(best_counts.values())
    return {name: count / n_best for name, count in best_counts.items() if count}


def blend_predictions(weights: Mapping[str, float], predictions: Mapping[str, "Array"]) -> "Array":
    """The weighted mean; weights are scaled to sum 1."""
    total = sum(weights.values())
    parts = [predictions[name] * (weight / total) for name, weight in weights.items()]
    blended = parts[0]
    for part in parts[1:]:
        blended = blended + part
    return blended
