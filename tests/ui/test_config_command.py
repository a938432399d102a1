"""`automl-agent config`: what is in force is shown, changed and kept, and keys are never shown."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backends.fail import Keyring as NoKeyring

from automl_agent.cards.documents import check_document, load_schema
from automl_agent.configuration.configuration import check_user_document
from automl_agent.configuration.example import EXAMPLE
from automl_agent.configuration.setting import SETTING_TYPES
from automl_agent.environment import is_key_variable

from .conftest import Program
from .test_terminal import started

CANARY = "sk-canary-77aa"
COMMENTED = '# mine\ntrials = 9  # few\n\n[endpoints.ollama]  # here\nmodel = "m"\n'


@pytest.fixture(autouse=True)
def user_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The user's own file, which is empty; the current folder is an empty project."""
    for name in list(os.environ):
        if name.startswith("AUTOML_AGENT_") or is_key_variable(name):
            monkeypatch.delenv(name)
    path = tmp_path / "user" / "config.toml"
    path.parent.mkdir()
    path.touch()
    monkeypatch.setenv("AUTOML_AGENT_CONFIG", str(path))
    (tmp_path / "project" / ".git").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    before = keyring.get_keyring()
    keyring.set_keyring(NoKeyring())
    yield path
    keyring.set_keyring(before)


def run_alone(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The program with bytes on its standard input."""
    environ = {**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    command = [sys.executable, "-m", "automl_agent", *arguments]
    return subprocess.run(command, input=given, env=environ, capture_output=True, check=False)


def test_each_value_is_shown_with_what_set_it(
    program: Program, user_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_file.write_text("trials = 9\ntime = 600\n[endpoints.ollama]\nmodel = 'm'")
    project = Path("automl-agent.toml").absolute()
    project.write_text("budget_usd = 0.5")
    monkeypatch.setenv("AUTOML_AGENT_SANDBOX", "process")
    lines = [" ".join(line.split()) for line in program("config").out.splitlines()]
    assert "controller planner default" in lines
    assert "budget_tokens no limit default" in lines
    assert f"trials 9 {user_file}" in lines
    assert f"time 10m {user_file}" in lines
    assert f"budget_usd 0.5 {project}" in lines
    assert "sandbox process AUTOML_AGENT_SANDBOX" in lines
    address = "http://127.0.0.1:11434/v1"
    assert f"ollama chat_completions {address} m no model from {user_file}" in lines
    assert "compatible chat_completions - - no built in" in lines
    document = program("config", "--output-format", "json").document
    settings = {row["name"]: (row["value"], row["origin"]) for row in document["settings"]}
    assert settings["time"] == (600.0, str(user_file))
    assert settings["budget_tokens"] == (None, "default")
    (ollama,) = (row for row in document["endpoints"] if row["name"] == "ollama")
    assert (ollama["model"], ollama["origins"]) == ("m", {"model": str(user_file)})


def test_keys_are_never_shown_wherever_they_are(
    program: Program, user_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", CANARY)
    stored = run_alone("config", "set-key", "openai", "--stdin", given=f"{CANARY}\n".encode())
    assert stored.returncode == 0, stored.stderr
    keys = user_file.with_name("keys.json")
    assert json.loads(keys.read_text()) == {"https://api.openai.com/v1": CANARY}
    shown = [program(*words) for words in (["config"], ["config", "--output-format", "json"])]
    assert "yes, from ANTHROPIC_API_KEY" in shown[0].out
    assert f"yes, from {keys}" in shown[0].out
    origins = {row["name"]: row["key_origin"] for row in shown[1].document["endpoints"]}
    assert origins == {
        "anthropic": "ANTHROPIC_API_KEY",
        "openai": str(keys),
        "ollama": None,
        "compatible": None,
    }
    printed = [text for done in shown for text in (done.out, done.err)]
    printed += [stored.stdout.decode(), stored.stderr.decode()]
    assert not any(CANARY in text for text in printed)


def test_a_key_that_does_not_follow_to_another_address_is_noted(
    program: Program, user_file: Path
) -> None:
    user_file.write_text("[endpoints.openai]\nbase_url = 'https://proxy.example'")
    assert "Note: OPENAI_API_KEY is for https://api.openai.com/v1" in program("config").out


def test_the_paths_are_shown_even_where_nothing_is(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    missing = tmp_path / "nowhere" / "config.toml"
    monkeypatch.setenv("AUTOML_AGENT_CONFIG", str(missing))
    assert program("config").code == 3
    assert f"{missing}" in program("config", "path").out
    document = program("config", "path", "--output-format", "json").document
    assert document["files"] == [
        {"file": "user's file", "path": str(missing), "exists": False},
        {"file": "project's file", "path": None, "exists": False},
        {"file": "keys", "path": str(missing.with_name("keys.json")), "exists": False},
    ]


def test_a_value_is_set_and_unset_where_a_person_would_and_comments_stay(
    program: Program, user_file: Path
) -> None:
    user_file.write_text(COMMENTED)
    user_file.chmod(0o644)
    assert program("config", "set", "trials", "5").out == f"{user_file}: trials is set.\n"
    assert program("config", "set", "endpoints.ollama.context_tokens", "4096").code == 0
    assert program("config", "set", "endpoints.lab.base_url", "http://h/v1").code == 0
    assert user_file.read_text() == (
        "# mine\ntrials = 5  # few\n\n[endpoints.ollama]  # here\n"
        'model = "m"\ncontext_tokens = 4096\n\n[endpoints.lab]\nbase_url = "http://h/v1"\n'
    )
    assert user_file.stat().st_mode & 0o777 == 0o644
    assert program("config", "unset", "endpoints.ollama.context_tokens").code == 0
    assert program("config", "unset", "endpoints.lab").code == 0
    assert program("config", "unset", "trials").code == 0
    assert tomllib.loads(user_file.read_text()) == {"endpoints": {"ollama": {"model": "m"}}}
    assert "# mine" in user_file.read_text()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        pytest.param("controller", "ollama:qwen3:8b", "ollama:qwen3:8b", id="text"),
        pytest.param("budget_usd", "1.5", 1.5, id="dollars"),
        pytest.param("budget_tokens", "1_000", 1000, id="tokens"),
        pytest.param("time", "10m", "10m", id="a time with a unit"),
        pytest.param("time", "90", 90, id="seconds"),
        pytest.param("sandbox", "5", "5", id="text that could be a number"),
        pytest.param("endpoints.openai.needs_key", "false", False, id="yes or no"),
        pytest.param("endpoints.openai.model", 'a"\nb = 1', 'a"\nb = 1', id="what needs escapes"),
    ],
)
def test_a_value_has_the_type_that_its_name_wants(
    name: str, text: str, value: object, program: Program, user_file: Path
) -> None:
    user_file.unlink()
    assert program("config", "set", name, text).code == 0
    document = tomllib.loads(user_file.read_text())
    for part in name.split("."):
        document = document[part]
    assert (document, type(document)) == (value, type(value))


def test_windows_line_ends_stay(program: Program, user_file: Path) -> None:
    user_file.write_bytes(b"# mine\r\ntrials = 9\r\n")
    assert program("config", "set", "trials", "5").code == 0
    assert user_file.read_bytes() == b"# mine\r\ntrials = 5\r\n"


def test_a_file_behind_a_link_is_changed_and_the_link_stays(
    program: Program, user_file: Path, tmp_path: Path
) -> None:
    target = tmp_path / "dotfiles.toml"
    user_file.rename(target)
    user_file.symlink_to(target)
    assert program("config", "set", "trials", "5").code == 0
    assert user_file.is_symlink()
    assert target.read_text() == "trials = 5\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["set", "trails", "5"], "Did you mean 'trials'?", id="unknown"),
        pytest.param(["set", "trials", "many"], '"many" must be a whole number', id="type"),
        pytest.param(["set", "trials", "5\nx = 1"], "must be a whole number", id="a second line"),
        pytest.param(["set", "time", "soon"], "a time such as 90s", id="time"),
        pytest.param(["set", "trials.x", "5"], "'trials' is not a table", id="no table"),
        pytest.param(["set", "endpoints", "5"], "must be an object", id="all endpoints"),
        pytest.param(["set", "endpoints..model", "x"], "is no name", id="no name"),
        pytest.param(["set", "endpoints.lab.model", "x"], "'base_url' is missing", id="address"),
        pytest.param(["set", "endpoints.a b.base_url", "http://h"], '"a b" is not', id="odd"),
        pytest.param(["set", "endpoints.openai.base_url", "h"], "no base URL", id="URL"),
        pytest.param(["set", "endpoints.openai.key", CANARY], "'key' is unknown", id="a key"),
        pytest.param(
            ["set", "endpoints.openai.key_variable", CANARY], "the NAME of", id="key as variable"
        ),
        pytest.param(["unset", "budget_usd"], "there is nothing to unset", id="not set"),
        pytest.param(["unset", "endpoints.openai.model"], "nothing to unset", id="no endpoint"),
        pytest.param(["set-key", "openai", CANARY], "never an argument", id="key as argument"),
        pytest.param(["set-key", "openai"], "no terminal", id="no terminal"),
        pytest.param(["set-key", "compatible", "--stdin"], "has no address yet", id="no address"),
        pytest.param(["forget-key", "compatible"], "has no address yet", id="nothing to forget"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence_and_the_file_stays(
    arguments: list[str], message: str, program: Program, user_file: Path
) -> None:
    user_file.write_text(COMMENTED)
    done = program("config", *arguments)
    assert (done.code, done.out) == (3, "")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert CANARY not in done.err
    assert user_file.read_text() == COMMENTED
    assert [path.name for path in user_file.parent.iterdir()] == ["config.toml"]


def test_an_endpoint_that_does_not_exist_is_named_with_the_nearest(program: Program) -> None:
    done = program("config", "set-key", "antropic")
    assert (done.code, "Did you mean 'anthropic'?" in done.err) == (4, True)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("trials = ", id="broken"),
        pytest.param("trials = 'x'", id="type"),
        pytest.param("[endpoints.'\x7f']", id="control character"),
        pytest.param("'\\u001b[2J' = 1", id="escape"),
    ],
)
def test_a_file_that_cannot_be_used_ends_in_a_sentence(
    text: str, program: Program, user_file: Path
) -> None:
    user_file.write_text(text)
    done = program("config")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith(f"Error: {user_file}: ")
    assert done.err.rstrip("\n").isprintable()


def test_a_fault_can_be_repaired_by_a_command(program: Program, user_file: Path) -> None:
    user_file.write_text("trails = 5\n")
    assert program("config").code == 3
    assert program("config", "unset", "trails").code == 0
    assert program("config").code == 0


def test_setting_what_something_else_overrides_says_so(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOML_AGENT_TRIALS", "3")
    done = program("config", "set", "trials", "5")
    assert done.err == "Note: AUTOML_AGENT_TRIALS counts for more, and says 3.\n"


def test_a_file_of_keys_that_others_may_read_is_refused(program: Program, user_file: Path) -> None:
    keys = user_file.with_name("keys.json")
    keys.write_text("{}")
    keys.chmod(0o644)
    done = program("config")
    assert (done.code, done.out) == (3, "")
    assert done.err == f"Error: {keys}: others may read your keys; run: chmod 600 '{keys}'\n"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param(CANARY.encode(), CANARY, id="bare"),
        pytest.param(f"{CANARY}\r\n".encode(), CANARY, id="Windows line end"),
        pytest.param(f"{CANARY}\n\n".encode(), None, id="two lines"),
        pytest.param(b"\xff\xfe", None, id="not text"),
        pytest.param(b"", None, id="nothing"),
    ],
)
def test_a_key_is_piped_in(given: bytes, kept: str | None, user_file: Path) -> None:
    done = run_alone("config", "set-key", "anthropic", "--stdin", given=given)
    assert done.returncode == (0 if kept else 3)
    keys = user_file.with_name("keys.json")
    assert (json.loads(keys.read_text()) if kept else keys.exists()) == (
        {"https://api.anthropic.com": kept} if kept else False
    )
    assert CANARY.encode() not in done.stdout + done.stderr


def test_a_key_is_typed_unseen_and_forgotten(program: Program, user_file: Path) -> None:
    backend = "keyring.backends.fail.Keyring"
    with started("config", "set-key", "anthropic", PYTHON_KEYRING_BACKEND=backend) as terminal:
        terminal.wait_for("The key for anthropic (not shown)")
        terminal.type(f"{CANARY}\n")
        shown = terminal.wait_for_end()
    keys = user_file.with_name("keys.json")
    assert f"is kept in {keys}" in shown
    assert CANARY not in shown
    assert CANARY in keys.read_text()
    done = program("config", "forget-key", "anthropic")
    assert done.out == f"The key for https://api.anthropic.com is removed from {keys}.\n"
    assert CANARY not in keys.read_text()
    assert "is kept nowhere" in program("config", "forget-key", "anthropic").out


def test_a_key_in_the_environment_outlives_forgetting(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", CANARY)
    done = program("config", "forget-key", "anthropic")
    assert done.err == "Note: there is still a key in ANTHROPIC_API_KEY.\n"


def test_the_example_can_be_used_as_it_is_and_with_everything_switched_on(
    program: Program, user_file: Path
) -> None:
    printed = program("config", "example").out
    assert printed == EXAMPLE
    user_file.write_text(printed)
    assert program("config").code == 0
    document = tomllib.loads(re.sub(r"(?m)^#(?! )", "", printed))
    check_document(document, "configuration", source="the example")
    check_user_document(document, user_file)
    schema = load_schema("configuration")
    assert document.keys() == schema["properties"].keys()
    assert document["endpoints"]["lab"].keys() == schema["$defs"]["endpoint"]["properties"].keys()
    for name in ("controller", "privacy", "time", "trials", "sandbox"):
        kind = SETTING_TYPES[name]
        assert kind.read(document[name]) == kind.default


def test_a_setting_of_a_table_is_set_shown_and_unset(program: Program, user_file: Path) -> None:
    assert program("config", "set", "knowledge.remember", "false").code == 0
    assert tomllib.loads(user_file.read_text()) == {"knowledge": {"remember": False}}
    (row,) = [line for line in program("config").out.split("\n") if "knowledge.remember" in line]
    assert row.split()[1] == "false"
    refused = program("config", "set", "knowledge.forget", "false")
    assert (refused.code, "'forget' is unknown" in refused.err) == (3, True)
    assert program("config", "unset", "knowledge.remember").code == 0
    assert "remember" not in user_file.read_text()


def test_all_commands_are_listed(program: Program) -> None:
    out = program("config", "--help").out
    names = {line.split()[0] for line in out.partition("Commands:")[2].strip().splitlines()}
    assert {"path", "set", "unset", "set-key", "forget-key", "example"} <= names
