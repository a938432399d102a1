"""The prompt on a terminal: keys, history, completion."""

import stat
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from automl_agent.ui.repl.prompt_reader import PromptReader
from automl_agent.ui.repl.reader import MAX_CHARACTERS

ENTER, CTRL_C, CTRL_D, UP, ALT_ENTER = "\r", "\x03", "\x04", "\x1b[A", "\x1b\r"


class WordCompleter(Completer):
    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        word = document.get_word_before_cursor()
        yield Completion("iris.csv", start_position=-len(word))


@pytest.fixture
def keys() -> Iterator[PipeInput]:
    with create_pipe_input() as pipe:
        yield pipe


@pytest.fixture
def reader(keys: PipeInput, tmp_path: Path) -> PromptReader:
    return PromptReader(
        tmp_path / "state" / "history", WordCompleter(), source=keys, target=DummyOutput()
    )


def paste(text: str) -> str:
    return f"\x1b[200~{text}\x1b[201~"


@pytest.mark.parametrize(
    ("typed", "entry"),
    [
        pytest.param(f"predict a{ENTER}", "predict a", id="a line"),
        pytest.param(f"one{ALT_ENTER}two{ENTER}", "one\ntwo", id="Alt-Enter"),
        pytest.param(f"one\\{ENTER}two{ENTER}", "one\ntwo", id="backslash"),
        pytest.param(paste("one\r\ntwo\nthree") + ENTER, "one\ntwo\nthree", id="paste of lines"),
        pytest.param(f"wrong{CTRL_C}right{ENTER}", "right", id="Ctrl-C clears"),
        pytest.param(paste("x" * 50_000) + f"ok{ENTER}", "ok", id="a pasted table is refused"),
    ],
)
def test_keys_make_an_entry(reader: PromptReader, keys: PipeInput, typed: str, entry: str) -> None:
    keys.send_text(typed)
    assert reader.read() == entry


def test_tab_completes(reader: PromptReader, keys: PipeInput) -> None:
    keys.send_text("predict a from ir\t")
    # Completions are found beside the typing.
    threading.Timer(0.5, keys.send_text, [ENTER]).start()
    assert reader.read() == "predict a from iris.csv"


def test_a_paste_up_to_the_limit_is_taken(reader: PromptReader, keys: PipeInput) -> None:
    keys.send_text(paste("x" * MAX_CHARACTERS) + ENTER)
    assert len(reader.read()) == MAX_CHARACTERS


def test_ctrl_c_on_an_empty_line_and_ctrl_d_are_told_apart(
    reader: PromptReader, keys: PipeInput
) -> None:
    keys.send_text(CTRL_C)
    with pytest.raises(KeyboardInterrupt):
        reader.read()
    keys.send_text(CTRL_D)
    with pytest.raises(EOFError):
        reader.read()


def test_the_history_is_kept_for_its_owner_and_not_what_begins_with_a_space(
    reader: PromptReader, keys: PipeInput, tmp_path: Path
) -> None:
    for line in ("predict a", " my secret", "predict b"):
        keys.send_text(line + ENTER)
        reader.read()
    keys.send_text(f"{UP}{UP}{ENTER}")
    assert reader.read() == "predict a"
    path = tmp_path / "state" / "history"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "secret" not in path.read_text()


def test_an_answer_is_not_kept_in_the_history(
    reader: PromptReader, keys: PipeInput, tmp_path: Path
) -> None:
    keys.send_text(f"y{ENTER}")
    assert reader.ask("Train?") == "y"
    assert (tmp_path / "state" / "history").read_text() == ""
