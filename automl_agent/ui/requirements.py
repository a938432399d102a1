"""What a model must keep to: the option, whether it does, and two results side by side."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from automl_agent.cards.documents import escape_unseen
from automl_agent.training.constraints import COSTS, N_MEMBERS
from automl_agent.ui.rendering import format_number, show_table

F = TypeVar("F", bound=Callable[..., Any])
_NOT_SCORES = (*COSTS, N_MEMBERS)


def requirement_option(function: F) -> F:
    """The option --require, as the argument `require`."""
    return click.option(
        "--require",
        "require",
        multiple=True,
        metavar="TEXT",
        help='Such as "accuracy >= 0.87", "predict_ms_per_row <= 1" or "model_mib <= 5"; may be '
        "repeated.",
    )(function)


def show_verdicts(document: Mapping[str, Any]) -> None:
    """Whether the delivered model keeps to each requirement of a run result."""
    verdicts = document.get("verdicts", ())
    for verdict in verdicts:
        click.echo(escape_unseen(describe_verdict(verdict)))
    if not all(verdict["is_met"] for verdict in verdicts):
        click.echo("Not all requirements are met; by the validation rows this model comes nearest.")


def describe_verdict(verdict: Mapping[str, Any]) -> str:
    """A requirement and what was measured, in a sentence."""
    text, measure, measured = verdict["text"], verdict["measure"], verdict["measured"]
    if not text.startswith(measure) or "earlier" in text:
        text = f"{text} ({measure}: {_write_measure(verdict['bound'])})"
    if measured is None:
        return f"Required {text}: not known, as it was not measured."
    where = "" if measure in _NOT_SCORES else " on held-out rows"
    verb = "met" if verdict["is_met"] else "not met"
    return f"Required {text}: {verb}, with {_write_measure(measured)}{where}."


def _write_measure(value: float) -> str:
    """As other numbers are shown, and those that would be all zeros with their digits."""
    return format_number(value) if abs(value) >= 0.01 or not value else f"{value:.3g}"


def show_comparison(comparison: Mapping[str, Any]) -> None:
    """An earlier result and a new one side by side, then the difference in plain words."""
    rows = [
        [row["name"], *("-" if v is None else _write_measure(v) for v in (row["old"], row["new"]))]
        for row in comparison["rows"]
        if (row["old"], row["new"]) != (None, None)
    ]
    show_table(["", f"before ({comparison['old']})", f"now ({comparison['new']})"], rows)
    click.echo(escape_unseen(comparison["sentence"]))
