"""Finding plugins, loading each in its own guard, and checking what it registers.

Nothing here uses pluggy's own entry-point loading: it stops at the first broken plugin and skips
duplicate names silently. Each plugin has a plugin manager of its own, so that an implementation that
raises takes nobody else's result with it.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pluggy

from automl_agent import hookspecs
from automl_agent.cards.metric import Metric
from automl_agent.cards.model_card import ModelCard, read_model_card
from automl_agent.errors import CardError, PluginError
from automl_agent.experts.expert import Expert
from automl_agent.experts.registry import Registry

GROUP = "automl_agent"
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
        """The top-level package that the entry point names."""
        return self.entry_point.module.partition(".")[0]


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin that was imported; `manager` knows this plugin and no other."""

    distribution: str
    version: str
    manager: pluggy.PluginManager

    def call(self, hook: str, **arguments: Any) -> Any:
        """What this plugin's implementation of a hook returns, or None if it has none.

        Raises: PluginError if it raises or does not return in time.
        """
        caller = getattr(self.manager.hook, hook)
        if not caller.get_hookimpls():
            return None
        results = guard_call(lambda: caller(**arguments), self.distribution, f"its hook {hook}")
        return results[0] if results else None


@dataclass
class Plugins:
    """What all plugins registered, and which of them failed."""

    experts: Registry[Expert] = field(default_factory=lambda: Registry("expert"))
    metrics: Registry[Metric] = field(default_factory=lambda: Registry("metric"))
    chat_models: Registry[Any] = field(default_factory=lambda: Registry("controller"))
    sandboxes: Registry[Any] = field(default_factory=lambda: Registry("sandbox"))
    tools: Registry[Any] = field(default_factory=lambda: Registry("tool"))
    commands: Registry[Any] = field(default_factory=lambda: Registry("command"))
    loaded: list[LoadedPlugin] = field(default_factory=list)
    failures: list[PluginError] = field(default_factory=list)

    def call_each(self, hook: str, **arguments: Any) -> Iterator[Any]:
        """The results of a hook that are not None, plugin after plugin.

        A plugin that fails is not asked again and is added to `failures`.
        """
        for plugin in list(self.loaded):
            try:
                result = plugin.call(hook, **arguments)
            except PluginError as exc:
                self.loaded.remove(plugin)
                self.failures.append(exc)
            else:
                if result is not None:
                    yield result


def discover_plugins() -> list[PluginSource]:
    """The plugins that are installed and not disabled, sorted by name; imports none of them."""
    disabled = set(os.environ.get(DISABLED_VARIABLE, "").replace(",", " ").split())
    found: dict[tuple[str, str], PluginSource] = {}
    for entry_point in entry_points(group=GROUP):
        if entry_point.dist is None:
            continue
        source = PluginSource(entry_point.dist.name, entry_point.dist.version, entry_point)
        # A path that is on sys.path twice shows each distribution twice.
        found.setdefault((source.distribution, entry_point.name), source)
    return [found[key] for key in sorted(found) if key[0] not in disabled]


def find_cards(source: PluginSource) -> list[ModelCard]:
    """The model cards that lie in a plugin's package, without importing it.

    Raises: PluginError if the package is missing or a card does not fit the schema.
    """
    spec = find_spec(source.package)
    if spec is None or not spec.submodule_search_locations:
        raise PluginError(
            source.distribution,
            f"its package {source.package!r} cannot be found.",
            f"Reinstall it: pip install --force-reinstall {source.distribution}",
        )
    folder = Path(next(iter(spec.submodule_search_locations)))
    paths = [folder / "model_card.json", *sorted((folder / "model_cards").glob("*.json"))]
    try:
        return [read_model_card(path) for path in paths if path.is_file()]
    except CardError as exc:
        raise PluginError(source.distribution, f"invalid card: {exc}", _ask(source)) from exc


def load_plugins(
    sources: Iterable[PluginSource], *, builtin: object = None, version: str = ""
) -> Plugins:
    """Everything that the built-in plugin and these sources register."""
    plugins = Plugins()
    if builtin is not None:
        _add_plugin(plugins, _adopt("automl-agent", version, builtin))
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
    module = guard_call(source.entry_point.load, name, "importing it")
    return _adopt(name, source.version, module)


def guard_call(function: Callable[[], Any], distribution: str, action: str) -> Any:
    """What the function returns, if it returns in time and does not raise.

    The function runs in a daemon thread: one that hangs stays behind and dies with the program.
    Raises: PluginError.
    """
    outcome: list[tuple[bool, Any]] = []

    def run() -> None:
        try:
            outcome.append((True, function()))
        except BaseException as exc:  # noqa: BLE001 - a plugin may raise anything, SystemExit too
            outcome.append((False, exc))

    timeout_s = float(os.environ.get(TIMEOUT_VARIABLE, DEFAULT_TIMEOUT_S))
    thread = threading.Thread(target=run, daemon=True, name=f"plugin {distribution}")
    # What a plugin prints must not end up in the one JSON document on standard output.
    with contextlib.redirect_stdout(sys.stderr):
        thread.start()
        thread.join(timeout_s)
    if not outcome:
        raise PluginError(
            distribution, f"{action} did not end within {timeout_s:g} s.", _disable(distribution)
        )
    succeeded, result = outcome[0]
    if succeeded:
        return result
    raise PluginError(
        distribution,
        f"{action} failed with {type(result).__name__}: {result}.",
        _remedy(distribution, result),
    ) from result


def _adopt(distribution: str, version: str, module: object) -> LoadedPlugin:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module, name=distribution)
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as exc:
        reason = f"a hook does not fit its specification: {str(exc).splitlines()[-1].strip()}."
        raise PluginError(
            distribution, reason, "Compare it with automl_agent/hookspecs.py."
        ) from exc
    if not manager.get_hookcallers(module):
        raise PluginError(
            distribution, "it implements no hook.", "Mark its hooks with automl_agent.hookimpl."
        )
    return LoadedPlugin(distribution, version, manager)


def _add_plugin(plugins: Plugins, plugin: LoadedPlugin) -> None:
    hooks: list[tuple[str, Registry[Any], Callable[[Any], str]]] = [
        ("register_experts", plugins.experts, _expert_name),
        ("register_metrics", plugins.metrics, _metric_name),
        ("register_chat_models", plugins.chat_models, _name),
        ("register_sandboxes", plugins.sandboxes, _name),
        ("register_tools", plugins.tools, _name),
        ("register_commands", plugins.commands, _name),
    ]
    # Ask for everything before anything is added: a plugin counts as a whole or not at all.
    claims = [
        (registry, name_of(value), value)
        for hook, registry, name_of in hooks
        for value in _listed(plugin, hook, name_of)
    ]
    plugins.loaded.append(plugin)
    for registry, name, value in claims:
        _claim_name(plugins, registry, name, value, plugin.distribution)


def _listed(plugin: LoadedPlugin, hook: str, name_of: Callable[[Any], str]) -> Sequence[Any]:
    result = plugin.call(hook)
    if result is None:
        return ()
    problem = "a list is needed"
    if isinstance(result, list | tuple):
        try:
            for value in result:
                name_of(value)
        except (AttributeError, TypeError) as exc:
            problem = str(exc)
        else:
            return result
    raise PluginError(
        plugin.distribution,
        f"its hook {hook} returned {_brief(result)}: {problem}.",
        "Return what automl_agent/hookspecs.py says.",
    )


def _claim_name(
    plugins: Plugins, registry: Registry[Any], name: str, value: Any, distribution: str
) -> None:
    holder = registry.distribution(name) if name in registry else None
    loser = registry.add(name, value, distribution=distribution)
    if loser is None:
        return
    other = holder if loser == distribution else distribution
    plugins.failures.append(
        PluginError(
            loser,
            f"its {registry.kind} {name!r} is refused: {other} registers the same name.",
            f"Uninstall one of the two: pip uninstall {loser}",
        )
    )


def _expert_name(value: Any) -> str:
    if not isinstance(value.card, ModelCard) or not callable(value.write_scripts):
        raise TypeError("an expert needs a ModelCard as `card` and a method `write_scripts`")
    return value.card.name


def _metric_name(value: Any) -> str:
    if not isinstance(value, Metric):
        raise TypeError("automl_agent.Metric is needed")
    return value.name


def _name(value: Any) -> str:
    if not isinstance(value.name, str):
        raise TypeError("`name` must be a string")
    return value.name


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _remedy(distribution: str, exc: BaseException) -> str:
    if isinstance(exc, ModuleNotFoundError) and exc.name:
        return f"Install what it needs: pip install {exc.name.partition('.')[0]}"
    return _disable(distribution)


def _disable(distribution: str) -> str:
    return f"Update it, or leave it out: {DISABLED_VARIABLE}={distribution}"


def _ask(source: PluginSource) -> str:
    return f"Ask the authors of {source.distribution} {source.version}, or {_disable(source.distribution).lower()}"
