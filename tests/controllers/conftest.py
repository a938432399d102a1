"""A session to work on."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.datasets import load_iris

from automl_agent.agent import load_all_plugins
from automl_agent.controllers.budget import Budget
from automl_agent.controllers.gate import OpenGate
from automl_agent.controllers.request import Request
from automl_agent.controllers.session import Session
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import create_run_directory, journal_path
from automl_agent.sandboxes.process import ProcessSandbox
from automl_agent.sandboxes.resources import available_resources

MakeSession = Callable[..., Session]


@pytest.fixture
def events() -> list[tuple[str, dict[str, Any]]]:
    """What a session emits, in order."""
    return []


@pytest.fixture
def make_session(home: Path, events: list[tuple[str, dict[str, Any]]]) -> Iterator[MakeSession]:
    """Makes sessions for the iris table; fields of the request can be given."""
    sessions: list[Session] = []
    journal = Journal(journal_path(home))

    def make(**fields: Any) -> Session:
        request = Request(**{"table": "iris", "target": "target", "n_trials": 3, **fields})
        frame: pd.DataFrame = load_iris(as_frame=True).frame
        session = Session(
            request=request,
            frame=frame,
            holdout_frame=None,
            plugins=load_all_plugins(),
            sandbox=ProcessSandbox(),
            resources=available_resources(),
            journal=journal,
            directory=create_run_directory(home),
            budget=Budget(request.time_s, request.n_trials),
            gate=OpenGate(),
            emit=lambda name, event: events.append((name, dict(event))),
        )
        journal.begin_run(session.run_id, request.to_json())
        sessions.append(session)
        return session

    yield make
    for session in sessions:
        session.close_batches()
    journal.close()
