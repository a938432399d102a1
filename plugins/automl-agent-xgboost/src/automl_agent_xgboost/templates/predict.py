"""Predict the rows of a table with a model that `train.py` saved.

Run alone: AUTOML_IN=FOLDER AUTOML_OUT=FOLDER python predict.py
"""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost
from data_processing import build_features, load_categories
from model import find_device, predict_rows

IN = Path(os.environ.get("AUTOML_IN", "/in"))
OUT = Path(os.environ.get("AUTOML_OUT", "/out"))
job = json.loads(Path(os.environ.get("AUTOML_JOB", IN / "job.json")).read_text())

# Load.
model = IN / job["model"]
categories = load_categories(model)
parameters = {"nthread": job["resources"]["cpus"], "device": find_device(job)}
booster = xgboost.Booster(parameters, model_file=model / "booster.ubj")

# Predict.
rows = pd.read_parquet(IN / job["data"]["predict"])
features = build_features(rows, job["columns"], categories)
matrix = xgboost.DMatrix(features, enable_categorical=True, nthread=job["resources"]["cpus"])
predictions = predict_rows(booster, matrix, job["task"])
np.save(OUT / "predictions.npy", predictions, allow_pickle=False)
