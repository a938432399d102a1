"""Ctrl-C at any point of a run: the journal knows how it ended, and nothing is left open."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.datasets import load_iris

from automl_agent import Agent, Result
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import journal_path


@pytest.fixture(scope="module")
def iris() -> pd.DataFrame:
    frame: pd.DataFrame = load_iris(as_frame=True).frame
    return frame


def run_to(event: str, home: Path, iris: pd.DataFrame) -> Result:
    """A short run that is interrupted when an event is first told."""
    left = [event]

    def interrupt(name: str, fields: Mapping[str, Any]) -> None:
        if name in left:
            left.remove(name)
            raise KeyboardInterrupt

    agent = Agent(home=home, sandbox="process", on_event=interrupt)
    return agent.run(iris, "target", experts="linear", n_trials=1)


def statuses(home: Path) -> list[str]:
    with Journal(journal_path(home)) as journal:
        return [run["status"] for run in journal.list_runs()]


def interrupt_a_write(monkeypatch: pytest.MonkeyPatch, method: str, when: str) -> None:
    """Let Ctrl-C come in the journal's next write of a kind, before or after it is on the disk."""
    write = getattr(Journal, method)

    def interrupted(*args: Any, **kwargs: Any) -> None:
        monkeypatch.setattr(Journal, method, write)
        if when == "after":
            write(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(Journal, method, interrupted)


@pytest.mark.parametrize(
    "event", ["run_started", "data_profiled", "expert_assigned", "plan_approved", "trial_started"]
)
def test_before_a_trial_has_finished_nothing_is_left(
    event: str, tmp_path: Path, iris: pd.DataFrame
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_to(event, tmp_path, iris)
    assert statuses(tmp_path) == ["interrupted"]
    assert not list((tmp_path / "open").iterdir()), "the conversation can be taken up"


@pytest.mark.parametrize("event", ["trial_ended", "delivery_started", "run_ended"])
def test_after_it_the_model_is_delivered(event: str, tmp_path: Path, iris: pd.DataFrame) -> None:
    result = run_to(event, tmp_path, iris)
    assert statuses(tmp_path) == [result.to_json()["status"]]
    assert len(result.predict(iris.drop(columns="target"))) == len(iris)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", ["begin_conversation", "begin_run", "add_message"])
def test_a_write_to_the_journal_may_be_where_it_comes(
    method: str, when: str, tmp_path: Path, iris: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_a_write(monkeypatch, method, when)
    with pytest.raises(KeyboardInterrupt):
        run_to("", tmp_path, iris)
    assert set(statuses(tmp_path)) <= {"interrupted"}


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_last_write_of_a_run_is_made(
    when: str, tmp_path: Path, iris: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_a_write(monkeypatch, "end_run", when)
    result = run_to("", tmp_path, iris)
    assert statuses(tmp_path) == ["finished"]
    assert result.to_json()["status"] == "finished"
