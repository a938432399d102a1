"""A user with no configuration, no key and no keyring."""

import os
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring

from automl_agent.environment import is_key_variable


class MemoryKeyring(KeyringBackend):
    """A keyring that can be used, and forgets with the process."""

    priority = 5  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.passwords: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.passwords.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.passwords[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.passwords[service, username]


@pytest.fixture(autouse=True)
def user_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the user's own file would lie; the current folder is an empty project."""
    for name in list(os.environ):
        if name.startswith("AUTOML_AGENT_") or is_key_variable(name):
            monkeypatch.delenv(name)
    path = tmp_path / "user" / "automl-agent" / "config.toml"
    monkeypatch.setattr("platformdirs.user_config_dir", lambda _name: str(path.parent))
    path.parent.mkdir(parents=True)
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    monkeypatch.chdir(project)
    before = keyring.get_keyring()
    keyring.set_keyring(NoKeyring())
    yield path
    keyring.set_keyring(before)


@pytest.fixture
def memory_keyring() -> MemoryKeyring:
    """A keyring in place of none."""
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    return backend
