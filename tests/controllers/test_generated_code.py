"""Code that a language model wrote, in the real sandbox: it fails, is explained, is put right."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.datasets import load_iris

from automl_agent.agent import load_all_plugins
from automl_agent.errors import TrainingError
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import journal_path

from ..chat_models.model_server import ModelServer
from .wire import FINISH, PREPARE, PROFILE, SEARCH, TRAIN, find_results, make_agent, script

SECRET_CELL = "Smythewq"


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    frame = load_iris(as_frame=True).frame
    return frame.assign(who=[SECRET_CELL if n % 3 else "Otherwq" for n in range(len(frame))])


def template() -> str:
    return (load_all_plugins().experts["linear"].templates / "model.py").read_text()


def broken(statement: str) -> str:
    """The expert's script with a statement in the function that builds the model."""
    line = '    alpha = job["settings"]["alpha"]\n'
    assert line in template()
    return template().replace(line, f"    {statement}\n{line}")


def write(text: str | None) -> tuple[str, dict[str, Any]]:
    given = {"plan_id": "linear", "script": "model.py"} | ({"text": text} if text else {})
    return "write_script", given


def start(text: str) -> list[Any]:
    return [[*PROFILE, *SEARCH], [PREPARE[0], write(text), *PREPARE[2:]], TRAIN]


@pytest.mark.docker
@pytest.mark.usefixtures("image")
def test_a_script_that_failed_is_explained_and_put_right(
    server: ModelServer, table: pd.DataFrame, home: Path
) -> None:
    reads = 'raise KeyError(str(pd.read_parquet("/in/data/train.parquet")["c4"].unique()))'
    turns = [*start(broken("1 / 0")), [write(broken(reads)), *TRAIN], [write(template()), *TRAIN]]
    server.script = script("messages", *turns, FINISH)
    agent = make_agent(server, "messages", sandbox="docker")
    result = agent.run(table, "target", n_trials=5, time_s=200, metric="accuracy").to_json()
    trained = [r for r in find_results(server.requests[-1], "messages") if "valid_score" in r]
    assert [r["valid_score"] is None for r in trained] == [True, True, False]
    first, second = (r["failure"] for r in trained[:2])
    assert first == {
        "exception": "ZeroDivisionError",
        "untrusted_text": "division by zero",
        "script": "model.py",
        "line": first["line"],
        "source_line": "1 / 0",
    }
    assert second["exception"] == "KeyError"
    assert second["source_line"] == reads
    assert [r["n_repairs_left"] for r in trained[:2]] == [3, 2]
    bodies = json.dumps([request.body for request in server.requests])
    assert SECRET_CELL not in bodies
    assert "Otherwq" not in bodies
    assert result["score"] > 0.8
    with Journal(journal_path(home)) as journal:
        steps = journal.list_rows("steps", result["run_id"])
    assert [row["intent"]["sandbox"] for row in steps] == ["docker"] * 3
    assert all(row["status"] in ("done", "failed") for row in steps)


@pytest.mark.docker
@pytest.mark.usefixtures("image")
def test_after_three_repairs_it_is_over(
    server: ModelServer, table: pd.DataFrame, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automl_agent.agent.find_fallback", lambda _model: None)
    again = [[write(broken(f"1 / 0  # {number}")), *TRAIN] for number in range(4)]
    server.script = script("messages", *start(broken("1 / 0")), *again, FINISH)
    agent = make_agent(server, "messages", sandbox="docker")
    with pytest.raises(TrainingError):
        agent.run(table, "target", n_trials=9, time_s=200)
    results = find_results(server.requests[-1], "messages")
    failures = [r for r in results if "failure" in r]
    # The fourth repair is refused; what cannot be changed is not worth another trial either.
    assert [r["n_repairs_left"] for r in failures][:4] == [3, 2, 1, 0]
    assert "cannot be called now" in results[-2]["error"]


def test_in_a_process_it_is_refused_and_the_experts_own_is_trained(
    server: ModelServer, table: pd.DataFrame
) -> None:
    turns = start(broken("open('/tmp/never', 'w')"))
    turns[1].insert(2, PREPARE[1])
    server.script = script("messages", *turns, FINISH)
    agent = make_agent(server, "messages", sandbox="process")
    result = agent.run(table, "target", n_trials=1, time_s=60, metric="accuracy").to_json()
    errors = [r["error"] for r in find_results(server.requests[-1], "messages") if "error" in r]
    assert len(errors) == 1
    assert errors[0].startswith("Generated code does not run in the sandbox 'process'")
    assert result["plan"].get("generated", []) == []
