"""`automl-agent plugins`: what is installed, and whether it can be used."""

from typing import Any

import click

from automl_agent.cards.documents import escape_unseen
from automl_agent.errors import UnknownNameError
from automl_agent.experts.registry import Registry
from automl_agent.plugins import discover_plugins
from automl_agent.ui.experts_commands import installed_cards
from automl_agent.ui.options import output_format, print_json
from automl_agent.ui.rendering import show_table


@click.group()
def plugins() -> None:
    """List plugins and check them."""


@plugins.command("list")
@output_format
def list_plugins(output_format: str) -> None:
    """The installed plugins, what they registered, and why one cannot be used."""
    from automl_agent.agent import load_all_plugins

    loaded = load_all_plugins()
    registries: dict[str, Registry[Any]] = {
        "experts": loaded.experts,
        "metrics": loaded.metrics,
        "controllers": loaded.chat_models,
        "sandboxes": loaded.sandboxes,
        "encoders": loaded.encoders,
        "tools": loaded.tools,
        "commands": loaded.commands,
    }
    found: list[dict[str, Any]] = [
        {
            "distribution": plugin.distribution,
            "version": plugin.version,
            "registers": {
                kind: names
                for kind, registry in registries.items()
                if (names := _names_from(registry, plugin.distribution))
            },
        }
        for plugin in loaded.loaded
    ]
    failures = [
        {"distribution": f.distribution, "reason": f.reason, "remedy": f.remedy}
        for f in loaded.failures
    ]
    if output_format == "json":
        print_json({"plugins": found, "failures": failures})
        return
    rows = [[p["distribution"], p["version"], _describe(p["registers"])] for p in found]
    show_table(["plugin", "version", "registers"], rows)
    for failure in loaded.failures:
        click.echo(escape_unseen(str(failure)))


@plugins.command("check")
@click.argument("names", nargs=-1)
@click.option("--timeout", "timeout_s", type=float, default=60.0, show_default=True)
@output_format
def check_plugins(names: tuple[str, ...], timeout_s: float, output_format: str) -> int:
    """Check plugins thoroughly, each in a process of its own. Exit code 1 if one has a problem."""
    from automl_agent.plugin_check import check_in_subprocess

    sources = {source.distribution: source for source in discover_plugins()}
    for name in names:
        if name not in sources:
            raise UnknownNameError("plugin", name, sources)
    problems = {
        name: check_in_subprocess(sources[name], timeout_s=timeout_s) for name in names or sources
    }
    for name, found in problems.items():
        found.extend(_find_double_names(name))
    if output_format == "json":
        print_json({"plugins": problems})
    else:
        for name, found in problems.items():
            click.echo(escape_unseen(f"{name}: {'ok' if not found else ' '.join(found)}"))
    return int(any(problems.values()))


@plugins.command("trust")
@click.argument("name")
def trust_plugin(name: str) -> None:
    """Use the tools of a plugin as they are now, after an update changed them."""
    from automl_agent.agent import load_all_plugins
    from automl_agent.controllers.tools.trust import trust_tools
    from automl_agent.runs.run_directory import home_folder

    loaded = load_all_plugins()
    names = trust_tools(home_folder(), loaded, name)
    for tool in names:
        click.echo(escape_unseen(f"{tool}: {loaded.tools[tool].description}"))


def _find_double_names(distribution: str) -> list[str]:
    """What is wrong with the names of a plugin's experts beside those of the others."""
    cards = installed_cards()
    own = {card.name for source, card in cards if source.distribution == distribution}
    return [
        f"its expert {card.name!r} has a name that {source.distribution} uses; rename it."
        for source, card in cards
        if card.name in own and source.distribution != distribution
    ]


def _names_from(registry: Registry[Any], distribution: str) -> list[str]:
    return [name for name in registry if registry.distribution(name) == distribution]


def _describe(registers: dict[str, list[str]]) -> str:
    return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in registers.items())
