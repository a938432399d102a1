"""The program on a real terminal, with all that repaints it."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .conftest import QUICK, REQUEST

PROGRAM = Path(sys.executable).parent / "automl-agent"
QUESTION = "or say what to change:"
LIMIT_S = 180.0


class Terminal:
    """A terminal in which the program runs."""

    def __init__(self, run: Callable[..., str]) -> None:
        self._run = run

    def type(self, text: str, *keys: str) -> None:
        """Type a text, and press keys after it."""
        if text:
            self._run("send-keys", "-l", text)
        for key in keys or ("Enter",):
            self._run("send-keys", key)

    def wait_for(self, text: str) -> str:
        """The screen, with the lines that have left it, as soon as the text is on it."""
        deadline = time.monotonic() + LIMIT_S
        while text not in (shown := self.read()):
            assert time.monotonic() < deadline, f"{text!r} did not come; the screen:\n{shown}"
            time.sleep(0.1)
        return shown

    def read(self) -> str:
        """All that is shown, and was."""
        return self._run("capture-pane", "-p", "-J", "-S", "-500")

    def read_styles(self) -> str:
        """What is shown, with colours as escape sequences."""
        return self._run("capture-pane", "-p", "-e", "-S", "-500")

    def resize(self, columns: int, rows: int) -> None:
        """Make it larger or smaller."""
        self._run("resize-window", "-x", str(columns), "-y", str(rows))


@contextmanager
def opened(
    tmux: str, folder: Path, home: Path, *options: str, setting: str = ""
) -> Iterator[Terminal]:
    # Of its own: a server that is ending still has its socket.
    socket = folder / f"tmux-{time.monotonic_ns()}"
    environment = {**os.environ, "AUTOML_AGENT_HOME": str(home), "LC_ALL": "C.UTF-8"}

    def run(command: str, *arguments: str) -> str:
        done = subprocess.run(
            [tmux, "-f", "/dev/null", "-S", str(socket), command, *arguments],
            env=environment, cwd=folder, capture_output=True, text=True, check=True, timeout=30,
        )  # fmt: skip
        return done.stdout

    line = f"{setting} {PROGRAM} {' '.join((*QUICK, *options))}; echo left with $?; sleep 100"
    run("new-session", "-d", "-x", "100", "-y", "40", line)
    try:
        yield Terminal(run)
    finally:
        run("kill-server")


@pytest.mark.slow
def test_a_session_from_the_request_to_the_follow_up_of_the_next_day(
    tmux: str, iris: Path, home: Path
) -> None:
    with opened(tmux, iris.parent, home) as terminal:
        terminal.wait_for("/help lists the commands")
        terminal.type("predict species from ir", "Tab")
        terminal.wait_for("predict species from iris.csv")
        terminal.type(" with xgboost")
        terminal.wait_for(QUESTION)
        terminal.type("y")
        shown = terminal.wait_for("Delivered: ")
        assert re.search(r"xgboost-1 +log_loss 0\.\d{4} +[\d.]+ s +[▁-█]{16}", shown)
        assert "●" in shown, "where the score fell in the predicted interval"
        assert shown.count("xgboost-1   step") == 0, "the live region is gone"
        terminal.type("/cost")
        terminal.wait_for("of it cached")
        terminal.type("", "C-c")
        terminal.wait_for("To leave: Ctrl-D or /quit.")
        terminal.type("", "C-d")
        terminal.wait_for("left with 0")
    with opened(tmux, iris.parent, home, "--continue") as terminal:
        terminal.wait_for("t1  species: log_loss")
        terminal.type("smaller and faster, lose at most 1 % accuracy")
        shown = terminal.wait_for(QUESTION)
        assert "profile_dataset t1 smaller, faster, accuracy >= earlier - 1 %" in shown
        terminal.type("", "C-d")
        terminal.wait_for("Nothing was trained.")
        assert "Traceback" not in terminal.read()


@pytest.mark.slow
def test_ctrl_c_in_mid_training_keeps_what_has_finished_also_after_a_resize(
    tmux: str, iris: Path, home: Path
) -> None:
    with opened(tmux, iris.parent, home, "--trials", "300") as terminal:
        terminal.wait_for("/help lists the commands")
        terminal.type(REQUEST)
        terminal.wait_for(QUESTION)
        terminal.type("y")
        terminal.wait_for("xgboost-2 ")
        terminal.resize(60, 20)
        terminal.wait_for("xgboost-3 ")
        terminal.type("", "C-c")
        terminal.wait_for("Stopped early; what had finished is kept.")
        terminal.type("/quit")
        shown = terminal.wait_for("left with 0")
        assert "Traceback" not in shown


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["TERM=dumb", "NO_COLOR=1", "LC_ALL=C PYTHONUTF8=0"])
def test_a_terminal_without_much_is_enough(tmux: str, iris: Path, home: Path, setting: str) -> None:
    with opened(tmux, iris.parent, home, setting=setting) as terminal:
        terminal.wait_for("/help lists the commands")
        terminal.type(REQUEST)
        terminal.wait_for(QUESTION)
        terminal.type("n")
        terminal.wait_for("Nothing was trained.")
        terminal.type("", "C-d")
        shown = terminal.wait_for("left with 0")
        assert "Traceback" not in shown
        assert "\x1b[3" not in terminal.read_styles() or "LC_ALL" in setting


@pytest.mark.slow
@pytest.mark.parametrize("is_training", [False, True])
def test_a_terminal_that_is_closed_leaves_no_open_run(
    tmux: str, iris: Path, home: Path, list_runs: Callable[[], list[Any]], is_training: bool
) -> None:
    with opened(tmux, iris.parent, home, "--trials", "300", "--yes") as terminal:
        terminal.wait_for("/help lists the commands")
        if is_training:
            terminal.type(REQUEST)
            terminal.wait_for("xgboost-2 ")
    deadline = time.monotonic() + LIMIT_S
    while list((home / "open").iterdir()):  # the conversations that somebody holds
        assert time.monotonic() < deadline, "the program is still there"
        time.sleep(0.1)
    assert [run["status"] for run in list_runs()] == ["interrupted"] * is_training
