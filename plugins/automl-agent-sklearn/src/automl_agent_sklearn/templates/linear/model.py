"""Logistic regression for classes, ridge regression for values."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.pipeline import Pipeline

LOSSES = {
    "binary_classification": "log_loss",
    "multiclass_classification": "log_loss",
    "regression": "rmse",
}
MAX_ITERATIONS = 1000
# The solver starts anew with each chunk; shorter ones would make it slower.
CHUNK = 20
# So many chunks may pass without a lower loss on the validation rows.
PATIENCE = 5
# The rest of the time is for saving and predicting.
TRAINING_SHARE = 0.9


def build_model(job: dict) -> LogisticRegression | Ridge:
    """The untrained model; alpha is the weight of the squared coefficients."""
    alpha = job["settings"]["alpha"]
    if job["task"] == "regression":
        return Ridge(alpha=alpha)
    return LogisticRegression(C=1 / alpha, warm_start=True)


def choose_chunk(n_done: int, max_iterations: int, seconds: float, limit_s: float) -> int:
    """The iterations to train before the clock is looked at again; 0 to stop."""
    if n_done == 0:
        return 1  # the first one shows what an iteration costs
    affordable = int(n_done * (TRAINING_SHARE * limit_s - seconds) / seconds)
    return max(0, min(CHUNK, affordable, max_iterations - n_done))


def train_on(
    model: LogisticRegression | Ridge, features: np.ndarray, labels: pd.Series, n_iterations: int
) -> bool:
    """Go on training; whether there is nothing more to gain on the training rows.

    features: shape (n, n_inputs), dense or sparse.
    """
    if isinstance(model, Ridge):
        model.fit(features, labels)
        return True  # solved at once
    model.set_params(max_iter=n_iterations)
    with warnings.catch_warnings():
        # A chunk is meant to end before the solver is content; the next one goes on from there.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, labels)
    return model.n_iter_.max() < n_iterations


def predict_rows(
    model: LogisticRegression | Ridge | Pipeline, features: pd.DataFrame, job: dict
) -> np.ndarray:
    """Probabilities, (n, n_classes) float64, or values, (n,) float64."""
    if job["task"] == "regression":
        return model.predict(features)
    probabilities = np.zeros((features.shape[0], job["n_classes"]))
    # A class that no training row has keeps the probability 0.
    probabilities[:, model.classes_] = model.predict_proba(features)
    return probabilities


def compute_loss(labels: pd.Series, predictions: np.ndarray) -> float:
    """The log loss of probabilities, the root mean squared error of values."""
    if predictions.ndim == 1:
        return root_mean_squared_error(labels, predictions)
    return log_loss(labels, predictions, labels=range(predictions.shape[1]))


def save_model(pipeline: Pipeline, folder: Path) -> None:
    """Write the steps from filled columns to predictions."""
    skops.io.dump(pipeline, folder / "pipeline.skops")


def load_model(folder: Path) -> Pipeline:
    """Read what `save_model` wrote.

    Raises: TypeError if the file holds anything but scikit-learn's linear models and their steps.
    """
    path = folder / "pipeline.skops"
    strangers = skops.io.get_untrusted_types(file=path)
    if strangers:
        raise TypeError(f"{path} holds {', '.join(strangers)}, which no linear model has.")
    return skops.io.load(path)
