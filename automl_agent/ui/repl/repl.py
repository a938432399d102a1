"""The REPL: takes what the person enters, one thing after the other, until she leaves."""

import shlex
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from automl_agent.controllers.conversation.dialogue import Dialogue
from automl_agent.errors import AutomlAgentError, InputError, UserError
from automl_agent.ui.repl.commands import COMMANDS, find_command
from automl_agent.ui.repl.event_view import EventView
from automl_agent.ui.repl.gate import ReplGate
from automl_agent.ui.repl.interrupts import Interrupts
from automl_agent.ui.repl.outcome_view import show_error, show_outcome
from automl_agent.ui.repl.reader import MAX_CHARACTERS, Reader, keys_unseen
from automl_agent.ui.repl.screen import Screen

if TYPE_CHECKING:
    from automl_agent.agent import Agent

INTERRUPTED = 130
_OTHER_WORDS = {
    "help": "/help",
    "?": "/help",
    **dict.fromkeys(("quit", "exit", "/exit"), "/quit"),
}


class Repl:
    """One person at one prompt.

    dialogue: the conversation that is open. goes_to: the conversation to open next, "" for a new
    one, None while she stays. exit_code: that of the first error, for scripts.
    """

    dialogue: Dialogue

    def __init__(
        self, agent: "Agent", screen: Screen, reader: Reader, *, view: EventView, gate: ReplGate
    ) -> None:
        self.agent = agent
        self.screen = screen
        self.view = view
        self.gate = gate
        self.is_leaving = False
        self.goes_to: str | None = None
        self.exit_code = 0
        self._reader = reader
        self._interrupts = Interrupts()
        self.gate.run_command = self._run_at_gate
        self.view.is_stopping = lambda: self._interrupts.n_seen > 0

    def run(self, dialogue: Dialogue) -> None:
        """Talk until the person leaves or goes to another conversation."""
        self.dialogue, self.goes_to = dialogue, None
        self.view.left_s = lambda: dialogue.conversation.budget.time_left_s
        while not self.is_leaving and self.goes_to is None:
            try:
                self.handle(self._reader.read())
            except EOFError:
                self.is_leaving = True
            except KeyboardInterrupt:
                self.is_leaving = self.is_leaving or self.screen.is_gone
                self.screen.show("To leave: Ctrl-D or /quit.", "dim")

    def handle(self, entry: str) -> None:
        """Do what was entered; what goes wrong is told, and nothing more."""
        words = entry.strip()
        if not words:
            return
        words = _OTHER_WORDS.get(words.lower(), words)
        if len(words) > MAX_CHARACTERS:
            self.fail(
                InputError(
                    f"That has {len(words):,} characters; at most {MAX_CHARACTERS:,} can be said "
                    "at once. Save it in a file, and name the file."
                )
            )
        elif is_command(words):
            self._guard(lambda: self._run_command(words))
        else:
            self.say(words)

    def say(self, words: str) -> None:
        """Say it to the controller, and what the person wants changed at the gate after it."""
        while words and not self.is_leaving:
            self._guard(lambda said=words: self._say_once(said))  # type: ignore[misc]
            words = self.gate.take_wish()

    def fail(self, error: Exception) -> None:
        """Tell of an error."""
        code = error.exit_code if isinstance(error, UserError | click.ClickException) else 1
        self.exit_code = self.exit_code or code
        text = error.format_message() if isinstance(error, click.ClickException) else str(error)
        show_error(self.screen, text)

    def _say_once(self, words: str) -> None:
        self.view.begin(words)
        try:
            with self._interrupts, keys_unseen() if self.screen.is_live else nullcontext():
                outcome = self.dialogue.say(words)
        except KeyboardInterrupt:
            self.view.end()
            self._stop()
            return
        finally:
            self.view.end()
        if outcome.error is not None:
            self.exit_code = self.exit_code or outcome.error.exit_code
        has_task = bool(self.dialogue.conversation.tasks)
        show_outcome(self.screen, outcome, has_task=has_task)

    def _stop(self) -> None:
        """What Ctrl-C does before anything is finished, and the second one."""
        if self._interrupts.n_seen > 1 or self.screen.is_gone:
            self.is_leaving, self.exit_code = True, INTERRUPTED
            return
        self.screen.show("Stopped; nothing had finished. /retry starts it again.", "bold")

    def _run_command(self, line: str) -> None:
        name, _, rest = line[1:].partition(" ")
        find_command(name).run(self, split_words(rest))

    def _run_at_gate(self, line: str) -> bool:
        """Run a command while a plan waits for its answer; whether she wants to leave."""
        name = line[1:].partition(" ")[0]
        if name in COMMANDS and not COMMANDS[name].is_harmless:
            self.screen.show("The plan waits for an answer first: y, n, or what to change.", "dim")
        else:
            self._guard(lambda: self._run_command(line))
        return self.is_leaving

    def _guard(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (AutomlAgentError, click.ClickException) as exc:
            self.fail(exc)
        except BrokenPipeError:
            self.screen.leave_pipe()
            self.is_leaving = True
        except OSError as exc:
            self.fail(InputError(f"{exc.filename or 'A file'}: {exc.strerror}."))


def is_command(words: str) -> bool:
    """Whether an entry is a command, and not a path that it begins with."""
    if not words.startswith("/"):
        return False
    first = words.split()[0]
    return "/" not in first[1:] and not Path(first).exists()


def split_words(text: str) -> list[str]:
    """The words of a command, those in quotes together."""
    try:
        return shlex.split(text)
    except ValueError:  # a quote that is not closed, as in "what's"
        return text.split()
