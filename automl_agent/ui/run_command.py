"""`automl-agent run`: one run, end to end."""

import sys
from collections.abc import Callable
from typing import Any, get_args

import click

from automl_agent.cards.data_card import SplitRule
from automl_agent.cards.metric import Task
from automl_agent.controllers.gate import Gate, OpenGate
from automl_agent.controllers.request import DEFAULT_TIME_S, DEFAULT_TRIALS
from automl_agent.errors import InputError
from automl_agent.sandboxes.sandbox import SandboxOptions
from automl_agent.ui.options import (
    Duration,
    missing_target,
    output_format,
    print_json,
    sandbox_choice,
    warn_of_failures,
)
from automl_agent.ui.progress import BarProgress, LineProgress, NoProgress, Standing
from automl_agent.ui.rendering import show_result
from automl_agent.ui.terminal_gate import TerminalGate

Progress = BarProgress | LineProgress | NoProgress


@click.command()
@click.argument("table")
@click.option("--target", help="The column to predict.")
@click.option("--holdout", help="A labelled table to score on, instead of a part of TABLE.")
@click.option("--metric", help="The metric that decides.  [default: log_loss or rmse]")
@click.option("--task", type=click.Choice(get_args(Task)), help="Default: what the labels say.")
@click.option("--expert", "experts", multiple=True, help="Only this expert; may be repeated.")
@click.option("--drop", multiple=True, help="Leave this column out; may be repeated.")
@click.option("--split-by-time", metavar="COLUMN", help="Hold out the latest rows.")
@click.option("--split-by-group", metavar="COLUMN", help="Hold out whole groups of rows.")
@click.option("--description", default="", help="What the data is, in words.")
@click.option("--time", "time_s", type=Duration(), default=DEFAULT_TIME_S, show_default="5m")
@click.option("--trials", "n_trials", type=int, default=DEFAULT_TRIALS, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--controller", default="planner", show_default=True)
@sandbox_choice
@click.option("--yes", "-y", is_flag=True, help="Train without asking.")
@click.option("--no-input", is_flag=True, help="Never ask anything.")
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
@output_format
def run(
    table: str,
    target: str | None,
    split_by_time: str | None,
    split_by_group: str | None,
    controller: str,
    sandbox: str,
    sandbox_options: SandboxOptions,
    output_format: str,
    *,
    yes: bool,
    no_input: bool,
    quiet: bool,
    time_s: float,
    n_trials: int,
    **options: Any,
) -> None:
    """Train a model that predicts a column of TABLE, a CSV or Parquet file."""
    from automl_agent.agent import Agent

    is_asked = not (yes or no_input) and sys.stdin.isatty() and sys.stderr.isatty()
    progress = choose_progress(Standing(time_s, n_trials), quiet=quiet)
    gate: Gate = TerminalGate(_pausing(progress)) if is_asked else OpenGate()
    try:
        agent = Agent(
            controller=controller,
            sandbox=sandbox,
            sandbox_options=sandbox_options,
            gate=gate,
            on_event=progress,
        )
        warn_of_failures(agent.plugins.failures)
        if target is None:
            raise missing_target(agent.read_table(table))
        split = find_split(split_by_time, split_by_group)
        result = agent.run(table, target, split=split, time_s=time_s, n_trials=n_trials, **options)
    finally:
        progress.close()
    if output_format == "json":
        print_json(result.to_json())
    else:
        show_result(result.to_json())


def choose_progress(standing: Standing, *, quiet: bool) -> Progress:
    """The kind of progress that suits where it goes."""
    if quiet:
        return NoProgress()
    return BarProgress(standing) if sys.stderr.isatty() else LineProgress(standing)


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
