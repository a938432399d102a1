"""Commands about the conversation itself."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from automl_agent.errors import InputError
from automl_agent.runs.run_directory import choose_run
from automl_agent.ui.repl.command import Command, run_program_command, take_one
from automl_agent.ui.repl.export import export_json, export_markdown

if TYPE_CHECKING:
    from automl_agent.ui.repl.repl import Repl

_N_LISTED = 10
_HINTS = (
    'Anything else is said to the controller: "predict income from adult.csv, AUC, under 1 ms a '
    'row", and after a result: "smaller and faster, lose at most 1 % accuracy".',
    "Keys: Tab completes; Alt-Enter, or \\ at the end of a line, begins a new line. Ctrl-C clears "
    "the line; while something runs, it stops it and keeps what has finished. Ctrl-D leaves. A "
    "line that begins with a space is not kept in the history.",
)


def show_help(repl: "Repl", words: list[str]) -> None:
    """All commands and the keys."""
    from automl_agent.ui.repl.commands import COMMANDS as ALL
    from automl_agent.ui.repl.commands import find_command

    name = take_one("help", words)
    chosen = [find_command(name.removeprefix("/"))] if name else list(ALL.values())
    width = max(len(f"/{c.name} {c.usage}") for c in chosen)
    for command in chosen:
        usage = f"/{command.name} {command.usage}"
        repl.screen.show(f"  {usage:<{width}}  {command.text}")
    if not name:
        for hint in _HINTS:
            repl.screen.show_wrapped(f"\n{hint}", style="dim")


def undo(repl: "Repl", words: list[str]) -> None:
    """Take back the last request."""
    take_one("undo", words)
    said = repl.dialogue.conversation.undo()
    repl.screen.show_wrapped(f"Taken back: {said}")


def retry(repl: "Repl", words: list[str]) -> None:
    """Say the last request once more, as if it had not been said before."""
    take_one("retry", words)
    repl.say(repl.dialogue.conversation.undo())


def export(repl: "Repl", words: list[str]) -> None:
    """Write the conversation to a file."""
    conversation = repl.dialogue.conversation
    name = take_one("export", words) or f"conversation-{conversation.conversation_id}.md"
    path = Path(name).expanduser()
    if path.suffix not in (".md", ".json"):
        raise InputError(f"{path} must end in .md or .json.")
    if not conversation.messages:
        raise InputError("Nothing was said yet.")
    write = export_json if path.suffix == ".json" else export_markdown
    text = write(conversation)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as exc:
        raise InputError(f"{path} is there already; choose another name.") from exc
    repl.screen.show(f"Wrote {path}.")


def predict(repl: "Repl", words: list[str]) -> None:
    """Predict new rows."""
    given = list(words)
    if len(given) < 2:
        raise InputError("Say which run and which table: /predict RUN FILE -o OUT.csv")
    if "-o" not in given and "--output" not in given:
        table = Path(given[1])
        given += ["-o", f"{table.name.partition('.')[0]}-predictions.csv"]
        if Path(given[-1]).exists():
            raise InputError(f"{given[-1]} is there already; say where to write with -o OUT.csv")
    sandbox = repl.agent.configuration.sandbox
    run_program_command("predict", *given, "--sandbox", sandbox)


def clear(repl: "Repl", words: list[str]) -> None:
    """Clear the screen."""
    take_one("clear", words)
    if repl.screen.is_live:
        click.clear()


def begin_new(repl: "Repl", words: list[str]) -> None:
    """Begin a new conversation."""
    take_one("new", words)
    repl.goes_to = ""


def resume(repl: "Repl", words: list[str]) -> None:
    """Go back to an earlier conversation, or list them."""
    name = take_one("resume", words)
    rows = repl.dialogue.conversation.workplace.journal.list_conversations()
    if name is not None:
        known = [row["conversation_id"] for row in reversed(rows)]
        repl.goes_to = choose_run(known, name)
        return
    listed = [
        [row["conversation_id"], _when(row["started"]), str(row["n_messages"]), row["title"]]
        for row in rows[:_N_LISTED]
    ]
    repl.screen.show_table(["conversation", "started", "messages", "first request"], listed)
    repl.screen.show("/resume ID goes on with one.", "dim")


def examine(repl: "Repl", words: list[str]) -> None:
    """What is there, what is missing, and the remedy."""
    del repl
    take_one("doctor", words)
    run_program_command("doctor")


def leave(repl: "Repl", words: list[str]) -> None:
    """Leave."""
    take_one("quit", words)
    repl.is_leaving = True


def _when(started: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(started))


COMMANDS = (
    Command("undo", "", "Take back the last request.", undo, is_harmless=False),
    Command("retry", "", "Say the last request once more.", retry, is_harmless=False),
    Command(
        "predict", "RUN FILE [-o OUT]", "Predict new rows with the model of a run.", predict, "run",
        is_harmless=False,
    ),
    Command("export", "[PATH]", "Write the conversation to a .md or .json file.", export, "file"),
    Command("new", "", "Begin a new conversation.", begin_new, is_harmless=False),
    Command(
        "resume", "[ID]", "List the conversations, or go on with one.", resume, "conversation",
        is_harmless=False,
    ),
    Command("clear", "", "Clear the screen.", clear),
    Command("doctor", "", "Say what is there and what is missing.", examine),
    Command("help", "[COMMAND]", "Show this list.", show_help),
    Command("quit", "", "Leave; so does Ctrl-D.", leave),
)  # fmt: skip
