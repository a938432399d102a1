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
from automl_agent.runs.journal_tables import (
    APPLICATION_ID,
    TABLES,
    VERSION,
    creation_script,
    upgrade_script,
)

ENDED = ("done", "failed", "stopped", "abandoned")
# A writer holds the lock for milliseconds.
_TIMEOUT_S = 30.0
_POLL_S = 0.01

_HOME_ADVICE = "set AUTOML_AGENT_HOME to another folder"


class Journal:
    """One connection to the journal. A run has one writer; close it, or use it as a context."""

    def __init__(self, path: Path) -> None:
        """Open the journal, made if it is not there.

        Raises: SetupError if the file cannot be used, with the next step.
        """
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=_TIMEOUT_S)
        except (OSError, sqlite3.Error) as exc:
            raise self._explain(exc) from exc
        try:
            self._prepare()
        except sqlite3.Error as exc:
            self.close()
            raise self._explain(exc) from exc
        except SetupError:
            self.close()
            raise

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def begin_conversation(self, conversation_id: str, title: str) -> None:
        """Record that a conversation starts; one that has begun stays as it is."""
        self._write(
            "INSERT OR IGNORE INTO conversations (conversation_id, started, title) "
            "VALUES (?, ?, ?)",
            (conversation_id, time.time(), title),
        )

    def begin_run(self, run_id: str, request: Mapping[str, Any], *, conversation_id: str) -> None:
        """Record that a run of a conversation starts."""
        self._write(
            "INSERT INTO runs (run_id, conversation_id, status, started, request) "
            "VALUES (?, ?, 'started', ?, ?)",
            (run_id, conversation_id, time.time(), json.dumps(request)),
        )

    def is_open(self, run_id: str) -> bool:
        """Whether a run has begun and has not ended."""
        rows = self._connection.execute(
            "SELECT 1 FROM runs WHERE run_id = ? AND ended IS NULL", (run_id,)
        )
        return rows.fetchone() is not None

    def end_run(self, run_id: str, status: str, result: Mapping[str, Any] | None) -> None:
        """Record how a run ended.

        Raises: sqlite3.IntegrityError if it has ended before; KeyError if it has not begun.
        """
        self._end(
            "UPDATE runs SET status = ?, ended = ?, result = ? WHERE run_id = ?",
            (status, time.time(), json.dumps(result), run_id),
            key=run_id,
        )

    def add_message(self, conversation_id: str, number: int, message: Mapping[str, Any]) -> None:
        """Record a message of a conversation before it is acted on."""
        self._write(
            "INSERT INTO messages (conversation_id, number, time, message) VALUES (?, ?, ?, ?)",
            (conversation_id, number, time.time(), json.dumps(message)),
        )

    def begin(self, table: str, owner: str, key: str, intent: Mapping[str, Any]) -> None:
        """Record in one of TABLES that something is about to be done.

        owner: a conversation's id in CONVERSATION_TABLES, a run's in RUN_TABLES.
        """
        self._write(
            f"INSERT INTO {_known(table)} (owner, key, status, started, intent) "
            "VALUES (?, ?, 'started', ?, ?)",
            (owner, key, time.time(), json.dumps(intent)),
        )

    def end(
        self, table: str, owner: str, key: str, status: str, outcome: Mapping[str, Any]
    ) -> None:
        """Record how it ended; status is one of ENDED.

        Raises: sqlite3.IntegrityError if it has ended before; KeyError if it has not begun.
        """
        if status not in ENDED:
            raise ValueError(status)
        self._end(
            f"UPDATE {_known(table)} SET status = ?, ended = ?, outcome = ? "
            "WHERE owner = ? AND key = ?",
            (status, time.time(), json.dumps(outcome), owner, key),
            key=key,
        )

    def list_runs(self) -> list[dict[str, Any]]:
        """All runs, the newest first."""
        rows = self._connection.execute(
            "SELECT run_id, conversation_id, status, started, ended, request, result FROM runs "
            "ORDER BY rowid DESC"
        )
        return [
            {
                "run_id": run_id,
                "conversation_id": conversation_id,
                "status": status,
                "started": started,
                "ended": ended,
                "request": json.loads(request),
                "result": json.loads(result) if result else None,
            }
            for run_id, conversation_id, status, started, ended, request, result in rows
        ]

    def list_conversations(self) -> list[dict[str, Any]]:
        """All conversations in which something was said, the newest first."""
        rows = self._connection.execute(
            "SELECT conversation_id, started, title, count(number) FROM conversations "
            "JOIN messages USING (conversation_id) GROUP BY conversation_id "
            "ORDER BY conversations.rowid DESC"
        )
        names = ("conversation_id", "started", "title", "n_messages")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def list_rows(self, table: str, owner: str) -> list[dict[str, Any]]:
        """The rows of one of TABLES for their owner, in the order in which they began."""
        rows = self._connection.execute(
            f"SELECT key, status, started, ended, intent, outcome FROM {_known(table)} "
            "WHERE owner = ? ORDER BY rowid",
            (owner,),
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

    def list_messages(self, conversation_id: str) -> list[dict[str, Any]]:
        """What was said in a conversation."""
        rows = self._connection.execute(
            "SELECT message FROM messages WHERE conversation_id = ? ORDER BY number",
            (conversation_id,),
        )
        return [json.loads(message) for (message,) in rows]

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA foreign_keys = ON")
        # First: where there is a table of ours, all that is read after it is there too.
        n_tables = self._read_number("SELECT count(*) FROM sqlite_master")
        application = self._read_number("PRAGMA application_id")
        version = self._read_number("PRAGMA user_version")
        if (n_tables, application) == (0, 0):
            self._create()
        elif application != APPLICATION_ID:
            raise SetupError(f"{self._path} is the database of another program; {_HOME_ADVICE}.")
        elif version > VERSION:
            raise SetupError(
                f"A newer automl-agent wrote the journal {self._path}; upgrade this one, or "
                f"{_HOME_ADVICE}."
            )
        elif version < VERSION:
            self._connection.executescript(upgrade_script(version))

    def _create(self) -> None:
        self._switch_to_wal()
        self._connection.executescript(creation_script())

    def _switch_to_wal(self) -> None:
        # Alone among the statements, this one does not wait for other connections by itself.
        deadline = time.monotonic() + _TIMEOUT_S
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_S)

    def _read_number(self, query: str) -> int:
        (number,) = self._connection.execute(query).fetchone()
        return int(number)

    def _end(self, statement: str, values: tuple[Any, ...], *, key: str) -> None:
        if self._write(statement, values) == 0:
            raise KeyError(key)

    def _write(self, statement: str, values: tuple[Any, ...]) -> int:
        """Execute a statement; return how many rows it wrote."""
        # Autocommit: each statement is on the disk before the next line of Python runs.
        try:
            return self._connection.execute(statement, values).rowcount
        except sqlite3.OperationalError as exc:
            raise self._explain(exc) from exc

    def _explain(self, exc: Exception) -> SetupError:
        return SetupError(
            f"The journal {self._path} cannot be used ({exc}); check the permissions of its folder "
            f"and the room on its disk, or {_HOME_ADVICE}."
        )


def _known(table: str) -> str:
    if table not in TABLES:
        raise ValueError(table)
    return table
