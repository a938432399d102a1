"""What all installed experts need, from their cards; no plugin is imported for it."""

from collections.abc import Iterator

from automl_agent.cards.model_card import ModelCard, Requirement
from automl_agent.errors import InputError, PluginError
from automl_agent.plugins import discover_plugins, find_cards
from automl_agent.sandboxes.image.build_context import merge_requirements


def installed_requirements() -> tuple[Requirement, ...]:
    """The requirements of all installed experts; a plugin that cannot be read is left out."""
    return tuple(need for card in _read_cards() for need in card.requirements)


def _read_cards() -> Iterator[ModelCard]:
    for source in discover_plugins():
        try:
            cards = find_cards(source)
            for card in cards:
                merge_requirements(card.requirements)
        except (PluginError, InputError):
            # `automl-agent doctor` names it; one broken plugin must not keep the others from a
            # sandbox.
            continue
        yield from cards
