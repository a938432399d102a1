"""The human gate on a terminal: shows the plans, takes yes, no or an edit."""

from collections.abc import Callable
from typing import Any

import click

from automl_agent.cards.model_card import Settings
from automl_agent.cards.paragraph import render_paragraph
from automl_agent.controllers.gate import Approval, read_edited_settings
from automl_agent.errors import ToolError, UserError
from automl_agent.experts.plan import Plan
from automl_agent.experts.search_space import check_settings
from automl_agent.ui.rendering import clean_text, format_number

_CHOICES = {"y": "yes", "n": "no", "p": "paragraph", "e": "edit"}


class TerminalGate:
    """Asks the person at the terminal. around: runs a question while the progress bar pauses."""

    def __init__(self, around: Callable[[Callable[[], Any]], Any]) -> None:
        self._around = around

    def approve(self, plans: list[Plan]) -> Approval:
        """Her answer."""
        approval: Approval = self._around(lambda: _ask(plans))
        return approval

    def answer(self, question: str) -> str | None:
        """Her answer to a question of the controller."""
        prompt = clean_text(question)
        answer: str = self._around(lambda: click.prompt(prompt, err=True, default=""))
        return answer or None


def describe_plan(plan: Plan) -> str:
    """A plan in a few lines: expert, hyperparameters, predicted log."""
    log = plan.predicted_log
    assert log is not None  # the gate is asked about complete plans
    settings = ", ".join(f"{name} {value}" for name, value in plan.settings.items())
    low, high = format_number(log.final.low), format_number(log.final.high)
    origin = f", scripts written by a language model: {sorted(plan.generated)}" * bool(
        plan.generated
    )
    return (
        f"{plan.plan_id}: {plan.model_card.structure}{origin}\n"
        f"  hyperparameters: {settings}\n"
        f"  predicted: {log.metric} {format_number(log.final.median)} ({low} to {high}) after "
        f"{log.final.step} steps, about {log.seconds:.0f} s a training"
    )


def _ask(plans: list[Plan]) -> Approval:
    click.echo("\nThe plan, before any training:", err=True)
    for plan in plans:
        click.echo(clean_lines(describe_plan(plan)), err=True)
    changed: dict[str, Settings] = {}
    while True:
        choice = click.prompt(
            "Train? [y]es, [n]o, show the [p]aragraph, [e]dit it",
            type=click.Choice(list(_CHOICES)),
            default="y",
            show_choices=False,
            err=True,
        )
        if choice in "yn":
            return Approval(approved=choice == "y", settings=changed)
        for plan in plans:
            if choice == "p":
                click.echo(render_paragraph(plan.to_paragraph()), err=True)
            else:
                changed.update(_edit(plan))


def _edit(plan: Plan) -> dict[str, Settings]:
    """What she changed of a plan in her editor; nothing if it cannot be used."""
    text = click.edit(render_paragraph(plan.to_paragraph()), extension=".txt")
    if text is None:
        return {}
    try:
        settings = read_edited_settings(plan, text)
        check_settings(plan.model_card, settings)
    except (UserError, ToolError) as exc:
        click.echo(f"Not taken over: {exc}", err=True)
        return {}
    return {plan.plan_id: settings}


def clean_lines(text: str) -> str:
    """As `clean_text`, line by line."""
    return "\n".join(clean_text(line) for line in text.split("\n"))
