"""FLAML's zero-shot settings on the tables of `transfer.py`, as a peer of our own zero-shot.

    pip install --no-deps --target DIR flaml==2.8.0
    python benchmarks/knowledge/flaml_zero_shot.py --tables WHEELS --flaml DIR \
        --trainings LINES.jsonl --output FILE.json --transfer TRANSFER.json

`flaml.default` has a portfolio of settings for each learner and names for a table the one that did
best on the nearest of its own tables, by four meta-features (rows, columns, classes, share of
numbers). It is asked with the training rows of each split, and what it names is trained on the same
rows and scored on the same held-out rows as our settings. Regret is `transfer.py`'s, of our list of
settings: 0 is the list's best, 1 its median, and FLAML can be below 0 as well as above 1.

`xgboost-stopped`: of FLAML's `xgboost` and `xgb_limitdepth` the one that it prefers, through our
expert's scripts in the process sandbox, with its number of trees as the limit and our early
stopping. XGBoost's parameters have the same names in both; `reg_alpha`, `colsample_bylevel` and
`max_depth` are in no search space of ours, but the scripts pass them on. `xgboost-all`: the same
without early stopping, as FLAML itself would train it on these rows; the validation rows are not
used. `extra-trees`: our script sets `max_leaf_nodes` itself, so scikit-learn is called directly,
with the features that our expert's script makes and its correction of probabilities, and FLAML's
number of trees, up to 2,047 where our expert has 100. Categories are our expert's in all three:
native for XGBoost, means of the target for forests; FLAML itself would number them.

Three things favour FLAML: its portfolio was made from tables of OpenML, of which some are ours too
by their names (the wheel lists those whose best setting is in a portfolio), while we leave a table
out with its family; it may use settings outside our search space; and more trees. One may not: the
wheel does not say which loss its settings were chosen by, and its tables are larger than ours.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from bootstrap import compare_pairs, print_table, summarise
from pack import find_complete
from resumable import append, read_done
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from tables import Table
from train import RESOURCES, SPLITS, TRAININGS, Unit, _prepare, _Workbench, read_lines
from transfer import Measured, read_measured

from automl_agent.agent import load_all_plugins
from automl_agent.cards.metric import Metric
from automl_agent.cards.model_card import Value
from automl_agent.plugins import Plugins
from automl_agent.sandboxes.process import ProcessSandbox
from automl_agent.training.batch import Batch, link_data
from automl_agent.training.job import Job
from automl_agent.training.scoring import COMPANIONS, score_predictions
from automl_agent.training.training_log import read_predictions

Predictions = npt.NDArray[np.floating[Any]]
KINDS = {
    "binary_classification": "binary",
    "multiclass_classification": "multiclass",
    "regression": "regression",
}
# FLAML's portfolios have one member without any setting: the defaults of the library.
LIBRARY_BOOSTED = {"n_estimators": 100, "max_depth": 6, "learning_rate": 0.3}
# One training, on a busy machine; a training that is cut is told in the report.
TIME_LIMIT_S = 240.0
_COLUMNS = ("default", "zero_shot", "shuffled_zero_shot")


@dataclass(frozen=True)
class Suggestion:
    """What FLAML names for a table. learner: FLAML's name for it."""

    learner: str
    settings: Mapping[str, Value]


@dataclass(frozen=True)
class Peer:
    """One way to use FLAML. estimators: FLAML may choose among them. expert: ours beside it."""

    name: str
    estimators: tuple[str, ...]
    expert: str
    train: Callable[[_Workbench, Suggestion], Predictions]


def suggest(flaml: ModuleType, estimators: Sequence[str], bench: _Workbench) -> Suggestion:
    """FLAML's first setting for the training rows of a divided table."""
    rows = pd.read_parquet(bench.dataset.folder / "train.parquet")
    kind, features, labels = KINDS[bench.card.task], rows.drop(columns="target"), rows["target"]
    learner = estimators[0]
    if len(estimators) > 1:
        learner = flaml.suggest_learner(kind, features, labels, estimator_list=list(estimators))
    config = flaml.suggest_config(kind, features, labels, learner, k=1)[0]
    return Suggestion(learner, config["hyperparameters"])


def map_boosted(suggestion: Suggestion) -> tuple[dict[str, Value], int]:
    """The parameters of `xgboost.train`, and the number of rounds."""
    settings = dict(suggestion.settings or LIBRARY_BOOSTED)
    n_rounds = int(settings.pop("n_estimators"))
    if suggestion.learner == "xgb_limitdepth":
        settings["grow_policy"] = "depthwise"
    return settings, n_rounds


def map_forest(suggestion: Suggestion, task: str) -> dict[str, Value]:
    """The arguments of scikit-learn's extra trees; a criterion of classes is none of values."""
    settings = dict(suggestion.settings)
    if "max_leaves" in settings:
        settings["max_leaf_nodes"] = settings.pop("max_leaves")
    if task == "regression":
        settings.pop("criterion", None)
    return settings


def train_stopped(bench: _Workbench, suggestion: Suggestion) -> Predictions:
    return _train_boosted(bench, suggestion, valid="data/valid.parquet")


def train_all_rounds(bench: _Workbench, suggestion: Suggestion) -> Predictions:
    return _train_boosted(bench, suggestion, valid=None)


def _train_boosted(bench: _Workbench, suggestion: Suggestion, *, valid: str | None) -> Predictions:
    settings, n_rounds = map_boosted(suggestion)
    files = {"train": "data/train.parquet", "predict": "data/both_features.parquet"}
    job = _make_job(bench, settings, {**files, "valid": valid}, n_rounds)
    folder = bench.work / "xgboost"
    link_data(bench.dataset.folder, folder / "in" / "data")
    batch = Batch(bench._make_plan("xgboost"), ProcessSandbox(), folder)
    try:
        batch.wait_until_warm()
        end = batch.run(job, kill_after_s=2 * TIME_LIMIT_S)
        if end.status != "ok":
            raise RuntimeError(f"The training ended as {end.status}.")
        return _read(bench, end.folder / "predictions.npy")
    finally:
        batch.close()
        batch.discard()


def train_forest(bench: _Workbench, suggestion: Suggestion) -> Predictions:
    """Scikit-learn's extra trees on the features of our expert's script."""
    plan = bench._make_plan("extra-trees")
    processing, model = (
        _load_script(bench.work / name, plan.scripts[name])
        for name in ("data_processing.py", "model.py")
    )
    job = _make_job(bench, {}, {"train": None, "valid": None, "predict": None}).to_json("forest")
    train = pd.read_parquet(bench.dataset.folder / "train.parquet")
    numbers, out_of_fold = processing.fit_categories(train, job)
    features = processing.build_features(train, job["columns"], numbers)
    features[out_of_fold.columns] = out_of_fold.astype("float32")
    is_regression = bench.card.task == "regression"
    estimator = ExtraTreesRegressor if is_regression else ExtraTreesClassifier
    forest = estimator(**map_forest(suggestion, bench.card.task), random_state=bench.seed)
    forest.fit(features, train["target"])
    rows = pd.read_parquet(bench.dataset.folder / "both_features.parquet")
    wanted = processing.build_features(rows, job["columns"], numbers)
    predictions: Predictions = model.predict_rows(forest, wanted, job)
    return predictions


def _load_script(path: Path, text: str) -> ModuleType:
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"extra_trees_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _make_job(
    bench: _Workbench,
    settings: Mapping[str, Value],
    files: Mapping[str, str | None],
    n_steps: int | None = None,
) -> Job:
    return Job(
        script="train.py",
        card=bench.card,
        settings=settings,
        resources=RESOURCES,
        seed=bench.seed,
        time_limit_s=TIME_LIMIT_S,
        data=files,
        n_steps=n_steps,
    )


def _read(bench: _Workbench, path: Path) -> Predictions:
    n_rows = len(bench.dataset.valid_labels) + len(bench.dataset.holdout_labels)
    predictions: Predictions = read_predictions(path, n_rows=n_rows, n_classes=bench.card.n_classes)
    return predictions


PEERS = (
    Peer("xgboost-stopped", ("xgb_limitdepth", "xgboost"), "xgboost", train_stopped),
    Peer("extra-trees", ("extra_tree",), "extra-trees", train_forest),
    Peer("xgboost-all", ("xgb_limitdepth", "xgboost"), "xgboost", train_all_rounds),
)


def find_seeds(table: Table, expert: str) -> list[int]:
    """The splits of a table that have every setting of an expert, as `read_measured` takes them."""
    found = []
    for seed, _ in SPLITS:
        lines = read_lines(Unit(table, seed, ()).path(TRAININGS))
        split = {(d["expert"], d["number"]): d for d in lines if d.get("status") == "ok"}
        if find_complete([split], expert):
            found.append(seed)
    return found


def train_missing(
    peer: Peer, measured: Measured, seed: int, options: argparse.Namespace, plugins: Plugins
) -> dict[str, Any]:
    """What a peer reached on one split of a table."""
    flaml = importlib.import_module("flaml.default.suggest")
    with tempfile.TemporaryDirectory() as folder:
        unit = Unit(measured.table, seed, ())
        bench = _prepare(unit, options.tables, Path(folder), plugins)
        suggestion = suggest(flaml, peer.estimators, bench)
        started = time.monotonic()
        predictions = peer.train(bench, suggestion)
        seconds = time.monotonic() - started
    n_valid = len(bench.dataset.valid_labels)
    metrics = [plugins.metrics[name] for name in COMPANIONS[bench.card.task]]
    parts = {
        "valid": (bench.dataset.valid_labels, predictions[:n_valid]),
        "holdout": (bench.dataset.holdout_labels, predictions[n_valid:]),
    }
    scores = {
        part: {m.name: float(f"{score_predictions(m, *found):.5g}") for m in metrics}
        for part, found in parts.items()
    }
    return {
        "peer": peer.name,
        "table": measured.table.name,
        "seed": seed,
        "learner": suggestion.learner,
        "settings": dict(suggestion.settings),
        "seconds": round(seconds, 2),
        "scores": scores,
    }


def train_all(
    by_expert: Mapping[str, list[Measured]], options: argparse.Namespace, plugins: Plugins
) -> None:
    """Append what is missing to the lines, the smallest tables first, until the time is over."""
    end_time = time.time() + options.hours * 3600
    done = {(d["peer"], d["table"], d["seed"]) for d in read_done(options.trainings)}
    for peer in PEERS:
        tables = sorted(by_expert[peer.expert], key=lambda m: m.known.card.n_rows or 0)
        for measured in tables:
            for seed in find_seeds(measured.table, peer.expert):
                if time.time() > end_time:
                    return
                if (peer.name, measured.table.name, seed) in done:
                    continue
                line = train_missing(peer, measured, seed, options, plugins)
                print(peer.name, measured.table.name, seed, line["seconds"], file=sys.stderr)
                append(options.trainings, line)


def judge(
    peer: Peer,
    measured: Measured,
    lines: Sequence[Mapping[str, Any]],
    metric: Metric,
) -> dict[str, Any] | None:
    """A table's row in the report; None while splits are missing."""
    own = [d for d in lines if d["peer"] == peer.name and d["table"] == measured.table.name]
    if len(own) != len(measured.holdout):
        return None
    loss = float(np.mean([metric.loss(d["scores"]["holdout"][metric.name]) for d in own]))
    mean = measured.holdout.mean(axis=0)
    return {
        "table": measured.table.name,
        "metric": metric.name,
        "n_splits": len(own),
        "learners": sorted({d["learner"] for d in own}),
        "is_cut": peer.expert == "xgboost" and any(d["seconds"] > TIME_LIMIT_S for d in own),
        "losses": {
            "flaml": round(loss, 5),
            "default": round(measured.choose([0]), 5),
            "best": round(float(mean.min()), 5),
            "median": round(float(np.median(mean)), 5),
        },
        "flaml": float(measured.regret(loss)),
        "default": float(measured.regret(measured.choose([0]))),
    }


def report(
    peer: Peer,
    tables: Sequence[Measured],
    lines: Sequence[Mapping[str, Any]],
    ours: Mapping[str, Mapping[str, float]],
    metrics: Mapping[str, Metric],
) -> dict[str, Any]:
    """All tables of a peer. ours: rows of `transfer.py` by table."""
    rows = []
    for measured in tables:
        row = judge(peer, measured, lines, metrics[measured.known.card.metric])
        if row is not None:
            rest = ours.get(measured.table.name, {})
            rows.append({**row, **{name: rest[name] for name in _COLUMNS[1:] if name in rest}})
    return {"peer": peer.name, "expert": peer.expert, "tables": rows, "summary": _summarise(rows)}


def _summarise(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Over the tables that have all columns, so that the means are comparable."""
    columns = [c for c in _COLUMNS if any(c in row for row in rows)]
    kept = [row for row in rows if all(column in row for column in columns)]
    if not kept:
        return {}
    values = {name: np.array([row[name] for row in kept]) for name in ["flaml", *columns]}
    return {
        "regrets": {name: summarise(regrets) for name, regrets in values.items()},
        "differences": {
            f"{name} - flaml": compare_pairs(values[name], values["flaml"]) for name in columns
        },
    }


def print_report(results: Mapping[str, Any]) -> None:
    names = ("flaml", *_COLUMNS)
    print(f"\n| {results['peer']} | loss | {' | '.join(names)} |\n|---|---|---|---|---|---|")
    for row in results["tables"]:
        regrets = " | ".join(f"{row[name]:.2f}" if name in row else "" for name in names)
        print(f"| {row['table']} | {row['losses']['flaml']} | {regrets} |")
    for title, found in results["summary"].items():
        print_table(found, f"{results['peer']}, {title}")


def read_transfer(path: Path | None) -> dict[str, dict[str, dict[str, float]]]:
    """The rows of `transfer.py` by expert and table."""
    if path is None:
        return {}
    results = json.loads(path.read_text(encoding="utf-8"))
    return {r["expert"]: {row["table"]: row for row in r["tables"]} for r in results}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", type=Path, required=True, help="folder with the two wheels")
    parser.add_argument("--flaml", type=Path, help="folder that FLAML is installed in")
    parser.add_argument("--trainings", type=Path, required=True, help="lines to go on with")
    parser.add_argument("--transfer", type=Path, help="what transfer.py wrote")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--hours", type=float, default=math.inf)
    options = parser.parse_args()
    if options.flaml:
        sys.path.append(str(options.flaml))
    plugins = load_all_plugins()
    metrics = dict(plugins.metrics)
    experts = {peer.expert for peer in PEERS}
    by_expert = {name: read_measured(plugins.experts[name].card, metrics) for name in experts}
    train_all(by_expert, options, plugins)
    lines, transfer = read_done(options.trainings), read_transfer(options.transfer)
    results = [
        report(peer, by_expert[peer.expert], lines, transfer.get(peer.expert, {}), metrics)
        for peer in PEERS
    ]
    if options.output:
        options.output.write_text(json.dumps(results, indent=1), encoding="utf-8")
    for found in results:
        print_report(found)


if __name__ == "__main__":
    main()
