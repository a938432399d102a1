"""Seconds of `automl-agent --help` and `import automl_agent`, also with 200 plugins installed.

    python benchmarks/startup.py

Prints JSON: the median of warm starts, each beside that of a bare `python -c pass` in the same run.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

N_STARTS = 15
N_PLUGINS = 200
TARGETS_S = {"--help": 0.25, "import": 0.15}
PROGRAM = str(Path(sys.executable).parent / "automl-agent")
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import": [sys.executable, "-c", "import automl_agent"],
    "--help": [PROGRAM, "--help"],
    "experts list": [PROGRAM, "experts", "list"],
}


def measure_start(command: list[str], path: str) -> float:
    """The median of warm starts, in seconds."""
    environment = {**os.environ, "PYTHONPATH": path}
    seconds = []
    for _ in range(N_STARTS + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, env=environment, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return round(statistics.median(seconds[1:]), 4)


def make_plugins(folder: Path) -> None:
    """Installed plugins with an expert's card each."""
    (source,) = (Path(__file__).parent.parent / "plugins").glob("*xgboost/src/*/model_card.json")
    card = json.loads(source.read_text(encoding="utf-8"))
    for number in range(N_PLUGINS):
        package = folder / f"plugin_{number}"
        package.mkdir()
        (package / "__init__.py").write_text("raise SystemExit\n")
        card["name"] = f"expert-{number}"
        (package / "model_card.json").write_text(json.dumps(card))
        metadata = folder / f"automl_agent_many_{number}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Name: automl-agent-many-{number}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[automl_agent]\nmany = plugin_{number}\n")


def main() -> None:
    """Measure with the plugins that are there, then with many more."""
    with tempfile.TemporaryDirectory() as folder:
        few = {name: measure_start(command, "") for name, command in COMMANDS.items()}
        make_plugins(Path(folder))
        many = {name: measure_start(command, folder) for name, command in COMMANDS.items()}
    document = {"targets_s": TARGETS_S, "installed": few, f"with {N_PLUGINS} more plugins": many}
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
