"""A forest of trees whose splits are drawn at random."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.metrics import log_loss, root_mean_squared_error

Forest = ExtraTreesClassifier | ExtraTreesRegressor

LOSSES = {
    "binary_classification": "log_loss",
    "multiclass_classification": "log_loss",
    "regression": "rmse",
}
N_TREES = 100
CHUNK = 10
# A forest is held in memory to predict, so its size has a limit that rows and classes do not move.
MAX_FOREST_BYTES = 150e6
# What scikit-learn keeps for a node, beside 8 bytes for each class.
NODE_BYTES = 64
# A class that no leaf has seen is still possible: about once in a thousand rows.
UNSEEN_SHARE = 1e-3
# The rest of the time is for saving and predicting.
TRAINING_SHARE = 0.9
# skops leaves this to whoever loads the file: it checks the type, not that the nodes are sound.
TREE_TYPES = ["sklearn.tree._tree.Tree"]


def build_model(job: dict) -> Forest:
    """The forest without trees."""
    is_regression = job["task"] == "regression"
    estimator = ExtraTreesRegressor if is_regression else ExtraTreesClassifier
    # A tree with n leaves has 2 n - 1 nodes.
    leaf_bytes = 2 * (NODE_BYTES + 8 * (job["n_classes"] or 1))
    return estimator(
        **job["settings"],
        max_leaf_nodes=int(MAX_FOREST_BYTES / N_TREES / leaf_bytes),
        warm_start=True,
        n_jobs=job["resources"]["cpus"],
        random_state=job["seed"],
    )


def choose_chunk(n_done: int, n_trees: int, seconds: float, limit_s: float) -> int:
    """The trees to grow before the clock is looked at again; 0 to stop."""
    if n_done == 0:
        return 1  # the first one shows what a tree costs
    affordable = int(n_done * (TRAINING_SHARE * limit_s - seconds) / seconds)
    return max(0, min(CHUNK, affordable, n_trees - n_done))


def predict_rows(model: Forest, features: pd.DataFrame, job: dict) -> np.ndarray:
    """Probabilities, (n, n_classes) float64, or values, (n,) float64."""
    if job["task"] == "regression":
        return model.predict(features)
    probabilities = np.zeros((len(features), job["n_classes"]))
    probabilities[:, model.classes_] = model.predict_proba(features)
    return (1 - UNSEEN_SHARE) * probabilities + UNSEEN_SHARE / job["n_classes"]


def compute_loss(labels: pd.Series, predictions: np.ndarray) -> float:
    """The log loss of probabilities, the root mean squared error of values."""
    if predictions.ndim == 1:
        return root_mean_squared_error(labels, predictions)
    return log_loss(labels, predictions, labels=range(predictions.shape[1]))


def save_model(model: Forest, folder: Path) -> None:
    """Write the trees; packed they take a quarter."""
    path = folder / "model.skops"
    skops.io.dump(model, path, compression=zipfile.ZIP_DEFLATED, compresslevel=1)


def load_model(folder: Path) -> Forest:
    """Read what `save_model` wrote.

    Raises: TypeError if the file holds anything but scikit-learn's trees.
    """
    path = folder / "model.skops"
    strangers = sorted({*skops.io.get_untrusted_types(file=path)} - {*TREE_TYPES})
    if strangers:
        raise TypeError(f"{path} holds {', '.join(strangers)}, which no forest has.")
    return skops.io.load(path, trusted=TREE_TYPES)
