"""The trial: what the framework makes of what a script leaves."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl_agent.cards.metric import Metric
from automl_agent.errors import SandboxError
from automl_agent.experts.plan import Plan
from automl_agent.training.batch import Batch
from automl_agent.training.dataset import Dataset
from automl_agent.training.scoring import BUILTIN_METRICS, score_predictions
from automl_agent.training.training_log import LogRecord
from automl_agent.training.trial import Trial, refit_trial, reuse_trial, run_trial

from .conftest import ARROW_CARD, PREDICT, TRAIN, TRAIN_AND_SAVE, OpenBatch, make_plan

METRICS = {metric.name: metric for metric in BUILTIN_METRICS}
RATE = 0.3

RunTrial = Callable[..., tuple[Trial, Batch, Plan]]


@pytest.fixture
def run(dataset: Dataset, open_batch: OpenBatch) -> RunTrial:
    """Runs one trial of a training script; the metric can be chosen."""

    def run_one(
        train: str, *, metric: Metric = METRICS["log_loss"], time_limit_s: float = 30.0
    ) -> tuple[Trial, Batch, Plan]:
        plan = make_plan(dataset.card, train, PREDICT, model_card=ARROW_CARD)
        batch = open_batch(plan)
        trial = run_trial(
            batch,
            plan,
            dataset,
            metric,
            trial_id="tiny-1",
            settings={"rate": RATE},
            seed=0,
            time_limit_s=time_limit_s,
        )
        return trial, batch, plan

    return run_one


def predict_rows(dataset: Dataset, name: str) -> np.ndarray:
    """What the script of the test's expert predicts."""
    size = pd.read_parquet(dataset.folder / f"{name}.parquet")["c0"].to_numpy()
    positive = 1 / (1 + np.exp(-10 * RATE * size))
    return np.column_stack([1 - positive, positive])


def read_model(folder: Path) -> dict[str, Any]:
    model: dict[str, Any] = json.loads((folder / "model" / "model.json").read_text())
    return model


def test_a_trial_is_scored_by_the_framework_on_the_validation_rows(
    run: RunTrial, dataset: Dataset
) -> None:
    trial, batch, _ = run(TRAIN_AND_SAVE)
    predictions = predict_rows(dataset, "valid_features")
    expected = score_predictions(METRICS["log_loss"], dataset.valid_labels, predictions)
    assert trial.to_json() == {
        "trial_id": "tiny-1",
        "plan_id": "tiny",
        "expert": "tiny",
        "settings": {"rate": RATE},
        "status": "ok",
        "valid_score": pytest.approx(expected),
        "seconds": pytest.approx(trial.seconds, abs=1e-3),
        "max_rss_mib": pytest.approx(trial.max_rss_mib, abs=0.1),
        "n_steps": 20,
        "message": "",
        "evidence": dict(trial.evidence),
    }
    assert trial.predictions is not None
    np.testing.assert_allclose(trial.predictions, predictions)
    assert (trial.job_id, trial.folder) == ("0001", batch.job_folder("0001"))
    assert read_model(trial.folder)["n_rows"] == dataset.n_train


def test_the_records_of_a_trial_are_passed_on(dataset: Dataset, open_batch: OpenBatch) -> None:
    plan = make_plan(dataset.card, TRAIN_AND_SAVE)
    steps: list[LogRecord] = []
    options = {"trial_id": "t", "settings": {"rate": RATE}, "seed": 0, "time_limit_s": 30.0}
    metric = METRICS["log_loss"]
    run_trial(open_batch(plan), plan, dataset, metric, **options, on_record=steps.append)
    assert [record.step for record in steps] == [10, 20, 30]


FAILURES = {
    "an exception": ("1 / 0", "error", "ZeroDivisionError"),
    "no predictions": ("pass", "error", "left no predictions that can be read"),
    "a pipe": (
        "import os; os.mkfifo(os.environ['AUTOML_OUT'] + '/predictions.npy')",
        "error",
        "predictions.npy is not a regular file",
    ),
    "too few rows": (
        f"{TRAIN}\nnp.save(OUT / 'predictions.npy', np.ones((1, 2)) / 2)",
        "error",
        r"have the shape \(1, 2\); needed is \(10, 2\)",
    ),
    "the wrong rows": (
        f"{TRAIN}\nnp.save(OUT / 'predictions.npy', predict_rows('data/train.parquet'))",
        "error",
        r"have the shape \(38, 2\); needed is \(10, 2\)",
    ),
    "no time": ("import time; time.sleep(60)", "timeout", r"It was killed after 0\.1 s"),
}


@pytest.mark.parametrize(("train", "status", "message"), FAILURES.values(), ids=FAILURES)
def test_a_trial_without_a_score_says_why(
    run: RunTrial, train: str, status: str, message: str
) -> None:
    trial, _, _ = run(train, time_limit_s=0.1 if status == "timeout" else 30.0)
    assert (trial.status, trial.score, trial.predictions) == (status, None, None)
    assert re.search(message, trial.message)
    assert json.loads(json.dumps(trial.to_json())) == trial.to_json()


def test_a_stopped_trial_has_no_score_and_says_why(dataset: Dataset, open_batch: OpenBatch) -> None:
    train = f"{TRAIN_AND_SAVE}\nimport time\ntime.sleep(60)"
    plan = make_plan(dataset.card, train, model_card=ARROW_CARD)
    records: list[LogRecord] = []
    trial = run_trial(
        open_batch(plan),
        plan,
        dataset,
        METRICS["log_loss"],
        trial_id="tiny-1",
        settings={"rate": RATE},
        seed=0,
        time_limit_s=30.0,
        on_record=records.append,
        stop_when=lambda: "stopped after step 30" if len(records) == 3 else "",
    )
    assert (trial.status, trial.score, trial.predictions) == ("stopped", None, None)
    assert trial.is_stopped
    assert trial.message == "stopped after step 30"
    assert trial.n_steps == 20
    told = replace(trial, expected_score=0.4, saved_s=3.0).to_json()
    assert (told["expected_score"], told["saved_seconds"]) == (0.4, 3.0)


def fail(_labels: np.ndarray, _predictions: np.ndarray) -> float:
    raise ZeroDivisionError("of a plugin")


def test_a_metric_that_fails_fails_the_trial_and_is_named(run: RunTrial) -> None:
    metric = Metric("odd", ("binary_classification",), False, "probabilities", 0.0, fail)
    trial, _, _ = run(TRAIN_AND_SAVE, metric=metric)
    assert (trial.status, trial.score) == ("error", None)
    assert trial.message == "The metric 'odd' cannot be computed: of a plugin."


def test_a_score_that_a_script_claims_counts_for_nothing(run: RunTrial) -> None:
    honest, _, _ = run(TRAIN_AND_SAVE)
    claim = "save_log('log_loss', [0.2, 0.1, 0.0])\nprint('score: 0.0')"
    trial, _, _ = run(f"{TRAIN_AND_SAVE}\n{claim}")
    assert trial.score == honest.score
    assert trial.n_steps == 30


LOGS = {
    "the metric that was asked for": ("save_log('accuracy', [0.8, 0.7, 0.9])", 30),
    "the task's loss where that is all": ("save_log('log_loss', [0.5, 0.3, 0.4])", 20),
    "nothing where it is something else": ("save_log('speed', [1, 2, 3])", None),
    "nothing where there is no log": ("(OUT / 'training_log.jsonl').unlink()", None),
}


@pytest.mark.parametrize(("change", "n_steps"), LOGS.values(), ids=LOGS)
def test_the_best_step_is_told_by(run: RunTrial, change: str, n_steps: int | None) -> None:
    trial, _, _ = run(f"{TRAIN_AND_SAVE}\n{change}", metric=METRICS["accuracy"])
    assert trial.n_steps == n_steps


def test_a_refit_trains_with_all_rows_and_more_steps(run: RunTrial, dataset: Dataset) -> None:
    trial, batch, plan = run(TRAIN_AND_SAVE)
    refit = refit_trial(batch, plan, trial, dataset, seed=0, time_limit_s=30.0)
    model = read_model(batch.job_folder(refit.job_id))
    n_steps = round(20 * math.sqrt(dataset.n_development / dataset.n_train))
    assert model == {"n_rows": dataset.n_development, "n_steps": n_steps, "rate": RATE}
    assert (refit.trial, refit.job_id, refit.from_all_rows) == (trial, "0002", True)
    np.testing.assert_allclose(refit.predictions, predict_rows(dataset, "holdout_features"))


def test_a_refit_without_a_best_step_chooses_its_own(run: RunTrial, dataset: Dataset) -> None:
    trial, batch, plan = run(f"{TRAIN_AND_SAVE}\n(OUT / 'training_log.jsonl').unlink()")
    refit = refit_trial(batch, plan, trial, dataset, seed=0, time_limit_s=30.0)
    assert read_model(batch.job_folder(refit.job_id))["n_steps"] is None


def test_a_reused_trial_predicts_with_its_own_model(run: RunTrial, dataset: Dataset) -> None:
    trial, batch, plan = run(TRAIN_AND_SAVE)
    reuse = reuse_trial(batch, plan, trial, dataset, time_limit_s=30.0)
    assert (reuse.trial, reuse.job_id, reuse.from_all_rows) == (trial, trial.job_id, False)
    np.testing.assert_allclose(reuse.predictions, predict_rows(dataset, "holdout_features"))


def test_a_trial_of_another_sandbox_is_not_mistaken_for_the_one_with_its_number(
    run: RunTrial, dataset: Dataset
) -> None:
    (first, _, _), (_, batch, plan) = run(TRAIN_AND_SAVE), run(TRAIN_AND_SAVE)
    with pytest.raises(SandboxError, match="tiny-1: its model is gone with the sandbox"):
        reuse_trial(batch, plan, first, dataset, time_limit_s=30.0)


def test_a_refit_that_fails_is_a_sandbox_error_with_its_name_and_reason(
    run: RunTrial, dataset: Dataset
) -> None:
    train = f"{TRAIN}\nassert job['data']['valid'], 'no validation'\n{TRAIN_AND_SAVE}"
    trial, batch, plan = run(train)
    with pytest.raises(SandboxError, match=r"(?s)tiny-1: error\. .*AssertionError: no validation"):
        refit_trial(batch, plan, trial, dataset, seed=0, time_limit_s=30.0)


def test_a_refit_with_predictions_of_the_wrong_shape_is_a_sandbox_error(
    run: RunTrial, dataset: Dataset
) -> None:
    always_valid = TRAIN_AND_SAVE.replace('predict_rows(job["data"]["predict"])', "rows")
    trial, batch, plan = run(
        always_valid.replace(
            "\nsave_log()", "\nrows = predict_rows('data/valid.parquet')\nsave_log()"
        )
    )
    assert trial.status == "ok", trial.message
    with pytest.raises(SandboxError, match=r"have the shape \(10, 2\)"):
        refit_trial(batch, plan, trial, dataset, seed=0, time_limit_s=30.0)
