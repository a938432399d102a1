"""Finding plugins, loading each in its own guard, and checking what it registers.

Nothing here uses pluggy's own entry-point loading: it stops at the first broken plugin and skips
duplicate names silently. Each plugin has a plugin manager of its own, so that an implementation
that raises takes nobody else's result with it.
"""

import contextlib
import math
import os
import re
import shlex
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from importlib.metadata import (
    EntryPoint,
    PackageNotFoundError,
    distributions,
    requires,
)
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeVar

import pluggy
from packaging.utils import canonicalize_name

from automl_agent import hookspecs
from automl_agent.cards.metric import Metric
from automl_agent.cards.model_card import ModelCard, read_model_card
from automl_agent.errors import AutomlAgentError, InputError, PluginError, suggest
from automl_agent.experts.expert import Expert
from automl_agent.experts.registry import Registry

T = TypeVar("T")
GROUP = "automl_agent"
# The distribution of what the package itself registers.
BUILTIN = "automl-agent"
DISABLED_VARIABLE = "AUTOML_AGENT_DISABLED_PLUGINS"
TIMEOUT_VARIABLE = "AUTOML_AGENT_PLUGIN_TIMEOUT_S"
# Long enough for a plugin that imports torch on a slow disk, short enough for a person to wait.
DEFAULT_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class PluginSource:
    """A plugin as its entry point declares it; nothing of it is imported yet."""

    distribution: str
    version: str
    entry_point: EntryPoint

    @property
    def package(self) -> str:
        """The top-level package, or module, that the entry point names."""
        return re.split(r"[.:\[]", self.entry_point.value, maxsplit=1)[0].strip()


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin that was imported; `manager` knows this plugin and no other."""

    distribution: str
    version: str
    manager: pluggy.PluginManager

    def call(self, hook: str, **arguments: object) -> object:
        """What this plugin's implementation of a hook returns, or None if it has none.

        Raises: PluginError if it raises or does not return in time.
        """
        caller = getattr(self.manager.hook, hook)
        if not caller.get_hookimpls():
            return None
        results = guard_call(
            # A copy, because a plugin may change what it is given, and others are given it too.
            lambda: caller(**deepcopy(arguments)),
            self.distribution,
            f"its hook {hook}",
        )
        return results[0] if results else None


@dataclass
class Plugins:
    """What all plugins registered, and which of them failed."""

    experts: Registry[Expert] = field(default_factory=lambda: Registry("expert"))
    metrics: Registry[Metric] = field(default_factory=lambda: Registry("metric"))
    chat_models: Registry[Any] = field(default_factory=lambda: Registry("controller"))
    sandboxes: Registry[Any] = field(default_factory=lambda: Registry("sandbox"))
    encoders: Registry[Any] = field(default_factory=lambda: Registry("encoder"))
    tools: Registry[Any] = field(default_factory=lambda: Registry("tool"))
    commands: Registry[Any] = field(default_factory=lambda: Registry("command"))
    loaded: list[LoadedPlugin] = field(default_factory=list)
    failures: list[PluginError] = field(default_factory=list)

    def call_each(self, hook: str, **arguments: object) -> Iterator[Any]:
        """The results of a hook that are not None, plugin after plugin.

        A plugin that fails is not asked again and is added to `failures`.
        """
        for plugin in list(self.loaded):
            # A hook may cause another call of hooks, in which the plugin has failed meanwhile.
            if plugin not in self.loaded:
                continue
            try:
                result = plugin.call(hook, **arguments)
            except PluginError as exc:
                self._give_up(plugin, exc)
            else:
                if result is not None:
                    yield result

    def _give_up(self, plugin: LoadedPlugin, error: PluginError) -> None:
        if plugin in self.loaded:
            self.loaded.remove(plugin)
            self.failures.append(error)


def discover_plugins() -> list[PluginSource]:
    """The plugins that are installed and not disabled, sorted by name; imports none of them."""
    named = os.environ.get(DISABLED_VARIABLE, "").replace(",", " ").split()
    disabled = {canonicalize_name(name) for name in named}
    found: dict[str, list[PluginSource]] = {}
    for sources in _read_sources():
        # The first on sys.path is the one that Python imports; a path may also be there twice.
        found.setdefault(sources[0].distribution, sources)
    return [source for name in sorted(found) if name not in disabled for source in found[name]]


def _read_sources() -> Iterator[list[PluginSource]]:
    """The plugins of each distribution that has any."""
    for distribution in distributions():
        try:
            entry_points = distribution.entry_points.select(group=GROUP)
            if entry_points:
                name, release = canonicalize_name(distribution.name), distribution.version or ""
                by_name = sorted(entry_points, key=lambda entry_point: entry_point.name)
                yield [PluginSource(name, release, entry_point) for entry_point in by_name]
        except Exception:  # noqa: BLE001 - what a broken uninstall left behind must hide no plugin
            continue


def find_cards(source: PluginSource) -> list[ModelCard]:
    """The model cards that lie in a plugin's package, without importing it.

    Raises: PluginError if the package is missing or a card does not fit the schema.
    """
    name, package = source.distribution, source.package
    spec = guard_call(lambda: find_spec(package), name, f"looking for its package {package!r}")
    if spec is None:
        raise PluginError(
            name,
            f"its package {package!r} cannot be found.",
            f"Install it again: pip install --force-reinstall {name}",
        )
    # A plugin that is a single module has no folder of its own, so no cards.
    folders = [Path(location) for location in spec.submodule_search_locations or ()]
    return guard_call(lambda: _read_cards(folders), name, "reading its model cards")


def _read_cards(folders: Iterable[Path]) -> list[ModelCard]:
    return [
        read_model_card(path)
        for folder in folders
        for path in (folder / "model_card.json", *sorted((folder / "model_cards").glob("*.json")))
        if path.is_file()
    ]


def load_plugins(
    sources: Iterable[PluginSource], *, builtin: object = None, version: str = ""
) -> Plugins:
    """Everything that the built-in plugin and these sources register."""
    plugins = Plugins()
    if builtin is not None:
        _add_plugin(plugins, _adopt(BUILTIN, version, builtin))
    for source in sources:
        try:
            _add_plugin(plugins, load_plugin(source))
        except PluginError as exc:
            plugins.failures.append(exc)
    return plugins


def load_plugin(source: PluginSource) -> LoadedPlugin:
    """The plugin, imported and its hooks checked.

    Raises: PluginError that names the distribution, what is wrong and the remedy.
    """
    find_cards(source)
    name = source.distribution
    plugin = guard_call(source.entry_point.load, name, "importing it")
    return _adopt(name, source.version, plugin)


def guard_call(function: Callable[[], T], distribution: str, action: str) -> T:
    """What the function returns, if it returns in time and does not raise.

    The function runs in a daemon thread: one that hangs stays behind and dies with the program.
    Raises: PluginError; InputError if the time that the environment sets is no time.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as exc:  # noqa: BLE001 - a plugin may raise anything, SystemExit too
            errors.append(exc)

    timeout_s = _read_timeout_s()
    thread = threading.Thread(target=run, daemon=True, name=f"plugin {distribution}")
    # What a plugin prints must not end up in the one JSON document on standard output.
    with contextlib.redirect_stdout(sys.stderr):
        thread.start()
        thread.join(timeout_s)
    if results:
        return results[0]
    if errors:
        reason, remedy = _explain(errors[0], action), _find_remedy(errors[0], distribution)
        raise PluginError(distribution, reason, remedy) from errors[0]
    reason = f"{action} did not end within {timeout_s:g} s."
    raise PluginError(distribution, reason, suggest_leaving_out(distribution))


def _read_timeout_s() -> float:
    text = os.environ.get(TIMEOUT_VARIABLE) or str(DEFAULT_TIMEOUT_S)
    try:
        timeout_s = float(text)
    except ValueError:
        timeout_s = math.nan
    if 0 < timeout_s <= threading.TIMEOUT_MAX:
        return timeout_s
    raise InputError(
        f"{TIMEOUT_VARIABLE}: {text!r} is not allowed; allowed: a number of seconds above 0."
    )


def _adopt(distribution: str, version: str, plugin: object) -> LoadedPlugin:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    problem = guard_call(
        lambda: _register(manager, plugin, distribution), distribution, "reading its hooks"
    )
    if problem:
        raise PluginError(distribution, problem, suggest_leaving_out(distribution))
    return LoadedPlugin(distribution, version, manager)


def _register(manager: pluggy.PluginManager, plugin: object, distribution: str) -> str | None:
    """Register a plugin; return what is wrong with its hooks, None if nothing is."""
    try:
        manager.register(plugin, name=distribution)
    except pluggy.PluginValidationError as exc:
        # The first line of pluggy's text names the plugin, as our message does.
        text = ": ".join(str(exc).splitlines()[1:]).removeprefix("hookimpl definition: ")
        return f"a hook does not fit its specification: {text}."
    callers = manager.get_hookcallers(plugin)
    if not callers:
        return "it implements no hook; each needs the mark `automl_agent.hookimpl`."
    known = [caller.name for caller in vars(manager.hook).values() if caller.has_spec()]
    for caller in callers:
        if caller.name not in known and not caller.get_hookimpls()[0].optionalhook:
            return f"there is no hook {caller.name!r}.{suggest(caller.name, known)}"
    return None


def _add_plugin(plugins: Plugins, plugin: LoadedPlugin) -> None:
    # Each registry, and what its values must have beside a name.
    hooks: list[tuple[str, Registry[Any], tuple[str, ...]]] = [
        ("register_experts", plugins.experts, ("card", "write_scripts")),
        ("register_metrics", plugins.metrics, ("tasks", "needs", "ideal", "compute", "loss")),
        ("register_chat_models", plugins.chat_models, ("create",)),
        ("register_sandboxes", plugins.sandboxes, ("is_container", "find_problem", "start")),
        ("register_encoders", plugins.encoders, ("dimension", "encode")),
        ("register_tools", plugins.tools, ("to_spec", "parameters", "is_offered", "run")),
        ("register_commands", plugins.commands, ("main",)),
    ]
    # Ask for everything before anything is added: a plugin counts as a whole or not at all.
    claims = [
        (registry, name, value)
        for hook, registry, needed in hooks
        for name, value in _call_registering(plugin, hook, registry.kind, needed)
    ]
    plugins.loaded.append(plugin)
    for registry, name, value in claims:
        _claim_name(plugins, registry, name, value, plugin.distribution)


def _call_registering(
    plugin: LoadedPlugin, hook: str, kind: str, needed: tuple[str, ...]
) -> list[tuple[str, object]]:
    """The values that a hook returns, each with its name.

    Raises: PluginError if one does not fit the hook.
    """
    result = plugin.call(hook)

    def name_values() -> list[tuple[str, object]]:
        if not isinstance(result, list | tuple):
            raise AutomlAgentError(f"{_brief(result)} is not a list")
        return [(_read_name(value, kind, needed), value) for value in result]

    if result is None:
        return []
    # Guarded too: reading an attribute may run code of the plugin.
    return guard_call(name_values, plugin.distribution, f"reading what its hook {hook} returned")


def _read_name(value: object, kind: str, needed: Iterable[str]) -> str:
    problem = next((f"has no {key!r}" for key in needed if not hasattr(value, key)), None)
    named = value
    if kind == "expert" and problem is None:
        named = getattr(value, "card", None)
        problem = None if isinstance(named, ModelCard) else "has a `card` that is no ModelCard"
    name = getattr(named, "name", None)
    if problem is None and isinstance(name, str):
        return name
    raise AutomlAgentError(f"{_brief(value)} is no {kind}: it {problem or 'has no name'}")


def _claim_name(
    plugins: Plugins, registry: Registry[Any], name: str, value: object, distribution: str
) -> None:
    holder = registry.distribution(name) if name in registry else None
    loser = registry.add(name, value, distribution=distribution)
    if loser is None:
        return
    other = holder if loser == distribution else distribution
    reason = f"its {registry.kind} {name!r} is refused: {other} registers the same name."
    remedy = f"Rename it, or uninstall one of the two: pip uninstall {loser}"
    if loser == other:
        reason, remedy = f"it registers the {registry.kind} {name!r} twice.", "Rename one."
    plugins.failures.append(PluginError(loser, reason, remedy))


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _explain(exc: BaseException, action: str) -> str:
    try:
        text = shorten(str(exc), 500, placeholder=" …").rstrip(".")
    except Exception:  # noqa: BLE001 - a plugin's exception may fail to say what it is
        text = ""
    if isinstance(exc, AutomlAgentError):
        return f"{action} failed: {text}."
    return f"{action} failed with {type(exc).__name__}{text and ': '}{text}."


def _find_remedy(exc: BaseException, distribution: str) -> str:
    # The name of a missing submodule has a dot: its package is there, in another version.
    if isinstance(exc, ModuleNotFoundError) and exc.name and "." not in exc.name:
        missing = _missing_requirements(distribution) or [exc.name]
        return f"Install what it needs: pip install {' '.join(missing)}"
    return suggest_leaving_out(distribution)


def _missing_requirements(distribution: str) -> list[str]:
    """What a distribution says it requires and is not installed, as pip takes it.

    A module need not be called like the distribution that brings it: sklearn, scikit-learn.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        declared = [Requirement(text) for text in requires(distribution) or ()]
    except (PackageNotFoundError, InvalidRequirement):
        return []
    return [
        shlex.quote(f"{requirement.name}{requirement.specifier}")
        for requirement in declared
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if next(iter(distributions(name=requirement.name)), None) is None
    ]


def suggest_leaving_out(distribution: str) -> str:
    """The remedy for what only a plugin's authors can change."""
    return f"Update it, or leave it out: {DISABLED_VARIABLE}={distribution}"
