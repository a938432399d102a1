"""The journal's file: upgraded if it is old, left alone if it is not ours, whole on a full disk."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from automl_agent.errors import SetupError
from automl_agent.knowledge.prediction.ledger import Ledger
from automl_agent.runs.journal import Journal
from automl_agent.runs.journal_tables import APPLICATION_ID, VERSION, upgrade_script

from ..conftest import execute
from .conftest import PATIENCE_S


def make_newer(path: Path) -> None:
    Journal(path).close()
    execute(path, f"PRAGMA user_version = {VERSION + 1}")


def make_foreign(path: Path) -> None:
    execute(path, "CREATE TABLE bookmarks (url TEXT)")


def make_foreign_with_mark(path: Path) -> None:
    execute(path, "PRAGMA application_id = 12345")


UNUSABLE = {
    "a newer version": (make_newer, r"A newer automl-agent wrote the journal .*; upgrade this one"),
    "another program's": (make_foreign, "is the database of another program"),
    "another program's, marked": (make_foreign_with_mark, "is the database of another program"),
    "no database": (lambda p: p.write_text("hello " * 1000), "file is not a database"),
    "a folder": (Path.mkdir, "unable to open database file"),
}


@pytest.mark.parametrize(("make", "message"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_file_that_is_not_ours_is_left_alone_and_said_so(
    path: Path, make: object, message: str
) -> None:
    path.parent.mkdir()
    assert callable(make)
    make(path)
    content = path.read_bytes() if path.is_file() else None
    with pytest.raises(SetupError, match=message) as caught:
        Journal(path)
    assert "set AUTOML_AGENT_HOME to another folder" in str(caught.value)
    assert str(path) in str(caught.value)
    assert (path.read_bytes() if path.is_file() else None) == content


def test_an_empty_file_becomes_a_journal(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with Journal(path) as journal:
        assert journal.list_runs() == []


def test_a_place_that_cannot_be_written_is_said_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match=r"file.*cannot be used.*set AUTOML_AGENT_HOME"):
        Journal(tmp_path / "file" / "journal.sqlite")


FULL_DISK = """
import resource, sys
from pathlib import Path
from automl_agent.errors import SetupError
from automl_agent.runs.journal import Journal

journal = Journal(Path(sys.argv[1]))
journal.begin_conversation("run", "")
journal.begin_run("run", {}, conversation_id="run")
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    for number in range(1000):
        journal.begin("trials", "run", str(number), {"text": "x" * 1000})
except SetupError as exc:
    print(exc)
"""


def test_a_disk_that_fills_up_is_said_and_loses_nothing(path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, path]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE_S)
    assert "cannot be used" in done.stdout
    assert "the room on its disk" in done.stdout
    with Journal(path) as journal:
        rows = journal.list_rows("trials", "run")
    assert [row["key"] for row in rows] == [str(number) for number in range(len(rows))]
    assert len(rows) > 10


# What version 1 of the journal wrote for one run with a message and a trial.
JOURNAL_1 = """
CREATE TABLE runs (run_id TEXT PRIMARY KEY, status TEXT NOT NULL, started REAL NOT NULL,
    ended REAL, request TEXT NOT NULL, result TEXT);
CREATE TABLE messages (run_id TEXT NOT NULL REFERENCES runs, number INTEGER NOT NULL,
    time REAL NOT NULL, message TEXT NOT NULL, PRIMARY KEY (run_id, number));
INSERT INTO runs VALUES ('old', 'finished', 1.0, 2.0, '{"target": "income"}', '{"score": 1}');
INSERT INTO messages VALUES ('old', 0, 1.5, '{"text": "hello"}');
CREATE TRIGGER messages_fixed BEFORE UPDATE ON messages BEGIN SELECT RAISE(ABORT, ''); END;
CREATE TRIGGER runs_kept BEFORE DELETE ON runs BEGIN SELECT RAISE(ABORT, ''); END;
"""
ROWS_1 = """
CREATE TABLE {table} (run_id TEXT NOT NULL REFERENCES runs, key TEXT NOT NULL,
    status TEXT NOT NULL, started REAL NOT NULL, ended REAL, intent TEXT NOT NULL, outcome TEXT,
    PRIMARY KEY (run_id, key));
INSERT INTO {table} VALUES ('old', 'a', 'done', 1.0, 2.0, '{{"a": 1}}', '{{"b": 2}}');
CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, ''); END;
"""


def test_a_journal_of_version_1_is_upgraded_and_keeps_everything(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    tables = ("tool_calls", "plans", "steps", "trials", "predictions")
    rows = "".join(ROWS_1.format(table=table) for table in tables)
    marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;"
    connection.executescript(f"{JOURNAL_1} {rows} {marks}")
    connection.close()
    for _ in range(2):  # the second time there is nothing to upgrade
        with Journal(path) as journal:
            (run,) = journal.list_runs()
            assert (run["run_id"], run["conversation_id"]) == ("old", "old")
            assert run["result"] == {"score": 1}
            assert journal.list_messages("old") == [{"text": "hello"}]
            for table in tables:
                (row,) = journal.list_rows(table, "old")
                assert (row["key"], row["outcome"]) == ("a", {"b": 2})
    assert execute(path, "PRAGMA user_version") == [(VERSION,)]
    assert execute(path, "PRAGMA foreign_key_check") == []
    with pytest.raises(sqlite3.IntegrityError):
        execute(path, "DELETE FROM runs")


def write_journal_2(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript((Path(__file__).parent / "journal_2.sql").read_text(encoding="utf-8"))
    connection.close()


def test_a_journal_of_version_2_is_upgraded_and_its_predictions_are_told_by_trial(
    path: Path,
) -> None:
    write_journal_2(path)
    for _ in range(2):  # the second time there is nothing to upgrade
        with Journal(path) as journal:
            rows = {row["key"]: row for row in journal.list_rows("predictions", "r")}
            assert list(rows) == ["xgboost", "linear", "slow"]
            assert rows["xgboost"]["outcome"]["measured"] == 0.25
            assert rows["xgboost"]["started"] == 1005.0
            trials = {key: row["intent"]["trial_id"] for key, row in rows.items()}
            # The first trial had failed; the second one was the one that was scored.
            assert trials == {"xgboost": "xgboost-2", "linear": "linear-1", "slow": "slow-1"}
            entries = {entry.key: entry for entry in Ledger(journal).entries()}
            assert [entry.state for entry in entries.values()] == ["scored", "censored", "open"]
            scored = entries["xgboost"]
            assert (scored.subject.expert, scored.subject.data) == ("xgboost", "iris")
            assert (scored.score, scored.is_inside, scored.error) == (0.25, True, None)
            assert [point.median for point in scored.prediction.points] == [0.5, 0.3]
            assert len(journal.list_rows("trials", "r")) == 3
            assert journal.list_messages("c") == [{"role": "user", "text": "hello"}]
    assert execute(path, "PRAGMA user_version") == [(VERSION,)]
    assert execute(path, "PRAGMA foreign_key_check") == []
    for statement in ("DELETE FROM predictions", "UPDATE predictions SET intent = '{}'"):
        with pytest.raises(sqlite3.IntegrityError):
            execute(path, statement)


def test_two_processes_that_upgrade_at_the_same_time_lose_nothing(path: Path) -> None:
    write_journal_2(path)
    once = sqlite3.connect(path)
    for _ in range(2):  # each has read the old version before the other one writes
        once.executescript(upgrade_script(2))
    once.close()
    with Journal(path) as journal:
        trials = [row["intent"]["trial_id"] for row in journal.list_rows("predictions", "r")]
    assert trials == ["xgboost-2", "linear-1", "slow-1"]
