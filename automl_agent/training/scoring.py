"""The built-in metrics, and the score of predictions that came out of a sandbox."""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from automl_agent.cards.data_card import Classes, Continuous, DataCard
from automl_agent.cards.metric import CLASSIFICATION, Metric
from automl_agent.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from numpy import ndarray as Array

# Quantiles of a regression's target that the card carries, as steps of a distribution function.
_QUANTILE_LEVELS = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_N_IMAGINED_ROWS = 10_000


def _log_loss(labels: "Array", probabilities: "Array") -> float:
    import numpy as np

    # Blending computes it a hundred times; scikit-learn's takes ten times as long.
    of_truth = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(of_truth, np.finfo("float64").eps)).mean())


def _brier(labels: "Array", probabilities: "Array") -> float:
    import numpy as np

    truth = np.eye(probabilities.shape[1])[labels]  # (n, n_classes)
    return float(np.mean(np.sum((probabilities - truth) ** 2, axis=1)) / 2)


def _roc_auc(labels: "Array", probabilities: "Array") -> float:
    import numpy as np

    # One class against the rest, for each that occurs: rows of a time may not have all of them.
    present = np.unique(labels)
    if len(present) < 2:
        raise ValueError("all rows are of one class")
    if (probabilities == probabilities[0]).all():
        return 0.5  # known without scikit-learn, whose import would take most of a recommendation
    from sklearn.metrics import roc_auc_score

    if probabilities.shape[1] == 2:
        return float(roc_auc_score(labels, probabilities[:, 1]))
    scores = [roc_auc_score(labels == label, probabilities[:, label]) for label in present]
    return float(np.mean(scores))


def _average_precision(labels: "Array", probabilities: "Array") -> float:
    from sklearn.metrics import average_precision_score

    if not labels.any():
        raise ValueError("no row is of the second class")
    return float(average_precision_score(labels, probabilities[:, 1]))


def _accuracy(labels: "Array", classes: "Array") -> float:
    return float((labels == classes).mean())


def _balanced_accuracy(labels: "Array", classes: "Array") -> float:
    import numpy as np
    from sklearn.metrics import recall_score

    # A class that is predicted but does not occur has no recall.
    return float(recall_score(labels, classes, average="macro", zero_division=np.nan))


def _f1(labels: "Array", classes: "Array") -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(labels, classes, average="macro", zero_division=0))


def _rmse(labels: "Array", values: "Array") -> float:
    import numpy as np

    return float(np.sqrt(np.mean((labels - values) ** 2)))


def _mae(labels: "Array", values: "Array") -> float:
    import numpy as np

    return float(np.abs(labels - values).mean())


def _r2(labels: "Array", values: "Array") -> float:
    from sklearn.metrics import r2_score

    if len(labels) < 2:
        raise ValueError("one row has no variance")
    return float(r2_score(labels, values))


_BINARY = CLASSIFICATION[:1]
BUILTIN_METRICS = (
    Metric("log_loss", CLASSIFICATION, False, "probabilities", 0.0, _log_loss),
    Metric("brier", CLASSIFICATION, False, "probabilities", 0.0, _brier),
    Metric("roc_auc", CLASSIFICATION, True, "probabilities", 1.0, _roc_auc),
    Metric("average_precision", _BINARY, True, "probabilities", 1.0, _average_precision),
    Metric("accuracy", CLASSIFICATION, True, "classes", 1.0, _accuracy),
    Metric("balanced_accuracy", CLASSIFICATION, True, "classes", 1.0, _balanced_accuracy),
    Metric("f1_macro", CLASSIFICATION, True, "classes", 1.0, _f1),
    Metric("rmse", ("regression",), False, "values", 0.0, _rmse),
    Metric("mae", ("regression",), False, "values", 0.0, _mae),
    Metric("r2", ("regression",), True, "values", 1.0, _r2),
)
# What is shown beside the metric that was asked for.
COMPANIONS: dict[str, tuple[str, ...]] = {
    "binary_classification": ("log_loss", "accuracy", "roc_auc"),
    "multiclass_classification": ("log_loss", "accuracy"),
    "regression": ("rmse", "mae", "r2"),
}


def find_metric(metrics: Mapping[str, Metric], name: str, task: str) -> Metric:
    """The metric of that name, if it fits the task.

    Raises: UnknownNameError, or InputError that lists those that fit.
    """
    metric = metrics.get(name)
    fitting = [m.name for m in metrics.values() if task in m.tasks]
    if metric is None:
        raise UnknownNameError("metric", name, metrics)
    if task not in metric.tasks:
        raise InputError(f"The metric {name!r} does not fit {task}; use {', '.join(fitting)}.")
    return metric


def score_predictions(metric: Metric, labels: "Array", predictions: "Array") -> float:
    """The metric of predictions.

    predictions: shape (n, n_classes), probabilities; or (n,), values.
    Raises: InputError if it cannot be computed (an AUC of one class) or is no finite number.
    """
    if metric.needs == "classes":
        predictions = predictions.argmax(axis=1)
    try:
        score = float(metric.compute(labels, predictions))
    except Exception as exc:  # a plugin's metric may raise anything
        reason = str(exc).rstrip(".")
        raise InputError(f"The metric {metric.name!r} cannot be computed: {reason}.") from exc
    if not math.isfinite(score):
        raise InputError(f"The metric {metric.name!r} is {score}, which is no finite number.")
    return score


def chance_score(metric: Metric, card: DataCard) -> float | None:
    """The score of always predicting the classes' shares, or the mean; None without statistics.

    Works for every registered metric: it is computed on labels imagined as the card describes them.
    """
    return _score_constant(metric, card.label_space)


# The same data sets are asked about for one expert after the other.
@lru_cache(maxsize=1024)
def _score_constant(metric: Metric, space: Classes | Continuous) -> float | None:
    import numpy as np

    if isinstance(space, Classes):
        if space.shares is None:
            return None
        counts = np.maximum(1, np.round(np.array(space.shares) * _N_IMAGINED_ROWS)).astype(int)
        labels = np.repeat(np.arange(len(counts)), counts)
        constant = np.tile(counts / counts.sum(), (len(labels), 1))
        return score_predictions(metric, labels, constant)
    if space.quantiles is None:
        return None
    levels = np.linspace(0, 1, _N_IMAGINED_ROWS)
    values = np.interp(levels, _QUANTILE_LEVELS, space.quantiles)
    return score_predictions(metric, values, np.full_like(values, values.mean()))
