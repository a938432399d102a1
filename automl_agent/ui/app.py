"""The program `automl-agent`: finds the command, and turns errors into one sentence."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from automl_agent.errors import AutomlAgentError, UserError, suggest
from automl_agent.ui.repl.options import refuse_options, repl_options

INTERRUPTED = 130
# Where each command lies and what it does: `--help` needs no more than this, and imports nothing.
COMMANDS = {
    "run": ("run_command:run", "Train a model that predicts a column of a table."),
    "recommend": (
        "recommend_command:recommend",
        "Recommend what to train for a data card, without data.",
    ),
    "similar": (
        "similar_command:similar",
        "List the known data sets that are most like a data card.",
    ),
    "predict": ("predict_command:predict", "Predict new rows with the model of a run."),
    "runs": ("runs_commands:runs", "List, show and explain runs."),
    "calibration": (
        "calibration_command:calibration",
        "Show how well trainings were predicted.",
    ),
    "experts": ("experts_commands:experts", "List and show the installed experts."),
    "plugins": ("plugins_commands:plugins", "List plugins and check them."),
    "cards": ("cards_commands:cards", "Measure data cards and check model cards."),
    "knowledge": (
        "knowledge_commands:knowledge",
        "Show, give away, take over and remove what is remembered.",
    ),
    "sandbox": ("sandbox_commands:sandbox", "Build and test the Docker sandbox."),
    "reap": ("reap_command:reap", "Remove containers that dead runs left."),
    "config": ("config_command:config", "Show and change the configuration, and keep keys."),
    "doctor": ("doctor:doctor", "Say what is there, what is missing, and the remedy."),
}


class LazyGroup(click.Group):
    """Imports a command when it is used; asks plugins for commands that are not built in."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The built-in commands."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, of the package or of a plugin."""
        del ctx
        if cmd_name in COMMANDS:
            module, _, attribute = COMMANDS[cmd_name][0].partition(":")
            command: click.Command = getattr(import_module(f"automl_agent.ui.{module}"), attribute)
            return command
        return _find_plugin_command(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with the nearest name for one that does not exist."""
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"There is no command {args[0]!r}.{suggest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Plugins may add commands; `automl-agent plugins list` shows them.",
)
@click.version_option(package_name="automl-agent")
@repl_options
@click.pass_context
def cli(ctx: click.Context, /, **options: Any) -> int:
    """Plan, train and explain models: a controller assigns your task to expert plugins.

    Without a command you talk with it; the options below are for that.
    """
    if ctx.invoked_subcommand is None:
        from automl_agent.ui.repl.start import StartOptions, start_repl

        return start_repl(StartOptions(**options["start_options"]))
    refuse_options(ctx)
    return 0


def main() -> None:
    """The entry point of the program."""
    sys.exit(run_program(lambda: cli.main(standalone_mode=False)))


def run_program(program: Callable[[], Any]) -> int:
    """Run a program to its exit code; errors go to standard error in one sentence."""
    try:
        code = program()
    except UserError as exc:
        return _complain(str(exc), exc.exit_code)
    except AutomlAgentError as exc:
        return _complain(str(exc), 1)
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except OSError as exc:
        return _complain(f"{exc.filename or 'A file'}: {exc.strerror}; choose another place.", 7)
    except (KeyboardInterrupt, click.Abort):
        return _complain("Interrupted.", INTERRUPTED)
    return code if isinstance(code, int) else 0


def _complain(text: str, code: int) -> int:
    from automl_agent.cards.documents import escape_unseen

    # The end of a traceback may be a part of it, and what a script printed.
    click.echo("\n".join(map(escape_unseen, f"Error: {text}".split("\n"))), err=True)
    return code


def _find_plugin_command(name: str) -> click.Command | None:
    from automl_agent.agent import load_all_plugins

    return load_all_plugins().commands.get(name)
