"""The ledger: stored before the training, scored after it, and never changed."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from automl_agent.cards.predicted_log import PredictedLog, PredictedPoint
from automl_agent.knowledge.prediction.ledger import (
    BEFORE,
    DURING,
    Actual,
    Entry,
    Ledger,
    Prediction,
    Subject,
    find_main,
)
from automl_agent.runs.journal import Journal

PATIENCE_S = 30.0
SUBJECT = Subject("xgboost-1", "xgboost", "xgboost", "f00d", "iris", chance=1.0, ideal=0.0)
CARD = Prediction(
    "model card",
    "log_loss",
    (PredictedPoint(10, 0.6, 0.5, 0.7), PredictedPoint(20, 0.4, 0.3, 0.5)),
    seconds=2.0,
    memory_mib=100.0,
)
NEIGHBOURS = replace(CARD, predictor="neighbours", points=(PredictedPoint(20, 0.3, 0.28, 0.32),))
LATER = replace(
    NEIGHBOURS, predictor="extrapolation", seconds=None, memory_mib=None, n_steps_seen=8
)
REAL = Actual(0.35, seconds=3.0, memory_mib=150.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path) as opened:
        opened.begin_conversation("c", "")
        for run_id in ("run", "later"):
            opened.begin_run(run_id, {}, conversation_id="c")
        yield opened


@pytest.fixture
def ledger(journal: Journal) -> Ledger:
    return Ledger(journal)


def begin_trial(journal: Journal, trial_id: str = "xgboost-1", run_id: str = "run") -> None:
    journal.begin("trials", run_id, trial_id, {"plan_id": "xgboost"})


def test_a_prediction_is_read_back_as_it_was_made(ledger: Ledger) -> None:
    ledger.predict("run", SUBJECT, [CARD, NEIGHBOURS])
    first, second = ledger.entries()
    assert (first.subject, first.prediction, first.state) == (SUBJECT, CARD, "open")
    assert (second.prediction, second.score) == (NEIGHBOURS, None)
    assert first.prediction.kind == BEFORE
    assert LATER.kind == DURING
    assert find_main([first, second]) == first


def test_it_is_scored_by_the_way_from_chance_to_the_ideal(ledger: Ledger) -> None:
    ledger.predict("run", SUBJECT, [CARD, NEIGHBOURS])
    card, neighbours = ledger.score("run", "xgboost-1", REAL)
    # 0.35 is better than 0.4, and worse than 0.3: of the way of 1 a twentieth each.
    assert card.error == pytest.approx(0.05)
    assert neighbours.error == pytest.approx(-0.05)
    assert (card.is_inside, neighbours.is_inside) == (True, False)
    assert (card.score, card.seconds, card.memory_mib) == (0.35, 3.0, 150.0)
    assert [entry.state for entry in ledger.entries()] == ["scored", "scored"]
    assert ledger.entries()[0].error == card.error


def test_for_a_metric_that_grows_better_is_positive_too() -> None:
    assert replace(SUBJECT, chance=0.5, ideal=1.0).share_of_way(0.1) == pytest.approx(0.2)
    assert replace(SUBJECT, chance=None).share_of_way(0.1) is None


@pytest.mark.parametrize("status", ["stopped", "timeout", "error"])
def test_a_trial_without_an_end_is_censored_not_scored(ledger: Ledger, status: str) -> None:
    ledger.predict("run", SUBJECT, [CARD])
    document = {"status": status, "valid_score": None, "expected_score": 0.4, "seconds": 1.0}
    ledger.score("run", "xgboost-1", Actual.from_trial(document))
    (entry,) = ledger.entries()
    assert (entry.state, entry.reason, entry.score) == ("censored", status, None)
    assert (entry.error, entry.is_inside) == (None, None)


def test_what_was_scored_stays_as_it_was(ledger: Ledger) -> None:
    ledger.predict("run", SUBJECT, [CARD])
    ledger.score("run", "xgboost-1", REAL)
    before = ledger.entries()
    assert ledger.score("run", "xgboost-1", Actual(0.4)) == before
    assert ledger.entries() == before


def test_a_prediction_after_the_fact_is_refused(ledger: Ledger, journal: Journal) -> None:
    begin_trial(journal)
    with pytest.raises(sqlite3.IntegrityError, match="comes before what it is about"):
        ledger.predict("run", SUBJECT, [CARD])
    ledger.predict("run", SUBJECT, [LATER])  # from its steps: while it runs
    journal.end("trials", "run", "xgboost-1", "done", {"valid_score": 0.35})
    with pytest.raises(sqlite3.IntegrityError, match="comes before what it is about"):
        ledger.predict("run", SUBJECT, [replace(LATER, n_steps_seen=9)])
    # The trial of another run has not begun.
    ledger.predict("later", SUBJECT, [CARD])


def test_a_predictor_speaks_once(ledger: Ledger) -> None:
    ledger.predict("run", SUBJECT, [CARD])
    better = replace(CARD, points=(PredictedPoint(20, 0.35, 0.3, 0.4),))
    with pytest.raises(sqlite3.IntegrityError, match="made once"):
        ledger.predict("run", SUBJECT, [better])
    assert ledger.entries()[0].prediction == CARD


CHANGES = {
    "the intent": "UPDATE predictions SET intent = '{}'",
    "the time": "UPDATE predictions SET started = 0",
    "the key": "UPDATE predictions SET key = 'x'",
    "all of it": "INSERT OR REPLACE INTO predictions SELECT owner, key, status, 0, NULL, '{}', NULL"
    " FROM predictions",
    "its being": "DELETE FROM predictions",
}


@pytest.mark.parametrize("is_scored", [False, True], ids=["open", "scored"])
@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES)
def test_the_database_itself_refuses_to_change_a_prediction(
    ledger: Ledger, path: Path, statement: str, is_scored: bool
) -> None:
    ledger.predict("run", SUBJECT, [CARD])
    if is_scored:
        ledger.score("run", "xgboost-1", REAL)
    before = ledger.entries()
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.close()
    assert ledger.entries() == before


def test_entries_are_chosen_by_run_expert_predictor_and_card(ledger: Ledger) -> None:
    other = replace(SUBJECT, trial_id="linear-1", plan_id="linear", expert="linear", card_id="beef")
    ledger.predict("run", SUBJECT, [CARD, NEIGHBOURS])
    ledger.predict("run", other, [CARD])
    ledger.predict("later", SUBJECT, [CARD])

    def keys(found: list[Entry]) -> list[tuple[str, str]]:
        return [(entry.run_id, entry.key) for entry in found]

    card_1, near_1, card_2 = keys(ledger.entries(run_id="run"))
    assert keys(ledger.entries()) == [card_1, near_1, card_2, ("later", card_1[1])]
    assert keys(ledger.entries(predictor="neighbours")) == [near_1]
    assert keys(ledger.entries(expert="linear")) == keys(ledger.entries(card_id="beef")) == [card_2]


def test_a_log_that_says_nothing_of_time_and_memory_predicts_none() -> None:
    log = PredictedLog("model card", "rmse", CARD.points, seconds=0.0, memory_mib=0.0)
    prediction = Prediction.from_log(log)
    assert (prediction.seconds, prediction.memory_mib, prediction.n_steps_seen) == (None, None, 0)


WRITER = """
import sys
from pathlib import Path
from automl_agent.cards.predicted_log import PredictedPoint
from automl_agent.knowledge.prediction.ledger import Ledger, Prediction, Subject
from automl_agent.runs.journal import Journal

journal = Journal(Path(sys.argv[1]))
journal.begin_conversation("c", "")
journal.begin_run("killed", {}, conversation_id="c")
prediction = Prediction("model card", "log_loss", (PredictedPoint(20, 0.4, 0.3, 0.5),))
Ledger(journal).predict("killed", Subject("a-1", "a", "a", chance=1.0, ideal=0.0), [prediction])
journal.begin("trials", "killed", "a-1", {"plan_id": "a"})
if sys.argv[2] == "ended":
    journal.end("trials", "killed", "a-1", "done", {"valid_score": 0.35, "status": "ok"})
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(("moment", "state"), [("begun", "open"), ("ended", "scored")])
def test_nothing_is_lost_by_a_kill(path: Path, moment: str, state: str) -> None:
    command = [sys.executable, "-c", WRITER, path, moment]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate(timeout=PATIENCE_S)
    with Journal(path) as journal:
        (entry,) = Ledger(journal).entries()
    assert entry.state == state
    # The score was never written; what came of the trial is known all the same.
    assert entry.error == (pytest.approx(0.05) if state == "scored" else None)
