"""Calling plugins: what a healthy one adds, whose a name is, how one is kept from another."""

import json
import os
import signal
import sys
import threading
from types import ModuleType

import automl_agent_xgboost
import pytest

from automl_agent.agent import Agent, load_all_plugins
from automl_agent.errors import InputError, PluginError
from automl_agent.experts.registry import Registry
from automl_agent.plugins import TIMEOUT_VARIABLE, Plugins, guard_call, load_plugins

from .conftest import Site

HEALTHY = """
from click import Command
from pandas import DataFrame

from automl_agent import ChatModelProvider, Metric, Tool, hookimpl, template_expert

heard = []


class Cloud:
    name = "cloud"

    is_container = False

    def find_problem(self):
        return None

    def start(self, spec):
        raise NotImplementedError


@hookimpl
def register_experts():
    return [template_expert(__name__)]


@hookimpl
def register_metrics():
    return [Metric("span", ("regression",), False, "values", 0.0, lambda labels, values: 1.0)]


@hookimpl
def register_chat_models():
    return (ChatModelProvider("echo", lambda model: None),)


@hookimpl
def register_sandboxes():
    return [Cloud()]


class Lengths:
    name = "lengths"
    dimension = 1

    def encode(self, texts):
        return [[1.0] for text in texts]


@hookimpl
def register_encoders():
    return [Lengths()]


@hookimpl
def register_tools():
    return [Tool("greet", "Greet.", {"type": "object"}, lambda session: {}, lambda session: True)]


@hookimpl
def register_commands():
    return [Command("hello")]


@hookimpl
def load_dataset(source):
    if source.startswith("acme://"):
        return DataFrame({"x": [1, 2]})


@hookimpl
def on_event(name, fields):
    heard.append((name, fields))
"""
CARD = {**automl_agent_xgboost.register_experts()[0].card.to_json(), "name": "acme-trees"}
METRIC = """
from automl_agent import Metric, hookimpl

@hookimpl
def register_metrics():
    return [Metric("{}", ("regression",), False, "values", 0.0, max)]
"""


@pytest.fixture
def healthy(site: Site) -> ModuleType:
    """The module of an installed plugin that implements every hook."""
    files = {"acme/__init__.py": HEALTHY, "acme/model_card.json": json.dumps(CARD)}
    site.add("acme", {"acme": "acme"}, files)
    assert load_all_plugins().failures == []
    return sys.modules["acme"]


def test_all_that_a_plugin_registers_is_there_under_its_name(healthy: ModuleType) -> None:
    plugins = load_all_plugins()
    registries = [value for value in vars(plugins).values() if isinstance(value, Registry)]
    assert {
        (registry.kind, name)
        for registry in registries
        for name in registry
        if registry.distribution(name) == healthy.__name__
    } == {
        ("expert", "acme-trees"),
        ("metric", "span"),
        ("controller", "echo"),
        ("sandbox", "cloud"),
        ("encoder", "lengths"),
        ("tool", "greet"),
        ("command", "hello"),
    }
    assert plugins.experts["acme-trees"].card.to_json() == CARD


def test_its_source_of_data_is_asked_before_files(healthy: ModuleType) -> None:
    del healthy
    assert Agent().read_table("acme://table")["x"].tolist() == [1, 2]
    with pytest.raises(InputError, match=r"no-such-table\.csv"):
        Agent().read_table("no-such-table.csv")


def test_it_hears_events_but_cannot_change_what_others_hear(healthy: ModuleType) -> None:
    plugins, fields = load_all_plugins(), {"columns": [1, 2]}
    list(plugins.call_each("on_event", name="data_profiled", fields=fields))
    assert healthy.heard == [("data_profiled", {"columns": [1, 2]})]
    healthy.heard[0][1]["columns"].clear()
    assert fields == {"columns": [1, 2]}


@pytest.mark.parametrize("names", [("acme", "zenith"), ("zenith", "acme")], ids=" before ".join)
def test_a_name_that_two_plugins_claim_stays_with_the_first_and_both_are_named(
    names: tuple[str, str], site: Site
) -> None:
    for name in names:
        site.add(name, {name: name}, {f"{name}.py": METRIC.format("span")})
    plugins = load_all_plugins()
    assert plugins.metrics.distribution("span") == "acme"
    assert [str(failure) for failure in plugins.failures] == [
        "Plugin zenith: its metric 'span' is refused: acme registers the same name. "
        "Rename it, or uninstall one of the two: pip uninstall zenith"
    ]


def test_a_built_in_name_cannot_be_taken(site: Site) -> None:
    site.add("automl-agent-rmse", {"x": "acme"}, {"acme.py": METRIC.format("rmse")})
    plugins = load_all_plugins()
    assert plugins.metrics.distribution("rmse") == "automl-agent"
    (failure,) = plugins.failures
    assert "its metric 'rmse' is refused: automl-agent registers the same name" in str(failure)


def test_a_plugin_that_registers_a_name_twice_is_told_so(site: Site) -> None:
    text = METRIC.format("span").replace("max)]", "max)] * 2")
    site.add("acme", {"acme": "acme"}, {"acme.py": text})
    plugins = load_all_plugins()
    assert plugins.metrics.distribution("span") == "acme"
    assert [str(failure) for failure in plugins.failures] == [
        "Plugin acme: it registers the metric 'span' twice. Rename one."
    ]


def test_a_plugin_counts_as_a_whole_or_not_at_all(site: Site) -> None:
    text = METRIC.format("span") + "\n@hookimpl\ndef register_tools():\n    raise OSError\n"
    site.add("acme", {"acme": "acme"}, {"acme.py": text})
    plugins = load_all_plugins()
    assert "span" not in plugins.metrics
    assert "acme" not in [plugin.distribution for plugin in plugins.loaded]


def test_a_plugin_that_fails_in_a_call_within_a_call_is_asked_and_reported_once(site: Site) -> None:
    outer = (
        "from automl_agent import hookimpl\n\n@hookimpl\ndef on_event(name, fields):\n"
        "    if name == 'outer':\n        nest()\n"
    )
    broken = (
        "from automl_agent import hookimpl\n\nheard = []\n\n@hookimpl\ndef on_event(name):\n"
        "    heard.append(name)\n    1 / 0\n"
    )
    site.add("acme", {"acme": "acme"}, {"acme.py": outer})
    site.add("broken", {"broken": "broken"}, {"broken.py": broken})
    plugins = load_all_plugins()

    def nest() -> None:
        list(plugins.call_each("on_event", name="inner", fields={}))

    sys.modules["acme"].nest = nest  # type: ignore[attr-defined]
    list(plugins.call_each("on_event", name="outer", fields={}))
    assert sys.modules["broken"].heard == ["inner"]
    assert [failure.distribution for failure in plugins.failures] == ["broken"]
    assert "acme" in [plugin.distribution for plugin in plugins.loaded]


def test_a_plugin_may_mark_a_hook_of_a_later_version_as_optional(site: Site) -> None:
    text = METRIC.format("span") + (
        "\n@hookimpl(optionalhook=True)\ndef register_executors():\n    return []\n"
    )
    site.add("acme", {"acme": "acme"}, {"acme.py": text})
    plugins = load_all_plugins()
    assert plugins.failures == []
    assert "span" in plugins.metrics


def test_a_guarded_call_returns_what_the_function_returns() -> None:
    assert guard_call(lambda: [None], "acme", "counting") == [None]
    assert guard_call(lambda: None, "acme", "counting") is None


def test_a_guarded_call_names_plugin_action_and_remedy_and_keeps_the_cause() -> None:
    error = OSError("no disk.")

    def fail() -> None:
        raise error

    with pytest.raises(PluginError) as caught:
        guard_call(fail, "acme", "counting")
    assert caught.value.distribution == "acme"
    assert caught.value.reason == "counting failed with OSError: no disk."
    assert caught.value.remedy == ("Update it, or leave it out: AUTOML_AGENT_DISABLED_PLUGINS=acme")
    assert caught.value.__cause__ is error


def test_a_guarded_call_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TIMEOUT_VARIABLE, "0.05")
    is_over = threading.Event()
    with pytest.raises(PluginError, match=r"^Plugin acme: waiting did not end within 0\.05 s\."):
        guard_call(is_over.wait, "acme", "waiting")
    is_over.set()


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_the_waiting_and_restores_standard_output() -> None:
    before, is_over = sys.stdout, threading.Event()

    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        is_over.wait()

    with pytest.raises(KeyboardInterrupt):
        guard_call(interrupt, "acme", "waiting")
    is_over.set()
    assert sys.stdout is before


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_a_time_that_is_none_is_the_persons_mistake_and_no_plugins(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TIMEOUT_VARIABLE, text)
    message = f"^AUTOML_AGENT_PLUGIN_TIMEOUT_S: '{text}' is not allowed; allowed: a number of"
    with pytest.raises(InputError, match=message):
        load_all_plugins()


def test_nothing_is_registered_without_plugins() -> None:
    assert load_plugins([]) == Plugins()
