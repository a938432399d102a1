"""Completion: commands, their arguments, and in free text tables, columns and experts."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from automl_agent.cards.documents import escape_unseen
from automl_agent.controllers.mentions import TABLE_ENDINGS
from automl_agent.errors import UserError
from automl_agent.runs.journal import Journal
from automl_agent.ui.repl.change_commands import list_models
from automl_agent.ui.repl.commands import COMMANDS
from automl_agent.ui.repl.logged_trials import list_trials
from automl_agent.ui.repl.look_commands import current_plans

if TYPE_CHECKING:
    from automl_agent.ui.repl.repl import Repl

# A larger table would make the person wait for the names of its columns.
_MAX_TABLE_BYTES = 20_000_000
_MAX_NAMES = 50


class ReplCompleter(Completer):
    """Completes the word before the cursor."""

    def __init__(self, repl: "Repl") -> None:
        self._repl = repl
        self._columns: dict[str, list[str]] = {}
        self._names: dict[str, Callable[[], Iterable[str]]] = {
            "expert": lambda: repl.agent.plugins.experts,
            "run": self._list_runs,
            "model": lambda: list_models(repl),
            "plan": lambda: current_plans(repl),
            "trial": self._list_trials,
            "privacy": lambda: ("schema", "sample", "none"),
            "budget": lambda: ("usd", "tokens", "time", "trials", "none"),
            "conversation": self._list_conversations,
            "nothing": lambda: (),
            "task": lambda: repl.dialogue.conversation.tasks,
        }

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        """What the word may become."""
        del complete_event
        before = document.text_before_cursor
        word = before.split()[-1] if before and not before[-1].isspace() else ""
        for name in self._find_names(before, word):
            yield Completion(name, start_position=-len(word), display=escape_unseen(name))

    def _find_names(self, before: str, word: str) -> Iterator[str]:
        if before.startswith("/") and before == word and "/" not in word[1:]:
            names = (f"/{name}" for name in COMMANDS)
            yield from (name for name in names if name.startswith(word))
            return
        command = before[1:].split(" ")[0] if before.startswith("/") else None
        if command in COMMANDS:
            kind = COMMANDS[command].kind
            known = self._names[kind]() if kind in self._names else ()
            yield from _filter(known, word)
            if kind == "file" or command == "predict":
                yield from _list_files(word, TABLE_ENDINGS)
            return
        yield from self._find_in_text(word)

    def _find_in_text(self, word: str) -> Iterator[str]:
        if not word:
            return
        yield from _list_files(word, TABLE_ENDINGS)
        for path in self._repl.dialogue.conversation.tables.values():
            yield from _filter(self._list_columns(path), word)
        yield from _filter(self._repl.agent.plugins.experts, word)

    def _list_columns(self, path: str) -> list[str]:
        if path not in self._columns:
            self._columns[path] = []
            try:
                if Path(path).stat().st_size <= _MAX_TABLE_BYTES:
                    frame = self._repl.agent.read_table(path)
                    self._columns[path] = [escape_unseen(str(name)) for name in frame.columns]
            except (OSError, UserError):  # then there is nothing to complete with
                pass
        return self._columns[path]

    @property
    def _journal(self) -> Journal:
        return self._repl.dialogue.conversation.workplace.journal

    def _list_runs(self) -> list[str]:
        runs = [row["run_id"] for row in self._journal.list_runs()[:_MAX_NAMES]]
        return ["last", *self._repl.dialogue.conversation.tasks, *runs]

    def _list_conversations(self) -> list[str]:
        rows = self._journal.list_conversations()[:_MAX_NAMES]
        return [row["conversation_id"] for row in rows]

    def _list_trials(self) -> list[str]:
        return list(list_trials(self._repl.dialogue.conversation))


def _filter(names: Iterable[str], word: str) -> Iterator[str]:
    lowered = word.lower()
    return (name for name in names if name.lower().startswith(lowered))


def _list_files(word: str, endings: tuple[str, ...]) -> Iterator[str]:
    """Folders and tables whose path begins with the word."""
    folder, _, beginning = word.rpartition("/")
    place = Path(f"{folder}/" if folder or word.startswith("/") else ".").expanduser()
    try:
        found = sorted(place.iterdir())
    except OSError:
        return
    prefix = f"{folder}/" if folder or word.startswith("/") else ""
    for path in found:
        is_hidden = path.name.startswith(".") and not beginning.startswith(".")
        if is_hidden or not path.name.startswith(beginning) or not path.name.isprintable():
            continue
        if path.is_dir():
            yield f"{prefix}{path.name}/"
        elif path.name.lower().endswith(endings):
            yield f"{prefix}{path.name}"
