"""Train on one table, log each chunk of trees, save the forest, predict the rows asked for.

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
    N_TREES,
    build_model,
    choose_chunk,
    compute_loss,
    predict_rows,
    save_model,
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
valid = pd.read_parquet(IN / job["data"]["valid"]) if job["data"]["valid"] else None
categories, out_of_fold = fit_categories(train, job)
features = build_features(train, columns, categories)
features[out_of_fold.columns] = out_of_fold.astype("float32")
if valid is not None:
    valid_features = build_features(valid, columns, categories)

# Train.
model = build_model(job)
n_trees = job["n_steps"] or N_TREES
losses = {}
n_done = 0
with (OUT / "training_log.jsonl").open("w", buffering=1) as log:
    while True:
        seconds = time.monotonic() - started
        chunk = choose_chunk(n_done, n_trees, seconds, job["time_limit_s"])
        if chunk == 0:
            break
        n_done += chunk
        model.set_params(n_estimators=n_done).fit(features, train["target"])
        if valid is None:
            continue
        losses[n_done] = compute_loss(valid["target"], predict_rows(model, valid_features, job))
        record = {"step": n_done, "epoch": None, "split": "valid"}
        record |= {"metrics": {LOSSES[job["task"]]: losses[n_done]}}
        log.write(json.dumps({**record, "time_s": time.monotonic() - started}) + "\n")

# Save. More trees do no harm, but those after the best record only make the forest larger.
if losses:
    n_best = min(losses, key=losses.get)
    model.estimators_ = model.estimators_[:n_best]
    model.set_params(n_estimators=n_best)
(OUT / "model").mkdir()
save_categories(categories, OUT / "model")
save_model(model, OUT / "model")

# Predict.
rows = pd.read_parquet(IN / job["data"]["predict"])
predictions = predict_rows(model, build_features(rows, columns, categories), job)
np.save(OUT / "predictions.npy", predictions, allow_pickle=False)
