"""Train on one table, log each chunk of iterations, save the best model, predict what was asked.

Run alone: AUTOML_IN=FOLDER AUTOML_OUT=FOLDER python train.py
"""

import copy
import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from data_processing import build_transformer, fill_columns, fit_filling
from model import (
    LOSSES,
    MAX_ITERATIONS,
    PATIENCE,
    build_model,
    choose_chunk,
    compute_loss,
    predict_rows,
    save_model,
    train_on,
)
from sklearn.pipeline import make_pipeline
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
filling = fit_filling(train, columns)
filled = fill_columns(train, columns, filling)
transformer = build_transformer(filled, filling, job["settings"], job["seed"])
features = transformer.fit_transform(filled)  # (n, n_inputs), dense or sparse
if valid is not None:
    valid_features = transformer.transform(fill_columns(valid, columns, filling))

# Train.
model = build_model(job)
max_iterations = job["n_steps"] or MAX_ITERATIONS
best, losses = model, []
n_done, is_finished = 0, False
with (OUT / "training_log.jsonl").open("w", buffering=1) as log:
    while not is_finished:
        seconds = time.monotonic() - started
        chunk = choose_chunk(n_done, max_iterations, seconds, job["time_limit_s"])
        if chunk == 0:
            break
        is_finished = train_on(model, features, train["target"], chunk)
        n_done += chunk
        if valid is None:
            continue
        losses.append(compute_loss(valid["target"], predict_rows(model, valid_features, job)))
        if losses[-1] == min(losses):
            best = copy.deepcopy(model)
        is_finished |= len(losses) - np.argmin(losses) > PATIENCE
        record = {"step": n_done, "epoch": None, "split": "valid"}
        record |= {"metrics": {LOSSES[job["task"]]: losses[-1]}}
        log.write(json.dumps({**record, "time_s": time.monotonic() - started}) + "\n")

# Save.
(OUT / "model").mkdir()
(OUT / "model" / "filling.json").write_text(json.dumps(filling))
pipeline = make_pipeline(transformer, best)
save_model(pipeline, OUT / "model")

# Predict.
rows = pd.read_parquet(IN / job["data"]["predict"])
predictions = predict_rows(pipeline, fill_columns(rows, columns, filling), job)
np.save(OUT / "predictions.npy", predictions, allow_pickle=False)
