"""Predict the rows of a table with a model that `train.py` saved.

Run alone: AUTOML_IN=FOLDER AUTOML_OUT=FOLDER python predict.py
"""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
from data_processing import encode, load_encoding
from model import predict_rows

IN = Path(os.environ.get("AUTOML_IN", "/in"))
OUT = Path(os.environ.get("AUTOML_OUT", "/out"))
job = json.loads(Path(os.environ.get("AUTOML_JOB", IN / "job.json")).read_text())

# Load.
model = IN / job["model"]
train, labels = (np.load(model / name, allow_pickle=False) for name in ("rows.npy", "labels.npy"))
encoding = load_encoding(model)

# Predict.
rows = encode(pd.read_parquet(IN / job["data"]["predict"]), job["columns"], encoding)
np.save(OUT / "predictions.npy", predict_rows(train, labels, rows, job), allow_pickle=False)
