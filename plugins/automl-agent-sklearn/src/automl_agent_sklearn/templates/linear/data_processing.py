"""Categories become a column each, numbers are filled and scaled, dates are taken apart.

Rare categories share a column, and one that training did not see falls into it. A missing number is
replaced by the median and marked in a column of its own.
"""

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler

# Columns for a category, the common one included; more have too few rows each.
MAX_CATEGORIES = 200
# What recurs has no straight line, so each month, weekday and hour is a category.
RECURRING_PARTS = ("month", "dayofweek", "hour")
MAX_QUANTILES = 1000
# Larger numbers overflow when they are squared or kept as float32; they count as missing.
LARGEST_NUMBER = 1e30


def split_columns(rows: pd.DataFrame, columns: list[dict]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The columns that are numbers, float64, and those that are categories, str."""
    numbers, categories = {}, {}
    for column in columns:
        series, name = rows[column["id"]], column["id"]
        if column["role"] == "categorical":
            categories[name] = text_cells(series)
        elif column["role"] == "datetime":
            numbers[name] = (series - pd.Timestamp(0)).dt.total_seconds()
            for part in RECURRING_PARTS:
                categories[f"{name}_{part}"] = text_cells(getattr(series.dt, part))
        else:
            numbers[name] = series.astype("float64")
    frame = pd.DataFrame(numbers, index=rows.index)
    return frame.where(frame.abs() < LARGEST_NUMBER), pd.DataFrame(categories, index=rows.index)


def text_cells(series: pd.Series) -> pd.Series:
    """Each cell as text, missing ones as ""."""
    return series.astype("object").where(series.notna(), "").astype(str).astype("object")


def fit_filling(rows: pd.DataFrame, columns: list[dict]) -> dict[str, dict[str, float]]:
    """The median of each number column, 0 if it is empty; and of those with missing cells alone."""
    numbers, _ = split_columns(rows, columns)
    medians = numbers.median().fillna(0.0)
    return {"medians": medians.to_dict(), "marked": medians[numbers.isna().any()].to_dict()}


def fill_columns(rows: pd.DataFrame, columns: list[dict], filling: dict) -> pd.DataFrame:
    """Numbers without gaps, marks where there were gaps, categories."""
    numbers, categories = split_columns(rows, columns)
    marks = numbers[list(filling["marked"])].isna().add_suffix("_missing").astype("float64")
    return pd.concat([numbers.fillna(filling["medians"]), marks, categories], axis=1)


def build_transformer(
    filled: pd.DataFrame, filling: dict, settings: dict, seed: int
) -> ColumnTransformer:
    """What turns filled columns into the model's input, not yet fitted."""
    encoder = OneHotEncoder(
        min_frequency=settings["min_category_rows"],
        max_categories=MAX_CATEGORIES,
        handle_unknown="infrequent_if_exist",
    )
    scaler = StandardScaler()
    if settings["numbers"] == "ranks":
        # Ranks as a normal distribution has them: a long tail becomes as short as any other.
        n_quantiles = min(MAX_QUANTILES, len(filled))
        ranks = QuantileTransformer(
            n_quantiles=n_quantiles, output_distribution="normal", random_state=seed
        )
        scaler = make_pipeline(ranks, scaler)
    categories = filled.select_dtypes(exclude="number").columns.tolist()
    return ColumnTransformer(
        [("categories", encoder, categories), ("numbers", scaler, list(filling["medians"]))],
        remainder="passthrough",
    )
