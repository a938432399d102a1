"""What a slash command is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from automl_agent.errors import InputError

if TYPE_CHECKING:
    from automl_agent.ui.repl.repl import Repl

# What an argument names, for completion.
Kind = Literal[
    "expert", "run", "model", "file", "plan", "trial", "privacy", "budget", "conversation", "task",
    "nothing",
]  # fmt: skip


@dataclass(frozen=True)
class Command:
    """A command of the REPL.

    usage: its arguments, as `/help` shows them. run: does it; the words after the name are given.
    is_harmless: whether it can be run while a plan waits for an answer.
    """

    name: str
    usage: str
    text: str
    run: "Callable[[Repl, list[str]], None]"
    kind: Kind = "nothing"
    is_harmless: bool = True


def take_one(command: str, words: list[str]) -> str | None:
    """The only argument, None if there is none.

    Raises: InputError if there are more.
    """
    if len(words) > 1:
        raise InputError(f"/{command} takes one argument, and {len(words)} were given.")
    return words[0] if words else None


def run_program_command(*arguments: str) -> None:
    """Do what a command of the program does."""
    from automl_agent.ui.app import cli

    cli.main(list(arguments), standalone_mode=False, prog_name="automl-agent")
