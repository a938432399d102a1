"""Text as it comes from a model: shown at once, and broken between words."""

from automl_agent.cards.documents import escape_unseen
from automl_agent.ui.repl.screen import Screen


class TextStream:
    """Shows pieces of a text. A word waits until its end is there, if it may need a new line."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._column = 0
        self._word = ""

    def add(self, piece: str) -> None:
        """Show what more has come."""
        for character in piece:
            if character in " \n":
                self._end_word()
                self._space(character)
            else:
                self._word += escape_unseen(character)

    def end(self) -> None:
        """The text is over: what comes next is on a line of its own."""
        self._end_word()
        if self._column:
            self._screen.write("\n")
        self._column = 0

    def _end_word(self) -> None:
        if not self._word:
            return
        width = self._screen.width if self._screen.is_live else 0
        if width and self._column + len(self._word) >= width:
            self._screen.write("\n")
            self._column = 0
        self._screen.write(self._word)
        self._column += len(self._word)
        self._word = ""

    def _space(self, character: str) -> None:
        if character == "\n":
            self._screen.write("\n")
            self._column = 0
        elif self._column:
            self._screen.write(" ")
            self._column += 1
