"""What all tests share: a state of their own."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh folder for the journal and the runs; no test sees the user's."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("AUTOML_AGENT_HOME", str(folder))
    return folder
