"""The tables of the journal, and how those of an earlier version become them."""

APPLICATION_ID = 0x41474E54  # "AGNT"
VERSION = 2
# What belongs to a conversation, and what to one of its runs.
CONVERSATION_TABLES = ("tool_calls", "model_calls")
RUN_TABLES = ("plans", "steps", "trials", "predictions")
TABLES = (*CONVERSATION_TABLES, *RUN_TABLES)
# The field of a run that tells the owner of its rows in each table.
OWNERS = dict.fromkeys(CONVERSATION_TABLES, "conversation_id") | dict.fromkeys(RUN_TABLES, "run_id")

# IF NOT EXISTS: two processes may make the journal at the same time.
_RUNS = """
CREATE TABLE IF NOT EXISTS conversations (
    conversation_id TEXT PRIMARY KEY, started REAL NOT NULL, title TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS runs (
    run_id TEXT PRIMARY KEY, conversation_id TEXT NOT NULL REFERENCES conversations,
    status TEXT NOT NULL, started REAL NOT NULL, ended REAL, request TEXT NOT NULL, result TEXT
);
CREATE TABLE IF NOT EXISTS messages (
    conversation_id TEXT NOT NULL REFERENCES conversations, number INTEGER NOT NULL,
    time REAL NOT NULL, message TEXT NOT NULL, PRIMARY KEY (conversation_id, number)
);
CREATE TRIGGER IF NOT EXISTS messages_fixed BEFORE UPDATE ON messages
BEGIN SELECT RAISE(ABORT, 'a message never changes'); END;
"""
# owner: a conversation's id in CONVERSATION_TABLES, a run's in RUN_TABLES.
_TABLE = """
CREATE TABLE IF NOT EXISTS {table} (
    owner TEXT NOT NULL REFERENCES {owners}, key TEXT NOT NULL, status TEXT NOT NULL,
    started REAL NOT NULL, ended REAL, intent TEXT NOT NULL, outcome TEXT, PRIMARY KEY (owner, key)
);
"""
_ENDED_FENCE = """
CREATE TRIGGER IF NOT EXISTS {table}_ended BEFORE UPDATE ON {table} WHEN OLD.ended IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'an ended row never changes'); END;
"""
_KEPT_FENCE = """
CREATE TRIGGER IF NOT EXISTS {table}_kept BEFORE DELETE ON {table}
BEGIN SELECT RAISE(ABORT, 'the journal is not deleted from'); END;
"""
_MARK = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
# What version 1 had: each run was a conversation of its own.
_TABLES_1 = ("tool_calls", "plans", "steps", "trials", "predictions")
_COPY_1 = """
INSERT INTO conversations SELECT run_id, started, run_id FROM runs_1;
INSERT INTO runs SELECT run_id, run_id, status, started, ended, request, result FROM runs_1;
INSERT INTO messages SELECT run_id, number, time, message FROM messages_1;
"""


def creation_script() -> str:
    """The statements that make an empty journal."""
    return f"BEGIN IMMEDIATE; {_define()} {_MARK} COMMIT;"


def upgrade_script() -> str:
    """The statements that make a journal of version 1 one of this version; nothing is lost."""
    old = ("runs", "messages", *_TABLES_1)
    fences = ("messages_fixed", *(f"{t}_{fence}" for t in old for fence in ("ended", "kept")))
    drop_fences = "".join(f"DROP TRIGGER IF EXISTS {fence};" for fence in fences)
    rename = "".join(f"ALTER TABLE {table} RENAME TO {table}_1;" for table in old)
    copy = "".join(f"INSERT INTO {table} SELECT * FROM {table}_1;" for table in _TABLES_1)
    drop = "".join(f"DROP TABLE {table}_1;" for table in (*_TABLES_1, "messages", "runs"))
    steps = (drop_fences, rename, _define(), _COPY_1, copy, drop, _MARK)
    return f"BEGIN IMMEDIATE; {' '.join(steps)} COMMIT;"


def _define() -> str:
    owners = dict.fromkeys(CONVERSATION_TABLES, "conversations")
    tables = "".join(
        _TABLE.format(table=table, owners=owners.get(table, "runs")) for table in TABLES
    )
    ended = "".join(_ENDED_FENCE.format(table=table) for table in ("runs", *TABLES))
    kept = "".join(_KEPT_FENCE.format(table=table) for table in ("runs", "messages", *TABLES))
    return f"{_RUNS} {tables} {ended} {kept}"
