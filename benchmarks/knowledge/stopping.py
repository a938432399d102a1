"""What stopping by prediction saves of the training time, and what it costs in score.

    python benchmarks/knowledge/stopping.py --output FILE.json

Each packaged table is left out with its whole family. Its list of settings is gone through as a run
would: candidates are ranked by predicted score and the worse half is not trained; a training is
stopped where even the better bound of its extrapolated end is beaten by the best before it. Against
it: all settings trained to their ends. Seconds are those of the trainings; a score lost is a share
of the way from a constant prediction to a perfect one, of the setting with the best validation
score, on validation and on held-out rows; with 95 % bootstrap intervals over tables. `stopped only`
trains in the order of the list and skips no candidate.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bootstrap import summarise
from extrapolation import Case, find_end, list_pool, make_prior, read_cases
from pack import OUTPUT, Trainings, find_complete, read_trainings
from tables import list_tables
from train import TRAININGS
from transfer import leave_out_family

from automl_agent.agent import load_all_plugins
from automl_agent.cards.model_card import ModelCard
from automl_agent.knowledge.advisor import open_texts
from automl_agent.knowledge.encoding.packaged_encoder import PackagedEncoder
from automl_agent.knowledge.encoding.text_space import TextSpace
from automl_agent.knowledge.knowledge import Knowledge
from automl_agent.knowledge.prediction.extrapolation import Curve, Extrapolator
from automl_agent.knowledge.prediction.forecast import predict_from_neighbours
from automl_agent.knowledge.prediction.stopping import (
    MIN_RECORDS,
    Standard,
    choose_candidates,
    decide_stop,
)
from automl_agent.knowledge.records.archive import read_archive
from automl_agent.knowledge.records.record import Record
from automl_agent.knowledge.transfer.neighbourhood import find_neighbourhood


@dataclass(frozen=True)
class Ended:
    """How going through a list ended. best: the position of the best; saved: seconds of total."""

    best: int
    saved: float
    total: float
    n_stopped: int
    n_skipped: int


def rank_candidates(
    case: Case, expert: ModelCard, knowledge: Knowledge, texts: TextSpace
) -> Sequence[int]:
    """The positions of the records that are worth training, the most promising first."""
    found = find_neighbourhood(
        case.known.card, expert, case.metric, chance=case.chance, knowledge=knowledge, texts=texts
    )
    assert found is not None
    finals = [predict_from_neighbours(found, record.settings).final for record in case.records]
    standard = Standard(case.metric, None, case.way)
    return choose_candidates(finals, len(finals), standard).kept


def go_through(case: Case, places: Sequence[int], pool: Sequence[Curve]) -> Ended:
    """Train the records at these places in this order, as far as it seems worth it."""
    total = sum(record.curve[-1].time_s for record in case.records)
    used, n_stopped = 0.0, 0
    best: int | None = None
    for place in places:
        record = case.records[place]
        score = None if best is None else find_end(case, case.records[best].curve)
        tool = Extrapolator(pool, case.curves[place].settings, case.metric, case.chance)
        stop = find_stop(case, record, tool, score)
        used += record.curve[-1].time_s if stop is None else stop
        n_stopped += stop is not None
        if stop is None and (
            score is None or case.metric.is_better(find_end(case, record.curve), score)
        ):
            best = place
    assert best is not None
    return Ended(best, total - used, total, n_stopped, len(case.records) - len(places))


def find_stop(case: Case, record: Record, tool: Extrapolator, best: float | None) -> float | None:
    """The seconds after which the training is stopped, None if it is not.

    Records hold a part of the steps; a run looks from its MIN_RECORDS-th step on.
    """
    standard = Standard(case.metric, best, case.way)
    for n_points in range(1, len(record.curve) if best is not None else 0):
        points = record.curve[:n_points]
        if points[-1].step >= MIN_RECORDS:
            final = tool.extrapolate(points, make_prior(case))
            if decide_stop(points, final, standard, min_records=1).is_stop:
                return points[-1].time_s
    return None


def describe(case: Case, ended: Ended, splits: Sequence[Trainings]) -> dict[str, float]:
    """The row of a table."""
    ends = [case.metric.loss(find_end(case, record.curve)) for record in case.records]
    everything = int(np.argmin(ends))
    held_out = [_find_held_out(case, record, splits) for record in case.records]
    return {
        "saved": ended.saved / ended.total,
        "seconds": ended.total,
        "lost_on_validation": (ends[ended.best] - ends[everything]) / case.way,
        "lost_on_held_out": (held_out[ended.best] - held_out[everything]) / case.way,
        "n_stopped": ended.n_stopped,
        "n_skipped": ended.n_skipped,
    }


def _find_held_out(case: Case, record: Record, splits: Sequence[Trainings]) -> float:
    """The mean held-out loss of a record's settings over the splits of its table."""
    found = [
        case.metric.loss(training["scores"]["holdout"][case.metric.name])
        for split in splits
        for (expert, _), training in split.items()
        if expert == record.expert and training["settings"] == dict(record.settings)
    ]
    return float(np.mean(found))


def run(name: str, home: Path) -> dict[str, object]:
    plugins = load_all_plugins()
    expert = plugins.experts[name].card
    archive = read_archive(OUTPUT)
    cases = read_cases(archive, expert, dict(plugins.metrics))
    tables = {table.name: table for table in list_tables()}
    texts = open_texts(home, PackagedEncoder())
    rows: dict[str, list[dict[str, float]]] = {"skipped and stopped": [], "stopped only": []}
    for case in cases:
        knowledge = leave_out_family(archive, expert.name, case.known.family)
        trainings = read_trainings(TRAININGS, tables[case.known.card.name])
        splits = find_complete(trainings, name)
        ranked = rank_candidates(case, expert, knowledge, texts)
        for kind, places in zip(rows, (ranked, range(len(case.records))), strict=True):
            ended = go_through(case, places, list_pool(cases, case))
            rows[kind].append(describe(case, ended, splits))
        print(case.known.card.name, rows["skipped and stopped"][-1], file=sys.stderr)
    return {"expert": name, "n_tables": len(cases)} | {
        kind: _summarise(found) for kind, found in rows.items()
    }


def _summarise(rows: Sequence[dict[str, float]]) -> dict[str, object]:
    total = sum(row["seconds"] for row in rows)
    names = ("saved", "lost_on_validation", "lost_on_held_out", "n_stopped", "n_skipped")
    return {
        "saved_of_all_seconds": round(sum(r["saved"] * r["seconds"] for r in rows) / total, 3)
    } | {name: summarise([row[name] for row in rows]) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--expert", nargs="+", default=["xgboost"])
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        results = [run(name, Path(home)) for name in options.expert]
    document = json.dumps(results, indent=1)
    if options.output:
        options.output.write_text(document, encoding="utf-8")
    print(document)


if __name__ == "__main__":
    main()
