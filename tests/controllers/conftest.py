"""A session to work on."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.datasets import load_iris

from automl_agent.agent import load_all_plugins
from automl_agent.controllers.attempts import Asking
from automl_agent.controllers.budget import Budget
from automl_agent.controllers.conversation.conversation import Conversation
from automl_agent.controllers.conversation.session import Session
from automl_agent.controllers.conversation.workplace import Workplace
from automl_agent.controllers.gate import OpenGate
from automl_agent.controllers.request import Request
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
            conversation_id="c",
        )
        journal.begin_conversation(session.run_id, "iris")
        journal.begin_run(session.run_id, request.to_json(), conversation_id=session.run_id)
        sessions.append(session)
        return session

    yield make
    for session in sessions:
        if not session.is_ended:
            session.close_batches()
    journal.close()


def converse(session: Session, **fields: Any) -> Conversation:
    """A conversation about the task of a session, in which the request is made already."""
    workplace = Workplace(
        home=session.directory.home,
        plugins=session.plugins,
        journal=session.journal,
        gate=session.gate,
        emit=lambda name, event: session.emit(name, event),
        find_sandbox=lambda: session.sandbox,
        read_table=pd.read_csv,
        sandbox_options=session.request.sandbox_options,
    )
    conversation = Conversation(session.run_id, workplace, session.budget, **fields)
    conversation.is_begun = True
    conversation.adopt(session)
    conversation.begin_round({"words": "", "task": session.request.to_told()})
    return conversation


def prepare_asking(conversation: Conversation) -> Asking:
    """What a loop needs to ask a model."""
    return Asking(
        purse=conversation.purse,
        meter=conversation.meter,
        recorder=conversation,
        on_text=lambda _text: None,
        on_wait=lambda _reason, _left_s: None,
        patience_s=lambda: 60.0,
    )
