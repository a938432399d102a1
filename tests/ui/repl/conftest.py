"""Whole sessions at the prompt, from scripted input."""

import io
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.datasets import load_iris

from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import journal_path
from automl_agent.ui.app import cli, run_program

from ...conftest import Site

# Set where a machine must have tmux, so that nothing is skipped unseen.
REQUIRE_VARIABLE = "AUTOML_AGENT_REQUIRE_TMUX"
# Two trials of the expert that starts soonest.
QUICK = ("--time", "40s", "--trials", "2")
REQUEST = "predict species from iris.csv with xgboost"
_SCRIPTED = """
from automl_agent import ChatModelProvider, hookimpl
from automl_agent.chat_models.chat_model import ModelTraits
from automl_agent.testing import ScriptedChatModel
import json, pathlib

@hookimpl
def register_chat_models():
    replies = json.loads(pathlib.Path(__file__).with_name("replies.json").read_text())
    return [ChatModelProvider("scripted", lambda _model: ScriptedChatModel(replies))]
"""


class Talk:
    """What a session printed, and its exit code."""

    def __init__(self, code: int, shown: str, complaints: str) -> None:
        self.code = code
        self.shown = shown
        self.complaints = complaints

    def after(self, line: str) -> str:
        """What was shown for the last entry of that line, up to the next prompt."""
        _, _, rest = self.shown.rpartition(f"> {line}\n")
        return rest.partition("\n> ")[0]


@pytest.fixture
def iris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table in the present folder, with three classes of flowers."""
    frame: pd.DataFrame = load_iris(as_frame=True).frame
    frame["species"] = frame.pop("target").map({0: "setosa", 1: "versicolor", 2: "virginica"})
    path = tmp_path / "iris.csv"
    frame.to_csv(path, index=False)
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture
def talk(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Talk]:
    """Runs `automl-agent` with lines as its standard input."""

    def run(lines: Sequence[str], *options: object) -> Talk:
        text = "".join(f"{line}\n" for line in lines)
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        capsys.readouterr()
        arguments = [str(option) for option in (*QUICK, *options)]
        code = run_program(lambda: cli.main(arguments, standalone_mode=False))
        printed = capsys.readouterr()
        return Talk(code, printed.out, printed.err)

    return run


@pytest.fixture
def scripted(site: Site) -> Callable[[Sequence[Any]], None]:
    """Installs a controller "scripted" that gives these replies, in every session anew."""

    def install(replies: Sequence[Any]) -> None:
        site.add(
            "automl-agent-scripted",
            {"scripted": "scripted_plugin"},
            {"scripted_plugin.py": _SCRIPTED, "replies.json": json.dumps(list(replies))},
        )

    return install


@pytest.fixture
def list_runs(home: Path) -> Callable[[], list[dict[str, Any]]]:
    """The runs in the journal, the newest first."""

    def read() -> list[dict[str, Any]]:
        with Journal(journal_path(home)) as journal:
            return journal.list_runs()

    return read


@pytest.fixture
def tmux() -> str:
    """The program tmux; without it the test is skipped."""
    found = shutil.which("tmux")
    if found is None:
        if os.environ.get(REQUIRE_VARIABLE) == "1":
            pytest.fail("tmux is missing")
        pytest.skip("tmux is missing")
    return found
