"""Boosted trees with a proper loss, grown until the validation rows stop gaining."""

import numpy as np
import xgboost

MAX_ROUNDS = 3000
PATIENCE = 50
# One category against the rest, up to so many; a column with more is split by sorted groups.
MAX_CATEGORIES_ONE_HOT = 100
# Metrics of the framework that XGBoost computes too. For the others it watches the task's loss.
WATCHED = {"roc_auc": "auc", "average_precision": "aucpr", "mae": "mae"}
# XGBoost's names as the framework's training log knows them.
LOG_NAMES = {
    "logloss": "log_loss",
    "mlogloss": "log_loss",
    "rmse": "rmse",
    "mae": "mae",
    "auc": "roc_auc",
    "aucpr": "average_precision",
}
OBJECTIVES = {
    "binary_classification": ("binary:logistic", "logloss"),
    "multiclass_classification": ("multi:softprob", "mlogloss"),
    "regression": ("reg:squarederror", "rmse"),
}


def booster_parameters(job: dict) -> dict:
    """The parameters of `xgboost.train` for a job."""
    objective, loss = OBJECTIVES[job["task"]]
    parameters = {
        "objective": objective,
        "eval_metric": WATCHED.get(job["metric"], loss),
        "tree_method": "hist",
        # Grow where the loss falls most; the number of leaves is the limit, not the depth.
        "grow_policy": "lossguide",
        "max_depth": 0,
        "max_cat_to_onehot": MAX_CATEGORIES_ONE_HOT,
        "nthread": job["resources"]["cpus"],
        "device": find_device(job),
        "seed": job["seed"],
        **job["settings"],
    }
    if job["task"] == "multiclass_classification":
        parameters["num_class"] = job["n_classes"]
    return parameters


def find_device(job: dict) -> str:
    """The first GPU if there is one; XGBoost itself trains on no more than one."""
    return "cuda" if job["resources"]["gpus"] else "cpu"


def predict_rows(booster: xgboost.Booster, features: xgboost.DMatrix, task: str) -> np.ndarray:
    """Probabilities, (n, n_classes) float32, or values, (n,) float32."""
    predicted = booster.predict(features)
    if task == "binary_classification":
        return np.column_stack([1 - predicted, predicted])
    return predicted
