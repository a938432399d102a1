"""Numbers, booleans and dates are standardised, frequent categories become columns of 0 and 1."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

MAX_CATEGORIES = 20


def fit_encoding(rows: pd.DataFrame, columns: list[dict]) -> dict[str, dict]:
    """For each column what `encode` needs: categories, or centre and scale."""
    encoding = {}
    for column in columns:
        series = rows[column["id"]]
        if column["role"] == "categorical":
            names = series.value_counts().index[:MAX_CATEGORIES].tolist()
            encoding[column["id"]] = {"categories": names}
        else:
            numbers = to_numbers(series)
            centre, scale = numbers.mean(), numbers.std()
            encoding[column["id"]] = {
                "centre": float(np.nan_to_num(centre)),
                "scale": float(scale) if scale > 0 else 1.0,
            }
    return encoding


def encode(rows: pd.DataFrame, columns: list[dict], encoding: dict[str, dict]) -> np.ndarray:
    """The rows as numbers, (n, n_encoded) float64; a missing number is the mean."""
    parts = []
    for column in columns:
        series, how = rows[column["id"]], encoding[column["id"]]
        if column["role"] == "categorical":
            parts += [(series == name).to_numpy(dtype="float64") for name in how["categories"]]
        else:
            numbers = (to_numbers(series) - how["centre"]) / how["scale"]
            parts.append(np.nan_to_num(numbers))
    return np.column_stack(parts)


def to_numbers(series: pd.Series) -> np.ndarray:
    """A column as float64; dates as seconds since 1970."""
    if series.dtype.kind == "M":
        series = (series - pd.Timestamp(0)).dt.total_seconds()
    return series.to_numpy(dtype="float64")


def save_encoding(encoding: dict[str, dict], folder: Path) -> None:
    """Write what `predict.py` needs."""
    (folder / "encoding.json").write_text(json.dumps(encoding))


def load_encoding(folder: Path) -> dict[str, dict]:
    """Read what `save_encoding` wrote."""
    return json.loads((folder / "encoding.json").read_text())
