"""`automl-agent experts`: the cards of the installed experts; no plugin is imported for it."""

import click

from automl_agent.cards.documents import escape_unseen
from automl_agent.cards.model_card import ModelCard, Parameter
from automl_agent.errors import PluginError, UnknownNameError
from automl_agent.plugins import PluginSource, discover_plugins, find_cards
from automl_agent.ui.options import output_format, print_json, warn_of_failures
from automl_agent.ui.rendering import show_table


@click.group()
def experts() -> None:
    """List and show the installed experts."""


@experts.command("list")
@output_format
def list_experts(output_format: str) -> None:
    """All installed experts."""
    cards = installed_cards()
    if output_format == "json":
        found = [{"distribution": source.distribution, **c.to_json()} for source, c in cards]
        print_json({"experts": found})
        return
    rows = [[c.name, source.distribution, c.structure, ", ".join(c.tasks)] for source, c in cards]
    show_table(["expert", "plugin", "structure", "tasks"], rows)


@experts.command("show")
@click.argument("name")
@output_format
def show_expert(name: str, output_format: str) -> None:
    """The model card of an expert."""
    cards = {card.name: (source, card) for source, card in installed_cards()}
    if name not in cards:
        raise UnknownNameError("expert", name, cards)
    source, card = cards[name]
    if output_format == "json":
        print_json(card.to_json())
        return
    click.echo(escape_unseen(f"{card.name} ({source.distribution} {source.version})"))
    click.echo(escape_unseen(f"{card.structure}.\n{card.description}".replace("\n", " ")))
    fixed = ", ".join(f"{key} {value}" for key, value in card.architecture.items())
    click.echo(escape_unseen(f"Architecture: {fixed}"))
    needs = ", ".join(f"{r.package}{r.version}" for r in card.requirements)
    click.echo(escape_unseen(f"Needs: {needs}\n".rstrip()))
    rows = [[p.name, p.type, _describe_range(p), str(p.default)] for p in card.search_space]
    show_table(["hyperparameter", "type", "range", "default"], rows)


def installed_cards() -> list[tuple[PluginSource, ModelCard]]:
    """The cards of all plugins; a plugin whose cards cannot be read is named in a warning."""
    cards: list[tuple[PluginSource, ModelCard]] = []
    for source in discover_plugins():
        try:
            cards.extend((source, card) for card in find_cards(source))
        except PluginError as exc:
            warn_of_failures([exc])
    return cards


def _describe_range(parameter: Parameter) -> str:
    if parameter.type == "choice":
        return ", ".join(map(str, parameter.choices))
    scale = ", log" if parameter.log else ""
    return f"{parameter.low:g} to {parameter.high:g}{scale}"
