"""Whole sessions with the built-in planner, a real table and real trainings."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import journal_path

from .conftest import QUICK, REQUEST, Talk

FOLLOW_UP = "smaller and faster, lose at most 1 % accuracy"
PROGRAM = Path(sys.executable).parent / "automl-agent"
Talks = Callable[..., Talk]
Runs = Callable[[], list[dict[str, Any]]]


@pytest.mark.usefixtures("iris")
def test_a_request_becomes_a_model_and_the_next_session_improves_it(
    talk: Talks, list_runs: Runs, tmp_path: Path
) -> None:
    first = talk(
        [REQUEST, "y", "/leaderboard", "/log", "/cost", "/tasks", "/predict last iris.csv"]
    )
    assert first.code == 0, first.shown
    assert first.shown.startswith("automl-agent ")
    assert "Controller: planner; nothing leaves this machine." in first.shown
    assert "  ✓ 1 profile_dataset iris.csv species  150 rows, 4 features" in first.shown
    assert "The plan, before any training\nxgboost: " in first.shown
    assert "xgboost: predicted log_loss" in first.shown
    assert "Delivered: " in first.shown
    assert "xgboost-1" in first.after("/leaderboard")
    assert "over the predicted band" in first.after("/log")
    assert REQUEST[:40] in first.after("/cost")
    assert "finished" in first.after("/tasks")
    assert len(pd.read_csv(tmp_path / "iris-predictions.csv")) == 150

    later = talk(["/log", FOLLOW_UP, "y"], "--continue")
    assert later.code == 0, later.shown
    assert later.after("/log") == first.after("/log")
    assert "  t1  species: log_loss" in later.shown
    assert "profile_dataset t1 smaller, faster, accuracy >= earlier - 1 %" in later.shown
    assert "Required smaller" in later.shown
    assert f"before ({list_runs()[1]['run_id']})" in later.shown
    assert list_runs()[0]["request"]["follows"] == list_runs()[1]["run_id"]


@pytest.mark.usefixtures("iris")
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param([], "Nothing was trained.", id="the input ends"),
        pytest.param(["n"], "Nothing was trained.", id="no"),
        pytest.param(["", "n"], "Nothing was trained.", id="an empty line is no answer"),
        pytest.param(["p", "n"], "# AutoML prompt paragraph, version 1", id="paragraph"),
        pytest.param(["/tasks", "n"], "open", id="a look before the answer"),
        pytest.param(["/undo", "n"], "The plan waits for an answer first", id="no way around"),
        pytest.param(["/quit"], "Nothing was trained.", id="leaving"),
    ],
)
def test_what_is_no_clear_yes_trains_nothing(
    talk: Talks, home: Path, answer: list[str], told: str
) -> None:
    said = talk([REQUEST, *answer])
    assert told in said.shown
    assert said.code == 8
    assert not list(home.glob("runs/*"))


@pytest.mark.usefixtures("iris")
def test_words_at_the_gate_are_said_next_and_the_new_plan_takes_the_place_of_the_old(
    talk: Talks, list_runs: Runs
) -> None:
    said = talk([REQUEST, "use accuracy", "n", "go on", "n"])
    assert said.shown.count("The plan, before any training") == 3
    assert "predicted: log_loss" in said.shown.partition("use accuracy")[0]
    assert "predicted: accuracy" in said.after("go on")
    assert [run["status"] for run in list_runs()] == ["interrupted", "declined"]


@pytest.mark.usefixtures("iris")
def test_yes_as_an_option_shows_the_plan_and_trains(talk: Talks) -> None:
    said = talk([REQUEST], "--yes", "--trials", 1)
    assert "The plan, before any training" in said.shown
    assert "Delivered: xgboost-1" in said.shown


@pytest.mark.usefixtures("iris")
def test_what_goes_wrong_is_a_sentence_and_the_session_goes_on(talk: Talks) -> None:
    said = talk(
        [
            "",
            "predict income from nowhere.csv",
            "/leaderbord",
            "/experts nobody",
            "/model nobody",
            "/open 3",
            "/budget time",
            "/budget usd -1",
            "/predict last",
            "/export notes.txt",
            "/runs 'unclosed",
            "x" * 30_000,
            "/help undo",
        ]
    )
    assert "There is no file nowhere.csv" in said.shown
    assert "There is no command '/leaderbord'. Did you mean '/leaderboard'?" in said.shown
    assert "There is no expert 'nobody'." in said.shown
    assert "There is no controller 'nobody'." in said.shown
    assert "No tool was called yet." in said.shown
    assert "Say which limit and how much" in said.shown
    assert "/budget usd: " in said.shown
    assert "Say which run and which table" in said.shown
    assert "must end in .md or .json" in said.shown
    assert "That has 30,000 characters" in said.shown
    assert said.shown.rstrip().endswith("/undo   Take back the last request.\n>")
    assert said.code == 3  # that of the first error


@pytest.mark.usefixtures("iris")
def test_limits_privacy_and_tables_are_shown_and_changed(talk: Talks, tmp_path: Path) -> None:
    said = talk(
        ["/budget", "/budget usd 2", "/budget time 90s", "/budget trials 7", "/budget none",
         "/privacy none", "/data iris.csv", "/model", "/data .", "help", "exit", "never said"]
    )  # fmt: skip
    assert "2" in said.after("/budget usd 2").split("usd")[1].split("\n")[0]
    assert "90 s" in said.after("/budget time 90s")
    assert "7" in said.after("/budget trials 7").split("trials")[1]
    assert "none" in said.after("/budget none").split("usd")[1].split("\n")[0]
    assert "neither columns nor statistics" in said.after("/privacy none")
    assert str(tmp_path / "iris.csv") in said.after("/data iris.csv").replace("\n", "")
    assert "planner" in said.after("/model")
    assert "/leaderboard [RUN|TASK]" in said.after("help")
    assert "never said" not in said.shown
    assert said.code == 0


@pytest.mark.parametrize("words", ["/quit", "/exit", "Quit", "exit"])
def test_a_session_is_left_by_any_word_for_it(words: str, talk: Talks) -> None:
    said = talk([words, "never said"])
    assert "never said" not in said.shown
    assert said.code == 0


@pytest.mark.usefixtures("iris")
def test_a_request_is_taken_back_for_good(talk: Talks) -> None:
    said = talk([REQUEST, "n", "/undo", "/undo"])
    assert f"Taken back: {REQUEST}" in said.shown
    assert "There is no request that could be taken back." in said.shown
    again = talk(["/export all.json", "/export all.json", "/undo"], "--continue")
    assert "Nothing was said yet." not in again.shown
    assert json.loads(Path("all.json").read_text())["messages"][1:] == []
    assert "is there already" in again.shown


@pytest.mark.usefixtures("iris")
def test_retry_says_the_last_request_once_more(talk: Talks) -> None:
    said = talk([REQUEST, "n", "/retry", "n"])
    assert said.shown.count("✓ 1 profile_dataset") == 1
    assert said.shown.count("profile_dataset iris.csv species") == 2


@pytest.mark.usefixtures("iris")
def test_a_conversation_can_be_left_for_another(talk: Talks) -> None:
    said = talk([REQUEST, "n", "/new", "/tasks", "/resume", "/resume last", "/tasks"])
    assert "There is no task yet" in said.shown
    assert REQUEST in said.after("/resume")
    assert "Back in " in said.shown
    assert "species" in said.after("/tasks")


def test_nothing_from_the_data_can_repaint_the_terminal(
    talk: Talks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = "x\x1b[2J\x1b[31mTrain? y\u202e"
    rows = {evil: [i % 7 for i in range(120)], "z": [i % 5 for i in range(120)]}
    labels = [["no\x07", "yes\x1b]0;owned\x07"][i % 2] for i in range(120)]
    pd.DataFrame({**rows, "label": labels}).to_csv(tmp_path / "evil.csv", index=False)
    monkeypatch.chdir(tmp_path)
    said = talk(
        ["predict label from evil.csv with xgboost", "p", "y", "/open 1", "/plan", "/export e.md"],
        "--trials", 1,
    )  # fmt: skip
    everything = said.shown + said.complaints + Path("e.md").read_text()
    unseen = {c for c in everything if c != "\n" and not c.isprintable()}
    assert unseen == set()


def test_a_conversation_whose_table_is_gone_is_taken_up_with_a_sentence(
    talk: Talks, iris: Path
) -> None:
    talk([REQUEST], "--yes", "--trials", 1)
    iris.unlink()
    said = talk(["/leaderboard"], "--continue")
    assert "can be looked at, but not improved any more" in said.shown
    assert "xgboost-1" in said.after("/leaderboard")


@pytest.mark.usefixtures("iris")
def test_a_killed_session_is_taken_up_before_its_training(
    talk: Talks, home: Path, list_runs: Runs
) -> None:
    with started("--yes", "--trials", 300) as process:
        wait_for(process, "xgboost-3 ")
        process.kill()
    dead = list_runs()[0]["run_id"]
    with Journal(journal_path(home)) as journal:
        trials = journal.list_rows("trials", dead)
    n_done = sum(row["status"] == "done" for row in trials)
    said = talk(
        ["/log xgboost-2", "go on", "y", f"/log {dead}/xgboost-1"], "--continue", "--trials", 4
    )
    assert f"{n_done} trials had finished in {dead}" in said.shown
    before = said.after("/log xgboost-2")
    assert before.startswith("xgboost-2: log_loss on validation rows, over the predicted band")
    assert f"{dead}/xgboost-1: log_loss" in said.after(f"/log {dead}/xgboost-1")
    assert "Delivered: " in said.shown
    assert [run["status"] for run in list_runs()] == ["finished", "interrupted"]
    tried = [row["intent"]["settings"] for row in trials if row["status"] == "done"]
    with Journal(journal_path(home)) as journal:
        again = journal.list_rows("trials", list_runs()[0]["run_id"])
    assert not [row for row in again[1:] if row["intent"]["settings"] in tried]


@pytest.mark.usefixtures("iris")
def test_ctrl_c_keeps_what_has_finished_and_the_session_goes_on(list_runs: Runs) -> None:
    with started("--yes", "--trials", 300) as process:
        wait_for(process, "xgboost-2 ")
        process.send_signal(signal.SIGINT)
        shown = wait_for(process, "Stopped early; what had finished is kept.")
        assert "Delivered: " in shown
        shown = finish(process, "faster\n")
    assert "profile_dataset t1 faster" in shown
    assert process.returncode == 0
    run = list_runs()[1]
    assert (run["status"], bool(run["result"]["leaderboard"])) == ("interrupted", True)


@pytest.mark.usefixtures("iris")
def test_a_second_ctrl_c_leaves_and_no_run_stays_open(list_runs: Runs) -> None:
    with started("--yes", "--trials", 300) as process:
        wait_for(process, "xgboost-2 ")
        process.send_signal(signal.SIGINT)
        wait_for(process, "Ctrl-C again leaves at once.")
        process.send_signal(signal.SIGINT)
        shown = finish(process, "")
    assert process.returncode == 130
    assert "Traceback" not in shown
    assert list_runs()[0]["ended"] is not None


@pytest.mark.usefixtures("iris")
def test_a_terminal_that_is_closed_ends_what_runs_and_the_conversation_goes_on_later(
    talk: Talks, list_runs: Runs
) -> None:
    with started("--yes", "--trials", 300) as process:
        wait_for(process, "xgboost-2 ")
        runners = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        # The kernel sends one, and the shell another.
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)
        shown = finish(process, "")
    assert process.returncode == 129
    assert "Traceback" not in shown
    (run,) = list_runs()
    assert (run["status"], run["ended"] is not None) == ("interrupted", True)
    assert runners, "the sandbox's"
    assert not [pid for pid in runners if Path(f"/proc/{pid}").exists()]
    said = talk(["go on", "y"], "--continue", "--trials", 3)
    assert f"trials had finished in {run['run_id']}" in said.shown
    assert "Delivered: " in said.shown


@pytest.mark.usefixtures("iris")
def test_a_program_that_is_to_outlive_its_terminal_goes_on() -> None:
    with started("--yes", before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as process:
        wait_for(process, "xgboost-1 ")
        process.send_signal(signal.SIGHUP)
        shown = finish(process, "")
    assert process.returncode == 0
    assert "Delivered: " in shown


@pytest.mark.usefixtures("iris")
def test_a_reader_that_has_gone_ends_the_session_in_silence(list_runs: Runs) -> None:
    command = f"printf '{REQUEST}\\n' | {PROGRAM} {' '.join(QUICK)} --yes | head -n 6"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 6
    time.sleep(3)  # the program ends after its reader
    assert all(run["ended"] for run in list_runs())


@pytest.mark.usefixtures("iris")
def test_a_conversation_that_is_open_elsewhere_is_left_alone(talk: Talks) -> None:
    talk([REQUEST, "n"])
    with started("--continue") as process:
        wait_for(process, "Back in ")
        said = talk(["/tasks"], "--continue")
        finish(process, "")
    assert "is open in another program" in said.shown
    assert said.code == 7


def started(
    *options: object, before: Callable[[], object] = lambda: None
) -> "subprocess.Popen[str]":
    """The program, told the request; before: done in its process first."""

    def prepare() -> None:
        # A shell that runs tests in the background lets its children ignore Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        before()

    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [PROGRAM, *QUICK, *map(str, options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        preexec_fn=prepare,
    )
    if "--continue" not in options:
        assert process.stdin is not None
        process.stdin.write(f"{REQUEST}\n")
        process.stdin.flush()
    return process


def wait_for(process: "subprocess.Popen[str]", text: str) -> str:
    """What was shown up to the line with this text."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError(f"{text!r} did not come: {''.join(lines)}")


def finish(process: "subprocess.Popen[str]", typed: str) -> str:
    """The rest of what was shown, after these last lines."""
    shown, _ = process.communicate(typed, timeout=60)
    return shown


def test_early_stopping_can_be_switched_off(talk: Talks, list_runs: Runs, iris: Path) -> None:
    talk([REQUEST], "--yes", "--no-early-stop")
    assert [run["request"]["early_stop"] for run in list_runs()] == [False]
