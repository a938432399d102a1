"""Zero-shot and few-shot transfer against defaults, random settings and a portfolio.

    python benchmarks/knowledge/transfer.py --output FILE.json

Each packaged table is left out with its whole family; settings for it are proposed from the cards
of the others, and judged by the held-out scores that `trainings/` has of them. Regret: how far a
choice is from the best setting of the list, as a share of the way from there to the list's median;
means over tables, with 95 % bootstrap intervals. Of several trials the one with the best validation
score counts, as in a run. `both`: a single choice, judged by validation and held-out scores, as it
looked at neither. `shuffled` proposes from the same records with the cards of the tables
exchanged, a mean over several exchanges: what is left of the gain there does not come from
similarity.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from bootstrap import compare_pairs, summarise
from pack import OUTPUT, find_complete, read_trainings
from scipy.stats import spearmanr
from tables import Table, list_tables
from train import TRAININGS

from automl_agent.agent import load_all_plugins
from automl_agent.cards.data_card import DataCard
from automl_agent.cards.metric import Metric
from automl_agent.cards.model_card import ModelCard, Settings
from automl_agent.experts.search_space import starting_points
from automl_agent.knowledge.advisor import N_CANDIDATES, open_texts
from automl_agent.knowledge.encoding.packaged_encoder import PackagedEncoder
from automl_agent.knowledge.encoding.text_space import TextSpace
from automl_agent.knowledge.knowledge import Knowledge
from automl_agent.knowledge.prediction.forecast import predict_from_neighbours
from automl_agent.knowledge.records.archive import Archive, read_archive
from automl_agent.knowledge.records.record import KnownCard, Record
from automl_agent.knowledge.records.store import KnowledgeStore
from automl_agent.knowledge.transfer.candidates import Transfer, transfer_settings
from automl_agent.knowledge.transfer.effort import LEAST_SECONDS
from automl_agent.knowledge.transfer.neighbourhood import Neighbourhood, find_neighbourhood
from automl_agent.knowledge.transfer.surrogate import score_of
from automl_agent.training.scoring import chance_score

Array = npt.NDArray[np.float64]
N_RANDOM_DRAWS = 200
BUDGETS = (1, 4, 16, 64)
N_TRIALS = 4
# One exchange of cards may be lucky: the mean regret of two differs by 0.1 and more.
N_EXCHANGES = 5
# The tables whose mean curve is the peer of predicted logs.
N_NEAREST = 5
# What the regrets of transfer are compared with, table by table.
_RIVALS = {
    "zero_shot": ("default", "random_16", "portfolio", "shuffled_zero_shot"),
    "zero_shot_both": ("default_both", "portfolio_both", "shuffled_zero_shot_both"),
    f"{N_TRIALS}_trials": ("random_64", f"shuffled_{N_TRIALS}_trials"),
}
_JUDGED = ("zero_shot", "zero_shot_both", f"{N_TRIALS}_trials")
# All knowledge here is packaged; nothing of this machine is read.
UNUSED = Path(os.devnull)


@dataclass
class PartialKnowledge(Knowledge):
    """The packaged knowledge without some cards."""

    kept: Mapping[str, KnownCard] = None  # type: ignore[assignment]
    kept_records: Sequence[Record] = ()

    @property
    def cards(self) -> Sequence[KnownCard]:
        """The cards that are kept."""
        return tuple(self.kept.values())

    def records(
        self, expert: str | None = None, card_ids: Collection[str] | None = None
    ) -> Sequence[Record]:
        """The records of kept cards."""
        return [
            r
            for r in self.kept_records
            if r.card_id in self.kept
            and (expert is None or r.expert == expert)
            and (card_ids is None or r.card_id in card_ids)
        ]


def leave_out_family(archive: Archive, expert: str, family: str) -> PartialKnowledge:
    """All but the tables of a family."""
    kept = {card_id: known for card_id, known in archive.cards.items() if known.family != family}
    records = list(archive.records(expert=expert))
    return PartialKnowledge(KnowledgeStore(UNUSED), kept=kept, kept_records=records)


@dataclass(frozen=True)
class Measured:
    """A table's real scores. records: what is packaged of them.

    valid, holdout: (n_splits, n_settings), losses, smaller is better.
    """

    table: Table
    known: KnownCard
    records: list[Record]
    settings: list[Settings]
    valid: Array
    holdout: Array

    def regret(self, losses: float | Array) -> Array:
        """Of held-out losses averaged over splits; 0: the best setting, 1: the list's median."""
        mean = self.holdout.mean(axis=0)
        best = mean.min()
        span = max(float(np.median(mean) - best), 1e-12)
        regret: Array = (np.asarray(losses) - best) / span
        return regret

    def judge_one(self, place: int) -> float:
        """The regret of one setting by validation and held-out scores together.

        For a choice that looked at neither, both are held out: half the noise.
        """
        both = (self.valid + self.holdout).mean(axis=0)
        best = both.min()
        return float((both[place] - best) / max(float(np.median(both) - best), 1e-12))

    def choose(self, places: Sequence[int]) -> float:
        """The held-out loss of the trial with the best validation score, a mean over splits."""
        rows = np.arange(len(self.valid))
        best = np.array(places)[self.valid[:, places].argmin(axis=1)]
        return float(self.holdout[rows, best].mean())


def read_measured(expert: ModelCard, metrics: Mapping[str, Metric]) -> list[Measured]:
    archive = read_archive(OUTPUT)
    by_name = {known.card.name: known for known in archive.cards.values()}
    found = []
    for table in list_tables():
        known = by_name.get(table.name)
        splits = find_complete(read_trainings(TRAININGS, table), expert.name)
        if known is None or not splits:
            continue
        metric = metrics[known.card.metric]
        numbers = sorted(number for name, number in splits[0] if name == expert.name)
        loss = {
            part: np.array(
                [
                    [metric.loss(s[expert.name, n]["scores"][part][metric.name]) for n in numbers]
                    for s in splits
                ]
            )
            for part in ("valid", "holdout")
        }
        settings = [splits[0][expert.name, number]["settings"] for number in numbers]
        records = list(archive.records(expert=expert.name, card_ids=[known.card_id]))
        found.append(Measured(table, known, records, settings, loss["valid"], loss["holdout"]))
    return found


def judge(
    measured: Measured, others: Knowledge, expert: ModelCard, metric: Metric, texts: TextSpace
) -> dict[str, float]:
    """The regret of what is proposed, and how well predicted scores agree with real ones."""
    found, result = judge_choices(measured, others, expert, metric, texts)
    if found is not None:
        result |= _judge_predictions(measured, found) | _judge_seconds(measured, found)
    return result


def judge_choices(
    measured: Measured, others: Knowledge, expert: ModelCard, metric: Metric, texts: TextSpace
) -> tuple[Neighbourhood | None, dict[str, float]]:
    """What was found that is alike, and the regret of what is proposed from it."""
    chance = chance_score(metric, measured.known.card)
    assert chance is not None
    found = find_neighbourhood(
        measured.known.card, expert, metric, chance=chance, knowledge=others, texts=texts
    )
    transfer = transfer_settings(found, expert, n_candidates=N_CANDIDATES)
    places = _choose_trials(measured, found, transfer, expert)
    return found, {
        "zero_shot": float(measured.regret(measured.choose(places[:1]))),
        "zero_shot_both": measured.judge_one(places[0]),
        f"{N_TRIALS}_trials": float(measured.regret(measured.choose(places))),
        "is_transferred": float(transfer.is_transferred),
    }


def _choose_trials(
    measured: Measured, found: Neighbourhood | None, transfer: Transfer, expert: ModelCard
) -> list[int]:
    """The first trials as a run makes them: the first proposal, two of the card's, the predicted.

    What the first trial has reached counts in the predictions.
    """
    proposed = [candidate.settings for candidate in transfer.candidates]
    points = starting_points(expert)
    listed = [
        measured.settings.index(dict(settings))
        for settings in (*proposed[:1], *points[:2], *proposed, *points[2:])
        if dict(settings) in measured.settings
    ]
    begun_with = list(dict.fromkeys(listed[:3]))
    others = [place for place in dict.fromkeys(listed) if place not in begun_with]
    if found is not None:
        known = [r for r in measured.records if r.settings == measured.settings[listed[0]]]
        found = found.with_own(known)
        ends = {
            place: predict_from_neighbours(found, measured.settings[place]).final.median
            for place in others
        }
        others.sort(key=lambda place: found.metric.loss(ends[place]))
    return [*begun_with, *others][:N_TRIALS]


def _judge_predictions(measured: Measured, found: Neighbourhood) -> dict[str, float]:
    metric = found.metric
    finals = [predict_from_neighbours(found, settings).final for settings in measured.settings]
    real = (measured.valid.mean(axis=0) + measured.holdout.mean(axis=0)) / 2
    predicted = np.array([metric.loss(final.median) for final in finals])
    bounds = np.sort([[metric.loss(f.low), metric.loss(f.high)] for f in finals], axis=1)
    single = measured.valid[0]
    way = abs(metric.ideal - found.chance)
    nearest = np.array([metric.loss(end) for end in _average_nearest(found, measured.settings)])
    return {
        "spearman_of_nearest": float(spearmanr(nearest, real)[0]),
        "error_of_nearest": float(np.abs(nearest - real).mean() / way),
        "spearman": float(spearmanr(predicted, real)[0]),
        "error": float(np.abs(predicted - real).mean() / way),
        "share_of_chance": float(np.mean(np.abs(real - metric.loss(metric.ideal)) / way)),
        "coverage": float(((bounds[:, 0] <= single) & (single <= bounds[:, 1])).mean()),
    }


def _judge_seconds(measured: Measured, found: Neighbourhood) -> dict[str, float]:
    """How far predicted seconds are off, as a factor's logarithm, with and without one own trial.

    The own trial is the default's; the rest of the list is judged.
    """
    default, *others = sorted(measured.records, key=lambda r: measured.settings.index(r.settings))

    def measure(neighbourhood: Neighbourhood) -> float:
        predicted = [neighbourhood.predict_effort(other.settings).seconds for other in others]
        real = [other.seconds for other in others]
        logs = np.log(np.maximum([predicted, real], LEAST_SECONDS))
        return float(np.mean(np.abs(logs[0] - logs[1])))

    return {
        "log_error_of_seconds": measure(found),
        "log_error_of_seconds_after_one": measure(found.with_own([default])),
    }


def _average_nearest(found: Neighbourhood, settings: Sequence[Settings]) -> list[float]:
    """Where the mean curve of the same settings on the nearest tables ends."""
    nearest = {similar.known.card_id for similar in found.similar[:N_NEAREST]}
    losses: dict[str, list[float]] = {}
    for record, remaining in zip(found.records, found.remaining, strict=True):
        if record.card_id in nearest:
            losses.setdefault(repr(dict(record.settings)), []).append(float(remaining))
    means = [float(np.mean(losses[repr(dict(one))])) for one in settings]
    return [score_of(mean, found.metric, found.chance) for mean in means]


def compare(measured: Measured, others: Sequence[Measured]) -> dict[str, float]:
    """The regrets of what knows nothing of the table."""
    random = np.random.default_rng(0)
    n = len(measured.settings)
    found = {"default": float(measured.regret(measured.choose([0])))}
    found["default_both"] = measured.judge_one(0)
    for budget in BUDGETS:
        drawn = [
            measured.choose(random.choice(n, min(budget, n), replace=False).tolist())
            for _ in range(N_RANDOM_DRAWS)
        ]
        found[f"random_{budget}"] = float(measured.regret(float(np.mean(drawn))))
    ranks = [np.argsort(np.argsort(o.valid.mean(axis=0) + o.holdout.mean(axis=0))) for o in others]
    best = int(np.mean(ranks, 0).argmin())
    found["portfolio"] = float(measured.regret(measured.choose([best])))
    found["portfolio_both"] = measured.judge_one(best)
    return found


def run(name: str, home: Path, *, seed: int) -> dict[str, object]:
    plugins = load_all_plugins()
    expert, metrics = plugins.experts[name].card, dict(plugins.metrics)
    archive = read_archive(OUTPUT)
    records = list(archive.records(expert=name))
    tables = read_measured(expert, metrics)
    texts = open_texts(home, PackagedEncoder())
    known = [table.known for table in tables]
    exchanges = [_shuffle(known, seed + number) for number in range(N_EXCHANGES)]
    rows: list[dict[str, Any]] = []
    for measured in tables:
        family = measured.table.family
        others = [t for t in tables if t.table.family != family]
        metric = metrics[measured.known.card.metric]
        row: dict[str, float] = compare(measured, others)
        kept = {t.known.card_id: t.known for t in others}
        knowledge = PartialKnowledge(KnowledgeStore(UNUSED), kept=kept, kept_records=records)
        row |= judge(measured, knowledge, expert, metric, texts)
        of_controls = []
        for cards in exchanges:
            control = _exchange({i: replace(k, card=cards[i]) for i, k in kept.items()}, records)
            of_controls.append(judge_choices(measured, control, expert, metric, texts)[1])
        for key in _JUDGED:
            row[f"shuffled_{key}"] = float(np.mean([found[key] for found in of_controls]))
        print(measured.table.name, {k: round(v, 3) for k, v in row.items()}, file=sys.stderr)
        rows.append({"table": measured.table.name, **row})
    _add_mean_of_tables(rows)
    return {"expert": name, "tables": rows, "summary": summarise_rows(rows)}


def _add_mean_of_tables(rows: Sequence[dict[str, Any]]) -> None:
    """The error of predicting for each table the mean loss of all, as a share of chance."""
    shares = {row["table"]: row["share_of_chance"] for row in rows if "share_of_chance" in row}
    mean = float(np.mean(list(shares.values())))
    for row in rows:
        if row["table"] in shares:
            row["error_of_mean_of_tables"] = abs(mean - shares[row["table"]])


def _shuffle(known: Sequence[KnownCard], seed: int) -> dict[str, DataCard]:
    """For each card the card of another table of the same kind of task."""
    random = np.random.default_rng(seed)
    found: dict[str, DataCard] = {}
    for task in sorted({k.card.task for k in known}):  # a set's order changes with the process
        same = [k for k in known if k.card.task == task]
        order = random.permutation(len(same))
        found |= {a.card_id: same[b].card for a, b in zip(same, order, strict=True)}
    return found


def _exchange(cards: Mapping[str, KnownCard], records: Sequence[Record]) -> PartialKnowledge:
    moved = [
        replace(record, card_id=cards[record.card_id].card_id)
        for record in records
        if record.card_id in cards
    ]
    kept = {known.card_id: known for known in cards.values()}
    return PartialKnowledge(KnowledgeStore(UNUSED), kept=kept, kept_records=moved)


def summarise_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """The mean over tables of each column, and of zero-shot less each of its rivals."""
    names = [key for key in rows[0] if key != "table"]
    found = {
        name: summarise([row[name] for row in rows if np.isfinite(row.get(name, np.nan))])
        for name in names
    }
    for ours, rivals in _RIVALS.items():
        for rival in rivals:
            pair = compare_pairs([row[ours] for row in rows], [row[rival] for row in rows])
            found[f"{ours} less {rival}"] = pair
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--expert", nargs="+", default=["xgboost", "linear", "extra-trees"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        results = [run(name, Path(home), seed=options.seed) for name in options.expert]
    document = json.dumps(results, indent=1)
    if options.output:
        options.output.write_text(document, encoding="utf-8")
    print(json.dumps({r["expert"]: r["summary"] for r in results}, indent=1))


if __name__ == "__main__":
    main()
