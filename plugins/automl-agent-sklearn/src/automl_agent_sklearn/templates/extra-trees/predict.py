"""Predict the rows of a table with a model that `train.py` saved.

Run alone: AUTOML_IN=FOLDER AUTOML_OUT=FOLDER python predict.py
"""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
from data_processing import build_features, load_categories
from model import load_model, predict_rows
from threadpoolctl import threadpool_limits

IN = Path(os.environ.get("AUTOML_IN", "/in"))
OUT = Path(os.environ.get("AUTOML_OUT", "/out"))
job = json.loads(Path(os.environ.get("AUTOML_JOB", IN / "job.json")).read_text())
threadpool_limits(job["resources"]["cpus"])

# Load.
folder = IN / job["model"]
categories = load_categories(folder)
model = load_model(folder).set_params(n_jobs=job["resources"]["cpus"])

# Predict.
rows = pd.read_parquet(IN / job["data"]["predict"])
predictions = predict_rows(model, build_features(rows, job["columns"], categories), job)
np.save(OUT / "predictions.npy", predictions, allow_pickle=False)
