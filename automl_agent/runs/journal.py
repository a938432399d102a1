"""The journal: what was asked, intended, done and found, in SQLite.

Intent is committed before an effect and a reply before it is acted on. A row is written once when
its work begins and once when it ends; the database itself refuses changes of ended rows.
"""

import json
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl_agent.errors import SetupError

APPLICATION_ID = 0x41474E54  # "AGNT"
VERSION = 1
ENDED = ("done", "failed", "abandoned")

_SCHEMA = """
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY, status TEXT NOT NULL, started REAL NOT NULL, ended REAL,
    request TEXT NOT NULL, result TEXT
);
CREATE TABLE messages (
    run_id TEXT NOT NULL REFERENCES runs, number INTEGER NOT NULL, time REAL NOT NULL,
    message TEXT NOT NULL, PRIMARY KEY (run_id, number)
);
CREATE TABLE tool_calls (
    run_id TEXT NOT NULL REFERENCES runs, key TEXT NOT NULL, status TEXT NOT NULL,
    started REAL NOT NULL, ended REAL, intent TEXT NOT NULL, outcome TEXT, PRIMARY KEY (run_id, key)
);
CREATE TABLE plans (
    run_id TEXT NOT NULL REFERENCES runs, key TEXT NOT NULL, status TEXT NOT NULL,
    started REAL NOT NULL, ended REAL, intent TEXT NOT NULL, outcome TEXT, PRIMARY KEY (run_id, key)
);
CREATE TABLE steps (
    run_id TEXT NOT NULL REFERENCES runs, key TEXT NOT NULL, status TEXT NOT NULL,
    started REAL NOT NULL, ended REAL, intent TEXT NOT NULL, outcome TEXT, PRIMARY KEY (run_id, key)
);
CREATE TABLE trials (
    run_id TEXT NOT NULL REFERENCES runs, key TEXT NOT NULL, status TEXT NOT NULL,
    started REAL NOT NULL, ended REAL, intent TEXT NOT NULL, outcome TEXT, PRIMARY KEY (run_id, key)
);
CREATE TABLE predictions (
    run_id TEXT NOT NULL REFERENCES runs, key TEXT NOT NULL, status TEXT NOT NULL,
    started REAL NOT NULL, ended REAL, intent TEXT NOT NULL, outcome TEXT, PRIMARY KEY (run_id, key)
);
"""
TABLES = ("tool_calls", "plans", "steps", "trials", "predictions")
_FENCE = """
CREATE TRIGGER {table}_ended BEFORE UPDATE ON {table} WHEN OLD.status IN ('done','failed','abandoned')
BEGIN SELECT RAISE(ABORT, 'an ended row never changes'); END;
CREATE TRIGGER {table}_kept BEFORE DELETE ON {table}
BEGIN SELECT RAISE(ABORT, 'the journal is not deleted from'); END;
"""


class Journal:
    """One connection to the journal. A run has one writer; close it, or use it as a context."""

    def __init__(self, path: Path) -> None:
        """Open the journal, made if it is not there.

        Raises: SetupError if the file cannot be used, with the next step.
        """
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=30)
            self._prepare()
        except (OSError, sqlite3.Error) as exc:
            raise SetupError(
                f"The journal {path} cannot be used ({exc}); check the folder's permissions, or set "
                "AUTOML_AGENT_HOME to another one."
            ) from exc

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def begin_run(self, run_id: str, request: Mapping[str, Any]) -> None:
        """Record that a run starts."""
        self._write(
            "INSERT INTO runs (run_id, status, started, request) VALUES (?, 'started', ?, ?)",
            (run_id, time.time(), json.dumps(request)),
        )

    def end_run(self, run_id: str, status: str, result: Mapping[str, Any] | None) -> None:
        """Record how a run ended."""
        self._write(
            "UPDATE runs SET status = ?, ended = ?, result = ? WHERE run_id = ?",
            (status, time.time(), json.dumps(result), run_id),
        )

    def add_message(self, run_id: str, number: int, message: Mapping[str, Any]) -> None:
        """Record a message of the conversation before it is acted on."""
        self._write(
            "INSERT INTO messages (run_id, number, time, message) VALUES (?, ?, ?, ?)",
            (run_id, number, time.time(), json.dumps(message)),
        )

    def begin(self, table: str, run_id: str, key: str, intent: Mapping[str, Any]) -> None:
        """Record in one of TABLES that something is about to be done."""
        self._write(
            f"INSERT INTO {_known(table)} (run_id, key, status, started, intent) "
            "VALUES (?, ?, 'started', ?, ?)",
            (run_id, key, time.time(), json.dumps(intent)),
        )

    def end(
        self, table: str, run_id: str, key: str, status: str, outcome: Mapping[str, Any]
    ) -> None:
        """Record how it ended; status is one of ENDED.

        Raises: sqlite3.IntegrityError if it has ended before.
        """
        self._write(
            f"UPDATE {_known(table)} SET status = ?, ended = ?, outcome = ? "
            "WHERE run_id = ? AND key = ?",
            (status, time.time(), json.dumps(outcome), run_id, key),
        )

    def list_runs(self) -> list[dict[str, Any]]:
        """All runs, the newest first."""
        rows = self._connection.execute(
            "SELECT run_id, status, started, ended, request, result FROM runs ORDER BY started DESC"
        )
        return [
            {
                "run_id": run_id,
                "status": status,
                "started": started,
                "ended": ended,
                "request": json.loads(request),
                "result": json.loads(result) if result else None,
            }
            for run_id, status, started, ended, request, result in rows
        ]

    def list_rows(self, table: str, run_id: str) -> list[dict[str, Any]]:
        """The rows of one of TABLES for a run, in the order in which they began."""
        rows = self._connection.execute(
            f"SELECT key, status, started, ended, intent, outcome FROM {_known(table)} "
            "WHERE run_id = ? ORDER BY started, rowid",
            (run_id,),
        )
        return [
            {
                "key": key,
                "status": status,
                "started": started,
                "ended": ended,
                "intent": json.loads(intent),
                "outcome": json.loads(outcome) if outcome else None,
            }
            for key, status, started, ended, intent, outcome in rows
        ]

    def list_messages(self, run_id: str) -> list[dict[str, Any]]:
        """The conversation of a run."""
        rows = self._connection.execute(
            "SELECT message FROM messages WHERE run_id = ? ORDER BY number", (run_id,)
        )
        return [json.loads(message) for (message,) in rows]

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA foreign_keys = ON")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        (application,) = self._connection.execute("PRAGMA application_id").fetchone()
        if version == 0 and application == 0:
            self._create()
        elif application != APPLICATION_ID:
            raise sqlite3.DatabaseError("it is the database of another program")
        elif version > VERSION:
            raise sqlite3.DatabaseError("a newer automl-agent wrote it; upgrade this one")

    def _create(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        fences = "".join(_FENCE.format(table=table) for table in TABLES)
        self._connection.executescript(
            f"BEGIN IMMEDIATE; {_SCHEMA} {fences}"
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
        )

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        # Autocommit: each statement is on the disk before the next line of Python runs.
        self._connection.execute(statement, values)


def _known(table: str) -> str:
    if table not in TABLES:
        raise ValueError(table)
    return table
