"""Every finished trial of an expert's own scripts is kept, and no run fails for it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.datasets import load_iris

from automl_agent import Agent
from automl_agent.configuration.configuration import load_configuration
from automl_agent.controllers.conversation.remembering import (
    MAX_POINTS,
    remember_trial,
    thin_curve,
)
from automl_agent.controllers.tools.planning import (
    assign_expert,
    predict_training_log,
    write_script,
)
from automl_agent.controllers.tools.profiling import profile_dataset
from automl_agent.knowledge.knowledge import Knowledge, open_knowledge
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import journal_path
from automl_agent.training.scoring import BUILTIN_METRICS

from ..conftest import MakeSession, converse

METRICS = {metric.name: metric for metric in BUILTIN_METRICS}


@pytest.fixture(scope="module")
def iris() -> pd.DataFrame:
    frame: pd.DataFrame = load_iris(as_frame=True).frame
    return frame


def read_own(home: Path) -> Knowledge:
    return open_knowledge(home)


def test_two_runs_in_a_row_add_their_trials(iris: pd.DataFrame, home: Path) -> None:
    agent = Agent()
    for n_runs in (1, 2):
        agent.run(iris, "target", experts=("linear", "xgboost"), n_trials=2, early_stop=False)
        store = read_own(home).store
        assert len(store.records()) == 2 * n_runs
    (known,) = store.cards()
    assert known.origin == "a run on this machine"
    assert store.count_records(known.card_id) == {"linear": 2, "xgboost": 2}
    with Journal(journal_path(home)) as journal:
        runs = [row["run_id"] for row in reversed(journal.list_runs())]
        rows = [row["outcome"] for run in runs for row in journal.list_rows("trials", run)]
    for record, trial in zip(store.records(), rows, strict=True):
        assert (record.expert, dict(record.settings)) == (trial["expert"], trial["settings"])
        assert record.score == trial["valid_score"]
        assert (record.n_steps, record.seconds) == (trial["n_steps"], trial["seconds"])
        assert record.scores.keys() == {"log_loss", "accuracy"}
        assert 1 <= len(record.curve) <= MAX_POINTS
        best = min(record.curve, key=lambda point: point.score)
        assert best.step == record.n_steps
        assert record.curve[-1].time_s <= record.seconds


def test_a_metric_that_the_script_does_not_log_leaves_the_curve_in_the_loss(
    iris: pd.DataFrame, home: Path
) -> None:
    Agent().run(iris, "target", experts="linear", n_trials=1, metric="balanced_accuracy")
    (record,) = read_own(home).store.records()
    assert {"balanced_accuracy", "log_loss", "accuracy"} == record.scores.keys()
    assert record.curve
    # All of a curve is in the metric that the record names.
    best = METRICS[record.metric]
    reached = [point.score for point in record.curve]
    extreme = max(reached) if best.greater_is_better else min(reached)
    assert extreme == pytest.approx(record.score, abs=0.05)


def test_a_trial_that_failed_or_of_a_generated_script_is_not_kept(
    make_session: MakeSession, home: Path
) -> None:
    session = make_session()
    session.knowledge = read_own(home)
    profile_dataset(converse(session))
    assign_expert(session, expert="linear", reason="")
    write_script(session, plan_id="linear", script="model.py")
    predict_training_log(session, plan_id="linear")
    session.pass_gate()
    plan = session.plans["linear"]
    trial = session.run_trial(plan, plan.settings)
    assert len(session.knowledge.store.records()) == 1
    session.knowledge.store.purge()
    remember_trial(session, replace(plan, generated=frozenset({"model.py"})), trial)
    remember_trial(session, plan, replace(trial, score=None, predictions=None, status="error"))
    assert session.knowledge.store.records() == []
    remember_trial(session, plan, trial)
    assert len(session.knowledge.store.records()) == 1


def test_what_is_switched_off_keeps_nothing(iris: pd.DataFrame, home: Path) -> None:
    configuration = load_configuration(environ={"AUTOML_AGENT_KNOWLEDGE_REMEMBER": "false"})
    sandboxed = replace(
        configuration,
        values={**configuration.values, "sandbox": load_configuration().values["sandbox"]},
    )
    Agent(configuration=sandboxed).run(iris, "target", experts="linear", n_trials=1)
    assert not (home / "knowledge").exists()


def test_a_disk_that_takes_nothing_is_an_event_and_no_failure(
    iris: pd.DataFrame, home: Path
) -> None:
    (home / "knowledge").write_text("a file where the folder must be")
    events: list[tuple[str, Mapping[str, Any]]] = []
    agent = Agent(on_event=lambda name, fields: events.append((name, fields)))
    result = agent.run(iris, "target", experts="linear", n_trials=1)
    assert result.score is not None
    (told,) = [fields for name, fields in events if name == "knowledge_not_kept"]
    assert "check the permissions of its folder" in told["reason"]


def test_damaged_knowledge_is_an_event_and_no_failure(iris: pd.DataFrame, home: Path) -> None:
    (home / "knowledge").mkdir()
    (home / "knowledge" / "knowledge.sqlite").write_bytes(b"no database at all" * 999)
    events: list[tuple[str, Mapping[str, Any]]] = []
    agent = Agent(on_event=lambda name, fields: events.append((name, fields)))
    agent.run(iris, "target", experts="linear", n_trials=1)
    (told,) = [fields for name, fields in events if name == "knowledge_warning"]
    assert "put aside as knowledge.sqlite.damaged-" in told["text"]
    assert len(read_own(home).store.records()) == 1


def write_log(path: Path, scores: list[float], split: str = "valid") -> Path:
    lines = [
        {"step": s + 1, "epoch": None, "split": split, "metrics": {"rmse": v}, "time_s": s / 8}
        for s, v in enumerate(scores)
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


@pytest.mark.parametrize("n_steps", [0, 1, 2, 23, 24, 25, 100, 5000])
@pytest.mark.parametrize("best", [0.0, 0.37, 1.0])
def test_a_curve_keeps_its_first_best_and_last_points(
    n_steps: int, best: float, tmp_path: Path
) -> None:
    place = round(best * (n_steps - 1))
    scores = [1.0 + abs(step - place) for step in range(n_steps)]
    curve = thin_curve(write_log(tmp_path / "log", scores), METRICS["rmse"])
    steps = [point.step for point in curve]
    assert len(steps) == len(set(steps)) <= MAX_POINTS
    assert len(steps) >= min(n_steps, 15)
    assert steps == sorted(steps)
    if n_steps:
        assert {1, place + 1, n_steps} <= set(steps)
        assert min(curve, key=lambda point: point.score).step == place + 1


def test_what_is_not_of_validation_rows_is_no_curve(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", [1.0, 2.0], split="train")
    assert thin_curve(log, METRICS["rmse"]) == ()
    assert thin_curve(tmp_path / "missing", METRICS["rmse"]) == ()
