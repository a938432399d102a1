"""The program on a real terminal: the human gate and the bar."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROMPT = "Train? [y]es, [n]o, show the [p]aragraph, [e]dit it"
LIMIT_S = 180.0


class Terminal:
    """A program that runs on a pseudo terminal."""

    def __init__(self, process: "subprocess.Popen[bytes]", descriptor: int) -> None:
        self.process = process
        self.seen = ""
        self._descriptor = descriptor

    def wait_for(self, text: str) -> str:
        """What was shown up to this text, which is then forgotten."""
        deadline = time.monotonic() + LIMIT_S
        while text not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} did not come; seen: {self.seen}"
            assert self._read(), f"the program ended before {text!r}; seen: {self.seen}"
        before, _, self.seen = self.seen.partition(text)
        return before

    def wait_for_end(self) -> str:
        """The rest of what was shown."""
        while self._read():
            pass
        self.process.wait(LIMIT_S)
        return self.seen

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._descriptor, f"{text}\n".encode())

    def _read(self) -> bool:
        """Take in what comes next; False when the program has closed its terminal."""
        readable, _, _ = select.select([self._descriptor], [], [], LIMIT_S)
        assert readable, "the program hangs"
        try:
            piece = os.read(self._descriptor, 65536)
        except OSError:  # how Linux says that the other end is closed
            return False
        self.seen += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", piece.decode(errors="replace"))
        self.seen = self.seen.replace("\r", "")
        return bool(piece)


@contextmanager
def started(*arguments: object, **variables: str) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    command = [Path(sys.executable).parent / "automl-agent", *map(str, arguments)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **variables}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            process.kill()
            os.close(ours)


@pytest.fixture
def request_words(table: Path) -> tuple[object, ...]:
    return ("run", table, "--target", "target", "--expert", "xgboost", "--trials", 2)


def test_yes_trains_and_shows_how_the_prediction_came_out(
    request_words: tuple[object, ...],
) -> None:
    with started(*request_words) as terminal:
        plan = terminal.wait_for(PROMPT)
        assert "hyperparameters: learning_rate 0.06" in plan
        assert "predicted: log_loss" in plan
        terminal.type("y")
        shown = terminal.wait_for_end()
    assert terminal.process.returncode == 0
    assert re.search(r"2/2|1/2", shown), "the bar counts trials"
    assert "xgboost: predicted log_loss" in shown
    assert "Delivered" in shown


def test_no_trains_nothing(request_words: tuple[object, ...], home: Path) -> None:
    with started(*request_words) as terminal:
        terminal.wait_for(PROMPT)
        terminal.type("n")
        shown = terminal.wait_for_end()
    assert terminal.process.returncode == 8
    assert shown.rstrip().endswith("Error: The plan was declined; nothing was trained.")
    assert not list(home.glob("runs/*"))


def test_the_paragraph_is_shown_and_edited_hyperparameters_are_trained(
    request_words: tuple[object, ...], tmp_path: Path
) -> None:
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\nsed -i \'s/^\\(C, .*"max_leaves": \\)16/\\14/\' "$1"\n')
    editor.chmod(0o700)
    with started(*request_words, EDITOR=str(editor)) as terminal:
        terminal.wait_for(PROMPT)
        terminal.type("p")
        assert "# AutoML prompt paragraph, version 1" in terminal.wait_for(PROMPT)
        terminal.type("e")
        assert "max_leaves 4," in terminal.wait_for(PROMPT)
        terminal.type("y")
        shown = terminal.wait_for_end()
    assert terminal.process.returncode == 0, shown


def test_an_edit_that_cannot_be_used_is_explained_and_asked_again(
    request_words: tuple[object, ...], tmp_path: Path
) -> None:
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\nsed -i \'s/"max_leaves": 16/"max_leaves": 1600/\' "$1"\n')
    editor.chmod(0o700)
    with started(*request_words, EDITOR=str(editor)) as terminal:
        terminal.wait_for(PROMPT)
        terminal.type("e")
        assert "Not taken over: xgboost, hyperparameter 'max_leaves'" in terminal.wait_for(PROMPT)
        terminal.type("n")
        terminal.wait_for_end()
    assert terminal.process.returncode == 8


def test_the_end_of_input_at_the_gate_trains_nothing(request_words: tuple[object, ...]) -> None:
    with started(*request_words) as terminal:
        terminal.wait_for(PROMPT)
        terminal.type("\x04")
        shown = terminal.wait_for_end()
    assert terminal.process.returncode == 130
    assert "Traceback" not in shown
