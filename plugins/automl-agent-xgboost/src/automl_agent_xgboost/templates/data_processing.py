"""Numbers, booleans and dates become float columns, categories become XGBoost's native ones.

A category that training did not have, and one that only single rows have, counts as missing.
"""

import json
from pathlib import Path

import pandas as pd

# Categories beyond the most frequent ones have too few rows each to learn from.
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
    """The columns as the booster takes them: float64 or categorical."""
    features = {}
    for column in columns:
        series, name = rows[column["id"]], column["id"]
        if column["role"] == "categorical":
            features[name] = pd.Categorical(series, categories=categories[name])
        elif column["role"] == "datetime":
            features[name] = seconds_since_1970(series)
            for part in DATE_PARTS:
                features[f"{name}_{part}"] = getattr(series.dt, part)
        else:
            features[name] = series.astype("float64")
    return pd.DataFrame(features, index=rows.index)


def seconds_since_1970(times: pd.Series) -> pd.Series:
    """Times as float seconds, missing ones as NaN."""
    return (times - pd.Timestamp(0)).dt.total_seconds()


def save_categories(categories: dict[str, list[str]], folder: Path) -> None:
    """Write what `predict.py` needs to build the same features."""
    (folder / "categories.json").write_text(json.dumps(categories))


def load_categories(folder: Path) -> dict[str, list[str]]:
    """Read what `save_categories` wrote."""
    return json.loads((folder / "categories.json").read_text())
