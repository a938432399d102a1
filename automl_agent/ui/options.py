"""Options that several commands have, and the types of their values."""

import json
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from automl_agent.errors import InputError, PluginError

if TYPE_CHECKING:
    from pandas import DataFrame

F = TypeVar("F", bound=Callable[..., Any])
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType[float]):
    """Seconds: 90, 90s, 1.5m or 2h."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The seconds."""
        if isinstance(value, int | float):
            return float(value)
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", value.strip())
        if not match:
            self.fail(f"{value!r} is no time; write for example 90s, 10m or 2h.", param, ctx)
        return float(match[1]) * _UNITS[match[2]]


def output_format(function: F) -> F:
    """The option --output-format."""
    return click.option(
        "--output-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="json: one JSON document on standard output, all else on standard error.",
    )(function)


def allow_generated(function: F) -> F:
    """The option --allow-generated-code-in-process."""
    return click.option(
        "--allow-generated-code-in-process",
        "allow_generated",
        is_flag=True,
        help="DANGEROUS: code that a language model wrote may run outside a container.",
    )(function)


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(document, indent=1, ensure_ascii=False))


def warn_of_failures(failures: Iterable[PluginError]) -> None:
    """A line on standard error for each plugin that cannot be used."""
    for failure in failures:
        click.echo(f"Warning: {failure}", err=True)


def missing_target(frame: "DataFrame") -> InputError:
    """The error for a table without a target: it lists the columns to choose from."""
    names = [str(name) for name in frame.columns]
    listed = ", ".join(names[:30]) + (", …" if len(names) > 30 else "")
    return InputError(f"Say which column to predict with --target; the table has {listed}.")
