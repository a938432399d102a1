"""Where a journal lies, a new one with one run, and what another connection sees of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from automl_agent.runs.journal import Journal

PATIENCE_S = 30.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal lies."""
    return tmp_path / "state" / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """A new journal with one run."""
    with Journal(path) as opened:
        begin_run(opened, "run", {"target": "income"})
        yield opened


def begin_run(journal: Journal, run_id: str, request: dict[str, object]) -> None:
    """Begin a run in a conversation that has its name."""
    if run_id not in {c["run_id"] for c in journal.list_runs()}:
        journal.begin_conversation(run_id, "")
    journal.begin_run(run_id, request, conversation_id=run_id)
