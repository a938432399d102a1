"""Keep the training rows, log the loss on the validation rows, predict what was asked for.

Run alone: AUTOML_IN=FOLDER AUTOML_OUT=FOLDER python train.py
"""

import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from data_processing import encode, fit_encoding, save_encoding
from model import predict_rows
from sklearn.metrics import log_loss, root_mean_squared_error

IN = Path(os.environ.get("AUTOML_IN", "/in"))
OUT = Path(os.environ.get("AUTOML_OUT", "/out"))
job = json.loads(Path(os.environ.get("AUTOML_JOB", IN / "job.json")).read_text())
started = time.monotonic()

# Read.
columns = job["columns"]
table = pd.read_parquet(IN / job["data"]["train"])
encoding = fit_encoding(table, columns)
train, labels = encode(table, columns, encoding), table["target"].to_numpy()

# Log.
if job["data"]["valid"]:
    valid = pd.read_parquet(IN / job["data"]["valid"])
    predicted = predict_rows(train, labels, encode(valid, columns, encoding), job)
    if job["n_classes"] is None:
        metrics = {"rmse": root_mean_squared_error(valid["target"], predicted)}
    else:
        metrics = {"log_loss": log_loss(valid["target"], predicted, labels=range(job["n_classes"]))}
    record = {"step": 1, "epoch": None, "split": "valid", "metrics": metrics}
    record["time_s"] = time.monotonic() - started
    (OUT / "training_log.jsonl").write_text(json.dumps(record) + "\n")

# Save.
(OUT / "model").mkdir()
np.save(OUT / "model" / "rows.npy", train, allow_pickle=False)
np.save(OUT / "model" / "labels.npy", labels, allow_pickle=False)
save_encoding(encoding, OUT / "model")

# Predict.
rows = encode(pd.read_parquet(IN / job["data"]["predict"]), columns, encoding)
np.save(OUT / "predictions.npy", predict_rows(train, labels, rows, job), allow_pickle=False)
