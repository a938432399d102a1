"""Where the person's lines come from, when it is no terminal with all its keys."""

import io
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from automl_agent.cards.documents import escape_unseen
from automl_agent.ui.repl.screen import Screen

# Beyond it a line is a table that was pasted by mistake, and no request.
MAX_CHARACTERS = 20_000
PROMPT = "> "


class Reader(Protocol):
    """Gives the lines that a person, or a script for her, enters."""

    def read(self) -> str:
        """The next entry, which may have several lines.

        Raises: EOFError if no more comes; KeyboardInterrupt at Ctrl-C.
        """
        ...

    def ask(self, question: str) -> str:
        """The answer to a question in the midst of work; raises as `read`."""
        ...


class PlainReader:
    """Lines of standard input; they are shown again if no terminal has shown them."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def read(self) -> str:
        """The next line, with those that a backslash at its end joins to it."""
        lines = [self._read_line(PROMPT)]
        while lines[-1].endswith("\\"):
            lines[-1] = lines[-1][:-1]
            lines.append(self._read_line("  "))
        return "\n".join(lines)

    def ask(self, question: str) -> str:
        """The next line."""
        return self._read_line(f"{question} ")

    def _read_line(self, prompt: str) -> str:
        self._screen.write(escape_unseen(prompt))
        line = sys.stdin.readline()
        if not sys.stdin.isatty():
            self._screen.write(f"{escape_unseen(line.rstrip()[:MAX_CHARACTERS])}\n")
        if not line:
            raise EOFError
        return line.rstrip("\r\n")


@contextmanager
def keys_unseen() -> Iterator[None]:
    """What is typed is not shown as long as the context lasts; it waits for the next prompt."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    quiet = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        with suppress(termios.error):  # the terminal is closed
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def make_stdin_lenient() -> None:
    """Bytes that are no UTF-8 become marks, as everywhere else, instead of an error."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
