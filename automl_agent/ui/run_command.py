"""`automl-agent run`: one run, or what a request in words asks for, end to end."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from automl_agent.cards.data_card import SplitRule
from automl_agent.cards.metric import Task
from automl_agent.controllers.gate import Gate, OpenGate
from automl_agent.controllers.mentions import is_table_name
from automl_agent.errors import InputError
from automl_agent.sandboxes.sandbox import SandboxOptions
from automl_agent.ui.options import (
    Duration,
    controller_choice,
    early_stop_option,
    missing_target,
    print_json,
    sandbox_choice,
    warn_of_failures,
)
from automl_agent.ui.progress import (
    BarProgress,
    EventLines,
    LineProgress,
    NoProgress,
    Standing,
    print_event,
)
from automl_agent.ui.rendering import show_outcome, show_result
from automl_agent.ui.requirements import requirement_option
from automl_agent.ui.terminal_gate import TerminalGate

if TYPE_CHECKING:
    from automl_agent.agent import Agent

Progress = BarProgress | EventLines | LineProgress | NoProgress


@click.command()
@click.argument("request")
@click.option("--target", help="The column to predict, if REQUEST is a table.")
@click.option("--data", "folder", metavar="DIR", help="Where the tables of a request in words lie.")
@click.option("--holdout", help="A labelled table to score on, instead of a part of the table.")
@click.option("--metric", help="The metric that decides.  [default: log_loss or rmse]")
@click.option("--task", type=click.Choice(get_args(Task)), help="Default: what the labels say.")
@click.option("--expert", "experts", multiple=True, help="Only this expert; may be repeated.")
@click.option("--drop", multiple=True, help="Leave this column out; may be repeated.")
@requirement_option
@click.option("--split-by-time", metavar="COLUMN", help="Hold out the latest rows.")
@click.option("--split-by-group", metavar="COLUMN", help="Hold out whole groups of rows.")
@click.option("--description", default="", help="What the data is, in words.")
@click.option("--time", "time_s", type=Duration(), help="The longest time.  [default: 5m]")
@click.option("--trials", "n_trials", type=int, help="The most trials.  [default: 20]")
@click.option("--seed", type=int, default=0, show_default=True)
@early_stop_option
@controller_choice
@sandbox_choice
@click.option("--yes", "-y", is_flag=True, help="Train without asking.")
@click.option("--no-input", is_flag=True, help="Never ask anything.")
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
@click.option(
    "--output-format",
    type=click.Choice(["text", "json", "stream-json"]),
    default="text",
    show_default=True,
    help="json: one document on standard output; stream-json: a line for each event, too.",
)
def run(
    request: str,
    target: str | None,
    folder: str | None,
    split_by_time: str | None,
    split_by_group: str | None,
    sandbox: str | None,
    sandbox_options: SandboxOptions,
    controller_options: dict[str, Any],
    output_format: str,
    *,
    yes: bool,
    no_input: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Train a model that predicts a column of a table.

    REQUEST is a CSV or Parquet file, with --target, or a request in words that names its tables.
    """
    from automl_agent.agent import Agent

    _check_request(request)
    is_asked = not (yes or no_input) and sys.stdin.isatty() and sys.stderr.isatty()
    progress = choose_progress(quiet=quiet, output_format=output_format)
    gate: Gate = TerminalGate(_pausing(progress)) if is_asked else OpenGate()
    options["split"] = find_split(split_by_time, split_by_group)
    try:
        agent = Agent(
            sandbox=sandbox,
            sandbox_options=sandbox_options,
            gate=gate,
            on_event=progress,
            **controller_options,
        )
        warn_of_failures(agent.plugins.failures)
        if target is None and _is_words(request):
            _ask(agent, request, folder, output_format, options)
        elif target is None:
            raise missing_target(agent.read_table(request))
        else:
            _train(agent, request, target, output_format, options)
    finally:
        progress.close()


def _train(
    agent: "Agent", table: str, target: str, output_format: str, options: dict[str, Any]
) -> None:
    document = agent.run(table, target, **options).to_json()
    if output_format == "text":
        show_result(document)
    else:
        _print_last(document, output_format)


def _ask(
    agent: "Agent",
    words: str,
    folder: str | None,
    output_format: str,
    options: dict[str, Any],
) -> None:
    fixed = {key: value for key, value in options.items() if value not in (None, (), "")}
    description = fixed.pop("description", "")
    with agent.open_dialogue(folder=folder, **fixed) as dialogue:
        outcome = dialogue.say(f"{words}\n{description}".strip())
    if outcome.error is not None and not outcome.results:
        raise outcome.error
    if output_format == "text":
        show_outcome(outcome)
    else:
        _print_last(dialogue.describe(outcome), output_format)


def _print_last(document: dict[str, Any], output_format: str) -> None:
    if output_format == "json":
        print_json(document)
    else:
        print_event("result", document)


def _check_request(request: str) -> None:
    if not request.strip():  # as a path, it would be the present folder
        raise InputError(
            "The request is empty; name a table and its --target, or say what to predict, such as "
            '"predict income from adult.csv".'
        )


def _is_words(request: str) -> bool:
    """Whether it is a sentence, and not the name or address of a table."""
    if Path(request).exists() or is_table_name(request):
        return " " in request.strip() and not Path(request).exists()
    return " " in request.strip()


def choose_progress(*, quiet: bool, output_format: str = "text") -> Progress:
    """The kind of progress that suits where it goes."""
    if output_format == "stream-json":
        return EventLines()
    if quiet:
        return NoProgress()
    return BarProgress(Standing()) if sys.stderr.isatty() else LineProgress(Standing())


def find_split(by_time: str | None, by_group: str | None) -> SplitRule | None:
    """The rule that the options name, None for the default.

    Raises: InputError if they name two.
    """
    if by_time and by_group:
        raise InputError("--split-by-time and --split-by-group exclude each other; give one.")
    if by_time:
        return SplitRule("time", by_time)
    return SplitRule("group", by_group) if by_group else None


def _pausing(progress: Progress) -> Callable[[Callable[[], Any]], Any]:
    def ask(question: Callable[[], Any]) -> Any:
        if not isinstance(progress, BarProgress):
            return question()
        progress.pause()
        try:
            return question()
        finally:
            progress.resume()

    return ask
