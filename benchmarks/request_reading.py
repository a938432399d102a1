"""How many requests in plain words the built-in reader reads right, without a language model.

    python benchmarks/request_reading.py [--split development] [--failures]

Prints JSON: for the requests of benchmarks/requests/requests.json, by split and kind, the share
whose tasks are right (table, target, experts, and declining what is impossible), and of those with
tasks the shares with the right metric, constraints and terms (columns left out, split, limits).
The reader is told the headers of the tables; with --roles also what its columns are. Besides the
installed experts it is told those of requests/distractors, which never are right.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import isclose
from pathlib import Path
from typing import Any

from automl_agent.cards.model_card import read_model_card
from automl_agent.controllers.reading.reading import Reading, Table, TaskWords
from automl_agent.controllers.reading.requests import read_request
from automl_agent.training.scoring import BUILTIN_METRICS

Json = Mapping[str, Any]
ROOT = Path(__file__).parent.parent
REQUESTS = ROOT / "benchmarks" / "requests"
TABULAR_CARDS = (
    *ROOT.glob("plugins/*/src/*/model_card.json"),
    *ROOT.glob("plugins/*/src/*/model_cards/*.json"),
)
SPLITS = ("development", "held_out", "held_out_2")
METRICS = [metric.name for metric in BUILTIN_METRICS]
# A size in MB may be written with more or fewer figures in MiB.
TOLERANCE = 0.01


@dataclass(frozen=True)
class Verdict:
    """Which parts of a reading are right; None for those that a declined request has not."""

    id: str
    split: str
    kind: str
    is_right: bool
    has_right_metrics: bool | None = None
    has_right_constraints: bool | None = None
    has_right_terms: bool | None = None


@cache
def read_experts(*, tabular_only: bool) -> dict[str, str]:
    """The experts' names, and what their cards say."""
    others = () if tabular_only else sorted(REQUESTS.glob("distractors/*.json"))
    cards = [read_model_card(path) for path in (*sorted(TABULAR_CARDS), *others)]
    fitting = [card for card in cards if not tabular_only or "tabular" in card.input_types]
    return {card.name: f"{card.structure}. {card.description}" for card in fitting}


def read(request: Json, tables: Json, *, with_roles: bool) -> Reading:
    names = tables if request["tables"] == "all" else request["tables"]
    if request["tables"] == "all":
        names = [name for name in tables if not tables[name]["source"].startswith("made up")]
    given = [
        Table(name, tuple(tables[name]["columns"]), tables[name]["roles"] if with_roles else {})
        for name in names
    ]
    experts = read_experts(tabular_only=False)
    return read_request(request["words"], given, experts=experts, metrics=METRICS)


def judge(request: Json, reading: Reading) -> Verdict:
    """The verdict by the label, or by another acceptable one that has the same tasks."""
    labels = [request["label"], *request.get("acceptable", [])]
    fitting = next((label for label in labels if match(label, reading.tasks)), labels[0])
    declines = request.get("decline", False)
    needs_problem = request.get("has_problem", False) or (declines and not reading.tasks)
    is_right = match(fitting, reading.tasks) is not None and (
        bool(reading.problem) or not needs_problem
    )
    pairs = match(fitting, reading.tasks) or []
    verdict = {"id": request["id"], "split": request["split"], "kind": request["kind"]}
    if not fitting:
        return Verdict(**verdict, is_right=is_right)
    return Verdict(
        **verdict,
        is_right=is_right,
        has_right_metrics=bool(pairs) and all(w["metric"] == t.metric for w, t in pairs),
        has_right_constraints=bool(pairs)
        and all(same_constraints(w["constraints"], t.constraints) for w, t in pairs),
        has_right_terms=bool(pairs) and all(same_terms(w, t) for w, t in pairs),
    )


def match(label: Sequence[Json], tasks: Sequence[TaskWords]) -> list[tuple[Json, TaskWords]] | None:
    """Each wanted task with the one that was read; None if one is wrong, missing or too many."""
    read_tasks = {(task.table, task.target): task for task in tasks}
    wanted = {(want["table"], want["target"]): want for want in label}
    if read_tasks.keys() != wanted.keys() or len(read_tasks) != len(tasks):
        return None
    pairs = [(want, read_tasks[key]) for key, want in wanted.items()]
    right = all(same_experts(want["experts"], task.experts) for want, task in pairs)
    return pairs if right else None


def same_experts(wanted: Sequence[str], found: Sequence[str]) -> bool:
    """Whether the experts are the right ones; those that read no tables drop out by themselves."""
    fitting = [name for name in found if name in read_experts(tabular_only=True)]
    if not wanted:
        return not found
    return bool(fitting) and set(fitting) == set(wanted)


def same_constraints(wanted: Sequence[str], found: Sequence[str]) -> bool:
    return len(wanted) == len(found) and all(
        any(same_constraint(want, constraint) for constraint in found) for want in wanted
    )


def same_constraint(wanted: str, found: str) -> bool:
    *start, amount = wanted.split()
    *found_start, found_amount = found.split()
    if start != found_start:
        return False
    try:
        return isclose(float(amount), float(found_amount), rel_tol=TOLERANCE)
    except ValueError:
        return amount == found_amount


def same_terms(wanted: Json, found: TaskWords) -> bool:
    split = [found.split.kind, found.split.column] if found.split else None
    return (
        set(wanted.get("drop", [])) == set(found.drop)
        and wanted.get("split") == split
        and wanted.get("time_s") == found.time_s
        and wanted.get("n_trials") == found.n_trials
    )


def summarise(verdicts: Sequence[Verdict]) -> dict[str, object]:
    kinds = sorted({verdict.kind for verdict in verdicts})
    trained = [verdict for verdict in verdicts if verdict.has_right_metrics is not None]
    return {
        "n": len(verdicts),
        "tasks_right": share([v.is_right for v in verdicts]),
        "by_kind": {k: share([v.is_right for v in verdicts if v.kind == k]) for k in kinds},
        "metrics_right": share([bool(v.has_right_metrics) for v in trained]),
        "constraints_right": share([bool(v.has_right_constraints) for v in trained]),
        "terms_right": share([bool(v.has_right_terms) for v in trained]),
        "all_right": share([is_all_right(v) for v in verdicts]),
    }


def share(right: Sequence[bool]) -> str:
    percent = 100 * sum(right) / len(right) if right else 0.0
    return f"{sum(right)}/{len(right)} ({percent:.0f} %)"


def is_all_right(verdict: Verdict) -> bool:
    parts = (verdict.has_right_metrics, verdict.has_right_constraints, verdict.has_right_terms)
    return verdict.is_right and all(part is not False for part in parts)


def main() -> None:
    """Measure all splits, or one of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--split", choices=SPLITS, help="only these requests")
    parser.add_argument("--roles", action="store_true", help="tell the roles of columns")
    parser.add_argument("--failures", action="store_true", help="show what was read wrong")
    options = parser.parse_args()
    document = json.loads((REQUESTS / "requests.json").read_text(encoding="utf-8"))
    splits = [options.split] if options.split else list(SPLITS)
    result: dict[str, object] = {}
    failures = []
    for split in splits:
        verdicts = []
        for request in (r for r in document["requests"] if r["split"] == split):
            reading = read(request, document["tables"], with_roles=options.roles)
            verdicts.append(judge(request, reading))
            if not is_all_right(verdicts[-1]):
                failures.append({"id": request["id"], "words": request["words"], **show(reading)})
        result[split] = summarise(verdicts)
    if options.failures:
        result["failures"] = failures
    print(json.dumps(result, indent=1, ensure_ascii=False))


def show(reading: Reading) -> dict[str, object]:
    return {"read": [repr(task) for task in reading.tasks], "problem": reading.problem}


if __name__ == "__main__":
    main()
