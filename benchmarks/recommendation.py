"""Seconds of a recommendation from a data card: in a fresh process, and in one that has answered.

    python benchmarks/recommendation.py

The cards are packaged ones under other names and with other descriptions, so that their texts have
to be embedded and their trainings are those of a near neighbour. Prints JSON. What a machine is
worth: the seconds of `python -c "import pandas"` in the same run.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from automl_agent import Agent
from automl_agent.cards.data_card import DataCard
from automl_agent.knowledge.knowledge import open_knowledge

TARGETS_S = {"cold": 3.0, "warm": 0.3}
N_COLD = 5
N_WARM = 24
PROGRAM = str(Path(sys.executable).parent / "automl-agent")


def make_cards(home: Path, n_cards: int) -> list[DataCard]:
    """Cards that nobody has seen, all over the packaged ones."""
    known = open_knowledge(home).cards
    stride = max(1, len(known) // n_cards)
    return [
        replace(one.card, name=f"new {one.card.name}", description=f"{one.card.description} Again.")
        for one in known[::stride][:n_cards]
    ]


def measure_cold(cards: Sequence[DataCard], folder: Path) -> list[float]:
    """Seconds of the program, each time with an empty home."""
    seconds = []
    for number, card in enumerate(cards):
        path = folder / f"card_{number}.json"
        path.write_text(json.dumps(card.to_json()), encoding="utf-8")
        home = {"AUTOML_AGENT_HOME": str(folder / f"home_{number}")}
        seconds.append(measure_process([PROGRAM, "recommend", str(path)], home))
    return seconds


def measure_warm(cards: Sequence[DataCard], home: Path) -> list[float]:
    """Seconds of all but the first, in this process."""
    agent = Agent(home=home)
    seconds = []
    for card in cards:
        started = time.perf_counter()
        agent.recommend(card)
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


def measure_process(command: Sequence[str], variables: dict[str, str]) -> float:
    """Seconds from its start to its end."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **variables})
    return time.perf_counter() - started


def summarise(seconds: Sequence[float], target_s: float) -> dict[str, float]:
    """Least, median and most, and how many are above the target."""
    return {
        "target_s": target_s,
        "least_s": round(min(seconds), 3),
        "median_s": round(statistics.median(seconds), 3),
        "most_s": round(max(seconds), 3),
        "n": len(seconds),
        "n_above": sum(one > target_s for one in seconds),
    }


def main() -> None:
    """Measure the machine, then cold, then warm."""
    imports = [measure_process([sys.executable, "-c", "import pandas"], {}) for _ in range(N_COLD)]
    with tempfile.TemporaryDirectory() as folder:
        cards = make_cards(Path(folder), N_WARM + 1)
        cold = measure_cold(cards[:N_COLD], Path(folder))
        warm = measure_warm(cards, Path(folder) / "home")
    document = {
        "import_pandas_s": round(statistics.median(imports), 3),
        "cold": summarise(cold, TARGETS_S["cold"]),
        "warm": summarise(warm, TARGETS_S["warm"]),
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
