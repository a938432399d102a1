"""What a library's own defaults reach on the tables of `transfer.py`, as a peer of our settings.

    python benchmarks/knowledge/library_defaults.py --tables WHEELS --trainings LINES.jsonl \
        --transfer TRANSFER.json --output FILE.json

What somebody would pick who does not tune: for each expert its library's estimator, called with no
argument but the seed, on the same training rows, scored on the same held-out rows. Categories are
native where the library has them, else numbered (extra trees) or one-hot (linear); the linear model
has standardised numbers and missing ones filled by medians. Regret is `transfer.py`'s, of our list
of settings: 0 is the list's best, 1 its median. Extra trees give some classes a probability of 0,
which log loss punishes without end: medians, and means of regrets cut at 5, are told beside means.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from bootstrap import compare_pairs, print_table, summarise
from flaml_zero_shot import find_seeds, read_transfer
from resumable import append, read_done
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from train import Unit, _prepare, _Workbench
from transfer import Measured, read_measured
from xgboost import XGBClassifier, XGBRegressor

from automl_agent.agent import load_all_plugins
from automl_agent.cards.metric import Metric
from automl_agent.plugins import Plugins
from automl_agent.training.scoring import score_predictions

Array = npt.NDArray[np.floating[Any]]
# Of more categories than it has bins, scikit-learn's boosting takes no feature.
_MAX_CATEGORIES = 255
_CUT = 5.0
_OURS = ("default", "zero_shot", "4_trials")


def number_categories() -> ColumnTransformer:
    """Categories as numbers, those that were not seen as missing; numbers as they are."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    categories = make_column_selector(dtype_include="category")
    return ColumnTransformer([("categories", encoder, categories)], remainder="passthrough")


def encode_for_linear() -> ColumnTransformer:
    """Categories one-hot; numbers imputed and standardised."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    return ColumnTransformer(
        [
            ("numbers", numbers, make_column_selector(dtype_include="number")),
            (
                "categories",
                OneHotEncoder(handle_unknown="ignore"),
                make_column_selector(dtype_include="category"),
            ),
        ]
    )


def make_xgboost(features: pd.DataFrame, *, is_regression: bool, seed: int) -> BaseEstimator:
    del features
    estimator = XGBRegressor if is_regression else XGBClassifier
    return estimator(enable_categorical=True, random_state=seed)


def make_hist_boosting(features: pd.DataFrame, *, is_regression: bool, seed: int) -> BaseEstimator:
    estimator = HistGradientBoostingRegressor if is_regression else HistGradientBoostingClassifier
    categories = features.select_dtypes("category")
    if any(len(categories[name].cat.categories) > _MAX_CATEGORIES for name in categories):
        return make_pipeline(number_categories(), estimator(random_state=seed))
    return estimator(random_state=seed)


def make_extra_trees(features: pd.DataFrame, *, is_regression: bool, seed: int) -> BaseEstimator:
    del features
    estimator = ExtraTreesRegressor if is_regression else ExtraTreesClassifier
    return make_pipeline(number_categories(), estimator(random_state=seed))


def make_linear(features: pd.DataFrame, *, is_regression: bool, seed: int) -> BaseEstimator:
    del features
    model = Ridge() if is_regression else LogisticRegression(random_state=seed)
    return make_pipeline(encode_for_linear(), model)


MAKERS: Mapping[str, Callable[..., BaseEstimator]] = {
    "xgboost": make_xgboost,
    "extra-trees": make_extra_trees,
    "linear": make_linear,
    "hist-gradient-boosting": make_hist_boosting,
}


def fit(name: str, bench: _Workbench) -> Array:
    """Predictions of the held-out rows, (n_rows,) or (n_rows, n_classes)."""
    train = pd.read_parquet(bench.dataset.folder / "train.parquet")
    holdout = pd.read_parquet(bench.dataset.folder / "holdout_features.parquet")
    labels = train.pop("target")
    for column in train:
        if not pd.api.types.is_numeric_dtype(train[column]):
            known = sorted(train[column].dropna().unique())
            train[column] = pd.Categorical(train[column], known)
            seen = holdout[column].where(holdout[column].isin(known))
            holdout[column] = pd.Categorical(seen, known)
    is_regression = bench.card.task == "regression"
    model = MAKERS[name](train, is_regression=is_regression, seed=bench.seed)
    model.fit(train, labels)
    if is_regression:
        values: Array = model.predict(holdout)
        return values
    shares = np.zeros((len(holdout), bench.card.n_classes or 0))
    shares[:, np.asarray(model.classes_, dtype=int)] = model.predict_proba(holdout)
    normalised: Array = shares / shares.sum(axis=1, keepdims=True)
    return normalised


def train_missing(
    tables: Sequence[tuple[str, Measured]], options: argparse.Namespace, plugins: Plugins
) -> None:
    """Append what is missing to the lines."""
    done = {(d["expert"], d["table"], d["seed"]) for d in read_done(options.trainings)}
    for expert, measured in tables:
        for seed in find_seeds(measured.table, expert):
            if (expert, measured.table.name, seed) in done:
                continue
            with tempfile.TemporaryDirectory() as folder:
                unit = Unit(measured.table, seed, ())
                bench = _prepare(unit, options.tables, Path(folder), plugins)
                predictions = fit(expert, bench)
            metric = plugins.metrics[measured.known.card.metric]
            score = score_predictions(metric, bench.dataset.holdout_labels, predictions)
            line = {"expert": expert, "table": measured.table.name, "seed": seed, "score": score}
            print(line, file=sys.stderr)
            append(options.trainings, line)


def judge(
    expert: str,
    tables: Sequence[Measured],
    lines: Sequence[Mapping[str, Any]],
    ours: Mapping[str, Mapping[str, float]],
    metrics: Mapping[str, Metric],
) -> dict[str, Any]:
    """Regrets of the library's defaults beside ours. ours: rows of `transfer.py` by table."""
    rows = []
    for measured in tables:
        name = measured.table.name
        own = [d["score"] for d in lines if d["expert"] == expert and d["table"] == name]
        if len(own) != len(measured.holdout) or name not in ours:
            continue
        loss = float(np.mean([metrics[measured.known.card.metric].loss(score) for score in own]))
        regrets = {"library": float(measured.regret(loss))}
        rows.append({"table": name, **regrets, **{key: ours[name][key] for key in _OURS}})
    return {"expert": expert, "tables": rows, "summary": summarise_rows(rows)}


def summarise_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    columns = {key: np.array([row[key] for row in rows]) for key in ("library", *_OURS)}
    cut = {key: np.minimum(values, _CUT) for key, values in columns.items()}
    return {
        "regrets": {key: summarise(values) for key, values in columns.items()},
        f"regrets cut at {_CUT:g}": {key: summarise(values) for key, values in cut.items()},
        f"differences cut at {_CUT:g}": {
            f"{key} less library": compare_pairs(cut[key], cut["library"]) for key in _OURS
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", type=Path, required=True, help="folder with the two wheels")
    parser.add_argument("--trainings", type=Path, required=True, help="lines to go on with")
    parser.add_argument("--transfer", type=Path, required=True, help="what transfer.py wrote")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    plugins = load_all_plugins()
    metrics = dict(plugins.metrics)
    measured = {name: read_measured(plugins.experts[name].card, metrics) for name in MAKERS}
    train_missing([(n, one) for n, found in measured.items() for one in found], options, plugins)
    lines, ours = read_done(options.trainings), read_transfer(options.transfer)
    results = [
        judge(name, tables, lines, ours.get(name, {}), metrics) for name, tables in measured.items()
    ]
    if options.output:
        options.output.write_text(json.dumps(results, indent=1), encoding="utf-8")
    for found in results:
        for title, table in found["summary"].items():
            print_table(table, f"{found['expert']}, {title}")


if __name__ == "__main__":
    main()
