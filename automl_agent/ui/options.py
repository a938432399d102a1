"""Options that several commands have, and the types of their values."""

import json
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from automl_agent.cards.documents import escape_unseen
from automl_agent.configuration.duration import parse_duration
from automl_agent.errors import InputError, PluginError
from automl_agent.sandboxes.sandbox import SandboxOptions

if TYPE_CHECKING:
    from pandas import DataFrame

F = TypeVar("F", bound=Callable[..., Any])
_SANDBOX_OPTIONS = (
    click.option(
        "--sandbox",
        help="docker, process, or auto: docker where it can be used.  [default: auto]",
    ),
    click.option("--gpus", "n_gpus", type=click.IntRange(0), default=0, help="GPUs to train on."),
    click.option("--cpu-fallback", is_flag=True, help="Without those GPUs, train on processors."),
    click.option("--runtime", default="", help="The container runtime, such as runsc."),
    click.option(
        "--allow-degraded",
        multiple=True,
        metavar="LIMIT",
        help="Do without a limit that the engine cannot enforce; may be repeated.",
    ),
    click.option(
        "--allow-generated-code-in-process",
        "allow_generated",
        is_flag=True,
        help="DANGEROUS: code that a language model wrote may run outside a container.",
    ),
)


_CONTROLLER_OPTIONS = (
    click.option(
        "--controller",
        metavar="NAME[:MODEL]",
        help="planner, anthropic, openai, ollama or another endpoint.  [default: planner]",
    ),
    click.option(
        "--privacy",
        type=click.Choice(["schema", "sample", "none"]),
        help="What a language model may see.  [default: schema]",
    ),
    click.option("--budget-usd", type=float, help="The most that a language model may cost."),
    click.option("--budget-tokens", type=int, help="The most tokens that it may take."),
)

early_stop_option = click.option(
    "--early-stop/--no-early-stop",
    default=True,
    help="Give up trials that cannot win, as far as can be predicted.  [default: on]",
)


class Duration(click.ParamType[float]):
    """Seconds: 90, 90s, 1.5m or 2h."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The seconds."""
        if isinstance(value, int | float):
            return float(value)
        try:
            return parse_duration(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


def output_format(function: F) -> F:
    """The option --output-format."""
    return click.option(
        "--output-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="json: one JSON document on standard output, all else on standard error.",
    )(function)


def sandbox_choice(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options about the sandbox, as the arguments `sandbox` and `sandbox_options`."""

    @wraps(function)
    def collect(
        *args: Any,
        allow_degraded: tuple[str, ...],
        runtime: str,
        allow_generated: bool,
        n_gpus: int,
        cpu_fallback: bool,
        **options: Any,
    ) -> Any:
        chosen = SandboxOptions(
            allow_generated=allow_generated,
            allow_degraded=allow_degraded,
            runtime=runtime,
            n_gpus=n_gpus,
            cpu_fallback=cpu_fallback,
        )
        return function(*args, sandbox_options=chosen, **options)

    for option in reversed(_SANDBOX_OPTIONS):
        collect = option(collect)
    return collect


def controller_choice(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options about the controller, as the argument `controller_options`."""

    @wraps(function)
    def collect(
        *args: Any,
        controller: str | None,
        privacy: str | None,
        budget_usd: float | None,
        budget_tokens: int | None,
        **options: Any,
    ) -> Any:
        chosen = {
            "controller": controller,
            "privacy": privacy,
            "budget_usd": budget_usd,
            "budget_tokens": budget_tokens,
        }
        return function(*args, controller_options=chosen, **options)

    for option in reversed(_CONTROLLER_OPTIONS):
        collect = option(collect)
    return collect


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    lines = json.dumps(document, indent=1, ensure_ascii=False).split("\n")
    click.echo("\n".join(map(escape_unseen, lines)))


def warn_of_failures(failures: Iterable[PluginError]) -> None:
    """A line on standard error for each plugin that cannot be used."""
    for failure in failures:
        click.echo(escape_unseen(f"Warning: {failure}"), err=True)


def missing_target(frame: "DataFrame") -> InputError:
    """The error for a table without a target: it lists the columns to choose from."""
    names = [str(name) for name in frame.columns]
    listed = ", ".join(names[:30]) + (", …" if len(names) > 30 else "")
    return InputError(f"Say which column to predict with --target; the table has {listed}.")
