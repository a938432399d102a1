"""Numbers, booleans and dates become float columns, categories become codes by frequency.

A category that training did not see counts as missing, as do those beyond the most frequent ones.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

# A feature has at most 255 bins, so that each of so many categories has one of its own.
MAX_CATEGORIES = 255
DATE_PARTS = ("year", "month", "day", "dayofweek", "hour")


def fit_categories(rows: pd.DataFrame, columns: list[dict]) -> dict[str, list[str]]:
    """The categories of each categorical column, the most frequent first."""
    return {
        column["id"]: rows[column["id"]].value_counts().index[:MAX_CATEGORIES].tolist()
        for column in columns
        if column["role"] == "categorical"
    }


def build_features(
    rows: pd.DataFrame, columns: list[dict], categories: dict[str, list[str]]
) -> pd.DataFrame:
    """The columns as the trees take them: float64, missing cells NaN.

    The most frequent category has the code 0, so that few splits set the frequent ones apart.
    """
    features = {}
    for column in columns:
        series, name = rows[column["id"]], column["id"]
        if column["role"] == "categorical":
            codes = pd.Index(categories[name]).get_indexer(pd.Index(series))
            features[name] = np.where(codes < 0, np.nan, codes)
        elif column["role"] == "datetime":
            features[name] = (series - pd.Timestamp(0)).dt.total_seconds()
            for part in DATE_PARTS:
                features[f"{name}_{part}"] = getattr(series.dt, part)
        else:
            features[name] = series.where(np.isfinite(series))
    return pd.DataFrame(features, index=rows.index, dtype="float64")


def save_categories(categories: dict[str, list[str]], folder: Path) -> None:
    """Write what `predict.py` needs to build the same features."""
    (folder / "categories.json").write_text(json.dumps(categories))


def load_categories(folder: Path) -> dict[str, list[str]]:
    """Read what `save_categories` wrote."""
    return json.loads((folder / "categories.json").read_text())
