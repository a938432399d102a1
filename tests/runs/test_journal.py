"""The journal: written before it is acted on, never changed after the end, safe from kills."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from automl_agent.runs.journal import ENDED, Journal
from automl_agent.runs.journal_tables import APPLICATION_ID, TABLES, VERSION

from ..conftest import execute
from .conftest import PATIENCE_S, begin_run


def test_a_run_is_listed_from_its_beginning_and_with_its_end(journal: Journal) -> None:
    before = time.time()
    begin_run(journal, "later", {"target": "age", "name": "ü"})
    (later, run) = journal.list_runs()
    assert run["run_id"] == "run"
    assert later == {
        "run_id": "later",
        "conversation_id": "later",
        "status": "started",
        "started": later["started"],
        "ended": None,
        "request": {"target": "age", "name": "ü"},
        "result": None,
    }
    assert before <= later["started"] <= time.time()
    journal.end_run("later", "finished", {"score": 0.5})
    ended = journal.list_runs()[0]
    assert ended == {
        **later,
        "status": "finished",
        "ended": ended["ended"],
        "result": {"score": 0.5},
    }
    assert ended["ended"] >= later["started"]


def test_a_run_without_a_result_ends_too(journal: Journal) -> None:
    journal.end_run("run", "failed", None)
    (run,) = journal.list_runs()
    assert (run["status"], run["result"]) == ("failed", None)


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_listed_in_the_order_in_which_they_began(journal: Journal, table: str) -> None:
    begin_run(journal, "other", {})
    for run_id, key in (("run", "b"), ("other", "x"), ("run", "a")):
        journal.begin(table, run_id, key, {"key": key})
    journal.end(table, "run", "b", "done", {"score": 1})
    rows = journal.list_rows(table, "run")
    assert rows == [
        {
            "key": "b",
            "status": "done",
            "started": rows[0]["started"],
            "ended": rows[0]["ended"],
            "intent": {"key": "b"},
            "outcome": {"score": 1},
        },
        {
            "key": "a",
            "status": "started",
            "started": rows[1]["started"],
            "ended": None,
            "intent": {"key": "a"},
            "outcome": None,
        },
    ]


def test_a_clock_that_is_set_back_changes_no_order(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run_id in ("early", "late"):
        journal.begin_conversation(run_id, "")
    times = iter([2000.0, 1000.0, 2000.0, 1000.0])
    monkeypatch.setattr(time, "time", lambda: next(times))
    for key in ("first", "second"):
        journal.begin("trials", "run", key, {})
    for run_id in ("early", "late"):
        journal.begin_run(run_id, {}, conversation_id=run_id)
    assert [row["key"] for row in journal.list_rows("trials", "run")] == ["first", "second"]
    assert [run["run_id"] for run in journal.list_runs()] == ["late", "early", "run"]


def test_a_conversation_begins_once(journal: Journal) -> None:
    for title in ("first", "second"):
        journal.begin_conversation("talk", title)
    journal.add_message("talk", 0, {})
    titles = [row["title"] for row in journal.list_conversations()]
    assert titles == ["first"]


def test_messages_are_listed_by_their_number(journal: Journal) -> None:
    for number in (2, 1, 10):
        journal.add_message("run", number, {"text": f"message {number}"})
    texts = [message["text"] for message in journal.list_messages("run")]
    assert texts == ["message 1", "message 2", "message 10"]
    assert journal.list_messages("other") == []


@pytest.mark.parametrize("status", ENDED)
@pytest.mark.parametrize("table", TABLES)
def test_a_row_ends_once(journal: Journal, table: str, status: str) -> None:
    journal.begin(table, "run", "a", {})
    journal.end(table, "run", "a", status, {"first": True})
    rows = journal.list_rows(table, "run")
    with pytest.raises(sqlite3.IntegrityError, match="an ended row never changes"):
        journal.end(table, "run", "a", "done", {"second": True})
    assert journal.list_rows(table, "run") == rows


def test_a_run_ends_once(journal: Journal) -> None:
    journal.end_run("run", "finished", {"score": 1})
    with pytest.raises(sqlite3.IntegrityError, match="an ended row never changes"):
        journal.end_run("run", "failed", None)
    assert journal.list_runs()[0]["status"] == "finished"


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        *(
            pytest.param(f"UPDATE {t} SET outcome = '{{}}'", "an ended row", id=f"change {t}")
            for t in TABLES
        ),
        pytest.param("UPDATE runs SET request = '{}'", "an ended row never", id="change runs"),
        pytest.param("UPDATE messages SET message = ''", "a message never", id="change messages"),
        *(
            pytest.param(f"DELETE FROM {t}", "not deleted from", id=f"delete {t}")
            for t in (*TABLES, "messages", "runs")
        ),
    ],
)
def test_the_database_itself_refuses_to_change_what_has_ended(
    journal: Journal, path: Path, statement: str, message: str
) -> None:
    for table in TABLES:
        journal.begin(table, "run", "a", {})
        journal.end(table, "run", "a", "done", {})
    journal.add_message("run", 1, {"text": "hello"})
    journal.end_run("run", "finished", None)
    before = [journal.list_rows(table, "run") for table in TABLES]
    with pytest.raises(sqlite3.IntegrityError, match=message):
        execute(path, statement)
    assert [journal.list_rows(table, "run") for table in TABLES] == before
    assert journal.list_messages("run") == [{"text": "hello"}]
    assert journal.list_runs()[0]["request"] == {"target": "income"}


def test_what_has_not_begun_cannot_end(journal: Journal) -> None:
    with pytest.raises(KeyError, match="unknown"):
        journal.end("trials", "run", "unknown", "done", {})
    with pytest.raises(KeyError, match="unknown"):
        journal.end_run("unknown", "finished", None)


def test_nothing_begins_twice(journal: Journal) -> None:
    journal.begin("trials", "run", "a", {"first": True})
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        journal.begin("trials", "run", "a", {"second": True})
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        begin_run(journal, "run", {})


def test_a_row_of_no_run_is_refused(journal: Journal) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        journal.begin("trials", "unknown", "a", {})
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        journal.add_message("unknown", 1, {})


def test_a_table_or_status_that_there_is_not_is_our_fault(journal: Journal) -> None:
    journal.begin("trials", "run", "a", {})
    with pytest.raises(ValueError, match="runs; DROP"):
        journal.begin("runs; DROP TABLE runs", "run", "a", {})
    with pytest.raises(ValueError, match="messages"):
        journal.list_rows("messages", "run")
    with pytest.raises(ValueError, match="finished"):
        journal.end("trials", "run", "a", "finished", {})


def test_another_connection_reads_what_was_written_at_once(journal: Journal, path: Path) -> None:
    journal.begin("trials", "run", "a", {"rate": 0.1})
    with Journal(path) as other:
        assert other.list_rows("trials", "run") == journal.list_rows("trials", "run")
        begin_run(other, "other", {})
        other.begin("trials", "other", "a", {})
    assert [run["run_id"] for run in journal.list_runs()] == ["other", "run"]


def test_a_reader_does_not_hold_up_the_writer(journal: Journal, path: Path) -> None:
    reader = sqlite3.connect(path, isolation_level=None)
    try:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM trials").fetchone() == (0,)
        started = time.monotonic()
        journal.begin("trials", "run", "a", {})
        assert time.monotonic() - started < PATIENCE_S / 2  # without WAL it waits for 30 s
        assert reader.execute("SELECT count(*) FROM trials").fetchone() == (0,)
    finally:
        reader.close()


def test_it_is_marked_as_ours_and_logs_ahead(journal: Journal, path: Path) -> None:
    assert journal.list_runs()
    assert execute(path, "PRAGMA journal_mode") == [("wal",)]
    assert execute(path, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert execute(path, "PRAGMA user_version") == [(VERSION,)]
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_it_belongs_to_the_thread_that_opened_it(journal: Journal) -> None:
    caught: list[Exception] = []

    def use() -> None:
        try:
            journal.list_runs()
        except sqlite3.ProgrammingError as exc:
            caught.append(exc)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join(PATIENCE_S)
    assert "can only be used in that same thread" in str(caught[0])


WRITER = """
import sys, time
from pathlib import Path
from automl_agent.runs.journal import Journal

journal = Journal(Path(sys.argv[1]))
journal.begin_conversation("killed", "")
journal.begin_run("killed", {"target": "income"}, conversation_id="killed")
for number in range(1000):
    journal.begin("trials", "killed", str(number), {"number": number})
    print(number, flush=True)
    journal.end("trials", "killed", str(number), "done", {"score": number})
"""


@pytest.mark.parametrize("n_begun", [1, 7, 40])
def test_a_killed_writer_leaves_all_that_it_had_begun(path: Path, n_begun: int) -> None:
    command = [sys.executable, "-c", WRITER, path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(n_begun)]
        os.kill(writer.pid, signal.SIGKILL)
        # `communicate` would pass over what reading lines has read ahead.
        told += map(int, writer.stdout.read().split())
        assert writer.wait(timeout=PATIENCE_S) == -signal.SIGKILL
    with Journal(path) as journal:
        (run,) = journal.list_runs()
        assert (run["status"], run["ended"]) == ("started", None)
        rows = journal.list_rows("trials", "killed")
        # All that it told of had begun before; at most one had begun and not yet been told.
        assert len(rows) - len(range(told[-1] + 1)) in (0, 1)
        assert [row["status"] for row in rows[:-2]] == ["done"] * (len(rows) - 2)
        journal.end_run("killed", "abandoned", None)


def test_it_waits_for_another_process_that_is_just_making_it(path: Path) -> None:
    path.parent.mkdir()
    is_locked = threading.Event()

    def hold_lock() -> None:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        is_locked.set()
        time.sleep(0.3)
        connection.close()

    holder = threading.Thread(target=hold_lock)
    holder.start()
    assert is_locked.wait(PATIENCE_S)
    with Journal(path) as journal:
        begin_run(journal, "run", {})
    holder.join(PATIENCE_S)


def test_conversations_in_which_something_was_said_are_listed(journal: Journal) -> None:
    journal.begin_conversation("silent", "nothing")
    journal.begin_conversation("spoken", "predict income")
    for number in range(2):
        journal.add_message("spoken", number, {"text": "hello"})
    (spoken,) = journal.list_conversations()
    assert spoken == {
        "conversation_id": "spoken",
        "started": spoken["started"],
        "title": "predict income",
        "n_messages": 2,
    }
