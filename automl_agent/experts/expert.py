"""The expert: a model card and the scripts that train it."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Protocol

from automl_agent.cards.model_card import ModelCard, read_model_card
from automl_agent.experts.plan import Plan
from automl_agent.experts.scripts import SCRIPT_NAMES


class Expert(Protocol):
    """What a plugin registers through `register_experts`."""

    @property
    def card(self) -> ModelCard:
        """The card that ships with the plugin as package data."""
        ...

    def write_scripts(self, plan: Plan) -> dict[str, str]:
        """The texts of data_processing.py, model.py, train.py and predict.py for a plan.

        Values of the plan reach the scripts only through job.json, never through their text.
        """
        ...


@dataclass(frozen=True)
class TemplateExpert:
    """An expert whose scripts are files that ship with its plugin, the same for every plan."""

    card: ModelCard
    templates: Path

    def write_scripts(self, plan: Plan) -> dict[str, str]:
        """The texts of the template files."""
        del plan  # settings reach templates through job.json
        return {name: (self.templates / name).read_text(encoding="utf-8") for name in SCRIPT_NAMES}


def template_expert(
    package: str, *, card: str = "model_card.json", templates: str = "templates"
) -> TemplateExpert:
    """The expert whose card and folder of templates lie in a package.

    Raises: CardError if the card does not fit its schema.
    """
    folder = Path(str(files(package)))
    return TemplateExpert(read_model_card(folder / card), folder / templates)
