"""`automl-agent cards`: measuring data cards and checking cards."""

import json
from pathlib import Path

import click

from automl_agent.cards.data_card import DataCard, read_data_card
from automl_agent.cards.documents import escape_unseen
from automl_agent.cards.model_card import read_model_card
from automl_agent.errors import CardError
from automl_agent.ui.options import missing_target, output_format, print_json
from automl_agent.ui.rendering import show_table


@click.group()
def cards() -> None:
    """Measure data cards and check cards."""


@cards.command("data")
@click.argument("table")
@click.option("--target", help="The column to predict.")
@click.option("--metric", help="The metric that decides.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Also write it to a file.")
@output_format
def measure_data_card(
    table: str, target: str | None, metric: str | None, output: Path | None, output_format: str
) -> None:
    """Measure the data card of TABLE."""
    from automl_agent.agent import Agent
    from automl_agent.cards.profile import profile_table

    frame = Agent().read_table(table)
    if target is None:
        raise missing_target(frame)
    card = profile_table(frame, target=target, name=Path(table).name, metric=metric)
    if output:
        output.write_text(json.dumps(card.to_json(), indent=1, ensure_ascii=False), "utf-8")
    if output_format == "json":
        print_json(card.to_json())
    else:
        show_data_card(card)


@cards.command("check")
@click.argument("file", type=click.Path(path_type=Path))
def check_card(file: Path) -> None:
    """Check a data card or a model card."""
    try:
        click.echo(escape_unseen(f"{file} is a data card: {read_data_card(file).name}"))
    except CardError as data_problem:
        try:
            click.echo(escape_unseen(f"{file} is a model card: {read_model_card(file).name}"))
        except CardError as model_problem:
            is_model = "search_space" in file.read_text("utf-8", "replace") if file.is_file() else 0
            raise model_problem if is_model else data_problem from None


def show_data_card(card: DataCard) -> None:
    """A data card for a person's eyes."""
    click.echo(
        escape_unseen(
            f"{card.name}: {card.n_rows} rows, {card.n_features} features, "
            f"{card.task.replace('_', ' ')} of {card.target}, metric {card.metric}"
        )
    )
    rows = [
        [c.name, c.role, str(c.n_unique), f"{c.missing_share or 0:.1%}"] for c in card.columns or ()
    ]
    show_table(["column", "role", "distinct", "missing"], rows)
    for hint in card.hints or ():
        where = f"{hint.column}: " if hint.column else ""
        click.echo(escape_unseen(f"Note: {where}{hint.text}"))
