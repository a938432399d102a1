"""The human gate: nothing is trained before a person, or `--yes`, has said so."""

from dataclasses import dataclass, field, replace
from typing import Protocol

from automl_agent.cards.model_card import Settings
from automl_agent.cards.paragraph import parse_paragraph, render_paragraph
from automl_agent.errors import InputError
from automl_agent.experts.plan import Plan


@dataclass(frozen=True)
class Approval:
    """The person's answer; settings: what she changed the hyperparameters of plans to, by plan."""

    approved: bool
    settings: dict[str, Settings] = field(default_factory=dict)
    reason: str = ""


class Gate(Protocol):
    """The way to the person."""

    def approve(self, plans: list[Plan]) -> Approval:
        """Her answer to these plans, which are complete but for the training."""
        ...

    def answer(self, question: str) -> str | None:
        """Her answer to a question of the controller; None if nobody is there."""
        ...


class OpenGate:
    """Lets every plan pass: `--yes`, no terminal, or a call from Python."""

    def approve(self, plans: list[Plan]) -> Approval:
        """Approval without a change."""
        del plans
        return Approval(approved=True, settings={})

    def answer(self, question: str) -> str | None:
        """No answer."""
        del question
        return None


def read_edited_settings(plan: Plan, text: str) -> Settings:
    """The hyperparameters in an edited prompt paragraph.

    Raises: CardError if it does not parse; InputError if anything else of it was changed.
    """
    original = plan.to_paragraph()
    edited = parse_paragraph(text)
    unedited = replace(edited, settings=original.settings)
    if render_paragraph(unedited) != render_paragraph(original):
        raise InputError(
            "Only the line 'C, hyperparameters' can be edited here; for another target, metric or "
            "expert start again with --target, --metric or --expert."
        )
    return edited.settings
