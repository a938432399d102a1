"""Compares settings of the four tabular experts on the tables that may be used for tuning.

Each candidate is fitted on 64 % of the rows, stops early or picks its regularisation on 16 % and is
scored on 20 % by log loss or RMSE, three times. gain = 1 - score / chance, where chance predicts
the class frequencies or the mean of the 80 %: 0 is useless, 1 is perfect, below 0 is worse than
useless. The candidate with the best mean rank over the tables is the recommended default.

    python benchmarks/expert_defaults.py --tables DIR --output FILE.json

DIR is described in `tuning_tables`. The summary is printed; FILE.json also has every measurement.
Scores repeat to rounding, seconds do not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
from tabular_fits import FITTERS, Settings, compute_score, predict_chance
from tuning_tables import Parts, Table, Task, read_tables, split_table

SEEDS = (0, 1, 2)
# Smaller fits take the time of their fixed overhead: seconds per cell would mean nothing.
MIN_TIMED_CELLS = 20_000

DEPTH4: Settings = {"eta": 0.06, "max_depth": 4, "max_cat_to_onehot": 100}
DEPTH6: Settings = {"eta": 0.05, "max_depth": 6, "max_cat_to_onehot": 100}
LEAVES16: Settings = {
    "eta": 0.06, "max_depth": 0, "max_leaves": 16, "grow_policy": "lossguide",
    "max_cat_to_onehot": 100,
}  # fmt: skip
HIST16: Settings = {"learning_rate": 0.06, "max_leaf_nodes": 16}
HIST16_F4: Settings = {**HIST16, "max_features": 0.4}
FOREST: Settings = {"n_estimators": 300, "encoding": "codes", "prior_trees": 1.0}
FOREST_ONE_HOT: Settings = {**FOREST, "encoding": "one-hot"}
ALPHAS = (0.01, 0.1, 1.0, 10.0, 100.0)

# The first candidate of each expert is what the others are compared with.
CANDIDATES: Mapping[str, Mapping[str, Settings]] = {
    "xgboost": {
        "library": {},
        "depth4-tree0.4": {**DEPTH4, "colsample_bytree": 0.4},
        "depth4-tree0.4-partition": {**DEPTH4, "colsample_bytree": 0.4, "max_cat_to_onehot": 4},
        "depth4-tree0.4-lambda0.1": {**DEPTH4, "colsample_bytree": 0.4, "reg_lambda": 0.1},
        "depth4-tree0.4-lambda5": {**DEPTH4, "colsample_bytree": 0.4, "reg_lambda": 5.0},
        "depth4-node0.4": {**DEPTH4, "colsample_bynode": 0.4},
        "depth4-node0.4-rows0.8": {**DEPTH4, "colsample_bynode": 0.4, "subsample": 0.8},
        "leaves16-tree0.4": {**LEAVES16, "colsample_bytree": 0.4},
        "leaves16-node0.4": {**LEAVES16, "colsample_bynode": 0.4},
        "leaves16-node0.4-rows0.8": {**LEAVES16, "colsample_bynode": 0.4, "subsample": 0.8},
        "depth6-tree0.5": {**DEPTH6, "colsample_bytree": 0.5},
        "depth6-tree0.5-rows0.8": {**DEPTH6, "colsample_bytree": 0.5, "subsample": 0.8},
        "depth6-tree0.5-rows0.8-weight5": {
            **DEPTH6, "colsample_bytree": 0.5, "subsample": 0.8, "min_child_weight": 5.0,
        },
        "depth6-node0.5-rows0.8": {**DEPTH6, "colsample_bynode": 0.5, "subsample": 0.8},
    },
    "hist-gradient-boosting": {
        "library": {},
        "rate0.05": {"learning_rate": 0.05},
        "leaves16": HIST16,
        "leaves16-features0.4": HIST16_F4,
        "leaves16-features0.4-min5": {**HIST16_F4, "min_samples_leaf": 5},
        "leaves16-features0.4-l2-1": {**HIST16_F4, "l2_regularization": 1.0},
        "leaves16-features0.4-l2-10": {**HIST16_F4, "l2_regularization": 10.0},
        "leaves8-features0.4": {**HIST16_F4, "max_leaf_nodes": 8},
        "leaves31-features0.4": {**HIST16_F4, "max_leaf_nodes": 31},
    },
    "extra-trees": {
        "library": {"n_estimators": 100, "encoding": "codes", "prior_trees": 0.0},
        "leaf1": FOREST,
        "leaf1-onehot": FOREST_ONE_HOT,
        "leaf1-features0.5": {**FOREST, "max_features": 0.5},
        "leaf1-features0.5-onehot": {**FOREST_ONE_HOT, "max_features": 0.5},
        "leaf1-features1-onehot": {**FOREST_ONE_HOT, "max_features": 1.0},
        "leaf2-features0.5-onehot": {
            **FOREST_ONE_HOT, "max_features": 0.5, "min_samples_leaf": 2,
        },
        "leaf4-features0.5-onehot": {
            **FOREST_ONE_HOT, "max_features": 0.5, "min_samples_leaf": 4,
        },
    },
    "linear": {
        "alpha1": {"alpha": 1.0, "numeric": "standard"},
        "alpha0.01": {"alpha": 0.01, "numeric": "standard"},
        "alpha0.1": {"alpha": 0.1, "numeric": "standard"},
        "alpha10": {"alpha": 10.0, "numeric": "standard"},
        "alpha100": {"alpha": 100.0, "numeric": "standard"},
        "picked": {"alpha": ALPHAS, "numeric": "standard"},
        "picked-normal": {"alpha": ALPHAS, "numeric": "normal"},
    },
}  # fmt: skip


@dataclass(frozen=True)
class Measurement:
    """One candidate on one table with one seed."""

    table: str
    task: Task
    expert: str
    candidate: str
    seed: int
    score: float
    gain: float
    n_cells: int
    time_s: float
    n_rounds: int


def measure_table(table: Table) -> Iterator[Measurement]:
    for seed in SEEDS:
        parts = split_table(table, seed)
        for expert, candidates in CANDIDATES.items():
            for candidate in candidates:
                yield measure_candidate(parts, expert, candidate, seed)


def measure_candidate(parts: Parts, expert: str, candidate: str, seed: int) -> Measurement:
    fitted = FITTERS[expert](CANDIDATES[expert][candidate], parts, seed)
    score = compute_score(parts.score, fitted.prediction)
    return Measurement(
        table=parts.score.name,
        task=parts.task,
        expert=expert,
        candidate=candidate,
        seed=seed,
        score=score,
        gain=1 - score / compute_score(parts.score, predict_chance(parts)),
        n_cells=int(parts.fit.features.size + parts.stop.features.size),
        time_s=fitted.time_s,
        n_rounds=fitted.n_rounds,
    )


def summarise(measurements: Sequence[Measurement]) -> dict[str, object]:
    frame = pd.DataFrame([asdict(measurement) for measurement in measurements])
    by_expert = dict(list(frame.groupby("expert")))
    best = {
        expert: str(rank(part, "candidate").mean().idxmin()) for expert, part in by_expert.items()
    }
    recommended = frame[frame["candidate"] == frame["expert"].map(best)]
    by_task = dict(list(recommended.groupby("task")))
    return {
        "tables": frame.groupby("task")["table"].unique().map(list).to_dict(),
        "mean_rank_of_experts": {
            task: rank(part, "expert").mean().round(2).to_dict() for task, part in by_task.items()
        },
        "experts": {
            expert: {
                "recommended": best[expert],
                "settings": CANDIDATES[expert][best[expert]],
                "expectations": {
                    task: summarise_task(part[part["expert"] == expert])
                    for task, part in by_task.items()
                },
                "gain_chosen_on_other_tables": gain_left_out(by_expert[expert]),
                "candidates": compare_candidates(by_expert[expert]),
            }
            for expert in CANDIDATES
        },
    }


def rank(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """One row per table: ranks, 1 is best, of the scores averaged over the seeds."""
    return frame.pivot_table(index="table", columns=column, values="score").rank(axis=1)


def summarise_task(frame: pd.DataFrame) -> dict[str, dict[str, float]]:
    timed = frame[frame["n_cells"] >= MIN_TIMED_CELLS]
    return {
        "gain": quantiles(frame.groupby("table")["gain"].mean(), 3),
        "n_rounds": quantiles(frame["n_rounds"], 0),
        "time_s": quantiles(frame["time_s"], 2),
        "time_s_per_million_cells": quantiles(1e6 * timed["time_s"] / timed["n_cells"], 1),
    }


def quantiles(values: pd.Series, digits: int) -> dict[str, float]:
    if values.empty:
        return {}
    levels = {"q10": 0.1, "q50": 0.5, "q90": 0.9}
    return {name: round(float(values.quantile(level)), digits) for name, level in levels.items()}


def gain_left_out(frame: pd.DataFrame) -> dict[str, float]:
    """Mean gain by task if the candidate for a table is chosen on all other tables."""
    ranks = rank(frame, "candidate")
    gains = frame.pivot_table(index=["task", "table"], columns="candidate", values="gain")
    chosen = {
        (task, table): gains.loc[(task, table), ranks.drop(index=table).mean().idxmin()]
        for task, table in gains.index
    }
    means = pd.Series(chosen).groupby(level=0).mean().round(4)
    return {str(task): float(gain) for task, gain in means.items()}


def compare_candidates(frame: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Mean rank and mean gain of each candidate, over all tables and by task, best first.

    `gain_ahead` is the mean gain minus that of the expert's first candidate, and
    `gain_ahead_error` its standard error over the tables.
    """
    first = frame["candidate"].iloc[0]
    ranks, tasks = rank(frame, "candidate"), frame.groupby("table")["task"].first()
    gains = frame.pivot_table(index="table", columns="candidate", values="gain")
    ahead = gains.sub(gains[first], axis=0)
    columns = {
        "mean_rank": ranks.mean(),
        "mean_gain": gains.mean(),
        "gain_ahead": ahead.mean(),
        "gain_ahead_error": ahead.sem(),
        "median_time_s": frame.groupby("candidate")["time_s"].median(),
    }
    for task in tasks.unique():
        columns[f"mean_rank_{task}"] = ranks[tasks == task].mean()
        columns[f"mean_gain_{task}"] = gains[tasks == task].mean()
    table = pd.DataFrame(columns).sort_values("mean_rank").round(4)
    return {
        str(candidate): {str(name): float(value) for name, value in row.items()}
        for candidate, row in table.iterrows()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", type=Path, required=True, help="folder with the two wheels")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--only", nargs="+", default=[""], help="only tables with such a name")
    options = parser.parse_args(arguments)
    measurements: list[Measurement] = []
    for table in read_tables(options.tables):
        if any(part in table.name for part in options.only):
            print(table.name, table.task, *table.features.shape, file=sys.stderr, flush=True)
            measurements += measure_table(table)
    summary = summarise(measurements)
    rows = [asdict(measurement) for measurement in measurements]
    options.output.write_text(json.dumps({"summary": summary, "measurements": rows}, indent=1))
    print(json.dumps(summary, indent=2))


if __name__ == "__main__":
    main()
