"""The program, run in this process."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.datasets import load_wine

from automl_agent.ui.app import cli, run_program


@dataclass(frozen=True)
class Outcome:
    """What the program printed and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


Program = Callable[..., Outcome]


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    """Runs `automl-agent` with arguments."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = run_program(lambda: cli.main([str(a) for a in arguments], standalone_mode=False))
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return run


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A CSV file with three classes of wine."""
    frame: pd.DataFrame = load_wine(as_frame=True).frame
    frame["target"] = frame["target"].map({0: "red", 1: "white", 2: "=rosé"})
    path = tmp_path / "wine.csv"
    frame.to_csv(path, index=False)
    return path
