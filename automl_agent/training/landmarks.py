"""Landmarks: how far small, quick models get, which says more of a data set than its sizes do.

Source: Pfahringer, Bensusan and Giraud-Carrier 2000, "Meta-learning by landmarking various learning
algorithms".
"""

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from automl_agent.cards.data_card import DataCard
from automl_agent.training.dataset import TARGET, Dataset

if TYPE_CHECKING:
    from numpy import ndarray as Array
    from pandas import DataFrame, Series

# Enough to tell an easy table from a hard one, in well under a second.
_MAX_TRAIN_ROWS = 2_000
_MAX_VALID_ROWS = 2_000
_MAX_COLUMNS = 100
_MAX_ONE_HOT = 10
# So much of each predicted probability is the classes' shares: a model that is sure and wrong once
# would otherwise have a loss that says nothing else.
_PRIOR_SHARE = 0.02
_SEED = 0


def add_landmarks(card: DataCard, dataset: Dataset) -> DataCard:
    """The card with what small models gain, as further statistics `landmark_…`.

    A gain is 1 - loss / loss of a constant prediction (log loss or RMSE), of models fitted on
    training rows and scored on validation rows: 0 is useless, 1 is perfect. Held-out rows are not
    looked at. A model that cannot be fitted is left out.
    """
    if card.input_type != "tabular":
        return card
    train, valid = _read_part(dataset, "train"), _read_part(dataset, "valid")
    measured = _measure(card, train, valid)
    return replace(card, statistics={**(card.statistics or {}), **measured})


def _read_part(dataset: Dataset, part: str) -> "DataFrame":
    import pandas as pd

    rows = pd.read_parquet(dataset.folder / f"{part}.parquet")
    limit = _MAX_TRAIN_ROWS if part == "train" else _MAX_VALID_ROWS
    return rows.sample(limit, random_state=_SEED) if len(rows) > limit else rows


def _measure(card: DataCard, train: "DataFrame", valid: "DataFrame") -> dict[str, float]:
    x_train, x_valid = _encode(card, train, valid)
    y_train, y_valid = train[TARGET].to_numpy(), valid[TARGET].to_numpy()
    half = len(x_train) // 2
    measured = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a landmark that has not converged is still one
        for name, make in _models(card).items():
            n_rows = half if name.endswith("half") else len(x_train)
            try:
                predict = _fit(make(), x_train[:n_rows], y_train[:n_rows], card.n_classes)
                gain = _gain(y_train, y_valid, predict(x_valid), card.n_classes)
            except (ValueError, ArithmeticError, MemoryError):
                continue  # for example, all rows of the half are of one class
            measured[f"landmark_{name}"] = round(max(-1.0, gain), 4)
    return measured


def _models(card: DataCard) -> dict[str, Callable[[], Any]]:
    from sklearn import ensemble, linear_model, neighbors, tree

    if card.n_classes is None:
        return {
            "tree": lambda: tree.DecisionTreeRegressor(max_leaf_nodes=16, random_state=_SEED),
            "linear": lambda: linear_model.Ridge(),
            "neighbours": lambda: neighbors.KNeighborsRegressor(15),
            "forest": lambda: ensemble.ExtraTreesRegressor(30, random_state=_SEED),
            "forest_half": lambda: ensemble.ExtraTreesRegressor(30, random_state=_SEED),
        }
    return {
        "tree": lambda: tree.DecisionTreeClassifier(max_leaf_nodes=16, random_state=_SEED),
        "linear": lambda: linear_model.LogisticRegression(max_iter=100),
        "neighbours": lambda: neighbors.KNeighborsClassifier(15),
        "forest": lambda: ensemble.ExtraTreesClassifier(30, min_samples_leaf=2, random_state=_SEED),
        "forest_half": lambda: ensemble.ExtraTreesClassifier(
            30, min_samples_leaf=2, random_state=_SEED
        ),
    }


def _fit(model: Any, x: "Array", y: "Array", n_classes: int | None) -> "Callable[[Array], Array]":
    """Fits a model; returns how it predicts: values (n,) or probabilities (n, n_classes)."""
    import numpy as np

    model.fit(x, y)
    if n_classes is None:
        return model.predict  # type: ignore[no-any-return]

    def predict(rows: "Array") -> "Array":
        probabilities = np.zeros((len(rows), n_classes))
        probabilities[:, model.classes_.astype(int)] = model.predict_proba(rows)
        return probabilities

    return predict


def _gain(y_train: "Array", y_valid: "Array", predicted: "Array", n_classes: int | None) -> float:
    import numpy as np

    if n_classes is None:
        chance = float(np.sqrt(np.mean((y_valid - y_train.mean()) ** 2)))
        return 1 - float(np.sqrt(np.mean((y_valid - predicted) ** 2))) / chance if chance else 0.0
    labels = y_valid.astype(int)
    counts = np.bincount(y_train.astype(int), minlength=n_classes) + 0.5  # a class may be missing
    prior = counts / counts.sum()
    mixed = (1 - _PRIOR_SHARE) * predicted + _PRIOR_SHARE * prior
    loss = -np.log(mixed[np.arange(len(labels)), labels]).mean()
    return 1 - float(loss / -np.log(prior[labels]).mean())


def _encode(card: DataCard, train: "DataFrame", valid: "DataFrame") -> "tuple[Array, Array]":
    """Standardised numbers, (n_train, n_columns) and (n_valid, n_columns) of the same columns."""
    import numpy as np

    parts = [
        _encode_column(train[f"c{index}"], valid[f"c{index}"], column.role)
        for index, column in enumerate(card.features[:_MAX_COLUMNS])
    ]
    x_train = np.column_stack([part[0] for part in parts])
    x_valid = np.column_stack([part[1] for part in parts])
    mean, scale = x_train.mean(axis=0), x_train.std(axis=0)
    scale[scale == 0] = 1
    return (x_train - mean) / scale, (x_valid - mean) / scale


def _encode_column(train: "Series", valid: "Series", role: str) -> "tuple[Array, Array]":
    """A column as numbers; one-hot for the frequent categories."""
    import numpy as np

    if role == "categorical":
        frequent = train.value_counts().index[:_MAX_ONE_HOT]
        both = [np.column_stack([part == value for value in frequent]) for part in (train, valid)]
        return both[0].astype("float64"), both[1].astype("float64")
    first, second = (_to_numbers(part) for part in (train, valid))
    known = first[np.isfinite(first)]
    median = np.median(known) if len(known) else 0.0
    return np.where(np.isfinite(first), first, median), np.where(
        np.isfinite(second), second, median
    )


def _to_numbers(series: "Series") -> "Array":
    """A number, boolean or time as float64; missing is NaN."""
    import numpy as np
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(series):
        seconds = series.astype("int64").to_numpy().astype("float64")
        return np.where(series.isna(), np.nan, seconds)
    return pd.to_numeric(series, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
