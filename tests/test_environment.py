"""No other program that we start gets a key."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from automl_agent.configuration.endpoints import BUILT_IN
from automl_agent.environment import (
    environment_without_keys,
    find_key_variables,
    is_key_variable,
)
from automl_agent.plugin_check import check_in_subprocess
from automl_agent.plugins import discover_plugins
from automl_agent.sandboxes.image.site_settings import list_pip_options

from .conftest import Site

PACKAGE = Path(__file__).parent.parent / "automl_agent"
CANARY = "sk-canary-03be"
# What these run in a sandbox has the sandbox's environment.
INSIDE = PACKAGE / "sandboxes" / "battery" / "scripts"
STARTING = {"subprocess.run", "subprocess.Popen", "subprocess.check_output", "click.edit"}


@pytest.mark.parametrize(
    ("name", "is_kept_back"),
    [
        pytest.param("ANTHROPIC_API_KEY", True, id="Anthropic"),
        pytest.param("ANTHROPIC_AUTH_TOKEN", True, id="token"),
        pytest.param("AUTOML_AGENT_API_KEY", True, id="ours"),
        pytest.param("AWS_SECRET_ACCESS_KEY", True, id="cloud"),
        pytest.param("LAB_PASSWORD", True, id="password"),
        pytest.param("PATH", False, id="path"),
        pytest.param("HTTPS_PROXY", False, id="proxy"),
        pytest.param("AUTOML_AGENT_CONFIG", False, id="file"),
        pytest.param("KEYBOARD", False, id="keyboard"),
    ],
)
def test_variables_with_keys_are_kept_from_other_programs(name: str, is_kept_back: bool) -> None:
    environ = {name: CANARY, "HOME": "/root"}
    assert (CANARY not in environment_without_keys(environ).values()) == is_kept_back
    assert list(find_key_variables(environ)) == ([name] if is_kept_back else [])
    assert environment_without_keys(environ)["HOME"] == "/root"


def test_each_variable_with_a_built_in_key_is_kept_from_other_programs() -> None:
    variables = [e.key_variable for e in BUILT_IN.values() if e.key_variable]
    assert len(variables) == 3
    assert all(map(is_key_variable, variables))


def test_another_program_gets_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    command = [sys.executable, "-c", "import os; print(dict(os.environ))"]
    shown = subprocess.run(
        command, env=environment_without_keys(), capture_output=True, text=True, check=True
    )
    assert "PATH" in shown.stdout
    assert CANARY not in shown.stdout


def find_starts(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in STARTING:
            yield node


def test_each_program_is_started_with_an_environment_of_its_own() -> None:
    paths = [path for path in PACKAGE.rglob("*.py") if not path.is_relative_to(INSIDE)]
    starts = {path: list(find_starts(path)) for path in paths}
    assert sum(map(len, starts.values())) >= 8
    inheriting = {
        f"{path.relative_to(PACKAGE)}:{call.lineno}"
        for path, calls in starts.items()
        for call in calls
        if "env" not in {keyword.arg for keyword in call.keywords}
    }
    assert inheriting == set()


def test_a_plugin_that_is_checked_sees_no_key(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("SEEN_BY_ALL", "yes")
    code = (
        "import os\nfrom automl_agent import hookimpl\nassert os.environ['SEEN_BY_ALL'] == 'yes'\n"
        "assert 'OPENAI_API_KEY' not in os.environ\n"
        "@hookimpl\ndef on_event(name, fields):\n    pass\n"
    )
    site.add("automl-agent-curious", {"curious": "curious"}, {"curious.py": code})
    (source,) = (s for s in discover_plugins() if s.distribution == "automl-agent-curious")
    assert check_in_subprocess(source) == []


def test_pip_sees_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho \"global.cert='${OPENAI_API_KEY-none}'\"\n")
    python.chmod(0o755)
    assert list_pip_options(str(python)) == {"cert": "none"}
