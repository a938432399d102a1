"""Trains every expert with many settings on every table, for the packaged knowledge.

For each table, split and expert: the default setting, the other starting points of its card, then
a scrambled Sobol sequence over its search space, the same for all tables. Each training goes
through the expert's own scripts in the process sandbox, as in a run, and is scored on the
validation rows and on held-out rows that it never saw.

    python benchmarks/knowledge/train.py --tables DIR --workers 2 --hours 2

Each training is a line in trainings/<table>.<seed>.jsonl, or .jsonl.gz once it is kept for good.
Stop it at any time; the next start goes on with what is missing. `pack.py` packs it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import qmc
from tables import Table, list_tables, read_table

from automl_agent.agent import load_all_plugins
from automl_agent.cards.data_card import DataCard
from automl_agent.cards.model_card import ModelCard, Parameter, Settings, Value
from automl_agent.cards.profile import profile_table
from automl_agent.experts.plan import Plan, Resources
from automl_agent.experts.search_space import complete_settings, is_in_force, starting_points
from automl_agent.plugins import Plugins
from automl_agent.sandboxes.process import ProcessSandbox
from automl_agent.sandboxes.step import JobEnd
from automl_agent.training.batch import Batch, link_data
from automl_agent.training.dataset import Dataset, write_dataset
from automl_agent.training.job import Job
from automl_agent.training.scoring import COMPANIONS, score_predictions
from automl_agent.training.training_log import iterate_log, read_predictions

# The strongest expert has the most to gain from its settings.
N_SETTINGS = {"xgboost": 64, "linear": 16, "extra-trees": 16, "hist-gradient-boosting": 16}
# The slowest expert comes when all tables have the others.
PASSES = (("xgboost", "linear", "extra-trees"), ("hist-gradient-boosting",))
# A small table's score depends on the split; a large one's hardly.
SPLITS = ((0, math.inf), (1, 2500), (2, 1000))
TRAININGS = Path(__file__).parent / "trainings"
RESOURCES = Resources(cpus=1, memory_mib=4096)
TIME_LIMIT_S = 60.0
# Of all trainings of an expert on a table.
STEP_LIMIT_S = 36_000.0
_JOB_DATA = {
    "train": "data/train.parquet",
    "valid": "data/valid.parquet",
    "predict": "data/both_features.parquet",
}


@dataclass(frozen=True)
class Unit:
    """One table with one split, and the experts to train on it."""

    table: Table
    seed: int
    experts: tuple[str, ...]

    def path(self, folder: Path) -> Path:
        """The lines of its trainings."""
        return folder / f"{self.table.slug}.{self.seed}.jsonl"


def list_settings(card: ModelCard, n_settings: int) -> list[dict[str, Value]]:
    """The defaults, the starting points, then points of a Sobol sequence, complete and distinct."""
    settings = starting_points(card)
    sampler = qmc.Sobol(len(card.search_space), scramble=True, rng=0)
    for point in sampler.random(2 * 2 ** math.ceil(math.log2(n_settings))):
        drawn = {
            parameter.name: _place(parameter, float(share))
            for parameter, share in zip(card.search_space, point, strict=True)
        }
        in_force = {p.name: drawn[p.name] for p in card.search_space if is_in_force(p, drawn)}
        complete = complete_settings(card, in_force)
        if complete not in settings:
            settings.append(complete)
    return settings[:n_settings]


def _place(parameter: Parameter, share: float) -> Value:
    """The value at a share, 0 to 1, of a parameter's range."""
    if parameter.type == "choice":
        return parameter.choices[
            min(int(share * len(parameter.choices)), len(parameter.choices) - 1)
        ]
    assert parameter.low is not None and parameter.high is not None
    low, high = parameter.low, parameter.high
    value = low * (high / low) ** share if parameter.log else low + (high - low) * share
    if parameter.type == "int":
        return round(value)
    return min(max(float(f"{value:.4g}"), low), high)


def train_unit(unit: Unit, wheels: Path, folder: Path, *, end_time: float) -> None:
    """Run what is missing of a table with a split, until `end_time` (seconds since the epoch)."""
    lines = [line for line in read_lines(unit.path(folder)) if "expert" in line]
    done = {(line["expert"], line["number"]) for line in lines}
    plugins = load_all_plugins()
    missing = {
        expert: [
            (number, settings)
            for number, settings in enumerate(
                list_settings(plugins.experts[expert].card, N_SETTINGS[expert])
            )
            if (expert, number) not in done
        ]
        for expert in unit.experts
    }
    if not any(missing.values()):
        return
    with tempfile.TemporaryDirectory() as temporary, unit.path(folder).open("a") as stream:
        workbench = _prepare(unit, wheels, Path(temporary), plugins)
        if not done:
            card = workbench.card.to_json()
            _write_line(stream, {"card": card, "table": unit.table.source})
        for expert, trials in missing.items():
            if trials and time.time() < end_time:
                for record in workbench.train(expert, trials, end_time=end_time):
                    _write_line(stream, record)


def _prepare(unit: Unit, wheels: Path, work: Path, plugins: Plugins) -> _Workbench:
    table = unit.table
    frame = read_table(table, wheels)
    card = profile_table(frame, target=table.target, name=table.name, description=table.description)
    dataset = _write_dataset(frame, card, work / "data", unit.seed)
    return _Workbench(plugins, card, dataset, work, unit.seed)


def _write_dataset(frame: pd.DataFrame, card: DataCard, folder: Path, seed: int) -> Dataset:
    folder.mkdir(parents=True)
    dataset = write_dataset(frame, card, folder, seed=seed)
    parts = [pd.read_parquet(folder / f"{part}_features.parquet") for part in ("valid", "holdout")]
    pd.concat(parts).to_parquet(folder / "both_features.parquet", index=False)
    return dataset


@dataclass(frozen=True)
class _Workbench:
    """A divided table that experts are trained on. work: a folder for the sandbox's steps."""

    plugins: Plugins
    card: DataCard
    dataset: Dataset
    work: Path
    seed: int

    def train(
        self, expert: str, trials: Sequence[tuple[int, Settings]], *, end_time: float
    ) -> Iterator[dict[str, Any]]:
        """What came of each numbered setting, until `end_time` (seconds since the epoch)."""
        plan = self._make_plan(expert)
        folder = self.work / expert
        link_data(self.dataset.folder, folder / "in" / "data")
        batch = Batch(plan, ProcessSandbox(), folder, time_limit_s=STEP_LIMIT_S)
        try:
            batch.wait_until_warm()
            for number, settings in trials:
                if time.time() > end_time:
                    return
                job = Job(
                    script="train.py",
                    card=self.card,
                    settings=settings,
                    resources=RESOURCES,
                    seed=self.seed,
                    time_limit_s=TIME_LIMIT_S,
                    data=_JOB_DATA,
                )
                end = batch.run(job, kill_after_s=2 * TIME_LIMIT_S)
                yield {"expert": expert, "number": number} | self._describe(plan, settings, end)
        finally:
            batch.close()
            batch.discard()

    def _make_plan(self, name: str) -> Plan:
        expert = self.plugins.experts[name]
        defaults = complete_settings(expert.card, {})
        plan = Plan(name, self.card, expert.card, RESOURCES, defaults)
        return replace(plan, scripts=expert.write_scripts(plan))

    def _describe(self, plan: Plan, settings: Settings, end: JobEnd) -> dict[str, Any]:
        is_ok = end.status == "ok"
        return {
            "settings": dict(settings),
            "status": end.status,
            "seconds": round(end.seconds, 3),
            "memory_mib": round(end.max_rss_mib, 1),
            **(_score(end, plan, self.dataset, self.plugins) if is_ok else {}),
        }


def _score(end: JobEnd, plan: Plan, dataset: Dataset, plugins: Plugins) -> dict[str, Any]:
    card = plan.data_card
    n_valid, n_holdout = len(dataset.valid_labels), len(dataset.holdout_labels)
    predictions = read_predictions(
        end.folder / "predictions.npy", n_rows=n_valid + n_holdout, n_classes=card.n_classes
    )
    parts = {
        "valid": (dataset.valid_labels, predictions[:n_valid]),
        "holdout": (dataset.holdout_labels, predictions[n_valid:]),
    }
    metrics = [plugins.metrics[name] for name in COMPANIONS[card.task]]
    scores = {
        part: {m.name: _round(score_predictions(m, labels, found)) for m in metrics}
        for part, (labels, found) in parts.items()
    }
    records = [r for r in iterate_log(end.folder / "training_log.jsonl") if r.split == "valid"]
    curve = [
        (r.step, _round(r.metrics[card.metric]), round(r.time_s, 3))
        for r in records
        if card.metric in r.metrics
    ]
    return {"scores": scores, "curve": _thin(curve), "n_steps": len(curve)}


def _thin(curve: list[tuple[int, float, float]]) -> list[tuple[int, float, float]]:
    """At most 24 points, close together at the start, with the first, the best and the last."""
    if len(curve) <= 24:
        return curve
    positions = {int(p) for p in np.geomspace(1, len(curve), 24).round() - 1}
    best = min(range(len(curve)), key=lambda position: curve[position][1])
    return [curve[position] for position in sorted(positions | {best})]


def _round(value: float) -> float:
    return float(f"{value:.5g}")


def _write_line(lines: Any, document: Mapping[str, Any]) -> None:
    lines.write(json.dumps(document) + "\n")
    lines.flush()


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """What is in a file of trainings, and in the compressed one beside it."""
    packed = path.with_name(f"{path.name}.gz")
    for part in (packed, path):
        if part.exists():
            content = part.read_bytes()
            text = gzip.decompress(content) if part is packed else content
            yield from map(json.loads, text.decode().splitlines())


def _list_units(wheels: Path, chosen: Sequence[str]) -> list[Unit]:
    """All that is to be trained, small tables first: wherever it stops, most tables are done."""
    tables = list_tables()
    shapes = {table.name: read_table(table, wheels).shape for table in tables}
    return [
        Unit(table, seed, tuple(name for name in experts if name in chosen))
        for seed, most in SPLITS
        for experts in PASSES
        for table in sorted(tables, key=lambda table: math.prod(shapes[table.name]))
        if shapes[table.name][0] <= most and set(experts) & set(chosen)
    ]


def _work(arguments: tuple[Unit, Path, Path, float]) -> str:
    unit, wheels, folder, end_time = arguments
    if time.time() < end_time:
        train_unit(unit, wheels, folder, end_time=end_time)
    return f"{unit.table.name}, split {unit.seed}, {unit.experts[0]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", type=Path, required=True, help="folder with the two wheels")
    parser.add_argument("--output", type=Path, default=TRAININGS, help="folder to write to")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--hours", type=float, default=math.inf)
    parser.add_argument("--expert", nargs="+", default=list(N_SETTINGS), help="only these")
    parser.add_argument("--only", default="", help="only tables with such a name")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    end_time = time.time() + options.hours * 3600
    units = [u for u in _list_units(options.tables, options.expert) if options.only in u.table.name]
    jobs = [(unit, options.tables, options.output, end_time) for unit in units]
    with multiprocessing.get_context("spawn").Pool(options.workers, maxtasksperchild=4) as pool:
        started = time.time()
        for number, name in enumerate(pool.imap_unordered(_work, jobs), start=1):
            print(f"{time.time() - started:6.0f} s  {number}/{len(jobs)}  {name}", flush=True)


if __name__ == "__main__":
    main()
