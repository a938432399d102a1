"""The screen: all that the REPL shows goes through it, with nothing that repaints a terminal."""

import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

import click

from automl_agent.cards.documents import escape_unseen
from automl_agent.ui.rendering import show_table

if TYPE_CHECKING:
    from rich.console import Console

_STYLES: Mapping[str, dict[str, Any]] = {
    "plain": {},
    "dim": {"dim": True},
    "bold": {"bold": True},
    "good": {"fg": "green"},
    "bad": {"fg": "red"},
    "accent": {"fg": "cyan"},
}
_MIN_WIDTH = 40
_MAX_TEXT_WIDTH = 100
# Our own marks, for terminals that have none of them.
_ASCII_MARKS = {"✓": "+", "✗": "!", "…": "...", "─": "-"}


@dataclass
class Screen:
    """Where the REPL shows things.

    is_live: a terminal that can be repainted. has_unicode: whether it can show braille.
    is_gone: whether nobody reads any more.
    """

    is_live: bool = False
    has_colour: bool = False
    has_unicode: bool = True
    is_gone: bool = False

    @cached_property
    def console(self) -> "Console":
        """The console for live regions."""
        from rich.console import Console

        return Console(highlight=False, markup=False, emoji=False)

    @property
    def width(self) -> int:
        """The columns of the terminal, as it is now."""
        return max(_MIN_WIDTH, shutil.get_terminal_size().columns)

    def show(self, text: str = "", style: str = "plain") -> None:
        """Lines of text, of which all but the line ends is shown inert."""
        self.write("\n".join(map(escape_unseen, text.split("\n"))) + "\n", style)

    def show_wrapped(self, text: str, *, indent: str = "", style: str = "plain") -> None:
        """Text that is broken between words, with its later lines indented."""
        import textwrap

        width = min(self.width, _MAX_TEXT_WIDTH) if self.is_live else 10_000
        for line in map(escape_unseen, text.split("\n")):
            wrapped = textwrap.wrap(line, width, subsequent_indent=indent) or [""]
            self.write("\n".join(wrapped) + "\n", style)

    def show_line(self, text: str, style: str = "plain") -> None:
        """One line, cut off where the terminal ends."""
        line = escape_unseen(text)
        if self.is_live and len(line) > self.width - 1:
            line = line[: self.width - 2] + "…"
        self.write(line + "\n", style)

    def show_table(self, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table."""
        show_table(headers, rows)

    def write(self, text: str, style: str = "plain") -> None:
        """Text that is inert already.

        Raises: KeyboardInterrupt if nobody reads any more: what runs is to stop as by Ctrl-C.
        """
        if not self.has_unicode:
            text = "".join(_ASCII_MARKS.get(character, character) for character in text)
            encoding = sys.stdout.encoding or "ascii"
            text = text.encode(encoding, "backslashreplace").decode(encoding)
        if self.has_colour and style != "plain":
            lines = text.split("\n")
            text = "\n".join(line and click.style(line, **_STYLES[style]) for line in lines)
        try:
            # Not by click, which would write past a live region.
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            self.leave_pipe()
            raise KeyboardInterrupt from None

    def leave_pipe(self) -> None:
        """Nobody reads any more; what is still written goes nowhere, also at exit."""
        self.is_gone = True
        _lead_nowhere(sys.stdout)

    def leave_terminal(self) -> None:
        """The terminal is closed; what is still written goes nowhere, warnings too."""
        self.leave_pipe()
        _lead_nowhere(sys.stderr)


def _lead_nowhere(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def choose_screen(*, plain: bool) -> Screen:
    """What suits the terminal, or the lack of one."""
    is_dumb = os.environ.get("TERM", "dumb") in ("dumb", "")
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    is_live = is_terminal and not plain and not is_dumb
    has_colour = is_live and not os.environ.get("NO_COLOR")
    return Screen(is_live, has_colour, _can_show("✓✗…─●├┤⣿"))


def _can_show(marks: str) -> bool:
    try:
        marks.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
