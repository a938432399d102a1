"""Whole runs with the providers' own SDKs, against a server that says what a test wants."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.datasets import load_iris

from automl_agent import Result
from automl_agent.errors import TrainingError
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import journal_path

from ...chat_models.model_server import (
    ModelServer,
)
from ..wire import (
    check_requests,
    make_agent,
)

Events = list[tuple[str, Mapping[str, Any]]]


@pytest.fixture(scope="module")
def iris() -> pd.DataFrame:
    return load_iris(as_frame=True).frame


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


@pytest.fixture
def events() -> Events:
    return []


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting has tests of its own, with a clock."""
    monkeypatch.setattr("automl_agent.controllers.attempts._FIRST_WAIT_S", 0.01)


def run(
    server: ModelServer, mode: str, iris: pd.DataFrame, events: Events, **options: Any
) -> Result:
    agent = make_agent(
        server, mode, on_event=lambda name, fields: events.append((name, fields)), **options
    )
    try:
        return agent.run(iris, "target", n_trials=2, time_s=60, metric="accuracy", experts="linear")
    finally:
        if server.requests:
            check_requests(server, mode)


def talk(server: ModelServer, mode: str, iris: pd.DataFrame, **options: Any) -> str:
    """Why nothing came of a run in which nothing is trained and the planner does not take over."""
    agent = make_agent(server, mode, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("automl_agent.agent.find_fallback", lambda _model: None)
        with pytest.raises(TrainingError) as caught:
            agent.run(iris, "target", n_trials=1, time_s=60, experts="linear")
    check_requests(server, mode)
    return str(caught.value)


def named(events: Events, name: str) -> list[Mapping[str, Any]]:
    return [fields for found, fields in events if found == name]


def replaced(events: Events) -> str:
    """Why the planner went on, "" if it did not."""
    return " ".join(str(fields["reason"]) for fields in named(events, "controller_replaced"))


def list_calls(home: Path, table: str = "model_calls") -> list[dict[str, Any]]:
    with Journal(journal_path(home)) as journal:
        (conversation,) = journal.list_conversations()
        return journal.list_rows(table, conversation["conversation_id"])
