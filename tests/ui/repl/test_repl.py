"""What an entry is, and how a command is read."""

from pathlib import Path

import pytest

from automl_agent.ui.repl.commands import COMMANDS
from automl_agent.ui.repl.repl import is_command, split_words

from ..conftest import Program


@pytest.mark.parametrize(
    ("entry", "is_one"),
    [
        ("/help", True),
        ("/open 3", True),
        ("/nothing", True),
        ("predict a from b.csv", False),
        ("/data/adult.csv predict income", False),
        ("/tmp is a folder", False),
    ],
)
def test_a_slash_begins_a_command_unless_it_begins_a_path(entry: str, is_one: bool) -> None:
    assert is_command(entry) is is_one


@pytest.mark.parametrize(
    ("text", "words"),
    [("a 'b c'", ["a", "b c"]), ("what's new", ["what's", "new"]), ("", [])],
)
def test_quotes_keep_words_together_and_an_open_one_is_a_letter(
    text: str, words: list[str]
) -> None:
    assert split_words(text) == words


def test_every_command_says_what_it_does() -> None:
    assert all(command.text.endswith(".") for command in COMMANDS.values())
    assert {"help", "undo", "resume", "budget", "log", "quit"} <= set(COMMANDS)


def test_options_of_the_repl_before_a_command_are_refused(program: Program) -> None:
    done = program("--controller", "planner", "runs", "list")
    assert done.code == 2
    assert "--controller goes after the command: automl-agent runs --controller" in done.err


def test_help_lists_the_options_and_the_commands(program: Program) -> None:
    done = program("--help")
    assert done.code == 0
    assert "--continue" in done.out
    assert "sandbox" in done.out


def test_an_option_that_is_wrong_is_a_sentence(program: Program, tmp_path: Path) -> None:
    assert program("--data", tmp_path / "nowhere", "--plain").code == 3
    assert program("--budget-usd", "-1", "--plain").code == 3
    assert program("--trials", "0").code == 2
