"""Fits the four tabular experts with given settings, stopping early where they can."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np
import xgboost
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    StandardScaler,
)
from tuning_tables import Array, Parts, Table, Task

Settings: TypeAlias = Mapping[str, float | str | Sequence[float]]

N_THREADS = 2
# High enough that nearly every fit is ended by early stopping instead.
MAX_ROUNDS = 3000
PATIENCE_ROUNDS = 50


@dataclass(frozen=True)
class Fitted:
    """What a fit gives: the holdout prediction, (rows, classes) or (rows,), and its cost.

    n_rounds: boosting rounds that are kept, 0 where there is no boosting.
    """

    prediction: Array
    time_s: float
    n_rounds: int = 0


def compute_score(table: Table, prediction: Array) -> float:
    """Log loss or RMSE: lower is better."""
    if table.task == "regression":
        return float(root_mean_squared_error(table.target, prediction))
    return float(log_loss(table.target, prediction, labels=np.arange(prediction.shape[1])))


def predict_chance(parts: Parts) -> Array:
    y = np.concatenate([parts.fit.target, parts.stop.target])
    if parts.task == "regression":
        return np.full(len(parts.score.target), y.mean())
    return np.tile(class_frequencies(y, parts.n_classes), (len(parts.score.target), 1))


def class_frequencies(y: Array, n_classes: int) -> Array:
    return np.bincount(y.astype(np.int64), minlength=n_classes) / len(y)


def fit_xgboost(settings: Settings, parts: Parts, seed: int) -> Fitted:
    started = time.perf_counter()
    fitting = xgboost.QuantileDMatrix(parts.fit.features, parts.fit.target, enable_categorical=True)
    stopping = xgboost.QuantileDMatrix(
        parts.stop.features, parts.stop.target, ref=fitting, enable_categorical=True
    )
    booster = xgboost.train(
        {"tree_method": "hist", "nthread": N_THREADS, "seed": seed, **objective(parts), **settings},
        fitting,
        MAX_ROUNDS,
        evals=[(stopping, "stop")],
        early_stopping_rounds=PATIENCE_ROUNDS,
        verbose_eval=False,
    )
    time_s = time.perf_counter() - started
    n_rounds = booster.best_iteration + 1
    scoring = xgboost.DMatrix(parts.score.features, enable_categorical=True)
    raw = booster.predict(scoring, iteration_range=(0, n_rounds)).astype(np.float64)
    return Fitted(as_probabilities(raw, parts.task), time_s, n_rounds)


def objective(parts: Parts) -> dict[str, object]:
    if parts.task == "regression":
        return {"objective": "reg:squarederror", "eval_metric": "rmse"}
    if parts.task == "binary":
        return {"objective": "binary:logistic", "eval_metric": "logloss"}
    return {"objective": "multi:softprob", "eval_metric": "mlogloss", "num_class": parts.n_classes}


def as_probabilities(raw: Array, task: Task) -> Array:
    if task == "regression":
        return raw
    if task == "binary":
        return np.column_stack([1 - raw, raw])
    # float32 rows do not add up to one closely enough for scikit-learn's log loss.
    probabilities: Array = raw / raw.sum(axis=1, keepdims=True)
    return probabilities


def fit_hist_gradient_boosting(settings: Settings, parts: Parts, seed: int) -> Fitted:
    is_regression = parts.task == "regression"
    estimator = HistGradientBoostingRegressor if is_regression else HistGradientBoostingClassifier
    started = time.perf_counter()
    model = estimator(
        max_iter=MAX_ROUNDS,
        early_stopping=True,
        n_iter_no_change=PATIENCE_ROUNDS,
        random_state=seed,
        **settings,
    ).fit(parts.fit.features, parts.fit.target, X_val=parts.stop.features, y_val=parts.stop.target)
    time_s = time.perf_counter() - started
    # The trees after the best round stay in the model. Entry 0 is the score before round 1.
    n_rounds = max(1, int(np.argmax(model.validation_score_)))
    predict = model.staged_predict if is_regression else model.staged_predict_proba
    stages = predict(parts.score.features)
    return Fitted(next(islice(stages, n_rounds - 1, None)), time_s, n_rounds)


def fit_extra_trees(settings: Settings, parts: Parts, seed: int) -> Fitted:
    """The class frequencies vote like `prior_trees` further trees, so that no class gets 0."""
    own = {"encoding", "prior_trees"}
    arguments = {key: value for key, value in settings.items() if key not in own}
    estimator = ExtraTreesRegressor if parts.task == "regression" else ExtraTreesClassifier
    forest = estimator(n_jobs=N_THREADS, random_state=seed, **arguments)
    started = time.perf_counter()
    model = make_pipeline(encode_for_trees(str(settings["encoding"])), forest)
    model.fit(parts.fit.features, parts.fit.target)
    time_s = time.perf_counter() - started
    prediction: Array = model.predict(parts.score.features)
    if parts.task == "regression":
        return Fitted(prediction, time_s)
    votes = model.predict_proba(parts.score.features)
    prior = np.tile(class_frequencies(parts.fit.target, parts.n_classes), (len(votes), 1))
    weights = np.array([settings["n_estimators"], settings["prior_trees"]], dtype=np.float64)
    return Fitted(np.average([votes, prior], axis=0, weights=weights), time_s)


def encode_for_trees(encoding: str) -> ColumnTransformer:
    """Categories as "codes" or "one-hot"; numbers stay as they are, missing ones too."""
    encoders = {
        "codes": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
        "one-hot": OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    }
    categories = make_column_selector(dtype_include="category")
    return ColumnTransformer([("c", encoders[encoding], categories)], remainder="passthrough")


def fit_linear(settings: Settings, parts: Parts, seed: int) -> Fitted:
    """Logistic or ridge regression; of several `alpha` the best on the stopping rows."""
    started = time.perf_counter()
    encoder = encode_for_linear(str(settings["numeric"]), len(parts.fit.target), seed)
    x_fit = encoder.fit_transform(parts.fit.features)
    x_stop = encoder.transform(parts.stop.features)
    models = [
        make_linear(parts.task, alpha).fit(x_fit, parts.fit.target)
        for alpha in np.atleast_1d(settings["alpha"])
    ]
    scores = [compute_score(parts.stop, predict_linear(model, x_stop)) for model in models]
    time_s = time.perf_counter() - started
    best = models[int(np.argmin(scores))]
    return Fitted(predict_linear(best, encoder.transform(parts.score.features)), time_s)


def make_linear(task: Task, alpha: float) -> LogisticRegression | Ridge:
    """`alpha` weighs the squared coefficients against the loss summed over the rows."""
    if task == "regression":
        return Ridge(alpha=alpha)
    return LogisticRegression(C=1 / alpha, max_iter=2000)


def predict_linear(model: LogisticRegression | Ridge, x: Array) -> Array:
    prediction: Array = model.predict(x) if isinstance(model, Ridge) else model.predict_proba(x)
    return prediction


def encode_for_linear(numeric: str, n_rows: int, seed: int) -> ColumnTransformer:
    """One-hot categories; imputed numbers in "standard" units or mapped to "normal" quantiles."""
    n_quantiles = min(n_rows, 1000)
    scalers = {
        "standard": StandardScaler(),
        "normal": QuantileTransformer(
            n_quantiles=n_quantiles, output_distribution="normal", random_state=seed
        ),
    }
    imputer = SimpleImputer(strategy="median", add_indicator=True)
    numbers = make_pipeline(imputer, scalers[numeric]), make_column_selector(dtype_include="number")
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    categories = one_hot, make_column_selector(dtype_include="category")
    return ColumnTransformer([("numbers", *numbers), ("categories", *categories)])


FITTERS: Mapping[str, Callable[[Settings, Parts, int], Fitted]] = {
    "xgboost": fit_xgboost,
    "hist-gradient-boosting": fit_hist_gradient_boosting,
    "extra-trees": fit_extra_trees,
    "linear": fit_linear,
}
