"""Train on one table, log each round, save the booster, predict the rows that were asked for.

Run alone: AUTOML_IN=FOLDER AUTOML_OUT=FOLDER python train.py
"""

import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost
from data_processing import build_features, fit_categories, save_categories
from model import LOG_NAMES, MAX_ROUNDS, PATIENCE, booster_parameters, predict_rows

IN = Path(os.environ.get("AUTOML_IN", "/in"))
OUT = Path(os.environ.get("AUTOML_OUT", "/out"))
job = json.loads(Path(os.environ.get("AUTOML_JOB", IN / "job.json")).read_text())
started = time.monotonic()

# Read.
columns = job["columns"]
train = pd.read_parquet(IN / job["data"]["train"])
valid = pd.read_parquet(IN / job["data"]["valid"]) if job["data"]["valid"] else None
categories = fit_categories(train, columns)


def build_matrix(rows: pd.DataFrame, reference: xgboost.DMatrix | None = None) -> xgboost.DMatrix:
    """Binned features with labels, where the rows have labels."""
    return xgboost.QuantileDMatrix(
        build_features(rows, columns, categories),
        rows.get("target"),
        ref=reference,
        enable_categorical=True,
        nthread=job["resources"]["cpus"],
    )


# Build.
train_matrix = build_matrix(train)
watched = [] if valid is None else [(build_matrix(valid, train_matrix), "valid")]


class Log(xgboost.callback.TrainingCallback):
    """Writes a record for each round; ends the training at the time limit."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("w", buffering=1)

    def after_iteration(self, model: xgboost.Booster, epoch: int, evals_log: dict) -> bool:
        """Called by XGBoost after each round; True ends the training."""
        seconds = time.monotonic() - started
        for name, values in evals_log.get("valid", {}).items():
            metrics = {LOG_NAMES[name]: values[-1]}
            record = {"step": epoch + 1, "epoch": None, "split": "valid", "metrics": metrics}
            self.file.write(json.dumps({**record, "time_s": seconds}) + "\n")
        return seconds > job["time_limit_s"]


# Train. XGBoost asks callbacks in order until one ends the training; early stopping must be asked
# in every round to know the best one.
stopping = xgboost.callback.EarlyStopping(rounds=PATIENCE, save_best=True)
booster = xgboost.train(
    booster_parameters(job),
    train_matrix,
    num_boost_round=job["n_steps"] or MAX_ROUNDS,
    evals=watched,
    callbacks=[*([stopping] if watched else []), Log(OUT / "training_log.jsonl")],
    verbose_eval=False,
)

# Save.
(OUT / "model").mkdir()
booster.save_model(OUT / "model" / "booster.ubj")
save_categories(categories, OUT / "model")

# Predict.
rows = pd.read_parquet(IN / job["data"]["predict"])
predictions = predict_rows(booster, build_matrix(rows, train_matrix), job["task"])
np.save(OUT / "predictions.npy", predictions, allow_pickle=False)
