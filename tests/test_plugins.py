"""Plugins are found without importing them, loaded each in its own guard, and asked one by one."""

import json
import sys
from pathlib import Path

import automl_agent_xgboost
import pytest

from automl_agent.agent import load_all_plugins
from automl_agent.errors import PluginError
from automl_agent.plugins import (
    DISABLED_VARIABLE,
    PluginSource,
    discover_plugins,
    find_cards,
)

from .conftest import Site

N_PLUGINS = 200
LEAVE_OUT = "Update it, or leave it out: AUTOML_AGENT_DISABLED_PLUGINS=acme"
CARD = {
    **automl_agent_xgboost.register_experts()[0].card.to_json(),
    "name": "acme",
}
LISTENER = "from automl_agent import hookimpl\n\n@hookimpl\ndef on_event(name, fields):\n"


def find_source(name: str) -> PluginSource:
    (source,) = [source for source in discover_plugins() if source.distribution == name]
    return source


def discover_names() -> list[str]:
    return [source.distribution for source in discover_plugins()]


def load_failures() -> list[str]:
    return [str(failure) for failure in load_all_plugins().failures]


def test_finding_many_plugins_and_their_cards_imports_none(site: Site) -> None:
    for number in range(N_PLUGINS):
        module = f"acme_{number:03}"
        card = json.dumps({**CARD, "name": f"acme-{number:03}"})
        files = {f"{module}/__init__.py": "raise AssertionError", f"{module}/model_card.json": card}
        site.add(f"acme-{number:03}", {"expert": module}, files)
    sources = [source for source in discover_plugins() if source.distribution.startswith("acme")]
    names = [f"acme-{number:03}" for number in range(N_PLUGINS)]
    assert [source.distribution for source in sources] == names
    assert [card.name for source in sources for card in find_cards(source)] == names
    assert [name for name in sys.modules if name.startswith("acme")] == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("acme", id="one"),
        pytest.param("other,acme", id="with commas"),
        pytest.param("other  acme", id="with spaces"),
        pytest.param("ACME", id="in another case"),
    ],
)
def test_a_disabled_plugin_is_not_found(
    text: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add("acme", {"acme": "acme"})
    before = discover_names()
    monkeypatch.setenv(DISABLED_VARIABLE, text)
    assert "acme" in before
    assert discover_names() == [name for name in before if name != "acme"]


def test_a_distribution_that_is_twice_on_the_path_counts_once(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add("acme", {"acme": "acme"})
    (tmp_path / "link").symlink_to(site.folder)
    monkeypatch.syspath_prepend(tmp_path / "link")
    monkeypatch.syspath_prepend(site.folder)
    assert discover_names().count("acme") == 1


def test_of_two_versions_the_one_that_python_imports_counts(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add("acme", {"old": "acme"})
    monkeypatch.syspath_prepend(tmp_path)
    Site(tmp_path).add("Acme", {"new": "acme"}, version="2")
    source = find_source("acme")
    assert (source.version, source.entry_point.name) == ("2", "new")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("entry_points.txt", "[automl_agent]\nno equals sign", id="entry points"),
        pytest.param("METADATA", "", id="no name"),
    ],
)
def test_unreadable_metadata_hides_no_other_plugin(path: str, text: str, site: Site) -> None:
    before = discover_names()
    site.add("acme", {"acme": "acme"})
    site.write(f"acme-1.dist-info/{path}", text)
    assert discover_names() == before


def test_cards_lie_in_the_package_of_the_entry_point(site: Site) -> None:
    cards = {
        "acme/model_card.json": {**CARD, "name": "first"},
        "acme/model_cards/b.json": {**CARD, "name": "third"},
        "acme/model_cards/a.json": {**CARD, "name": "second"},
        "acme/deeper/model_card.json": {**CARD, "name": "nobody"},
    }
    files = {path: json.dumps(card) for path, card in cards.items()}
    site.add("acme", {"acme": "acme.deeper.plugin:hooks"}, files | {"acme/__init__.py": "1 / 0"})
    names = [card.name for card in find_cards(find_source("acme"))]
    assert names == ["first", "second", "third"]


def test_a_plugin_may_be_a_single_module_without_cards(site: Site) -> None:
    site.add("acme", {"acme": "acme"}, {"acme.py": LISTENER + "    return name"})
    assert find_cards(find_source("acme")) == []
    plugins = load_all_plugins()
    assert plugins.failures == []
    assert list(plugins.call_each("on_event", name="run_started", fields={})) == ["run_started"]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        pytest.param("nowhere", "its package 'nowhere' cannot be found.", id="nowhere"),
        pytest.param("acme-plugin", "its package 'acme-plugin' cannot be found.", id="hyphen"),
        pytest.param(
            ":plugin",
            "looking for its package '' failed with ValueError: ",
            id="no package",
        ),
        pytest.param(
            "acme.missing",
            "importing it failed with ModuleNotFoundError: No module named 'acme.missing'; "
            "'acme' is not a package.",
            id="missing submodule",
        ),
        pytest.param(
            "__main__", "looking for its package '__main__' failed with ValueError: ", id="__main__"
        ),
    ],
)
def test_an_entry_point_that_names_nothing_is_reported(
    target: str, reason: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    site.add("acme", {"acme": target}, {"acme.py": ""})
    (failure,) = load_failures()
    assert failure.startswith(f"Plugin acme: {reason}")
    assert "pip install acme" not in failure


def test_a_card_that_json_itself_refuses_is_reported(site: Site) -> None:
    text = json.dumps(CARD).replace('"max_rounds": 3000', f'"max_rounds": {"9" * 5000}')
    site.add("acme", {"acme": "acme"}, {"acme/__init__.py": "", "acme/model_card.json": text})
    with pytest.raises(PluginError, match=r"^Plugin acme: reading its model cards failed"):
        find_cards(find_source("acme"))


CARD_RAISES = """
class Value:
    @property
    def card(self):
        raise OSError("the disk is gone")
"""
REPR_RAISES = """
class Value:
    def __repr__(self):
        raise SystemExit
"""
STR_RAISES = """
class Odd(Exception):
    def __str__(self):
        return 1 / 0

def Value():
    raise Odd
"""
ANOTHERS_ERROR = """
from automl_agent import PluginError

raise PluginError("automl-agent-xgboost", "is broken.", "Uninstall it.")
"""
RETURNED = "reading what its hook register_experts returned failed"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param(
            CARD_RAISES, f"{RETURNED} with OSError: the disk is gone.", id="a card that raises"
        ),
        pytest.param(
            "class Value(int): card = write_scripts = print",
            f"{RETURNED}: 0 is no expert: it has a `card` that is no ModelCard.",
            id="a card that is none",
        ),
        pytest.param(REPR_RAISES, f"{RETURNED} with SystemExit.", id="a value without a text"),
        pytest.param(
            STR_RAISES, "its hook register_experts failed with Odd.", id="an error without a text"
        ),
        pytest.param(
            "raise KeyboardInterrupt",
            "importing it failed with KeyboardInterrupt.",
            id="an interrupt of its own",
        ),
        pytest.param(
            "raise Exception('a line\\n' * 200)",
            f"importing it failed with Exception: {'a line ' * 71}a ….",
            id="a long text",
        ),
        pytest.param(
            ANOTHERS_ERROR,
            "importing it failed: Plugin automl-agent-xgboost: is broken. Uninstall it.",
            id="an error in the name of another",
        ),
    ],
)
def test_whatever_a_plugin_does_is_reported_in_its_name(
    source: str, reason: str, site: Site
) -> None:
    hook = "@hookimpl\ndef register_experts():\n    return [Value()]\n"
    text = f"from automl_agent import hookimpl\n{source}\n{hook}"
    site.add("acme", {"acme": "acme"}, {"acme.py": text})
    assert load_failures() == [f"Plugin acme: {reason} {LEAVE_OUT}"]


@pytest.mark.parametrize(
    ("hook", "value", "problem"),
    [
        pytest.param("experts", "Named()", "is no expert: it has no 'card'", id="expert"),
        pytest.param("metrics", "Named()", "is no metric: it has no 'tasks'", id="metric"),
        pytest.param("chat_models", "Named()", "is no controller: it has no 'create'", id="model"),
        pytest.param(
            "sandboxes", "Named()", "is no sandbox: it has no 'is_container'", id="sandbox"
        ),
        pytest.param("tools", "Named()", "is no tool: it has no 'to_spec'", id="tool"),
        pytest.param("commands", "Named()", "is no command: it has no 'main'", id="command"),
        pytest.param("commands", "Nameless()", "is no command: it has no name", id="nameless"),
    ],
)
def test_values_that_do_not_fit_their_hook_are_refused(
    hook: str, value: str, problem: str, site: Site
) -> None:
    text = f"""
from automl_agent import hookimpl

class Named(str):
    name = "acme"

class Nameless(str):
    name = None
    main = print

@hookimpl
def register_{hook}():
    return ({value},)
"""
    site.add("acme", {"acme": "acme"}, {"acme.py": text})
    returned = f"reading what its hook register_{hook} returned failed"
    assert load_failures() == [f"Plugin acme: {returned}: '' {problem}. {LEAVE_OUT}"]


@pytest.mark.parametrize(
    ("source", "requirements", "remedy"),
    [
        pytest.param("import nothing_x", [], "pip install nothing_x", id="not declared"),
        pytest.param("import nothing_x.y", ["numpy"], "pip install nothing_x", id="submodule"),
        pytest.param(
            "import nothing_x",
            ["numpy", "nothing-learn>=2,<3", "python-nothing", "not-here; extra == 'dev'"],
            "pip install 'nothing-learn<3,>=2' python-nothing",
            id="declared",
        ),
        pytest.param("import nothing_x", ["=="], "pip install nothing_x", id="unreadable"),
        pytest.param("import automl_agent.nothing_x", ["nothing"], LEAVE_OUT, id="part of ours"),
    ],
)
def test_the_remedy_for_a_missing_module_is_what_to_install(
    source: str, requirements: list[str], remedy: str, site: Site
) -> None:
    metadata = [f"Requires-Dist: {requirement}" for requirement in requirements]
    site.add("acme", {"acme": "acme"}, {"acme.py": source}, metadata=metadata)
    (failure,) = load_failures()
    assert failure.endswith(f". {remedy}" if remedy == LEAVE_OUT else f"it needs: {remedy}")
