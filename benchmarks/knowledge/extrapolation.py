"""Extrapolating running curves against their last value and a power law.

    python benchmarks/knowledge/extrapolation.py --output FILE.json

Trainings of the packaged records are cut off after a part of their steps; where they end is
predicted from the curves of tables of other families. Errors are mean absolute differences, as a
share of the way from a constant prediction to a perfect one, with 95 % bootstrap intervals over
tables of how much smaller ours are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from bootstrap import compare_pairs, summarise
from pack import OUTPUT
from scipy.optimize import curve_fit

from automl_agent.agent import load_all_plugins
from automl_agent.cards.metric import Metric
from automl_agent.cards.model_card import ModelCard
from automl_agent.cards.predicted_log import PredictedLog, PredictedPoint
from automl_agent.knowledge.prediction.extrapolation import (
    Curve,
    Extrapolator,
    make_curve,
    pace_weights,
)
from automl_agent.knowledge.records.archive import Archive, read_archive
from automl_agent.knowledge.records.record import CurvePoint, KnownCard, Record
from automl_agent.knowledge.transfer.settings_vector import settings_matrix
from automl_agent.training.scoring import chance_score

Array = npt.NDArray[np.float64]
PARTS = (0.1, 0.2, 0.3, 0.5, 0.7)
N_PER_TABLE = 12
MIN_POINTS = 3


@dataclass(frozen=True)
class Case:
    """A table's records with their curves."""

    known: KnownCard
    metric: Metric
    chance: float
    records: list[Record]
    curves: list[Curve]

    @property
    def way(self) -> float:
        """From chance to ideal."""
        return abs(self.metric.ideal - self.chance)


def read_cases(archive: Archive, expert: ModelCard, metrics: Mapping[str, Metric]) -> list[Case]:
    cases = []
    for card_id, known in archive.cards.items():
        records = [r for r in archive.records(expert=expert.name, card_ids={card_id}) if r.curve]
        if not records:
            continue
        metric = metrics[records[0].metric]
        chance = chance_score(metric, known.card)
        assert chance is not None
        vectors = settings_matrix(expert, [r.settings for r in records]) * pace_weights(expert)
        curves = [
            make_curve(record.curve, vector, metric, chance)
            for record, vector in zip(records, vectors, strict=True)
        ]
        cases.append(Case(known, metric, chance, records, curves))
    return cases


def cut(record: Record, part: float) -> list[CurvePoint]:
    """The curve up to a part of its steps."""
    limit = part * record.curve[-1].step
    return [point for point in record.curve if point.step <= limit]


def find_end(case: Case, points: Sequence[CurvePoint]) -> float:
    """The best score, which is what a training is judged by."""
    return min((point.score for point in points), key=case.metric.loss)


def extrapolate_power_law(points: Sequence[CurvePoint], n_steps: int) -> float:
    """A power law with an offset, fitted by least squares, at the last step."""
    steps = np.array([point.step for point in points], dtype=float)
    scores = np.array([point.score for point in points])

    def law(x: Array, end: float, gain: float, rate: float) -> Array:
        return end + gain * x**-rate

    start = (scores[-1], scores[0] - scores[-1], 0.5)
    try:
        found, _ = curve_fit(law, steps, scores, p0=start, maxfev=2000)
    except (RuntimeError, TypeError):  # it does not converge, or there are too few points
        return float(scores[-1])
    end = float(law(np.array([float(n_steps)]), *found)[0])
    spread = float(np.ptp(scores))
    return float(np.clip(end, scores.min() - spread, scores.max()))


def make_prior(case: Case) -> PredictedLog:
    """A prediction that says nothing: anything from chance to ideal."""
    low, high = sorted((case.chance, case.metric.ideal))
    final = PredictedPoint(10_000, median=(low + high) / 2, low=low, high=high)
    return PredictedLog("none", case.metric.name, (final,), 0.0, 0.0)


def measure(cases: Sequence[Case], seed: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    rows = []
    for case in cases:
        pool = list_pool(cases, case)
        for place in random.permutation(len(case.records))[:N_PER_TABLE]:
            record = case.records[place]
            real = find_end(case, record.curve)
            tool = Extrapolator(pool, case.curves[place].settings, case.metric, case.chance)
            for part in PARTS:
                points = cut(record, part)
                if len(points) < MIN_POINTS:
                    continue
                final = tool.extrapolate(points, make_prior(case))
                law = extrapolate_power_law(points, record.curve[-1].step)
                rows.append(
                    {
                        "table": case.known.card.name,
                        "part": part,
                        "ours": abs(final.median - real) / case.way,
                        "last value": abs(find_end(case, points) - real) / case.way,
                        "power law": abs(law - real) / case.way,
                        "coverage": float(final.low - 1e-9 <= real <= final.high + 1e-9),
                    }
                )
    return rows


def list_pool(cases: Sequence[Case], case: Case) -> list[Curve]:
    """The curves of all tables of other families."""
    family = case.known.family
    return [curve for other in cases if other.known.family != family for curve in other.curves]


def summarise_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """For each part of the steps, means over tables and differences to the rivals."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for part in PARTS:
        means = {
            name: _average_by_table([row for row in rows if row["part"] == part], name)
            for name in ("ours", "last value", "power law", "coverage")
        }
        pairs = {
            f"ours less {rival}": compare_pairs(means["ours"], means[rival])
            for rival in ("last value", "power law")
        }
        found[str(part)] = {name: summarise(values) for name, values in means.items()} | pairs
    return found


def _average_by_table(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    tables: dict[str, list[float]] = {}
    for row in rows:
        tables.setdefault(row["table"], []).append(row[name])
    return [float(np.mean(values)) for values in tables.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--expert", nargs="+", default=["xgboost"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    plugins = load_all_plugins()
    archive = read_archive(OUTPUT)
    found = {}
    for name in options.expert:
        cases = read_cases(archive, plugins.experts[name].card, dict(plugins.metrics))
        found[name] = {
            "n_tables": len(cases),
            "parts": summarise_rows(measure(cases, options.seed)),
        }
    document = json.dumps(found, indent=1)
    if options.output:
        options.output.write_text(document, encoding="utf-8")
    print(document)


if __name__ == "__main__":
    main()
