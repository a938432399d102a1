"""The worked example of CONTRIBUTING.md: copy a folder, change four things, run one check."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent / "examples" / "automl-agent-neighbours"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """The example, copied and renamed as CONTRIBUTING.md says."""
    folder = tmp_path / "automl-agent-mine"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for path in [*folder.rglob("*.toml"), *folder.rglob("*.json"), *folder.rglob("*.py")]:
        path.write_text(path.read_text().replace("neighbours", "mine"))
    (folder / "src" / "automl_agent_neighbours").rename(folder / "src" / "automl_agent_mine")
    (folder / "tests" / "test_neighbours_expert.py").rename(folder / "tests" / "test_mine.py")
    return folder


@pytest.fixture
def installed(mine: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of a program for which the copy is installed."""
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--no-build-isolation", "--target", site, mine], check=True)
    return {**os.environ, "PYTHONPATH": str(site)}


def run(command: list[str], environment: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_copy_passes_the_check_its_tests_and_trains(
    mine: Path, installed: dict[str, str]
) -> None:
    program = str(Path(sys.executable).parent / "automl-agent")
    checked = run([program, "plugins", "check", "automl-agent-mine"], installed, mine)
    assert checked == "automl-agent-mine: ok\n"
    tests = run([sys.executable, "-m", "pytest", "-q", "tests"], installed, mine)
    assert "failed" not in tests
    assert "passed" in tests
    table = str(EXAMPLE.parent / "adult" / "adult_test.csv.gz")
    command = [program, "run", table, "--target", "income", "--expert", "mine", "--trials", "1"]
    assert "mine-1" in run([*command, "--quiet"], installed, mine)
