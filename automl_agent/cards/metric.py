"""What a metric is: its name, its direction, the predictions it needs, how it is computed."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from numpy import ndarray as Array

Task = Literal["binary_classification", "multiclass_classification", "regression"]
CLASSIFICATION: tuple[Task, ...] = ("binary_classification", "multiclass_classification")


@dataclass(frozen=True)
class Metric:
    """An evaluation metric, registered by a plugin through `register_metrics`.

    needs: "probabilities", shape (n, n_classes), rows sum to 1; "classes", shape (n,), class
        indices; "values", shape (n,).
    compute: labels, shape (n,), class indices or values, and predictions as `needs` says → score.
    ideal: the score of a perfect prediction.
    """

    name: str
    tasks: tuple[Task, ...]
    greater_is_better: bool
    needs: Literal["probabilities", "classes", "values"]
    ideal: float
    compute: "Callable[[Array, Array], float]"

    def loss(self, score: float) -> float:
        """The score turned so that smaller is better."""
        return -score if self.greater_is_better else score

    def is_better(self, score: float, than: float) -> bool:
        """Whether a score beats another; a score that is not a number beats nothing."""
        if isnan(score):
            return False
        return isnan(than) or self.loss(score) < self.loss(than)
