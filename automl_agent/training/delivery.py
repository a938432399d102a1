"""Delivery: the best trials trained again on all rows, blended, scored on held-out rows, saved."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_agent.cards.metric import Metric
from automl_agent.errors import InputError, SandboxError
from automl_agent.experts.plan import Plan
from automl_agent.training.batch import Batch
from automl_agent.training.blend import blend_predictions, choose_weights
from automl_agent.training.dataset import Dataset
from automl_agent.training.scoring import COMPANIONS, score_predictions
from automl_agent.training.trial import Refit, Trial, refit_trial, reuse_trial

if TYPE_CHECKING:
    from numpy import ndarray as Array

MAX_FINALISTS = 5
# A member with less weight costs its prediction time and changes nothing.
_MIN_WEIGHT = 0.04
_REUSE_S = 60.0
# Refits have more rows than trials, and the machine may be busier.
REFIT_FACTOR = 1.6


@dataclass(frozen=True)
class LeaderboardRow:
    """A model. scores: held-out scores by metric, None if it was not trained again."""

    name: str
    expert: str
    settings: Mapping[str, Any]
    valid_score: float
    scores: Mapping[str, float] | None
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The row as a JSON object."""
        return {
            "name": self.name,
            "expert": self.expert,
            "settings": dict(self.settings),
            "valid_score": self.valid_score,
            "scores": self.scores and dict(self.scores),
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Delivery:
    """What a run delivers.

    weights: of the members of the delivered model, by trial id. chosen: the delivered row's name.
    categories: those that training had, by column, to tell which ones of new rows it had not.
    """

    refits: Mapping[str, Refit]
    weights: Mapping[str, float]
    chosen: str
    leaderboard: tuple[LeaderboardRow, ...]
    split_fingerprint: str
    categories: Mapping[str, Sequence[str]] = field(default_factory=dict)


def choose_finalists(metric: Metric, trials: list[Trial]) -> list[Trial]:
    """The trials worth training again, best first."""
    finished = [trial for trial in trials if trial.score is not None]
    return sorted(finished, key=lambda trial: metric.loss(trial.score or 0.0))[:MAX_FINALISTS]


def estimate_delivery_s(metric: Metric, trials: list[Trial]) -> float:
    """The seconds that training the finalists again will take."""
    return REFIT_FACTOR * sum(trial.seconds for trial in choose_finalists(metric, trials))


def deliver(
    *,
    trials: list[Trial],
    plans: Mapping[str, Plan],
    batches: Mapping[str, Batch],
    dataset: Dataset,
    metric: Metric,
    metrics: Mapping[str, Metric],
    seed: int,
    time_left_s: Callable[[], float],
) -> Delivery:
    """Train the finalists again as time allows, choose their blend and score it.

    The choice is made on validation rows; held-out labels are only looked at to score it.
    Raises: SandboxError if not one finalist could be delivered.
    """
    refits: dict[str, Refit] = {}
    problems: list[SandboxError] = []
    finalists = choose_finalists(metric, trials)
    for trial in finalists:
        plan, batch = plans[trial.plan_id], batches[trial.plan_id]
        limit_s = time_left_s()
        try:
            if limit_s > REFIT_FACTOR * trial.seconds:
                refit = refit_trial(batch, plan, trial, dataset, seed=seed, time_limit_s=limit_s)
                refits[trial.trial_id] = refit
            elif not refits:
                refits[trial.trial_id] = reuse_trial(
                    batch, plan, trial, dataset, time_limit_s=_REUSE_S
                )
        except SandboxError as exc:  # another finalist may fare better
            problems.append(exc)
    refits = refits or _reuse_first(finalists, plans, batches, dataset, problems)
    weights = _choose_members(metric, dataset, refits)
    return _build_delivery(trials, refits, weights, dataset, metric, metrics)


def save_model(
    delivery: Delivery, plans: Mapping[str, Plan], batches: Mapping[str, Batch], folder: Path
) -> None:
    """Save the members' models, their scripts and a manifest; after the batches are closed.

    folder: appears whole or not at all.
    Raises: SandboxError if a model holds what it must not.
    """
    staging = folder.with_name(folder.name + ".partial")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(mode=0o700)
    members = []
    for trial_id, weight in delivery.weights.items():
        refit = delivery.refits[trial_id]
        plan = plans[refit.trial.plan_id]
        batches[plan.plan_id].collect(refit.job_id, staging / trial_id)
        scripts = staging / f"{trial_id}-scripts"
        scripts.mkdir()
        for name, text in plan.scripts.items():
            (scripts / name).write_text(text, encoding="utf-8")
        members.append(
            {
                "trial_id": trial_id,
                "expert": plan.expert,
                "weight": weight,
                "settings": dict(refit.trial.settings),
                "model_card": plan.model_card.to_json(),
                "generated": sorted(plan.generated),
            }
        )
    manifest = {"members": members, "categories": delivery.categories}
    (staging / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    staging.rename(folder)


def score_all(
    metric: Metric,
    metrics: Mapping[str, Metric],
    task: str,
    labels: "Array",
    predictions: "Array",
) -> dict[str, float]:
    """The metric that was asked for, then the ones that people expect beside it.

    One that the labels do not allow (an AUC of one class) is left out.
    """
    scores: dict[str, float] = {}
    for name in dict.fromkeys((metric.name, *COMPANIONS[task])):
        try:
            scores[name] = score_predictions(metrics[name], labels, predictions)
        except InputError:
            continue
    return scores


def _reuse_first(
    finalists: list[Trial],
    plans: Mapping[str, Plan],
    batches: Mapping[str, Batch],
    dataset: Dataset,
    problems: list[SandboxError],
) -> dict[str, Refit]:
    """The own model of the best trial that still has one: better than none.

    problems: what kept the finalists from being trained again; the first is the cause of the rest.
    Raises: SandboxError if there is none.
    """
    for trial in finalists:
        plan, batch = plans[trial.plan_id], batches[trial.plan_id]
        try:
            refit = reuse_trial(batch, plan, trial, dataset, time_limit_s=_REUSE_S)
        except SandboxError as exc:
            problems.append(exc)
        else:
            return {trial.trial_id: refit}
    raise problems[0] if problems else SandboxError("No trial has finished.")


def _choose_members(
    metric: Metric, dataset: Dataset, refits: Mapping[str, Refit]
) -> dict[str, float]:
    predictions = {
        trial_id: refit.trial.predictions
        for trial_id, refit in refits.items()
        if refit.trial.predictions is not None
    }
    weights = choose_weights(metric, dataset.valid_labels, predictions)
    strong = {trial_id: weight for trial_id, weight in weights.items() if weight >= _MIN_WEIGHT}
    total = sum(strong.values())
    return {trial_id: weight / total for trial_id, weight in strong.items()}


def _build_delivery(
    trials: list[Trial],
    refits: Mapping[str, Refit],
    weights: Mapping[str, float],
    dataset: Dataset,
    metric: Metric,
    metrics: Mapping[str, Metric],
) -> Delivery:
    labels, task = dataset.holdout_labels, dataset.card.task
    held_out = {trial_id: refit.predictions for trial_id, refit in refits.items()}
    rows = []
    for trial in trials:
        if trial.score is None:
            continue
        refit = refits.get(trial.trial_id)
        scores = score_all(metric, metrics, task, labels, refit.predictions) if refit else None
        seconds = trial.seconds + (refit.seconds if refit else 0.0)
        rows.append(
            LeaderboardRow(
                trial.trial_id, trial.expert, trial.settings, trial.score, scores, seconds
            )
        )
    chosen = next(iter(weights))
    if len(weights) > 1:
        chosen = "blend"
        valid = {
            t: r.trial.predictions for t, r in refits.items() if r.trial.predictions is not None
        }
        valid_score = score_predictions(
            metric, dataset.valid_labels, blend_predictions(weights, valid)
        )
        scores = score_all(metric, metrics, task, labels, blend_predictions(weights, held_out))
        seconds = sum(row.seconds for row in rows if row.name in weights)
        rows.append(LeaderboardRow(chosen, "blend", weights, valid_score, scores, seconds))
    rows.sort(key=lambda row: (row.name != chosen, metric.loss(row.valid_score)))
    return Delivery(
        refits, weights, chosen, tuple(rows), dataset.split_fingerprint, dataset.categories
    )
