"""Train on one table, log each iteration, save the trees, predict the rows that were asked for.

Run alone: AUTOML_IN=FOLDER AUTOML_OUT=FOLDER python train.py
"""

import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from data_processing import build_features, fit_categories, save_categories
from model import (
    LOSSES,
    MAX_ITERATIONS,
    build_model,
    choose_chunk,
    predict_rows,
    save_model,
    validation_losses,
)
from threadpoolctl import threadpool_limits

IN = Path(os.environ.get("AUTOML_IN", "/in"))
OUT = Path(os.environ.get("AUTOML_OUT", "/out"))
job = json.loads(Path(os.environ.get("AUTOML_JOB", IN / "job.json")).read_text())
started = time.monotonic()
threadpool_limits(job["resources"]["cpus"])

# Read.
columns = job["columns"]
train = pd.read_parquet(IN / job["data"]["train"])
categories = fit_categories(train, columns)
# No bins can be made of an empty column.
features = build_features(train, columns, categories).dropna(axis="columns", how="all")
watched = {}
if job["data"]["valid"]:
    valid = pd.read_parquet(IN / job["data"]["valid"])
    if job["task"] != "regression":
        # scikit-learn refuses classes that training does not have.
        valid = valid[valid["target"].isin(train["target"])]
    valid_features = build_features(valid, columns, categories)[features.columns]
    watched = {"X_val": valid_features, "y_val": valid["target"]}

# Train. The losses of a chunk are known at its end, so its records share that time.
model = build_model(job, is_watched=bool(watched))
max_iterations = job["n_steps"] or MAX_ITERATIONS
n_done, is_finished = 0, False
with (OUT / "training_log.jsonl").open("w", buffering=1) as log:
    while not is_finished:
        seconds = time.monotonic() - started
        chunk = choose_chunk(n_done, max_iterations, seconds, job["time_limit_s"])
        if chunk == 0:
            break
        model.set_params(max_iter=n_done + chunk).fit(features, train["target"], **watched)
        seconds = time.monotonic() - started
        for step, loss in enumerate(validation_losses(model)[n_done:], n_done + 1):
            record = {"step": step, "epoch": None, "split": "valid"}
            record |= {"metrics": {LOSSES[job["task"]]: loss}, "time_s": seconds}
            log.write(json.dumps(record) + "\n")
        is_finished = model.n_iter_ < n_done + chunk  # the losses have stopped falling
        n_done = model.n_iter_
n_iterations = int(np.argmin(validation_losses(model))) + 1 if watched else n_done

# Save.
(OUT / "model").mkdir()
save_categories(categories, OUT / "model")
save_model(model, OUT / "model")
(OUT / "model" / "n_iterations.json").write_text(json.dumps(n_iterations))

# Predict.
rows = pd.read_parquet(IN / job["data"]["predict"])
predictions = predict_rows(model, build_features(rows, columns, categories), n_iterations, job)
np.save(OUT / "predictions.npy", predictions, allow_pickle=False)
