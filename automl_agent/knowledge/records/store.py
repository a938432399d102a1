"""What is remembered of trials on this machine, in SQLite; several programs may write at once."""

import fcntl
import hashlib
import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from automl_agent.cards.data_card import DataCard
from automl_agent.errors import CardError, KnowledgeError
from automl_agent.knowledge.records.check import check_record, fits_record
from automl_agent.knowledge.records.record import KnownCard, Record

T = TypeVar("T")
APPLICATION_ID = 0x41474B4E  # "AGKN"
VERSION = 1
# What is known from trials of this machine, and not from a file.
OWN = "own"
# A writer holds the lock for milliseconds.
_TIMEOUT_S = 10.0
_POLL_S = 0.01
# IF NOT EXISTS: two programs may make the tables at the same time.
_CREATION = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS cards (
    card_id TEXT PRIMARY KEY, name TEXT NOT NULL, card TEXT NOT NULL, origin TEXT NOT NULL,
    family TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS records (
    content_id TEXT PRIMARY KEY, card_id TEXT NOT NULL REFERENCES cards, expert TEXT NOT NULL,
    source TEXT NOT NULL, added REAL NOT NULL, record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS records_of_card ON records (card_id, expert);
PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};
COMMIT;
"""
_ADVICE = "check the permissions of its folder and the room on its disk"


@dataclass(frozen=True)
class StoredPart:
    """The records of one expert from one source. first, last: seconds since the epoch."""

    source: str
    expert: str
    n_records: int
    first: float
    last: float


class KnowledgeStore:
    """Knowledge in a file. Each call opens and closes it, so any thread may make one.

    warnings: what a person should know of the file, a sentence each.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warnings: list[str] = []
        # A card never changes, and checking one takes milliseconds.
        self._checked: dict[str, KnownCard] = {}

    def add(self, known: KnownCard, record: Record) -> bool:
        """Keep a record of this machine and its card; whether it was new. On the disk at return.

        Raises: KnowledgeError if the record does not fit its schema, belongs to another card, or
            the file cannot be written.
        """
        return self.add_all([known], [record], source=OWN) == 1

    def add_all(
        self, known_cards: Iterable[KnownCard], records: Iterable[Record], *, source: str
    ) -> int:
        """Keep all records or none; how many were new.

        Raises: as `add`.
        """
        try:
            cards = {known.card_id: known for known in known_cards}
            rows = [_describe_record(record, cards, source) for record in records]
        except UnicodeEncodeError as exc:
            raise KnowledgeError(f"A card or record has text that cannot be kept ({exc}).") from exc

        def insert(connection: sqlite3.Connection) -> int:
            connection.execute("BEGIN IMMEDIATE")
            used = {row[1] for row in rows}
            connection.executemany(
                "INSERT OR IGNORE INTO cards VALUES (?, ?, ?, ?, ?)",
                [_describe_card(key, known) for key, known in cards.items() if key in used],
            )
            before = connection.total_changes
            connection.executemany("INSERT OR IGNORE INTO records VALUES (?, ?, ?, ?, ?, ?)", rows)
            connection.execute("COMMIT")
            return connection.total_changes - before

        return self._write(insert) if rows else 0

    def cards(self, *, source: str | None = None) -> list[KnownCard]:
        """The cards that records are there for, in the order in which they came.

        Raises: KnowledgeError if the file cannot be read.
        """
        rows = self._read(
            "SELECT card_id, card, origin, family FROM cards WHERE card_id IN "
            "(SELECT card_id FROM records WHERE ? IN (source, '')) ORDER BY rowid",
            (source or "",),
        )
        return [known for row in rows if (known := self._find_card(*row)) is not None]

    def records(
        self,
        card_ids: Collection[str] | None = None,
        expert: str | None = None,
        *,
        source: str | None = None,
    ) -> list[Record]:
        """The records of some cards, an expert, a source; None for all. The oldest first.

        Raises: KnowledgeError if the file cannot be read.
        """
        rows = self._read(
            "SELECT record FROM records WHERE (?1 IS NULL OR card_id IN "
            "(SELECT value FROM json_each(?1))) AND ?2 IN (expert, '') AND ?3 IN (source, '') "
            "ORDER BY rowid",
            (
                None if card_ids is None else json.dumps(sorted(card_ids)),
                expert or "",
                source or "",
            ),
        )
        documents = [_parse(text) for (text,) in rows]
        fitting = [document for document in documents if fits_record(document)]
        if len(fitting) < len(documents):
            self._warn(f"{len(documents) - len(fitting)} records in it are spoilt and left out.")
        return [Record.from_json(document) for document in fitting]

    def count_records(self, card_id: str) -> Counter[str]:
        """The number of a card's records by expert.

        Raises: KnowledgeError if the file cannot be read.
        """
        rows = self._read(
            "SELECT expert, count(*) FROM records WHERE card_id = ? GROUP BY expert", (card_id,)
        )
        return Counter(dict(rows))

    def summarise(self) -> list[StoredPart]:
        """What there is from each source of each expert.

        Raises: KnowledgeError if the file cannot be read.
        """
        rows = self._read(
            "SELECT source, expert, count(*), min(added), max(added) FROM records "
            "GROUP BY source, expert ORDER BY source, expert"
        )
        return [StoredPart(*row) for row in rows]

    def count_bytes(self) -> int:
        """The room that it takes on the disk."""
        beside = [
            self.path,
            *(self.path.with_name(f"{self.path.name}-{s}") for s in ("wal", "shm")),
        ]
        return sum(path.stat().st_size for path in beside if path.is_file())

    def purge(
        self, *, card: str | None = None, expert: str | None = None, before: float | None = None
    ) -> tuple[int, int]:
        """Remove records, and cards that have none left; how many records and cards.

        card: the name of a card. before: seconds since the epoch. What is not given is any.
        Nothing of what was removed can be read from the disk's file any more.
        Raises: KnowledgeError if the file cannot be written.
        """
        if not self.path.exists():
            return 0, 0

        def remove(connection: sqlite3.Connection) -> tuple[int, int]:
            connection.execute("BEGIN IMMEDIATE")
            n_records = connection.execute(
                "DELETE FROM records WHERE (?1 IS NULL OR card_id IN "
                "(SELECT card_id FROM cards WHERE name = ?1)) "
                "AND (?2 IS NULL OR expert = ?2) AND (?3 IS NULL OR added < ?3)",
                (card, expert, before),
            ).rowcount
            n_cards = connection.execute(
                "DELETE FROM cards WHERE card_id NOT IN (SELECT card_id FROM records)"
            ).rowcount
            connection.execute("COMMIT")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return n_records, n_cards

        return self._write(remove)

    def _find_card(self, card_id: str, text: str, origin: str, family: str) -> KnownCard | None:
        if card_id not in self._checked:
            try:
                card = DataCard.from_json(_parse(text), source=f"{self.path}: the card {card_id}")
            except CardError as exc:
                self._warn(f"A card in it is spoilt and left out: {exc}")
                return None
            self._checked[card_id] = KnownCard(card, origin, family)
        return self._checked[card_id]

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        if not self.path.exists():
            return []
        return self._use(lambda connection: connection.execute(query, values).fetchall())

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as exc:
            raise self._explain(exc) from exc
        return self._use(work)

    def _use(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return self._attempt(work)
        except sqlite3.Error as exc:
            if not _is_damage(exc):
                raise self._explain(exc) from exc
        try:
            self._put_aside()
            return self._attempt(work)
        except (OSError, sqlite3.Error) as exc:
            raise self._explain(exc) from exc

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with closing(_connect(str(self.path))) as connection:
                self._prepare(connection)
                return work(connection)
        except sqlite3.OperationalError:
            if os.access(self.path.parent, os.W_OK) or not os.access(self.path, os.R_OK):
                raise
            # Where nothing can be written, WAL files neither: nobody else writes there.
            with closing(_connect(f"{self.path.absolute().as_uri()}?immutable=1")) as connection:
                return work(connection)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # First: where there is a table of ours, all that is read after it is there too.
        (n_tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if (n_tables, application) == (0, 0):
            _switch_to_wal(connection)
            connection.executescript(_CREATION)
        elif application != APPLICATION_ID:
            raise KnowledgeError(
                f"{self.path} is the database of another program; move it elsewhere."
            )
        elif version > VERSION:
            raise KnowledgeError(
                f"A newer automl-agent wrote {self.path}; upgrade this one: "
                "pip install --upgrade automl-agent"
            )

    def _put_aside(self) -> None:
        """Rename a damaged file, unless another program has done so."""
        with _hold_lock(self.path.with_suffix(".lock")):
            if not self.path.exists() or not _is_damaged(self.path):
                return
            name = f"{self.path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
            # The file last: until it is renamed, the next program finds the damage again.
            for suffix in ("-wal", "-shm", ""):
                path = self.path.with_name(self.path.name + suffix)
                if path.exists():
                    path.rename(path.with_name(name + suffix))
        self._warn(f"It was damaged and is put aside as {name}; new knowledge is collected again.")

    def _warn(self, text: str) -> None:
        warning = f"The knowledge of earlier trials, {self.path}: {text}"
        if warning not in self.warnings:
            self.warnings.append(warning)

    def _explain(self, exc: Exception) -> KnowledgeError:
        return KnowledgeError(
            f"The knowledge of earlier trials, {self.path}, cannot be used ({exc}); {_ADVICE}."
        )


def _describe_record(
    record: Record, cards: dict[str, KnownCard], source: str
) -> tuple[str, str, str, str, float, str]:
    document = record.to_json()
    check_record(document, source="A record")
    if record.card_id not in cards:
        raise KnowledgeError(f"A record belongs to the card {record.card_id}, which is missing.")
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    content_id = hashlib.sha256(text.encode()).hexdigest()
    return content_id, record.card_id, record.expert, source, time.time(), text


def _describe_card(card_id: str, known: KnownCard) -> tuple[str, str, str, str, str]:
    text = json.dumps(known.card.to_json(), ensure_ascii=False)
    return card_id, known.card.name, text, known.origin, known.family


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _connect(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        name, isolation_level=None, timeout=_TIMEOUT_S, uri=name.startswith("file:")
    )
    connection.execute("PRAGMA secure_delete = ON")
    return connection


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # Alone among the statements, this one does not wait for other connections by itself.
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)


def _is_damage(exc: sqlite3.Error) -> bool:
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _is_damaged(path: Path) -> bool:
    try:
        with closing(_connect(str(path))) as connection:
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as exc:
        return _is_damage(exc)
    return bool(verdict != "ok")


@contextmanager
def _hold_lock(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
