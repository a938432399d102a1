"""Delivery: the best trials trained again on all rows, blended, scored on held-out labels, saved."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_agent.cards.metric import Metric
from automl_agent.errors import SandboxError
from automl_agent.experts.plan import Plan
from automl_agent.training.batch import Batch
from automl_agent.training.blend import blend_predictions, choose_weights
from automl_agent.training.dataset import Dataset
from automl_agent.training.scoring import COMPANIONS, score_predictions
from automl_agent.training.trial import Refit, Trial, refit_trial, reuse_trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_FINALISTS = 5
# A member with less weight costs its prediction time and changes nothing.
_MIN_WEIGHT = 0.04
_REUSE_S = 60.0
# Refits have more rows than trials, and the machine may be busier.
REFIT_FACTOR = 1.6


@dataclass(frozen=True)
class LeaderboardRow:
    """A delivered or tried model. scores: held-out scores by metric, None if it was not refitted."""

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
    """

    refits: Mapping[str, Refit]
    weights: Mapping[str, float]
    chosen: str
    leaderboard: tuple[LeaderboardRow, ...]
    split_fingerprint: str


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
    problem: SandboxError | None = None
    for trial in choose_finalists(metric, trials):
        try:
            refit = _refit_in_time(
                trial, plans, batches, dataset, seed, time_left_s(), bool(refits)
            )
        except SandboxError as exc:
            problem = exc
            continue
        if refit:
            refits[trial.trial_id] = refit
    if not refits:
        raise problem or SandboxError("No finished trial could be delivered.")
    weights = _choose_members(metric, dataset, refits)
    return _build_delivery(trials, refits, weights, dataset, metric, metrics)


def save_model(
    delivery: Delivery, plans: Mapping[str, Plan], batches: Mapping[str, Batch], folder: Path
) -> None:
    """Save the members' models, their scripts and a manifest; after the batches are closed.

    Raises: SandboxError if a model holds what it must not.
    """
    folder.mkdir(mode=0o700)
    members = []
    for trial_id, weight in delivery.weights.items():
        refit = delivery.refits[trial_id]
        plan = plans[refit.trial.plan_id]
        batches[plan.plan_id].collect(refit.job_id, folder / trial_id)
        scripts = folder / f"{trial_id}-scripts"
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
    manifest = {"members": members}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def score_all(
    metric: Metric,
    metrics: Mapping[str, Metric],
    task: str,
    labels: "NDArray",
    predictions: "NDArray",
) -> dict[str, float]:
    """The metric that was asked for, then the ones that people expect beside it.

    One that the labels do not allow (an AUC of one class) is left out.
    """
    scores: dict[str, float] = {}
    for name in dict.fromkeys((metric.name, *COMPANIONS[task])):
        try:
            scores[name] = score_predictions(metrics[name], labels, predictions)
        except ValueError:
            continue
    return scores


def _refit_in_time(
    trial: Trial,
    plans: Mapping[str, Plan],
    batches: Mapping[str, Batch],
    dataset: Dataset,
    seed: int,
    time_left_s: float,
    is_optional: bool,
) -> Refit | None:
    plan, batch = plans[trial.plan_id], batches[trial.plan_id]
    if time_left_s > REFIT_FACTOR * trial.seconds:
        return refit_trial(batch, plan, trial, dataset, seed=seed, time_limit_s=time_left_s)
    if is_optional:
        return None
    # No time to train again, but a model is always delivered.
    return reuse_trial(batch, plan, trial, dataset, time_limit_s=_REUSE_S)


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
        scores = refit and score_all(metric, metrics, task, labels, refit.predictions)
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
    return Delivery(refits, weights, chosen, tuple(rows), dataset.split_fingerprint)
