"""Boosted trees over binned features, grown until the validation rows stop gaining."""

import itertools
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

Booster = HistGradientBoostingClassifier | HistGradientBoostingRegressor

LOSSES = {
    "binary_classification": "log_loss",
    "multiclass_classification": "log_loss",
    "regression": "rmse",
}
MAX_ITERATIONS = 2000
PATIENCE = 50
# The rest of the time is for saving and predicting.
TRAINING_SHARE = 0.9
# skops leaves this to whoever loads the file: it checks the type, not that the nodes are sound.
TREE_TYPES = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]


def build_model(job: dict, *, is_watched: bool) -> Booster:
    """The untrained model. is_watched: there will be validation rows to stop by."""
    is_regression = job["task"] == "regression"
    estimator = HistGradientBoostingRegressor if is_regression else HistGradientBoostingClassifier
    return estimator(
        **job["settings"],
        warm_start=True,
        early_stopping=is_watched,
        n_iter_no_change=PATIENCE,
        tol=0.0,
        random_state=job["seed"],
    )


def choose_chunk(n_done: int, max_iterations: int, seconds: float, limit_s: float) -> int:
    """The iterations to train before the clock is looked at again; 0 to stop.

    Each chunk starts with binning all rows and predicting them anew. As many iterations again as
    there are keep this far below the cost of the trees; less than a quarter is not worth it.
    """
    if n_done == 0:
        return 1  # the first one shows what an iteration costs
    affordable = int(n_done * (TRAINING_SHARE * limit_s - seconds) / seconds)
    if affordable < n_done / 4:
        return 0
    return min(n_done, affordable, max_iterations - n_done)


def validation_losses(model: Booster) -> np.ndarray:
    """The loss on the validation rows after each iteration, shape (n_iterations,)."""
    losses = -model.validation_score_[1:]  # the first one is from before any tree
    if isinstance(model, HistGradientBoostingRegressor):
        return np.sqrt(2 * losses)  # from half the squared error
    return losses


def predict_rows(
    model: Booster, features: pd.DataFrame, n_iterations: int, job: dict
) -> np.ndarray:
    """Probabilities, (n, n_classes) float64, or values, (n,) float64, of the first iterations.

    The trees after the best iteration are in the model, and are left out here.
    """
    features = features[model.feature_names_in_]
    if job["task"] == "regression":
        return next(itertools.islice(model.staged_predict(features), n_iterations - 1, None))
    stages = model.staged_predict_proba(features)
    probabilities = np.zeros((len(features), job["n_classes"]))
    # A class that no training row has keeps the probability 0.
    probabilities[:, model.classes_] = next(itertools.islice(stages, n_iterations - 1, None))
    return probabilities


def save_model(model: Booster, folder: Path) -> None:
    """Write the trees; packed they take a quarter."""
    path = folder / "model.skops"
    skops.io.dump(model, path, compression=zipfile.ZIP_DEFLATED, compresslevel=1)


def load_model(folder: Path) -> Booster:
    """Read what `save_model` wrote.

    Raises: TypeError if the file holds anything but scikit-learn's boosted trees.
    """
    path = folder / "model.skops"
    strangers = sorted({*skops.io.get_untrusted_types(file=path)} - {*TREE_TYPES})
    if strangers:
        raise TypeError(f"{path} holds {', '.join(strangers)}, which no boosted trees have.")
    return skops.io.load(path, trusted=TREE_TYPES)
