"""What `automl-agent` takes without a command."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from click.core import ParameterSource

from automl_agent.ui.options import (
    Duration,
    controller_choice,
    early_stop_option,
    sandbox_choice,
)

LAST = "last"
_OPTIONS = (
    click.option("--data", "folder", metavar="DIR", help="Where tables lie that may be used."),
    click.option("--time", "time_s", type=Duration(), help="For a request.  [default: 5m]"),
    click.option("--trials", "n_trials", type=click.IntRange(1), help="A task.  [default: 20]"),
    early_stop_option,
    click.option("--continue", "is_continued", is_flag=True, help="Go on where you left."),
    click.option("--resume", metavar="ID", help="Go on with an earlier conversation."),
    click.option("--plain", is_flag=True, help="Lines only: no colours, no keys, no bars."),
    click.option("--yes", "-y", is_flag=True, help="Train every plan without asking."),
)


def repl_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of the REPL, as the argument `start_options`: a function that makes them."""

    @wraps(function)
    def collect(*args: Any, is_continued: bool, resume: str | None, **options: Any) -> Any:
        chosen = {**options, "resume": resume or (LAST if is_continued else None)}
        return function(*args, start_options=chosen)

    for option in reversed(_OPTIONS):
        collect = option(collect)
    return controller_choice(sandbox_choice(collect))


def refuse_options(context: click.Context) -> None:
    """Nothing, if no option of the REPL was given before a command, where it would do nothing.

    Raises: click.UsageError.
    """
    for parameter in context.command.params:
        given = parameter.name and context.get_parameter_source(parameter.name)
        if given is ParameterSource.COMMANDLINE:
            command = context.invoked_subcommand
            name = parameter.opts[-1]
            raise click.UsageError(f"{name} goes after the command: automl-agent {command} {name}")
