"""The agent, from Python: real trainings of real tables."""

import json
import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from automl_agent import Agent, ChatModelProvider, Reply, Result, SplitRule
from automl_agent.cards.documents import check_document
from automl_agent.cards.model_card import Settings
from automl_agent.chat_models.chat_model import ModelTraits
from automl_agent.controllers.gate import Approval
from automl_agent.errors import (
    DeclinedError,
    InputError,
    LimitError,
    SetupError,
    UnknownNameError,
    UserError,
)
from automl_agent.experts.plan import Plan
from automl_agent.runs.journal import Journal
from automl_agent.runs.run_directory import journal_path
from automl_agent.testing import ScriptedChatModel

XGBOOST = ("xgboost",)


@pytest.fixture(scope="module")
def cancer() -> pd.DataFrame:
    return load_breast_cancer(as_frame=True).frame


@pytest.fixture(scope="module")
def trained(cancer: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """One run with two experts that several tests look at."""
    agent = Agent(home=tmp_path_factory.mktemp("trained"))
    return agent.run(cancer, "target", experts=("xgboost", "linear"), n_trials=4)


def test_the_result_fits_its_schema_and_is_what_is_loaded_later(trained: Result) -> None:
    check_document(trained.to_json(), "run_result", source="result")
    home = trained.directory.root.parent.parent
    assert Agent(home=home).load(trained.run_id).to_json() == trained.to_json()


def test_the_score_on_held_out_rows_is_that_of_the_delivered_model(
    trained: Result, cancer: pd.DataFrame
) -> None:
    held_out = pd.read_parquet(trained.directory.data / "holdout_features.parquet")
    features = held_out.set_axis(cancer.columns.drop("target"), axis=1)
    labels = cancer.merge(features, on=list(features.columns))["target"]
    merged = features.merge(cancer, on=list(features.columns), how="left")
    assert len(labels) == len(merged) == len(held_out)
    accuracy = float((trained.predict(merged) == merged["target"]).mean())
    assert accuracy == pytest.approx(trained.to_json()["scores"]["accuracy"])


def test_a_good_model_is_found(trained: Result) -> None:
    # Published results for this table lie between 0.95 and 0.98.
    assert trained.to_json()["scores"]["accuracy"] > 0.93
    assert trained.leaderboard["expert"].nunique() >= 2
    assert trained.training_log.columns[:3].tolist() == ["step", "split", "time_s"]
    assert trained.plan["expert"] in ("xgboost", "linear")


def test_labels_come_back_as_they_were_given(trained: Result, cancer: pd.DataFrame) -> None:
    rows = cancer.drop(columns="target").tail(5)
    assert trained.predict(rows).dtype == np.int64
    probabilities = trained.predict_proba(rows)
    assert probabilities.columns.tolist() == [0, 1]
    assert probabilities.index.equals(rows.index)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_reordered_and_extra_columns_change_nothing(trained: Result, cancer: pd.DataFrame) -> None:
    rows = cancer.tail(9)
    shuffled = rows[rows.columns[::-1]].assign(more="text")
    np.testing.assert_array_equal(trained.predict(shuffled), trained.predict(rows))


def test_a_missing_column_is_named(trained: Result, cancer: pd.DataFrame) -> None:
    rows = cancer.drop(columns="mean radius").rename(columns={"mean texture": "mean_texture"})
    with pytest.raises(InputError, match=r"no column 'mean radius', 'mean texture'"):
        trained.predict(rows)


def test_every_prediction_is_stored_before_and_scored_after(trained: Result) -> None:
    home = trained.directory.root.parent.parent
    with Journal(journal_path(home)) as journal:
        rows = journal.list_rows("predictions", trained.run_id)
        trials = {row["key"]: row for row in journal.list_rows("trials", trained.run_id)}
    assert {row["intent"]["expert"] for row in rows} == {"xgboost", "linear"}
    assert {row["intent"]["trial_id"] for row in rows} == set(trials)
    for row in rows:
        trial = trials[row["intent"]["trial_id"]]
        is_before = row["intent"]["n_steps_seen"] == 0
        assert (row["started"] < trial["started"]) == is_before
        assert row["started"] < trial["ended"] <= row["ended"]
        assert row["outcome"]["measured"] == trial["outcome"]["valid_score"]


def test_no_held_out_label_lies_where_a_sandbox_can_read_it(trained: Result) -> None:
    steps = trained.directory.root / "steps"
    tables = list(steps.rglob("holdout*.parquet"))
    assert tables
    assert all("target" not in pd.read_parquet(table).columns for table in tables)
    assert not list(steps.rglob("*label*"))


@pytest.mark.parametrize(
    ("frame", "target", "metric", "at_least"),
    [
        pytest.param(
            load_wine(as_frame=True).frame, "target", "accuracy", 0.85, id="three classes"
        ),
        # A linear model reaches an R² of about 0.45 on this table; the mean reaches 0.
        pytest.param(load_diabetes(as_frame=True).frame, "target", "r2", 0.2, id="regression"),
    ],
)
def test_other_tasks_are_trained(
    frame: pd.DataFrame, target: str, metric: str, at_least: float
) -> None:
    result = Agent().run(frame, target, experts=XGBOOST, n_trials=1, metric=metric)
    assert result.score is not None
    assert result.score > at_least
    assert len(result.predict(frame.head(3))) == 3


def test_text_labels_booleans_dates_and_gaps_are_taken(cancer: pd.DataFrame) -> None:
    frame = cancer[["mean radius", "mean texture", "target"]].copy()
    frame["kind"] = np.where(frame["mean radius"] > 14, "big", "small")
    frame["when"] = pd.date_range("2020-01-01", periods=len(frame)).astype(str)
    frame["flag"] = frame["mean texture"] > 19
    frame.loc[::5, "kind"] = None
    frame["target"] = frame["target"].map({0: "malignant", 1: "benign"})
    result = Agent().run(frame, "target", experts=XGBOOST, n_trials=1)
    assert set(result.predict(frame)) == {"malignant", "benign"}


def test_the_same_seed_gives_the_same_score(cancer: pd.DataFrame) -> None:
    scores = [
        Agent().run(cancer, "target", experts=XGBOOST, n_trials=2, seed=7).score for _ in range(2)
    ]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_rows_are_held_out_by_time(cancer: pd.DataFrame) -> None:
    frame = cancer.assign(day=pd.date_range("2020-01-01", periods=len(cancer)))
    shuffled = frame.sample(frac=1, random_state=0)
    result = Agent().run(
        shuffled, "target", experts=XGBOOST, n_trials=1, split=SplitRule("time", "day")
    )
    days = pd.read_parquet(result.directory.data / "holdout_features.parquet").iloc[:, -1]
    others = pd.read_parquet(result.directory.data / "development.parquet").iloc[:, -2]
    assert days.min() > others.max()


def test_a_table_of_its_own_is_held_out(cancer: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    cancer.tail(100).to_csv(path, index=False)
    result = Agent().run(cancer.head(469), "target", holdout=path, experts=XGBOOST, n_trials=1)
    development = pd.read_parquet(result.directory.data / "development.parquet")
    assert len(development) == 469
    assert len(pd.read_parquet(result.directory.data / "holdout_features.parquet")) == 100


class AnsweringGate:
    """A person who answers as a test wants."""

    def __init__(self, approved: bool, settings: dict[str, Settings] | None = None) -> None:
        self.seen: list[Plan] = []
        self._approval = Approval(approved, settings or {})

    def approve(self, plans: list[Plan]) -> Approval:
        self.seen = plans
        return self._approval

    def answer(self, question: str) -> str | None:
        return None


def test_nothing_is_trained_if_the_person_says_no(cancer: pd.DataFrame, home: Path) -> None:
    gate = AnsweringGate(approved=False)
    with pytest.raises(DeclinedError, match="nothing was trained"):
        Agent(gate=gate).run(cancer, "target", experts=XGBOOST)
    assert [plan.expert for plan in gate.seen] == ["xgboost"]
    with Journal(journal_path(home)) as journal:
        (run,) = journal.list_runs()
        assert run["status"] == "declined"
        assert run["result"] == {"error": "The plan was declined; nothing was trained."}
        assert journal.list_rows("trials", run["run_id"]) == []


def test_hyperparameters_that_the_person_changed_are_trained(cancer: pd.DataFrame) -> None:
    gate = AnsweringGate(approved=True, settings={"xgboost": {"max_leaves": 4}})
    result = Agent(gate=gate).run(cancer, "target", experts=XGBOOST, n_trials=1)
    assert result.plan["settings"]["max_leaves"] == 4


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        pytest.param({"target": "targt"}, InputError, "Did you mean 'target'", id="target"),
        pytest.param({"metric": "rmse"}, InputError, "does not fit", id="metric of another task"),
        pytest.param(
            {"metric": "acuracy"}, UnknownNameError, "Did you mean 'accuracy'", id="metric"
        ),
        pytest.param({"experts": ("xgbost",)}, UnknownNameError, "'xgboost'", id="expert"),
        pytest.param({"time_s": 0}, InputError, "leaves no time", id="no time"),
        pytest.param({"n_trials": 0}, InputError, "nothing to train", id="no trials"),
        pytest.param({"seed": -1}, InputError, "negative", id="seed"),
        pytest.param({"drop": ("nothing",)}, InputError, "no column 'nothing'", id="drop"),
        pytest.param({"task": "classification"}, InputError, "no task", id="no such task"),
        pytest.param({"task": "regression", "target": "kind"}, InputError, "finite", id="task"),
    ],
)
def test_a_bad_request_is_refused_in_one_sentence_and_leaves_nothing(
    changes: dict[str, Any],
    error: type[UserError],
    message: str,
    cancer: pd.DataFrame,
    home: Path,
) -> None:
    frame = cancer.assign(kind=np.where(cancer["mean radius"] > 14, "big", "small"))
    request: dict[str, Any] = {"target": "target", "experts": XGBOOST, **changes}
    with pytest.raises(error, match=message):
        Agent().run(frame, **request)
    assert not list(home.glob("runs/*"))


def test_a_time_that_is_too_short_says_so(cancer: pd.DataFrame) -> None:
    with pytest.raises(LimitError, match="allow more, with --time"):
        Agent().run(cancer, "target", experts=XGBOOST, time_s=0.01)


def test_the_first_interrupt_delivers_what_is_finished(cancer: pd.DataFrame) -> None:
    def interrupt_after_first_trial(name: str, fields: Mapping[str, Any]) -> None:
        if name == "trial_ended" and fields["trial_id"] == "xgboost-2":
            # As Ctrl-C does: while the main thread waits for the next trial.
            timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
            timer.daemon = True
            timer.start()

    agent = Agent(on_event=interrupt_after_first_trial)
    result = agent.run(cancer, "target", experts=XGBOOST, n_trials=1000)
    assert result.to_json()["status"] == "interrupted"
    assert result.to_json()["n_trials"] < 1000
    assert len(result.predict(cancer.head(3))) == 3
    assert json.loads(result.directory.result.read_text()) == result.to_json()


def test_the_state_may_be_named_in_text_and_one_expert_too(
    cancer: pd.DataFrame, tmp_path: Path
) -> None:
    agent = Agent(home=str(tmp_path / "state"))
    result = agent.run(cancer, "target", experts="xgboost", drop="mean area", n_trials=1)
    assert result.directory.root.is_relative_to(tmp_path / "state")
    assert repr(result) == f"<Result {result.run_id}: log_loss {result.score}>"


def test_what_is_no_table_is_refused(cancer: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="The table is a ndarray; give a DataFrame or a path"):
        Agent().run(cancer.to_numpy(), "target")  # type: ignore[arg-type]


def test_held_out_rows_without_labels_are_refused_before_any_training(
    cancer: pd.DataFrame,
) -> None:
    with pytest.raises(InputError, match="no row with a label in 'target'"):
        Agent().run(cancer, "target", holdout=cancer.assign(target=None), experts=XGBOOST)


class FailingAfter:
    """A controller whose service breaks after the given replies."""

    traits = ModelTraits("failing")

    def __init__(self, *replies: Any) -> None:
        self._scripted = ScriptedChatModel(replies)

    def reply(self, messages: Any, tools: Any, **options: Any) -> Reply:
        try:
            return self._scripted.reply(messages, tools, **options)
        except AssertionError:
            raise ConnectionError("the service is gone") from None


PLAN: list[tuple[str, dict[str, Any]]] = [
    ("profile_dataset", {}),
    ("assign_expert", {"expert": "xgboost", "reason": ""}),
    ("write_script", {"plan_id": "xgboost", "script": "model.py"}),
    ("predict_training_log", {"plan_id": "xgboost"}),
]
TRAIN: tuple[str, dict[str, Any]] = ("train", {"plan_id": "xgboost"})


def make_agent(model: Any, **options: Any) -> Agent:
    agent = Agent(controller="test", **options)
    provider = ChatModelProvider("test", lambda _name: model)
    agent.plugins.chat_models.add("test", provider, distribution="test")
    return agent


def test_a_controller_that_breaks_loses_nothing_that_is_trained(cancer: pd.DataFrame) -> None:
    events: list[tuple[str, Mapping[str, Any]]] = []
    agent = make_agent(
        FailingAfter(PLAN, [TRAIN]), on_event=lambda name, fields: events.append((name, fields))
    )
    result = agent.run(cancer, "target", n_trials=2)
    assert result.to_json()["n_trials"] == 2
    (replaced,) = [fields for name, fields in events if name == "controller_replaced"]
    assert "the service is gone" in replaced["reason"]
    assert replaced["by"] == "planner"


def test_a_controller_that_breaks_at_once_is_replaced_by_the_planner(cancer: pd.DataFrame) -> None:
    result = make_agent(FailingAfter()).run(cancer, "target", n_trials=1, experts=XGBOOST)
    assert result.to_json()["n_trials"] == 1


def test_a_plugins_controller_that_is_no_chat_model_is_named(cancer: pd.DataFrame) -> None:
    with pytest.raises(SetupError, match="What test brings as 'test' is no chat model"):
        make_agent(object()).run(cancer, "target")


def test_the_person_is_asked_once_even_if_the_controller_calls_on(cancer: pd.DataFrame) -> None:
    gate = AnsweringGate(approved=False)
    asked = []
    gate.approve = lambda plans: asked.append(plans) or Approval(False)  # type: ignore[method-assign,func-returns-value]
    with pytest.raises(DeclinedError):
        make_agent(ScriptedChatModel([PLAN, [TRAIN, TRAIN]]), gate=gate).run(cancer, "target")
    assert len(asked) == 1


def test_a_model_that_could_not_be_saved_is_not_delivered(cancer: pd.DataFrame, home: Path) -> None:
    def spoil(name: str, _fields: Mapping[str, Any]) -> None:
        if name == "delivery_started":
            (run,) = (home / "runs").iterdir()
            (run / "model.partial").write_text("in the way")

    with pytest.raises((UserError, OSError)):
        Agent(on_event=spoil).run(cancer, "target", experts=XGBOOST, n_trials=1)
    with Journal(journal_path(home)) as journal:
        (run,) = journal.list_runs()
    assert run["status"] == "failed"
    assert "leaderboard" not in (run["result"] or {})
