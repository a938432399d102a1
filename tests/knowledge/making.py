"""Cards and records for tests."""

import gzip
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from automl_agent.cards.data_card import Classes, Column, DataCard
from automl_agent.knowledge.records.archive import Manifest
from automl_agent.knowledge.records.record import CurvePoint, KnownCard, Record

MANIFEST = Manifest("clinic", "made for tests; no terms", "2026-01-31T12:30:00Z")


def make_known(name: str = "heart", **changes: Any) -> KnownCard:
    """A card of a small table with a column that nothing else is called like."""
    fields = ("name", "description", "input_type", "task", "label_space", "metric", "target")
    provenance: Any = {**dict.fromkeys(fields, "stated"), "columns": "measured"}
    card = DataCard(
        name=name,
        description="Patients, and whether they fell ill.",
        input_type="tabular",
        task="binary_classification",
        label_space=Classes(("healthy", "ill")),
        metric="log_loss",
        provenance=provenance,
        target="diagnosis",
        columns=(Column("unmistakable_column", "numeric"),),
    )
    return KnownCard(replace(card, **changes), "a clinic", "hearts")


def make_record(known: KnownCard, **changes: Any) -> Record:
    """A record of a trial for a card."""
    record = Record(
        card_id=known.card_id,
        expert="xgboost",
        settings={"rate": 0.1, "n_leaves": 31, "kind": "hist", "is_exact": False},
        metric="log_loss",
        scores={"log_loss": 0.4, "accuracy": 0.8},
        curve=(CurvePoint(1, 0.6, 0.5), CurvePoint(9, 0.4, 1.25)),
        n_steps=9,
        seconds=2.5,
        memory_mib=120.0,
    )
    return replace(record, **changes)


def rewrite(path: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Change the lines of an archive and give it the checksum that it then has."""
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()[:-1]]
    change(lines)
    write_lines(path, [json.dumps(line) for line in lines])


def write_lines(path: Path, lines: Sequence[str]) -> None:
    """An archive with these lines and the right checksum."""
    content = "".join(f"{line}\n" for line in lines).encode()
    last = json.dumps({"sha256": hashlib.sha256(content).hexdigest()}, separators=(",", ":"))
    path.write_bytes(gzip.compress(content + last.encode() + b"\n"))


def sort_records(records: Sequence[Record]) -> list[Record]:
    """The records in an order that depends on nothing but their content."""
    return sorted(records, key=lambda record: json.dumps(record.to_json(), sort_keys=True))
