"""Where keys are found and kept, that each goes to one address, and that none is shown."""

import json
import os
import stat
import threading
import time
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend

from automl_agent.configuration import keyring_store
from automl_agent.configuration.endpoints import BUILT_IN
from automl_agent.configuration.keys import explain_missing_key, find_key, forget_key, store_key
from automl_agent.errors import InputError

from .conftest import MemoryKeyring

ANTHROPIC = BUILT_IN["anthropic"]
CANARY = "sk-canary-8d21"


@pytest.fixture
def key_file(user_file: Path) -> Path:
    return user_file.with_name("keys.json")


def found(environ: dict[str, str] | None = None) -> tuple[str, str] | None:
    key = find_key(ANTHROPIC, environ=environ or {})
    return None if key is None else (key.secret, key.origin)


def test_the_variable_counts_for_more_than_the_keyring_and_that_for_more_than_the_file(
    memory_keyring: MemoryKeyring, key_file: Path
) -> None:
    key_file.write_text(json.dumps({ANTHROPIC.base_url: "filed"}))
    key_file.chmod(0o600)
    assert found() == ("filed", str(key_file))
    memory_keyring.set_password("automl-agent", ANTHROPIC.base_url, "kept")
    assert found() == ("kept", "keyring")
    assert found({"ANTHROPIC_API_KEY": "set"}) == ("set", "ANTHROPIC_API_KEY")
    assert found({"ANTHROPIC_API_KEY": ""}) == ("kept", "keyring")


def test_the_keyring_keeps_a_key_where_there_is_one(
    memory_keyring: MemoryKeyring, key_file: Path
) -> None:
    assert store_key(ANTHROPIC, CANARY) == "keyring"
    assert memory_keyring.passwords == {("automl-agent", ANTHROPIC.base_url): CANARY}
    assert not key_file.exists()
    assert found() == (CANARY, "keyring")
    assert forget_key(ANTHROPIC) == ("keyring",)
    assert (found(), forget_key(ANTHROPIC)) == (None, ())


def test_without_a_keyring_a_file_for_nobody_else_keeps_it(key_file: Path) -> None:
    key_file.parent.rmdir()
    before = os.umask(0)
    try:
        assert store_key(ANTHROPIC, CANARY) == str(key_file)
    finally:
        os.umask(before)
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(key_file.parent.stat().st_mode) == 0o700
    assert json.loads(key_file.read_text()) == {ANTHROPIC.base_url: CANARY}
    assert os.listdir(key_file.parent) == ["keys.json"]  # noqa: PTH208 - names only
    assert found() == (CANARY, str(key_file))


def test_one_key_is_forgotten_and_the_others_stay(key_file: Path) -> None:
    store_key(ANTHROPIC, CANARY)
    store_key(BUILT_IN["openai"], "other")
    assert forget_key(ANTHROPIC) == (str(key_file),)
    assert json.loads(key_file.read_text()) == {BUILT_IN["openai"].base_url: "other"}


def test_a_stored_key_is_found_for_its_own_address_only(memory_keyring: MemoryKeyring) -> None:
    store_key(ANTHROPIC, CANARY)
    assert memory_keyring.passwords
    assert [name for name, endpoint in BUILT_IN.items() if find_key(endpoint, environ={})] == [
        "anthropic"
    ]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666], ids=oct)
def test_a_file_of_keys_that_others_may_read_or_write_is_refused(mode: int, key_file: Path) -> None:
    store_key(ANTHROPIC, CANARY)
    key_file.chmod(mode)
    remedy = f"^{key_file}: others may read your keys; run: chmod 600 '{key_file}'$"
    for use in (found, lambda: store_key(ANTHROPIC, "x"), lambda: forget_key(ANTHROPIC)):
        with pytest.raises(InputError, match=remedy):
            use()
    # A key that does not come from the file needs no file.
    assert found({"ANTHROPIC_API_KEY": "set"}) == ("set", "ANTHROPIC_API_KEY")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(CANARY, id="a bare key"),
        pytest.param(f'"{CANARY}"', id="a text"),
        pytest.param(f'{{"https://api.anthropic.com": ["{CANARY}"]}}', id="a list"),
        pytest.param(f'{{"a": "{CANARY}", "a": "{CANARY}"}}', id="twice"),
        pytest.param("", id="empty"),
    ],
)
def test_a_file_of_keys_that_is_none_is_named_and_not_shown(text: str, key_file: Path) -> None:
    key_file.write_text(text)
    key_file.chmod(0o600)
    with pytest.raises(InputError, match=f"^{key_file}: is no JSON object") as caught:
        found()
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param("", id="empty"),
        pytest.param(f"{CANARY}\n", id="line break"),
        pytest.param(f"{CANARY}\r\nX-Header: 1", id="another header"),
        pytest.param(f" {CANARY}", id="space"),
        pytest.param(f"{CANARY}\t", id="tab"),
        pytest.param(f"{CANARY}\x00", id="NUL"),
        pytest.param(f"{CANARY}\u200b", id="an unseen character"),
        pytest.param(f"{CANARY}ü", id="not ASCII"),
    ],
)
def test_what_cannot_be_a_key_is_refused_and_not_shown(secret: str, key_file: Path) -> None:
    with pytest.raises(InputError, match="this is no key") as caught:
        store_key(ANTHROPIC, secret)
    assert CANARY not in str(caught.value)
    assert not key_file.exists()
    if secret:
        with pytest.raises(InputError, match=r"^ANTHROPIC_API_KEY: this is no key") as caught:
            found({"ANTHROPIC_API_KEY": secret})
        assert CANARY not in str(caught.value)


class LockedKeyring(MemoryKeyring):
    def get_password(self, service: str, username: str) -> str | None:
        raise RuntimeError(CANARY)

    set_password = delete_password = get_password  # type: ignore[assignment]


class SilentKeyring(MemoryKeyring):
    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep nothing, and say nothing."""


class PlainTextKeyring(MemoryKeyring):
    priority = 0.5  # type: ignore[assignment]


class HangingKeyring(MemoryKeyring):
    def get_password(self, service: str, username: str) -> str | None:
        time.sleep(30)
        return None

    def set_password(self, service: str, username: str, password: str) -> None:
        time.sleep(30)


class Chain(KeyringBackend):
    """As keyring's own, which prefers its members in this order."""

    priority = 10  # type: ignore[assignment]

    def __init__(self, *backends: KeyringBackend) -> None:
        super().__init__()
        self.backends = backends

    def get_password(self, service: str, username: str) -> str | None:
        raise AssertionError("the members are asked, not the chain")

    set_password = delete_password = get_password  # type: ignore[assignment]


@pytest.mark.parametrize("kind", [LockedKeyring, SilentKeyring, PlainTextKeyring, HangingKeyring])
def test_a_keyring_that_is_of_no_use_makes_room_for_the_file(
    kind: type[MemoryKeyring], key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring_store, "_LIMIT_WITHOUT_TERMINAL_S", 0.1)
    monkeypatch.setattr(keyring_store, "_LIMIT_S", 0.1)
    monkeypatch.setattr(keyring_store, "_is_hanging", threading.Event())
    keyring.set_keyring(kind())
    started = time.monotonic()
    assert store_key(ANTHROPIC, CANARY) == str(key_file)
    assert found() == (CANARY, str(key_file))
    assert forget_key(ANTHROPIC) == (str(key_file),)
    assert time.monotonic() - started < 30
    assert keyring_store._is_hanging.is_set() == (kind is HangingKeyring)


def test_a_chain_of_keyrings_keeps_no_key_in_plain_text(key_file: Path) -> None:
    plain, real = PlainTextKeyring(), MemoryKeyring()
    keyring.set_keyring(Chain(plain, real))
    assert store_key(ANTHROPIC, CANARY) == "keyring"
    assert (plain.passwords, list(real.passwords.values())) == ({}, [CANARY])
    keyring.set_keyring(Chain(plain))
    assert store_key(ANTHROPIC, CANARY) == str(key_file)


def test_a_key_does_not_show_itself() -> None:
    key = find_key(ANTHROPIC, environ={"ANTHROPIC_API_KEY": CANARY})
    assert key is not None and key.secret == CANARY
    assert CANARY not in f"{key} {key!r} {[key]}"


def test_a_missing_key_is_explained_with_what_to_do() -> None:
    assert explain_missing_key(ANTHROPIC) == (
        "There is no key for the endpoint 'anthropic': set ANTHROPIC_API_KEY, or store one with: "
        "automl-agent config set-key anthropic"
    )


def test_an_interrupted_write_leaves_the_old_keys(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_key(ANTHROPIC, CANARY)

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match="cannot be written \\(No space left on device\\)"):
        store_key(ANTHROPIC, "new")
    assert found() == (CANARY, str(key_file))
    assert [path.name for path in key_file.parent.iterdir()] == ["keys.json"]
