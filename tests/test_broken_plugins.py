"""Each plugin in broken_plugins is broken in one way; everything else works all the same."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import automl_agent_xgboost
import pytest
from sklearn.datasets import load_diabetes

from automl_agent.agent import Agent, load_all_plugins
from automl_agent.controllers.tools.tool import Tool
from automl_agent.experts.registry import Registry
from automl_agent.plugins import TIMEOUT_VARIABLE, Plugins

from .conftest import Site

PROJECTS = Path(__file__).parent / "broken_plugins"
LEAVE_OUT = " Update it, or leave it out: AUTOML_AGENT_DISABLED_PLUGINS=automl-agent-broken-"
RETURNED = "reading what its hook register_experts returned failed: "
# What is wrong with each plugin that fails when it is loaded; {site} is where it is installed.
REASONS = {
    "argument": "a hook does not fit its specification: register_experts(card: object) -> "
    "list[object]: Argument(s) {'card'} are declared in the hookimpl but can not be found in the "
    "hookspec.",
    "card": "reading its model cards failed: {site}/automl_agent_broken_card/model_card.json: "
    "at /: the field 'structure' is missing.",
    "dependency": "importing it failed with ModuleNotFoundError: No module named "
    "'no_such_library'.",
    "duplicate": "its expert 'xgboost' is refused: automl-agent-xgboost registers the same name.",
    "exit": "importing it failed with SystemExit: 3.",
    "hang": "importing it did not end within 1 s.",
    "hook": "there is no hook 'register_expert'. Did you mean 'register_experts'?",
    "json": "reading its model cards failed: {site}/automl_agent_broken_json/model_cards/"
    "broken.json: is not JSON (Expecting value: line 2 column 1 (char 10)).",
    "no-attribute": "importing it failed with AttributeError: module "
    "'automl_agent_broken_no_attribute' has no attribute 'plugin'.",
    "no-hook": "it implements no hook; each needs the mark `automl_agent.hookimpl`.",
    "no-package": "its package 'automl_agent_nowhere' cannot be found.",
    "raise": "its hook register_experts failed with ValueError: out of order.",
    "return-dict": RETURNED + "{'xgboost': 'an expert'} is not a list.",
    "return-strangers": RETURNED + "'xgboost' is no expert: it has no 'card'.",
    "return-text": RETURNED + "'xgboost' is not a list.",
    "syntax": "importing it failed with SyntaxError: invalid syntax "
    "(automl_agent_broken_syntax.py, line 1).",
}
REMEDIES = {
    "dependency": " Install what it needs: pip install 'automl-agent-no-such-library>=2'",
    "duplicate": " Rename it, or uninstall one of the two: pip uninstall "
    "automl-agent-broken-duplicate",
    "no-package": " Install it again: pip install --force-reinstall automl-agent-broken-no-package",
}
# These can be loaded and break later, or do something that has no effect.
LOADABLE = ("event", "import", "print", "scripts")
# These end the process that loads them: tests/test_plugin_check.py.
FATAL = ("segfault", "vanish")


def message(name: str, site: Site) -> str:
    reason = REASONS[name].replace("{site}", str(site.folder))
    remedy = REMEDIES.get(name, LEAVE_OUT + name)
    return f"Plugin automl-agent-broken-{name}: {reason}{remedy}"


def registered(plugins: Plugins) -> dict[str, dict[str, str]]:
    """The names of each kind, and the distribution that brought each."""
    registries = [value for value in vars(plugins).values() if isinstance(value, Registry)]
    return {
        registry.kind: {name: registry.distribution(name) for name in registry}
        for registry in registries
    }


def without_broken(plugins: Plugins) -> dict[str, dict[str, str]]:
    return {
        kind: {name: owner for name, owner in owners.items() if "broken" not in owner}
        for kind, owners in registered(plugins).items()
    }


def assert_the_rest_works(plugins: Plugins, healthy: Plugins) -> None:
    assert without_broken(plugins) == registered(healthy)
    assert (plugins.experts["xgboost"],) == automl_agent_xgboost.register_experts()


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> Plugins:
    """What is registered without broken plugins; from here on a plugin has only a second."""
    plugins = load_all_plugins()
    assert plugins.failures == []
    assert plugins.experts.distribution("xgboost") == "automl-agent-xgboost"
    monkeypatch.setenv(TIMEOUT_VARIABLE, "1")
    return plugins


def test_every_broken_plugin_is_tested() -> None:
    folders = {folder.name for folder in PROJECTS.iterdir()}
    assert folders == {f"automl-agent-broken-{n}" for n in (*REASONS, *LOADABLE, *FATAL)}


@pytest.mark.parametrize("name", REASONS)
def test_a_plugin_that_cannot_be_loaded_is_named_with_a_remedy_and_changes_nothing_else(
    name: str, healthy: Plugins, site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    site.install(PROJECTS / f"automl-agent-broken-{name}")
    plugins = load_all_plugins()
    assert [str(failure) for failure in plugins.failures] == [message(name, site)]
    assert registered(plugins) == registered(healthy)
    assert_the_rest_works(plugins, healthy)
    assert capfd.readouterr().out == ""


def test_what_a_plugin_prints_does_not_reach_standard_output(
    healthy: Plugins, site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    site.install(PROJECTS / "automl-agent-broken-print")
    plugins = load_all_plugins()
    assert plugins.failures == []
    assert_the_rest_works(plugins, healthy)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == "Thank you for importing me!\nThank you for calling me!\n"


def test_a_listener_that_raises_is_told_once_and_the_others_always(
    healthy: Plugins, site: Site
) -> None:
    site.install(PROJECTS / "automl-agent-broken-event")
    source = (
        "from automl_agent import hookimpl\n\n@hookimpl\ndef on_event(name):\n    return name\n"
    )
    site.add("automl-agent-listener", {"listener": "listener"}, {"listener.py": source})
    plugins = load_all_plugins()
    for event in ("run_started", "run_ended"):
        assert list(plugins.call_each("on_event", name=event, fields={})) == [event]
    reason = "its hook on_event failed with ConnectionError: nobody listens to run_started."
    assert [str(failure) for failure in plugins.failures] == [
        f"Plugin automl-agent-broken-event: {reason}{LEAVE_OUT}event"
    ]
    assert_the_rest_works(plugins, healthy)


@pytest.mark.parametrize("name", ["import", "scripts"])
def test_an_expert_whose_scripts_are_broken_leaves_the_others_as_they_are(
    name: str, healthy: Plugins, site: Site
) -> None:
    site.install(PROJECTS / f"automl-agent-broken-{name}")
    plugins = load_all_plugins()
    assert plugins.failures == []
    assert plugins.experts.distribution(f"broken-{name}") == f"automl-agent-broken-{name}"
    assert_the_rest_works(plugins, healthy)


@pytest.mark.parametrize("name", ["import", "scripts"])
def test_a_run_goes_on_with_the_experts_whose_scripts_work(name: str, site: Site) -> None:
    site.install(PROJECTS / f"automl-agent-broken-{name}")
    names = (f"broken-{name}", "xgboost")
    frame = load_diabetes(as_frame=True).frame
    result = Agent().run(frame, "target", experts=names, n_trials=2, time_s=60)
    experts = set(result.leaderboard["expert"])
    assert "xgboost" in experts
    assert f"broken-{name}" not in experts


def test_all_broken_plugins_together_change_nothing_else(
    healthy: Plugins, site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in (*REASONS, *LOADABLE):
        site.install(PROJECTS / f"automl-agent-broken-{name}")
    plugins = load_all_plugins()
    list(plugins.call_each("on_event", name="run_started", fields={}))
    *failures, last = [str(failure) for failure in plugins.failures]
    assert sorted(failures) == sorted(message(name, site) for name in REASONS)
    assert last.startswith("Plugin automl-agent-broken-event: its hook on_event failed")
    assert_the_rest_works(plugins, healthy)
    assert all(isinstance(tool, Tool) for tool in plugins.tools.values())
    assert capfd.readouterr().out == ""


def test_broken_plugins_that_pip_installs_are_told_apart_in_the_program(tmp_path: Path) -> None:
    names = ["automl-agent-broken-exit", "automl-agent-broken-json"]
    # A copy, because setuptools builds in the folder of the project.
    copies = [shutil.copytree(PROJECTS / name, tmp_path / name) for name in names]
    target = tmp_path / "site"
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", target]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, *options, *copies], check=True)
    environment = {**os.environ, "PYTHONPATH": str(target)}
    program = [sys.executable, "-c", "from automl_agent.ui.app import main; main()"]
    command = [*program, "plugins", "list", "--output-format", "json"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True)
    document = json.loads(done.stdout)
    assert [failure["distribution"] for failure in document["failures"]] == names
    assert "automl-agent-xgboost" in [plugin["distribution"] for plugin in document["plugins"]]
