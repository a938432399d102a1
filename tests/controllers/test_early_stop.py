"""Trials that cannot win are stopped, in the real sandbox; nothing of it is silent or lost."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from automl_agent.agent import load_all_plugins
from automl_agent.cards.documents import check_document
from automl_agent.cards.metric import Metric
from automl_agent.cards.model_card import Settings
from automl_agent.cards.predicted_log import PredictedLog, PredictedPoint
from automl_agent.controllers.conversation.recorded_trial import (
    Extrapolate,
    TrialWatch,
    make_standard,
    skip_candidates,
)
from automl_agent.controllers.conversation.session import Session
from automl_agent.controllers.conversation.workplace import end_run
from automl_agent.controllers.request import Request
from automl_agent.controllers.tools.planning import (
    assign_expert,
    predict_training_log,
    write_script,
)
from automl_agent.controllers.tools.profiling import profile_dataset
from automl_agent.controllers.tools.training import compare_trials, deliver_model, train, tune
from automl_agent.experts.plan import Plan
from automl_agent.knowledge.prediction.stopping import MIN_RECORDS, Skipped, Standard
from automl_agent.knowledge.records.record import CurvePoint
from automl_agent.runs.explanation import explain_trials
from automl_agent.training.scoring import BUILTIN_METRICS
from automl_agent.training.training_log import LogRecord
from automl_agent.ui.progress import Standing, describe_event
from automl_agent.ui.rendering import describe_early_ends
from automl_agent.ui.repl.event_view import EventView
from automl_agent.ui.repl.screen import Screen

from .conftest import MakeSession, converse

Events = list[tuple[str, dict[str, Any]]]
LOSS = next(metric for metric in BUILTIN_METRICS if metric.name == "log_loss")

# A softmax regression by gradient descent, a step of it every few milliseconds, so that there is
# time to stop it. What a real one would learn in hours, it learns in a second.
TRAIN = """
import json, os, time
from pathlib import Path
import numpy as np
import pyarrow.parquet as pq

IN, OUT = Path(os.environ["AUTOML_IN"]), Path(os.environ["AUTOML_OUT"])
job = json.loads(Path(os.environ["AUTOML_JOB"]).read_text())
N_STEPS, PAUSE_S = 60, 0.02
started = time.monotonic()

def read(path):
    columns = pq.ParquetFile(IN / path).read().to_pydict()
    labels = np.array(columns.pop("target", []))
    rows = np.column_stack([columns[f"c{i}"] for i in range(4)])
    return np.column_stack([rows / 8, np.ones(len(rows))]), labels

def predict(rows):
    scores = np.exp(rows @ weights)
    return scores / scores.sum(axis=1, keepdims=True)

rows, labels = read(job["data"]["train"])
valid = job["data"]["valid"]
valid_rows, valid_labels = read(valid) if valid else (rows, labels)
weights = np.zeros((rows.shape[1], 3))
rate = 40 * job["settings"]["learning_rate"] ** 2
with (OUT / "training_log.jsonl").open("w") as log:
    for step in range(1, N_STEPS + 1):
        for _ in range(20):
            weights -= rate * rows.T @ (predict(rows) - np.eye(3)[labels]) / len(rows)
        loss = -np.log(predict(valid_rows)[np.arange(len(valid_labels)), valid_labels]).mean()
        seconds = time.monotonic() - started
        record = {"step": step, "epoch": None, "split": "valid", "time_s": seconds}
        log.write(json.dumps({**record, "metrics": {"log_loss": float(loss)}}) + "\\n")
        log.flush()
        time.sleep(PAUSE_S)
(OUT / "model").mkdir()
np.save(OUT / "model" / "weights.npy", weights)
np.save(OUT / "predictions.npy", predict(read(job["data"]["predict"])[0]))
"""
FAST, SLOW = 0.3, 0.015


def find_repeater(
    plan: Plan, settings: Settings, metric: Metric, *, chance: float
) -> Extrapolate | None:
    assert plan.expert == "xgboost"
    assert settings["learning_rate"] in (FAST, SLOW)
    assert chance == pytest.approx(1.0986, abs=1e-3)
    return None if metric.greater_is_better else repeat_last_fall


def repeat_last_fall(points: Sequence[CurvePoint], prior: PredictedLog) -> PredictedPoint:
    """In all steps that are left the score falls at most as far as in the last half of those so
    far for each half that is left; on average half of that."""
    n_steps = 60
    half = points[len(points) // 2]
    last = points[-1]
    pace = (half.score - last.score) / max(1, last.step - half.step)
    fall = max(0.0, pace * (n_steps - last.step))
    assert prior.points
    return PredictedPoint(n_steps, last.score - fall / 2, last.score - fall, last.score)


def plan_slowly(session: Session) -> None:
    """A plan of one expert, whose script is the one above."""
    profile_dataset(converse(session))
    assign_expert(session, expert="xgboost", reason="")
    write_script(session, plan_id="xgboost", script="model.py")
    plan = session.plans["xgboost"]
    scripts = {**plan.scripts, "train.py": TRAIN}
    settings = {**plan.settings, "learning_rate": FAST}
    session.plans["xgboost"] = replace(plan, scripts=scripts, settings=settings)
    predict_training_log(session, plan_id="xgboost")


def propose_slow_ones(session: Session) -> None:
    """Let the tuner propose nothing but a training that gets nowhere."""
    tuner = session.find_tuner(session.plans["xgboost"])
    slow = {**session.plans["xgboost"].settings, "learning_rate": SLOW}
    numbers = iter(range(4, 60))
    tuner.propose = lambda: {**slow, "max_leaves": next(numbers)}  # type: ignore[method-assign]


def find_events(events: Events, name: str) -> list[dict[str, Any]]:
    return [fields for found, fields in events if found == name]


@pytest.mark.parametrize("sandbox", ["process", pytest.param("docker", marks=pytest.mark.docker)])
def test_a_trial_that_cannot_win_is_stopped_told_and_never_delivered(
    sandbox: str, make_session: MakeSession, events: Events, request: pytest.FixtureRequest
) -> None:
    session = make_session(n_trials=2, metric="log_loss")
    if sandbox == "docker":
        request.getfixturevalue("image")
        session.sandbox = load_all_plugins().sandboxes["docker"]
    session.find_extrapolator = find_repeater
    plan_slowly(session)
    assert train(session, plan_id="xgboost")["status"] == "ok"
    propose_slow_ones(session)
    tuned = tune(session, plan_id="xgboost", n_trials=1)
    assert (tuned["n_stopped_early"], tuned["best"]) == (1, None)
    good, stopped = session.trials
    assert good.score is not None
    assert (stopped.status, stopped.score, stopped.predictions) == ("stopped", None, None)
    (told,) = find_events(events, "trial_stopped")
    assert told["reason"] == stopped.message
    assert stopped.message.startswith(f"stopped after step {told['step']}: predicted log loss ")
    assert stopped.message.endswith(f"cannot beat {good.score:.4g}")
    assert told["step"] < 60
    assert stopped.saved_s is not None and stopped.saved_s > 0
    assert stopped.seconds < good.seconds

    compared = compare_trials(session)
    assert (compared["n_stopped_early"], len(compared["trials"])) == (1, 2)
    shown = compared["trials"][1]
    assert (shown["status"], shown["stopped_early"]) == ("stopped", stopped.message)
    assert shown["expected_score"] == pytest.approx(stopped.expected_score, rel=1e-4)
    assert "failure" not in shown

    rows = {row["key"]: row for row in session.journal.list_rows("trials", session.run_id)}
    assert rows["xgboost-2"]["status"] == "stopped"
    assert rows["xgboost-2"]["outcome"]["message"] == stopped.message
    known = session.find_tuner(session.plans["xgboost"])._study.trials
    values = [(trial.value, trial.user_attrs["is_expected"]) for trial in known]
    assert values == [(good.score, False), (stopped.expected_score, True)]

    deliver_model(session)
    assert session.delivery is not None
    assert list(session.delivery.weights) == ["xgboost-1"]
    end_run(session, "finished")
    assert session.result is not None
    check_document(session.result, "run_result", source="the result")
    (given,) = session.result["stopped"]
    assert given["trial_id"] == "xgboost-2"
    assert describe_early_ends(session.result)[0].endswith("saved: xgboost-2.")
    assert [row["name"] for row in session.result["leaderboard"]] == ["xgboost-1"]


def test_the_ledger_has_what_was_predicted_before_and_from_the_curve(
    make_session: MakeSession,
) -> None:
    session = make_session(n_trials=2, metric="log_loss")
    session.find_extrapolator = find_repeater
    plan_slowly(session)
    trained = train(session, plan_id="xgboost")
    propose_slow_ones(session)
    tune(session, plan_id="xgboost", n_trials=1)
    entries = session.ledger.entries(run_id=session.run_id)
    by_trial: dict[str, list[Any]] = {}
    for entry in entries:
        by_trial.setdefault(entry.subject.trial_id, []).append(entry)
    for first, *later in by_trial.values():
        assert (first.prediction.predictor, first.prediction.n_steps_seen) == ("model card", 0)
        seen = [entry.prediction.n_steps_seen for entry in later]
        assert {entry.prediction.predictor for entry in later} == {"extrapolation"}
        assert seen == sorted(seen)
        assert seen[0] == MIN_RECORDS
    assert {entry.state for entry in by_trial["xgboost-1"]} == {"scored"}
    # It would have taken on: nobody knows what it would have reached.
    assert {(e.state, e.reason) for e in by_trial["xgboost-2"]} == {("censored", "stopped")}
    scored = by_trial["xgboost-1"][0]
    assert trained["prediction"]["measured"] == pytest.approx(scored.score, rel=1e-4)
    assert trained["prediction"]["is_inside"] == scored.is_inside
    assert trained["predicted"] == trained["prediction"]["predicted"]


def test_it_can_be_switched_off(make_session: MakeSession, events: Events) -> None:
    session = make_session(n_trials=2, metric="log_loss", early_stop=False)
    session.find_extrapolator = find_repeater
    plan_slowly(session)
    train(session, plan_id="xgboost")
    propose_slow_ones(session)
    tune(session, plan_id="xgboost", n_trials=1)
    assert [trial.status for trial in session.trials] == ["ok", "ok"]
    assert find_events(events, "trial_stopped") == []
    # What the curve says of its end is written down all the same, and can be scored now.
    kinds = [entry.state for entry in session.ledger.entries(predictor="extrapolation")]
    assert kinds and set(kinds) == {"scored"}


def test_a_trial_that_breaks_censors_what_was_predicted_of_it(make_session: MakeSession) -> None:
    session = make_session(n_trials=2)
    plan_slowly(session)
    plan = session.plans["xgboost"]
    session.plans["xgboost"] = replace(plan, scripts={**plan.scripts, "train.py": "1 / 0"})
    session.drop_batch("xgboost", "another script")
    assert train(session, plan_id="xgboost")["prediction"] is None
    (entry,) = session.ledger.entries()
    assert (entry.state, entry.reason) == ("censored", "error")


def test_an_interrupted_trial_censors_what_was_predicted_of_it(
    make_session: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make_session(n_trials=2)
    plan_slowly(session)
    seen: list[int] = []

    def interrupt(name: str, fields: dict[str, Any]) -> None:
        if name == "trial_step":
            seen.append(fields["step"])
            raise KeyboardInterrupt

    monkeypatch.setattr(session, "emit", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(session, plan_id="xgboost")
    assert seen == [1]
    (entry,) = session.ledger.entries()
    assert (entry.state, entry.reason) == ("censored", "abandoned")


def make_watch(told: list[int], *, best: float | None = 0.1) -> TrialWatch:
    point = PredictedPoint(60, 0.5, 0.4, 0.6)
    return TrialWatch(
        PredictedLog("model card", "log_loss", (point,), 1.0, 1.0),
        Standard(LOSS, best, 1.0),
        repeat_last_fall,
        record=lambda _final, step: told.append(step),
        may_stop=True,
    )


def make_record(step: int, score: float = 0.5, **fields: Any) -> LogRecord:
    return LogRecord(
        **{"step": step, "split": "valid", "metrics": {"log_loss": score}, "time_s": step, **fields}
    )


def test_a_long_curve_is_looked_at_a_few_times_and_held_thinned_out() -> None:
    told: list[int] = []
    watch = make_watch(told, best=None)
    for step in range(1, 200_001):
        watch.take(make_record(step, 0.2 if step == 777 else 0.5))
    assert len(told) < 30
    assert told[:3] == [8, 12, 18]
    assert len(watch.points) <= 1001
    assert min(point.score for point in watch.points) == 0.2
    steps = [point.step for point in watch.points]
    assert steps == sorted(set(steps))


def test_records_that_say_nothing_of_the_metric_are_passed_over() -> None:
    told: list[int] = []
    watch = make_watch(told)
    for step in range(1, 40):
        watch.take(make_record(step, split="train"))
        watch.take(make_record(step, metrics={"accuracy": 0.9}))
        watch.take(make_record(0))
    assert (watch.points, told, watch.find_reason()) == ([], [], "")
    watch.take(make_record(1))
    watch.take(make_record(1, 0.4))
    assert [point.score for point in watch.points] == [0.5]


def test_without_a_finished_trial_there_is_no_best(make_session: MakeSession) -> None:
    session = make_session(metric="log_loss")
    profile_dataset(converse(session))
    standard = make_standard(session)
    assert standard is not None
    # Three classes of equal size, whose constant prediction costs ln 3.
    assert (standard.best, standard.way) == (None, pytest.approx(1.0986, abs=1e-3))


def test_skipped_candidates_are_told_and_in_the_result(
    make_session: MakeSession, events: Events
) -> None:
    session = make_session()
    plan_slowly(session)
    candidates = [{"learning_rate": rate} for rate in (0.1, 0.2, 0.3)]
    skipped = [Skipped(1, "cannot win"), Skipped(0, "is worse still")]
    skip_candidates(session, session.plans["xgboost"], candidates, skipped)
    (told,) = find_events(events, "candidates_skipped")
    first, second = told["skipped"]
    assert first == {"settings": {"learning_rate": 0.2}, "reason": "cannot win"}
    assert session.skipped == [{"plan_id": "xgboost", **one} for one in (first, second)]
    line = describe_event("candidates_skipped", told, Standing())
    assert line == "  not trained, xgboost: 2 settings; the best: cannot win"
    line = describe_event("candidates_skipped", {**told, "skipped": [first]}, Standing())
    assert line == "  not trained, xgboost: cannot win"


def test_nothing_is_told_where_nothing_is_skipped(
    make_session: MakeSession, events: Events
) -> None:
    session = make_session()
    plan_slowly(session)
    skip_candidates(session, session.plans["xgboost"], [{"learning_rate": 0.1}], [])
    assert find_events(events, "candidates_skipped") == []


def test_a_stopped_trial_is_one_line_of_the_progress() -> None:
    fields = {"trial_id": "xgboost-2", "reason": "stopped after step 40", "saved_seconds": 12.34}
    line = describe_event("trial_stopped", fields, Standing())
    assert line == "  xgboost-2: stopped after step 40; about 12.3 s saved"
    assert describe_event("trial_ended", {"status": "stopped"}, Standing()) == ""


def test_a_stopped_trial_is_a_line_of_the_repl(capsys: pytest.CaptureFixture[str]) -> None:
    view = EventView(Screen())
    fields = {"trial_id": "xgboost-2", "reason": "stopped after step 40", "saved_seconds": 12.34}
    view("trial_stopped", fields)
    skipped = [{"settings": {}, "reason": "cannot win"}]
    view("candidates_skipped", {"plan_id": "xgboost", "skipped": skipped})
    view("trial_ended", {"trial_id": "xgboost-2", "status": "stopped", "valid_score": None})
    assert capsys.readouterr().out.splitlines() == [
        "    xgboost-2: stopped after step 40; about 12.3 s saved",
        "    not trained, xgboost: cannot win",
    ]


def test_a_stopped_trial_is_explained_and_nothing_is_wrong_with_it() -> None:
    outcome = {"status": "stopped", "message": "stopped after step 40: ...", "seconds": 1.0}
    row = {"key": "xgboost-2", "status": "stopped", "ended": 1.0, "intent": {}, "outcome": outcome}
    (explained,) = explain_trials([row], [])
    assert explained.sentence == "stopped after step 40: ..."
    assert "--no-early-stop" in explained.next_step


def test_the_option_reaches_the_request_and_an_older_request_stops_early() -> None:
    document = Request("iris", "target", early_stop=False).to_json()
    assert Request.from_json(document).early_stop is False
    del document["early_stop"]
    assert Request.from_json(document).early_stop is True
    assert "early_stop" not in Request("iris", "target").to_told()
