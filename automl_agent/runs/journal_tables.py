"""The tables of the journal, and how those of an earlier version become them."""

from collections.abc import Iterable

APPLICATION_ID = 0x41474E54  # "AGNT"
VERSION = 3
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
"""
_MESSAGES_FENCE = """
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
# What is predicted stands before the training that it is about, and nothing is put in its place.
# predictions_once: INSERT OR REPLACE deletes the row before, and no fence on deleting sees it.
_PREDICTION_FENCES = """
CREATE TRIGGER IF NOT EXISTS predictions_fixed
BEFORE UPDATE OF owner, key, started, intent ON predictions
BEGIN SELECT RAISE(ABORT, 'a prediction never changes'); END;
CREATE TRIGGER IF NOT EXISTS predictions_once BEFORE INSERT ON predictions
WHEN EXISTS (SELECT 1 FROM predictions WHERE owner = NEW.owner AND key = NEW.key)
BEGIN SELECT RAISE(ABORT, 'a prediction is made once'); END;
CREATE TRIGGER IF NOT EXISTS predictions_before BEFORE INSERT ON predictions
WHEN EXISTS (
    SELECT 1 FROM trials WHERE owner = NEW.owner AND key = json_extract(NEW.intent, '$.trial_id')
    AND (ended IS NOT NULL OR json_extract(NEW.intent, '$.n_steps_seen') = 0)
)
BEGIN SELECT RAISE(ABORT, 'a prediction comes before what it is about'); END;
"""
_MARK = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
# What version 1 had: each run was a conversation of its own.
_TABLES_1 = ("tool_calls", "plans", "steps", "trials", "predictions")
_COPY_1 = """
INSERT INTO conversations SELECT run_id, started, run_id FROM runs_1;
INSERT INTO runs SELECT run_id, run_id, status, started, ended, request, result FROM runs_1;
INSERT INTO messages SELECT run_id, number, time, message FROM messages_1;
"""
# Version 2 had one prediction for each plan, of its first trial that finished, and a log as intent.
# What is of this version already is copied as it is: two processes may upgrade at the same time.
_COPY_2 = """
INSERT INTO predictions SELECT owner, key, status, started, ended,
    CASE WHEN json_extract(intent, '$.trial_id') IS NOT NULL OR plan IS NULL THEN intent
    ELSE json_patch(intent, json_object(
        'plan_id', key, 'trial_id', coalesce(trial, key || '-1'), 'n_steps_seen', 0,
        'expert', json_extract(plan, '$.expert'), 'data', json_extract(plan, '$.data')
    )) END, outcome
FROM (
    SELECT p.*,
        (SELECT intent FROM plans WHERE owner = p.owner AND key = p.key) AS plan,
        (SELECT t.key FROM trials t
            WHERE t.owner = p.owner AND json_extract(t.intent, '$.plan_id') = p.key AND
            (p.outcome IS NULL OR json_extract(t.outcome, '$.valid_score')
                = json_extract(p.outcome, '$.measured'))
            ORDER BY t.rowid LIMIT 1) AS trial
    FROM predictions_2 p ORDER BY p.rowid
);
"""


def creation_script() -> str:
    """The statements that make an empty journal."""
    return f"BEGIN IMMEDIATE; {_define_tables()} {_define_fences()} {_MARK} COMMIT;"


def upgrade_script(version: int) -> str:
    """The statements that make a journal of an earlier version one of this; nothing is lost."""
    from_1 = _upgrade_from_1() if version == 1 else ""
    return f"BEGIN IMMEDIATE; {from_1} {_upgrade_from_2()} {_define_fences()} {_MARK} COMMIT;"


def _upgrade_from_1() -> str:
    old = ("runs", "messages", *_TABLES_1)
    fences = ("messages_fixed", *(f"{t}_{fence}" for t in old for fence in ("ended", "kept")))
    rename = "".join(f"ALTER TABLE {table} RENAME TO {table}_1;" for table in old)
    copy = "".join(f"INSERT INTO {table} SELECT * FROM {table}_1;" for table in _TABLES_1)
    drop = "".join(f"DROP TABLE {table}_1;" for table in (*_TABLES_1, "messages", "runs"))
    return " ".join((_drop_fences(fences), rename, _define_tables(), _COPY_1, copy, drop))


def _upgrade_from_2() -> str:
    fences = [f"predictions_{name}" for name in ("ended", "kept", "fixed", "once", "before")]
    rename = "ALTER TABLE predictions RENAME TO predictions_2;"
    drop = "DROP TABLE predictions_2;"
    return " ".join((_drop_fences(fences), rename, _define_tables(), _COPY_2, drop))


def _drop_fences(names: Iterable[str]) -> str:
    return "".join(f"DROP TRIGGER IF EXISTS {name};" for name in names)


def _define_tables() -> str:
    owners = dict.fromkeys(CONVERSATION_TABLES, "conversations")
    tables = (_TABLE.format(table=table, owners=owners.get(table, "runs")) for table in TABLES)
    return f"{_RUNS} {''.join(tables)}"


def _define_fences() -> str:
    ended = "".join(_ENDED_FENCE.format(table=table) for table in ("runs", *TABLES))
    kept = "".join(_KEPT_FENCE.format(table=table) for table in ("runs", "messages", *TABLES))
    return f"{_MESSAGES_FENCE} {ended} {kept} {_PREDICTION_FENCES}"
