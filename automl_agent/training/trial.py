"""The trial: one training of one plan with one setting, and its score."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_agent.cards.metric import Metric
from automl_agent.cards.model_card import Settings
from automl_agent.cards.profile import DEFAULT_METRIC
from automl_agent.errors import InputError, SandboxError
from automl_agent.experts.plan import Plan
from automl_agent.sandboxes.step import JobEnd
from automl_agent.training.batch import Batch
from automl_agent.training.dataset import Dataset
from automl_agent.training.job import HOLDOUT_DATA, REFIT_DATA, TRIAL_DATA, Job
from automl_agent.training.scoring import score_predictions
from automl_agent.training.training_log import LogRecord, best_step, iterate_log, read_predictions

if TYPE_CHECKING:
    from numpy import ndarray as Array

# Of a job's time for its script; the rest is for saving the model and predicting, before the kill.
SCRIPT_SHARE = 0.8


@dataclass(frozen=True)
class Trial:
    """A trial that has ended.

    score: the framework's score on the validation rows, None if it failed or was stopped.
    n_steps: the step with the best validation metric, if the log has it.
    folder: what its script wrote. predictions: for the validation rows.
    evidence: what shows the status, as numbers of the sandbox.
    expected_score, saved_s: of a trial that was stopped, what it was predicted to reach and the
    seconds it would have taken on; both are estimates and no measures.
    """

    trial_id: str
    plan_id: str
    expert: str
    settings: Settings
    status: str
    score: float | None
    seconds: float
    max_rss_mib: float
    n_steps: int | None
    job_id: str
    folder: Path
    predictions: "Array | None" = None
    message: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    expected_score: float | None = None
    saved_s: float | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether the framework stopped it because it could not win."""
        return self.status == "stopped"

    def to_json(self) -> dict[str, Any]:
        """The trial as a JSON object, without its predictions."""
        estimates = {"expected_score": self.expected_score, "saved_seconds": self.saved_s}
        return {
            "trial_id": self.trial_id,
            "plan_id": self.plan_id,
            "expert": self.expert,
            "settings": dict(self.settings),
            "status": self.status,
            "valid_score": self.score,
            "seconds": round(self.seconds, 3),
            "max_rss_mib": round(self.max_rss_mib, 1),
            "n_steps": self.n_steps,
            "message": self.message,
            "evidence": dict(self.evidence),
            **(estimates if self.is_stopped else {}),
        }


@dataclass(frozen=True)
class Refit:
    """A finished trial's model for the held-out rows.

    predictions: for the held-out rows. from_all_rows: False if the trial's own model was taken.
    """

    trial: Trial
    job_id: str
    predictions: "Array"
    seconds: float
    from_all_rows: bool


def run_trial(
    batch: Batch,
    plan: Plan,
    dataset: Dataset,
    metric: Metric,
    *,
    trial_id: str,
    settings: Settings,
    seed: int,
    time_limit_s: float,
    on_record: Callable[[LogRecord], None] | None = None,
    stop_when: Callable[[], str] = lambda: "",
) -> Trial:
    """Train with these settings on the training rows and score on the validation rows.

    stop_when: asked all the time for a reason to stop the trial; empty: there is none.
    """
    job = Job(
        script="train.py",
        card=plan.data_card,
        settings=settings,
        resources=plan.resources,
        seed=seed,
        time_limit_s=SCRIPT_SHARE * time_limit_s,
        data=TRIAL_DATA,
    )
    end = batch.run(job, on_record, kill_after_s=time_limit_s, stop_when=stop_when)
    score, predictions, message = None, None, end.message
    if end.status == "ok":
        try:
            predictions = _read(end, dataset, len(dataset.valid_labels))
            score = score_predictions(metric, dataset.valid_labels, predictions)
        except (SandboxError, InputError) as exc:
            message = str(exc)
    failed = score is None
    return Trial(
        trial_id=trial_id,
        plan_id=plan.plan_id,
        expert=plan.expert,
        settings=settings,
        status="error" if end.status == "ok" and failed else end.status,
        score=score,
        seconds=end.seconds,
        max_rss_mib=end.max_rss_mib,
        n_steps=_find_best_step(end.folder / "training_log.jsonl", metric, plan),
        job_id=end.job_id,
        folder=end.folder,
        predictions=None if failed else predictions,
        message=message,
        evidence={"exit_code": end.exit_code, **end.evidence},
    )


def refit_trial(
    batch: Batch, plan: Plan, trial: Trial, dataset: Dataset, *, seed: int, time_limit_s: float
) -> Refit:
    """Train a trial's settings again on all rows that may be trained on.

    Raises: SandboxError if it fails.
    """
    job = Job(
        script="train.py",
        card=plan.data_card,
        settings=trial.settings,
        resources=plan.resources,
        seed=seed,
        time_limit_s=SCRIPT_SHARE * time_limit_s,
        data=REFIT_DATA,
        n_steps=_scale_steps(trial.n_steps, dataset),
    )
    return _predict_holdout(
        batch, job, trial, dataset, kill_after_s=time_limit_s, from_all_rows=True
    )


def reuse_trial(
    batch: Batch, plan: Plan, trial: Trial, dataset: Dataset, *, time_limit_s: float
) -> Refit:
    """Take a trial's own model, for when there is no time to train again.

    Raises: SandboxError if it fails, or the model lies in another, earlier sandbox of the plan.
    """
    if trial.folder != batch.job_folder(trial.job_id):
        raise SandboxError(f"{trial.trial_id}: its model is gone with the sandbox that it ran in.")
    job = Job(
        script="predict.py",
        card=plan.data_card,
        settings=trial.settings,
        resources=plan.resources,
        seed=0,
        time_limit_s=time_limit_s,
        data=HOLDOUT_DATA,
        model=f"../out/{trial.job_id}/model",
    )
    return _predict_holdout(
        batch, job, trial, dataset, kill_after_s=time_limit_s, from_all_rows=False
    )


def _find_best_step(log: Path, metric: Metric, plan: Plan) -> int | None:
    step = best_step(iterate_log(log), metric.name, greater_is_better=metric.greater_is_better)
    # A script that cannot compute the metric while it trains logs the task's proper loss.
    loss = DEFAULT_METRIC[plan.data_card.task]
    return step if step is not None else best_step(iterate_log(log), loss, greater_is_better=False)


def _predict_holdout(
    batch: Batch,
    job: Job,
    trial: Trial,
    dataset: Dataset,
    *,
    kill_after_s: float,
    from_all_rows: bool,
) -> Refit:
    started = time.monotonic()
    end = batch.run(job, kill_after_s=kill_after_s)
    if end.status != "ok":
        raise SandboxError(f"{trial.trial_id}: {end.status}. {end.message}")
    predictions = _read(end, dataset, len(dataset.holdout_labels))
    job_id = end.job_id if from_all_rows else trial.job_id
    return Refit(trial, job_id, predictions, time.monotonic() - started, from_all_rows)


def _read(end: JobEnd, dataset: Dataset, n_rows: int) -> "Array":
    path = end.folder / "predictions.npy"
    return read_predictions(path, n_rows=n_rows, n_classes=dataset.card.n_classes)


def _scale_steps(n_steps: int | None, dataset: Dataset) -> int | None:
    # More rows carry somewhat more steps before they are learnt by heart; the square root lies
    # between none and as many more.
    if n_steps is None:
        return None
    return max(1, round(n_steps * math.sqrt(dataset.n_development / dataset.n_train)))
