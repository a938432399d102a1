"""Numbers, booleans and dates become float columns; a category becomes one number.

That number says how the target is where the category is, against all rows: the difference of the
means, shrunken by the number of rows. With several classes it is the main direction in which the
categories' class shares differ. A training row's number comes from the other folds, so that it does
not betray the row's own label.

Sources: Pargent et al. 2022, arXiv 2104.00629; the direction: Wright and König 2019, PeerJ 7:e6339.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

N_FOLDS = 5
# A category of so many rows is believed by half.
SHRINKAGE_ROWS = 10
DATE_PARTS = ("year", "month", "day", "dayofweek", "hour")
# The trees hold numbers as float32; larger ones count as missing.
LARGEST_NUMBER = 1e38


def target_columns(labels: pd.Series, n_classes: int | None) -> pd.DataFrame:
    """A column for each class, 0 or 1, shape (n, n_classes); or the values, shape (n, 1)."""
    if n_classes is None:
        return labels.to_frame()
    one_hot = labels.to_numpy()[:, None] == np.arange(n_classes)
    return pd.DataFrame(one_hot.astype("float64"), index=labels.index)


def text_cells(series: pd.Series) -> pd.Series:
    """Each cell as text; "missing" is a category too, written ""."""
    return series.astype("object").where(series.notna(), "")


def shrunken_differences(cells: pd.Series, targets: pd.DataFrame) -> pd.DataFrame:
    """For each category, how its rows' mean target differs from the mean of all rows."""
    grouped = (targets - targets.mean()).groupby(cells)
    return grouped.sum().div(grouped.size() + SHRINKAGE_ROWS, axis=0)


def main_direction(differences: pd.DataFrame, n_rows: pd.Series) -> np.ndarray:
    """The direction in which the categories differ most, shape (n_targets,), unit length."""
    scatter = differences.T.mul(n_rows) @ differences
    return np.linalg.eigh(scatter.to_numpy())[1][:, -1]


def fit_categories(
    rows: pd.DataFrame, job: dict
) -> tuple[dict[str, dict[str, float]], pd.DataFrame]:
    """The number of each category, for new rows; and those of the training rows, out of fold."""
    targets = target_columns(rows["target"], job["n_classes"])
    folds = np.random.default_rng(job["seed"]).permutation(len(rows)) % N_FOLDS
    numbers, out_of_fold = {}, pd.DataFrame(index=rows.index)
    for column in job["columns"]:
        if column["role"] != "categorical":
            continue
        name, cells = column["id"], text_cells(rows[column["id"]])
        differences = shrunken_differences(cells, targets)
        direction = main_direction(differences, cells.value_counts())
        numbers[name] = (differences @ direction).to_dict()
        out_of_fold[name] = 0.0
        for fold in range(N_FOLDS):
            others = shrunken_differences(cells[folds != fold], targets[folds != fold])
            known = cells[folds == fold].map((others @ direction).to_dict())
            out_of_fold.loc[folds == fold, name] = known.fillna(0.0)
    return numbers, out_of_fold


def build_features(
    rows: pd.DataFrame, columns: list[dict], numbers: dict[str, dict[str, float]]
) -> pd.DataFrame:
    """The columns as the trees take them: float32, missing cells NaN.

    A category that training did not see has the number 0: there the target is as it is anywhere.
    """
    features = {}
    for column in columns:
        series, name = rows[column["id"]], column["id"]
        if column["role"] == "categorical":
            features[name] = text_cells(series).map(numbers[name]).fillna(0.0)
        elif column["role"] == "datetime":
            features[name] = (series - pd.Timestamp(0)).dt.total_seconds()
            for part in DATE_PARTS:
                features[f"{name}_{part}"] = getattr(series.dt, part)
        else:
            features[name] = series.where(series.abs() < LARGEST_NUMBER)
    return pd.DataFrame(features, index=rows.index, dtype="float32")


def save_categories(numbers: dict[str, dict[str, float]], folder: Path) -> None:
    """Write what `predict.py` needs to build the same features."""
    (folder / "categories.json").write_text(json.dumps(numbers))


def load_categories(folder: Path) -> dict[str, dict[str, float]]:
    """Read what `save_categories` wrote."""
    return json.loads((folder / "categories.json").read_text())
