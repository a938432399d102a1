"""Predicting new rows with a model of a real, small run: also rows unlike those it has seen."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import automl_agent_xgboost
import numpy as np
import pandas as pd
import pytest

from automl_agent.cards.data_card import Classes, Continuous, DataCard
from automl_agent.cards.profile import profile_table
from automl_agent.cards.tables import encode_labels
from automl_agent.errors import InputError, TrainingError
from automl_agent.experts.plan import Plan, Resources
from automl_agent.experts.search_space import starting_points
from automl_agent.runs.run_directory import RunDirectory, create_run_directory
from automl_agent.sandboxes.process import ProcessSandbox
from automl_agent.sandboxes.sandbox import SandboxOptions
from automl_agent.testing.tables import TARGET, load_example
from automl_agent.training.batch import Batch, link_data
from automl_agent.training.blend import blend_predictions
from automl_agent.training.dataset import write_dataset
from automl_agent.training.delivery import Delivery, deliver, save_model
from automl_agent.training.prediction import Prediction, predict_table, time_saved_model
from automl_agent.training.scoring import BUILTIN_METRICS
from automl_agent.training.split import split_rows
from automl_agent.training.trial import run_trial

RESOURCES = Resources(cpus=1, memory_mib=4096)
METRICS = {metric.name: metric for metric in BUILTIN_METRICS}


@dataclass(frozen=True)
class FinishedRun:
    """A run that has delivered; rows: the held-out rows of the user's table."""

    directory: RunDirectory
    delivery: Delivery
    rows: pd.DataFrame

    def predict(self, frame: pd.DataFrame) -> Prediction:
        return predict_table(self.directory, frame, ProcessSandbox(), RESOURCES, SandboxOptions())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """Two trials of XGBoost on breast cancer, delivered."""
    (expert,) = automl_agent_xgboost.register_experts()
    frame = load_example("binary_classification")
    card = profile_table(frame, target=TARGET, name="example")
    directory = create_run_directory(tmp_path_factory.mktemp("home"))
    directory.data_card.write_text(json.dumps(card.to_json()))
    dataset = write_dataset(frame, card, directory.data, seed=0)
    first, second, *_ = starting_points(expert.card)
    plan = Plan("xgboost", card, expert.card, RESOURCES, first)
    plan = replace(plan, scripts=expert.write_scripts(plan))
    folder = directory.step("xgboost")
    link_data(directory.data, folder / "in" / "data")
    batch = Batch(plan, ProcessSandbox(), folder)
    metric, options = METRICS["log_loss"], {"seed": 0, "time_limit_s": 30.0}
    trials = [
        run_trial(batch, plan, dataset, metric, trial_id=f"xgboost-{n}", settings=s, **options)
        for n, s in enumerate((first, second), 1)
    ]
    plans, batches = {"xgboost": plan}, {"xgboost": batch}
    delivery = deliver(
        trials=trials,
        plans=plans,
        batches=batches,
        dataset=dataset,
        metric=metric,
        metrics=METRICS,
        seed=0,
        time_left_s=lambda: 60.0,
    )
    batch.close()
    save_model(delivery, plans, batches, directory.model)
    holdout = split_rows(frame, encode_labels(frame[TARGET], card), card, seed=0).holdout
    return FinishedRun(directory, delivery, frame.iloc[holdout].reset_index(drop=True))


def test_the_delivered_model_is_first_and_good(run: FinishedRun) -> None:
    best, *others = run.delivery.leaderboard
    assert best.name == run.delivery.chosen
    assert [row.valid_score for row in others] == sorted(row.valid_score for row in others)
    assert all(refit.from_all_rows for refit in run.delivery.refits.values())
    assert best.scores is not None
    # scikit-learn's own trees reach 0.99 on this data; 0.93 leaves room for 60 held-out rows.
    assert best.scores["roc_auc"] > 0.93


def test_new_rows_are_predicted_as_when_the_model_was_scored(run: FinishedRun) -> None:
    # Columns in another order, one more, and cells as texts as a CSV file has them.
    frame = run.rows.drop(columns=TARGET).iloc[:, ::-1].assign(extra="x")
    numbers = frame.select_dtypes("float").columns
    frame[numbers] = frame[numbers].astype(str).where(frame[numbers].notna(), None)
    prediction = run.predict(frame)
    held_out = {name: refit.predictions for name, refit in run.delivery.refits.items()}
    expected = blend_predictions(run.delivery.weights, held_out)
    # Predictions are float32.
    np.testing.assert_allclose(prediction.values, expected, rtol=1e-4, atol=1e-5)
    assert prediction.notes == ("Ignored 1 columns that training did not have: ['extra'].",)
    accuracy = (prediction.labels() == run.rows[TARGET]).mean()
    assert run.delivery.leaderboard[0].scores is not None
    assert accuracy == pytest.approx(run.delivery.leaderboard[0].scores["accuracy"])


def test_cells_that_do_not_fit_count_as_missing_and_are_told(run: FinishedRun) -> None:
    strange = run.rows.astype(object)
    places = {
        "mean radius": ([0, 1], "wide", "is not numeric in 2 of 60 rows"),
        "a category": (
            [4, 5, 6],
            "z",
            "has categories that training did not have (['z']) in 3 of 60 rows",
        ),
        "a boolean": ([2], "perhaps", "is not boolean in 1 of 60 rows"),
        "a date": ([3], "some day", "is not datetime in 1 of 60 rows"),
    }
    missing = strange.copy()
    for column, (rows, cell, _) in places.items():
        strange.loc[rows, column] = cell
        missing.loc[rows, column] = None
    told, silent = run.predict(strange), run.predict(missing)
    assert told.notes == tuple(
        f"Column {column!r} {note}; it counts as missing there."
        for column, (_, _, note) in places.items()
    )
    assert silent.notes == ()
    np.testing.assert_array_equal(told.values, silent.values)


def test_a_row_of_nothing_but_missing_cells_is_predicted(run: FinishedRun) -> None:
    frame = run.rows.head(1).drop(columns=TARGET).astype(object)
    frame.loc[:, :] = None
    prediction = run.predict(frame)
    assert prediction.values.shape == (1, 2)
    assert prediction.values.sum() == pytest.approx(1)
    assert prediction.notes == ()


def test_of_no_rows_there_are_no_predictions(run: FinishedRun) -> None:
    prediction = run.predict(run.rows.head(0))
    assert prediction.values.shape == (0, 2)
    assert prediction.labels().tolist() == []


def test_a_table_without_a_column_is_an_error_that_names_it(run: FinishedRun) -> None:
    frame = run.rows.drop(columns="a category").rename(columns={"mean radius": "mean_radius"})
    with pytest.raises(InputError) as caught:
        run.predict(frame)
    assert str(caught.value) == (
        "The table has no column 'mean radius', 'a category'. Did you mean 'mean_radius'?"
    )


def test_a_run_without_a_model_is_an_error(run: FinishedRun, home: Path) -> None:
    directory = create_run_directory(home)
    with pytest.raises(InputError, match=f"The run {directory.run_id} delivered no model"):
        predict_table(directory, run.rows, ProcessSandbox(), RESOURCES, SandboxOptions())


def test_a_model_that_is_damaged_is_a_training_error_that_names_it(
    run: FinishedRun, tmp_path: Path
) -> None:
    damaged = RunDirectory(tmp_path / "run")
    shutil.copytree(run.directory.root, damaged.root)
    member = next(iter(run.delivery.weights))
    (damaged.model / member / "booster.ubj").write_bytes(b"nothing")
    with pytest.raises(TrainingError, match=f"Predicting with {member} failed: it ended with"):
        replace(run, directory=damaged).predict(run.rows)


def test_a_sandbox_that_cannot_start_is_a_training_error(
    run: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/no/such/python")
    with pytest.raises(TrainingError, match=r"Predicting with xgboost-. failed: .*cannot start"):
        run.predict(run.rows)


def test_predicting_leaves_the_run_as_it_was(run: FinishedRun) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.directory.root.rglob("*")}
    run.predict(run.rows.head(2))
    assert {path: path.stat().st_mtime_ns for path in run.directory.root.rglob("*")} == before


def make_prediction(space: Classes | Continuous, values: list[object]) -> Prediction:
    card = DataCard("x", "", "tabular", "regression", space, "rmse", {})
    return Prediction(card, np.array(values), ())


ROWS: list[object] = [[0.2, 0.5, 0.3], [0.9, 0.1, 0.0], [0.1, 0.2, 0.7]]
LABELS = {
    "texts": (Classes(("a", "b", "c")), ["b", "a", "c"]),
    "whole numbers": (Classes(("-1", "2", "10"), value_type="integer"), [2, -1, 10]),
    "numbers as texts": (Classes(("1", "2", "3")), ["2", "1", "3"]),
    "numbers beyond int64": (
        Classes(("1", "2", str(10**20)), value_type="integer"),
        [2, 1, 10**20],
    ),
}


@pytest.mark.parametrize(("space", "expected"), LABELS.values(), ids=LABELS)
def test_labels_are_as_the_training_data_wrote_them(space: Classes, expected: list[object]) -> None:
    labels = make_prediction(space, ROWS).labels().tolist()
    assert labels == expected
    assert [type(label) for label in labels] == [type(label) for label in expected]


def test_labels_that_were_true_and_false_are_so_again() -> None:
    space = Classes(("False", "True"), value_type="boolean")
    labels = make_prediction(space, [[0.2, 0.8], [0.7, 0.3]]).labels()
    assert (labels.dtype, labels.tolist()) == (np.bool_, [True, False])


def test_the_labels_of_a_regression_are_its_values() -> None:
    assert make_prediction(Continuous(), [1.5, -2.0]).labels().tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    ("target", "kind"),
    [([0, 1], int), ([True, False], bool), (["yes", "no"], str), ([1.0, 2.0], int)],
    ids=["whole numbers", "booleans", "texts", "whole floats"],
)
def test_a_table_with_labels_of_a_kind_gets_labels_of_that_kind(
    target: list[object], kind: type
) -> None:
    frame = pd.DataFrame({"x": range(40), "y": target * 20}).assign(x=lambda f: f["x"] % 7)
    card = profile_table(frame, target="y", name="x")
    labels = Prediction(card, np.eye(2), ()).labels().tolist()
    assert labels == sorted(target)  # type: ignore[type-var]
    assert [type(label) for label in labels] == [kind, kind]


def test_a_saved_model_is_timed_as_the_sum_of_its_members(run: FinishedRun, tmp_path: Path) -> None:
    def time_model(directory: RunDirectory) -> float:
        return time_saved_model(directory, ProcessSandbox(), RESOURCES, SandboxOptions())

    assert 0 < time_model(run.directory) < 5
    copy = RunDirectory(tmp_path / "run")
    shutil.copytree(run.directory.root, copy.root)
    manifest = json.loads((copy.model / "manifest.json").read_text())
    name = manifest["members"][0]["trial_id"]
    # A second member that is fast comes after the slow one.
    for folder in (name, f"{name}-scripts"):
        shutil.copytree(copy.model / folder, copy.model / folder.replace(name, "twin"))
    manifest["members"] = [manifest["members"][0], {**manifest["members"][0], "trial_id": "twin"}]
    (copy.model / "manifest.json").write_text(json.dumps(manifest))
    slow = "import time\ntime.sleep(0.2 + 0.005 * len(rows))\n"
    with (copy.model / f"{name}-scripts" / "predict.py").open("a") as script:
        script.write(slow)
    # 5 ms a row; the 0.2 s are its start. That varies by 0.1 s either way on a busy machine, which
    # is 1 ms for each of the 114 rows; without the slow member it would be below 1.
    assert 3 < time_model(copy) < 15


def test_a_saved_model_that_fails_cannot_be_timed(run: FinishedRun, tmp_path: Path) -> None:
    copy = RunDirectory(tmp_path / "run")
    shutil.copytree(run.directory.root, copy.root)
    name = json.loads((copy.model / "manifest.json").read_text())["members"][0]["trial_id"]
    (copy.model / f"{name}-scripts" / "predict.py").write_text("raise SystemExit(3)")
    with pytest.raises(TrainingError, match="cannot be timed: error"):
        time_saved_model(copy, ProcessSandbox(), RESOURCES, SandboxOptions())
    with pytest.raises(InputError, match="delivered no model"):
        time_saved_model(RunDirectory(tmp_path), ProcessSandbox(), RESOURCES, SandboxOptions())
