"""The human gate on a terminal: shows the plans, takes yes, no or an edit."""

import shutil
import textwrap
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from automl_agent.cards.documents import escape_unseen
from automl_agent.cards.model_card import Settings
from automl_agent.cards.paragraph import render_paragraph
from automl_agent.controllers.gate import Approval, read_edited_settings
from automl_agent.environment import find_key_variables
from automl_agent.errors import ToolError, UserError
from automl_agent.experts.plan import Plan
from automl_agent.experts.search_space import complete_settings
from automl_agent.ui.rendering import format_number


class TerminalGate:
    """Asks the person at the terminal. around: runs a question while the progress bar pauses."""

    def __init__(self, around: Callable[[Callable[[], Any]], Any]) -> None:
        self._around = around

    def approve(self, plans: list[Plan]) -> Approval:
        """Her answer."""
        approval: Approval = self._ask_in_peace(lambda: _ask(plans))
        return approval

    def answer(self, question: str) -> str | None:
        """Her answer to a question of the controller."""
        prompt = escape_unseen(question)
        answer: str = self._ask_in_peace(lambda: click.prompt(prompt, err=True, default=""))
        return answer or None

    def _ask_in_peace(self, question: Callable[[], Any]) -> Any:
        try:
            return self._around(question)
        except click.Abort:
            # click's word for Ctrl-C at a prompt; the run knows it by Python's.
            raise KeyboardInterrupt from None


def describe_plan(plan: Plan) -> str:
    """A plan in a few lines: expert, hyperparameters, predicted log."""
    log = plan.predicted_log
    assert log is not None  # the gate is asked about complete plans
    settings = ", ".join(f"{name} {value}" for name, value in plan.settings.items())
    low, high = format_number(log.final.low), format_number(log.final.high)
    lines = [
        f"{plan.plan_id}: {plan.model_card.structure}",
        f"  hyperparameters: {settings}",
        f"  predicted: {log.metric} {format_number(log.final.median)} ({low} to {high}) after "
        f"{log.final.step} steps, about {log.seconds:.0f} s a training",
    ]
    if plan.generated:
        lines.append(f"  a language model wrote: {', '.join(sorted(plan.generated))}")
    width = shutil.get_terminal_size().columns
    return "\n".join(
        textwrap.fill(escape_unseen(line), width, subsequent_indent="    ") for line in lines
    )


def _ask(plans: list[Plan]) -> Approval:
    click.echo("\nThe plan, before any training:", err=True)
    _show(plans)
    changed: dict[str, Settings] = {}
    while True:
        choice = click.prompt(
            "Train? [y]es, [n]o, show the [p]aragraph, [e]dit it",
            type=click.Choice(["y", "n", "p", "e"]),
            default="y",
            show_choices=False,
            err=True,
        )
        if choice in "yn":
            return Approval(approved=choice == "y", settings=changed)
        if choice == "p":
            for plan in plans:
                click.echo(render_paragraph(plan.to_paragraph()), err=True)
        else:
            plans = [edit_plan(plan) for plan in plans]
            changed = {plan.plan_id: plan.settings for plan in plans}
            _show(plans)


def _show(plans: list[Plan]) -> None:
    for plan in plans:
        click.echo(describe_plan(plan), err=True)


def edit_plan(plan: Plan) -> Plan:
    """The plan as she changed it in her editor; unchanged if that cannot be used."""
    try:
        # click adds these to the environment, and cannot take any away.
        blanks = dict.fromkeys(find_key_variables(), "")
        text = click.edit(render_paragraph(plan.to_paragraph()), extension=".txt", env=blanks)
        if text is None:
            return plan
        settings = complete_settings(plan.model_card, read_edited_settings(plan, text))
    except (UserError, ToolError, click.ClickException) as exc:
        click.echo(escape_unseen(f"Not taken over: {exc}"), err=True)
        return plan
    return replace(plan, settings=settings)
