"""Numbers, tables and texts for a person's eyes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from automl_agent.cards.documents import escape_unseen

if TYPE_CHECKING:
    from rich.table import Table

    from automl_agent.controllers.round import Outcome

_MAX_ROWS = 10
_ENDLESS_WIDTH = 1000


def show_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on standard output, as wide as its content or the terminal."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        # A file or a pipe has no width; nothing is cut off.
        console = Console(width=_ENDLESS_WIDTH)
    with console.capture() as captured:
        console.print(build_table(headers, rows))
    click.echo("\n".join(line.rstrip() for line in captured.get().strip("\n").split("\n")))


def build_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> "Table":
    """A table whose cells are shown as they are, never as markup."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for header in headers:
        table.add_column(header, justify="left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(escape_unseen(cell)) for cell in row))
    return table


def show_result(document: Mapping[str, Any]) -> None:
    """The leaderboard, how the predictions came out, and all paths."""
    from automl_agent.ui.requirements import show_comparison, show_verdicts

    click.echo()
    show_leaderboard(document)
    show_verdicts(document)
    if "comparison" in document:
        show_comparison(document["comparison"])
    for prediction in document["predictions"]:
        click.echo(describe_prediction(prediction, document["metric"]))
    for line in describe_early_ends(document):
        click.echo(line)
    for hint in document["hints"]:
        click.echo(escape_unseen(f"Note: {hint}"))
    click.echo(escape_unseen(describe_delivery(document)))
    usage = document.get("usage")
    if usage and usage["input_tokens"]:
        click.echo(escape_unseen(describe_usage(usage)))
    click.echo()
    for name, path in document["paths"].items():
        click.echo(f"{name.replace('_', ' '):>13}: {path}")
    click.echo(f"\nPredict new rows: automl-agent predict {document['run_id']} FILE -o OUT.csv")


def show_outcome(outcome: "Outcome") -> None:
    """What came of a request in words: each task's result, and what could not be done."""
    for document in outcome.results:
        click.echo()
        click.echo(escape_unseen(f"{document['target']}: {document['task'].replace('_', ' ')}"))
        show_result(document)
    if outcome.text:
        click.echo()
        click.echo(escape_unseen(outcome.text))


def show_leaderboard(document: Mapping[str, Any]) -> None:
    """The best rows, the delivered one first."""
    metric = document["metric"]
    others = [name for name in document["scores"] if name != metric]
    headers = ["model", "expert", f"{metric} (validation)", f"{metric} (held out)"]
    headers += [f"{name} (held out)" for name in others] + ["seconds"]
    rows = []
    for row in document["leaderboard"][:_MAX_ROWS]:
        scores = row["scores"] or {}
        held_out = [format_number(scores.get(name)) for name in (metric, *others)]
        rows.append(
            [
                row["name"],
                row["expert"],
                format_number(row["valid_score"]),
                *held_out,
                f"{row['seconds']:.1f}",
            ]
        )
    show_table(headers, rows)
    n_more = len(document["leaderboard"]) - _MAX_ROWS
    if n_more > 0:
        click.echo(f"… and {n_more} more: automl-agent runs show {document['run_id']}")


def describe_prediction(prediction: Mapping[str, Any], metric: str) -> str:
    """A predicted log against what came, in a sentence."""
    low, high = format_number(prediction["low"]), format_number(prediction["high"])
    verdict = "as predicted" if prediction["is_inside"] else "outside of what was predicted"
    return (
        f"{prediction['plan_id']}: predicted {metric} {format_number(prediction['predicted'])} "
        f"({low} to {high}), measured {format_number(prediction['measured'])}: {verdict}."
    )


def describe_early_ends(document: Mapping[str, Any]) -> list[str]:
    """What was stopped or not trained for its prediction, a line for each kind."""
    stopped, skipped = document.get("stopped", ()), document.get("skipped", ())
    lines = []
    if stopped:
        saved_s = sum(trial["saved_seconds"] for trial in stopped)
        names = ", ".join(trial["trial_id"] for trial in stopped)
        lines.append(f"Stopped early, about {saved_s:.0f} s saved: {names}.")
    if skipped:
        what = "1 candidate" if len(skipped) == 1 else f"{len(skipped)} candidates"
        lines.append(f"Not trained, because others are predicted to do better: {what}.")
    return lines


def describe_delivery(document: Mapping[str, Any]) -> str:
    """What was delivered, in a sentence or two."""
    members = document["model"]
    scores = ", ".join(f"{name} {format_number(v)}" for name, v in document["scores"].items())
    what = next(iter(members))
    if len(members) > 1:
        parts = (f"{weight:.0%} {name}" for name, weight in members.items())
        what = f"a blend of {', '.join(parts)}"
    return f"Delivered: {what}. Held out: {scores}. {document['seconds']:.0f} s in all."


def describe_usage(usage: Mapping[str, Any]) -> str:
    """What language models took, in a sentence."""
    cost = "at a price that is not known"
    if usage["cost_usd"] is not None:
        cost = f"for {usage['cost_usd']:.4f} USD"
    return (
        f"Models: {', '.join(usage['models'])}. {usage['input_tokens']} tokens sent "
        f"({usage['cached_tokens']} of them cached), {usage['output_tokens']} received, {cost}."
    )


def format_number(value: float | None) -> str:
    """Four significant places, or a dash."""
    return "-" if value is None else f"{value:.4f}" if abs(value) < 100 else f"{value:.6g}"
