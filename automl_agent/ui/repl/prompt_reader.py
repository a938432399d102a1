"""The prompt on a terminal: editing, history, completion, and input of several lines."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer
from prompt_toolkit.filters import is_done
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.shortcuts import CompleteStyle

from automl_agent.cards.documents import escape_unseen
from automl_agent.ui.repl.reader import MAX_CHARACTERS, PROMPT

if TYPE_CHECKING:
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

TOO_LONG = (
    "{n:,} characters were pasted; a request has at most {most:,}. Save them in a file, and name "
    "the file."
)


class PromptReader:
    """Reads from a terminal. history: where entries are kept; source, target: for tests."""

    def __init__(
        self,
        history: Path,
        completer: Completer,
        *,
        source: "Input | None" = None,
        target: "Output | None" = None,
    ) -> None:
        self._refused = ""
        self._session: PromptSession[str] = PromptSession(
            history=KeptHistory(history),
            completer=completer,
            complete_style=CompleteStyle.COLUMN,
            complete_while_typing=False,
            multiline=True,
            prompt_continuation="  ",
            key_bindings=self._bind_keys(),
            bottom_toolbar=self._describe_refusal,
            input=source,
            output=target,
        )
        self._question: PromptSession[str] = PromptSession(input=source, output=target)

    def read(self) -> str:
        """The next entry."""
        self._session.app.ttimeoutlen = 0.05
        return self._session.prompt(PROMPT)

    def ask(self, question: str) -> str:
        """The answer to a question; it is not kept in the history."""
        return self._question.prompt(f"{escape_unseen(question)} ")

    def _bind_keys(self) -> KeyBindings:
        keys = KeyBindings()
        keys.add("enter", filter=~is_done)(self._end_line)
        keys.add("escape", "enter")(lambda event: event.current_buffer.newline())
        keys.add("c-c")(self._clear)
        keys.add(Keys.BracketedPaste)(self._paste)
        return keys

    def _end_line(self, event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        self._refused = ""
        if buffer.document.text_before_cursor.endswith("\\"):
            buffer.delete_before_cursor()
            buffer.newline()
        else:
            buffer.validate_and_handle()

    def _clear(self, event: KeyPressEvent) -> None:
        self._refused = ""
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt, style="class:aborting")

    def _paste(self, event: KeyPressEvent) -> None:
        text = event.data.replace("\r\n", "\n").replace("\r", "\n")
        n_characters = len(text) + len(event.current_buffer.text)
        if n_characters > MAX_CHARACTERS:
            self._refused = TOO_LONG.format(n=n_characters, most=MAX_CHARACTERS)
        else:
            event.current_buffer.insert_text(text)

    def _describe_refusal(self) -> str | None:
        return self._refused or None


class KeptHistory(FileHistory):
    """Entries in a file that only its owner can read; one that begins with a space is not kept."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        super().__init__(str(path))

    def load_history_strings(self) -> Iterable[str]:
        """The entries, the newest first."""
        return super().load_history_strings()

    def append_string(self, string: str) -> None:
        """Keep an entry, unless it is to be forgotten."""
        if not string.startswith(" ") and string.strip():
            super().append_string(string)
