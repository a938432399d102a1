"""Delivery: the best trials trained again on all rows, blended, scored on held-out rows, saved."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from automl_agent.cards.metric import Metric
from automl_agent.errors import SandboxError
from automl_agent.experts.plan import Plan
from automl_agent.training.batch import Batch
from automl_agent.training.blend import blend_predictions, choose_weights
from automl_agent.training.choice import Candidate, list_weights, sort_candidates, stand_in
from automl_agent.training.constraints import (
    COSTS,
    N_MEMBERS,
    Bound,
    Constraint,
    Earlier,
    Verdict,
    check,
    needs_speed,
    resolve,
)
from automl_agent.training.dataset import Dataset
from automl_agent.training.leaderboard import Judge, LeaderboardRow, build_row
from automl_agent.training.measuring import (
    MEASURE_RESERVE_S,
    Costs,
    add_costs,
    measure_model_mib,
    measure_refit,
)
from automl_agent.training.scoring import score_predictions
from automl_agent.training.trial import Refit, Trial, refit_trial, reuse_trial

if TYPE_CHECKING:
    from numpy import ndarray as Array

MAX_FINALISTS = 5
# Of them, those that constraints choose; the others have the best scores, should these not do.
_N_FITTING = 3
# A member with less weight costs its prediction time and changes nothing.
_MIN_WEIGHT = 0.04
_REUSE_S = 60.0
# A refit has more rows than its trial but no scores on the way: it takes 0.4 to 1.1 times as long.
REFIT_FACTOR = 1.2
# As long as there are few trials, another one is worth more than a further member of the blend.
_N_RESERVED = 3
_TRIALS_FOR_EACH = 3


@dataclass(frozen=True)
class Delivery:
    """What a run delivers.

    weights: of the members of the delivered model, by trial id. chosen: the delivered row's name.
    categories: those that training had, by column, to tell which ones of new rows it had not.
    measures: what the delivered model costs, and its number of members.
    valid_scores: its scores on validation rows, by which it was chosen.
    verdicts: whether it keeps to the constraints; scores are judged on held-out rows, on which
        the choice had no look.
    """

    refits: Mapping[str, Refit]
    weights: Mapping[str, float]
    chosen: str
    leaderboard: tuple[LeaderboardRow, ...]
    split_fingerprint: str
    categories: Mapping[str, Sequence[str]] = field(default_factory=dict)
    measures: Costs = field(default_factory=dict)
    valid_scores: Mapping[str, float] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()


def choose_finalists(
    metric: Metric, trials: list[Trial], preferred: Sequence[Trial] = ()
) -> list[Trial]:
    """The trials worth training again, best first. preferred: those that come before the best."""
    first = {trial.trial_id for trial in preferred}
    others = [t for t in trials if t.score is not None and t.trial_id not in first]
    others.sort(key=lambda trial: metric.loss(trial.score or 0.0))
    return [*preferred, *others][:MAX_FINALISTS]


def estimate_delivery_s(
    metric: Metric, trials: list[Trial], constraints: Sequence[Constraint] = ()
) -> float:
    """The seconds to keep for training the finalists again, and measuring them.

    Of the finalists, one for each few trials, or all that constraints may ask for; the others are
    trained again if there is time.
    """
    finalists = choose_finalists(metric, trials)
    n_scored = sum(trial.score is not None for trial in trials)
    n_worth_it = max(1, n_scored // _TRIALS_FOR_EACH)
    n_reserved = _N_RESERVED if constraints else min(_N_RESERVED, n_worth_it)
    seconds = [trial.seconds for trial in finalists[:n_reserved]]
    measuring_s = MEASURE_RESERVE_S * len(seconds) if needs_speed(constraints) else 0.0
    return REFIT_FACTOR * sum(seconds) + measuring_s


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
    constraints: Sequence[Constraint] = (),
    earlier: Earlier | None = None,
    also: Sequence[str] = (),
) -> Delivery:
    """Train the finalists again as time allows, choose what keeps to the constraints and score it.

    The choice is made on validation rows; held-out labels are only looked at to score it.
    earlier: the result that relative constraints refer to. also: further metrics to report.
    Raises: SandboxError if not one finalist could be delivered; InputError if a constraint is
        relative to a measure that the earlier result lacks.
    """
    bounds = resolve(constraints, earlier.valid if earlier else None, metric)
    judged = resolve(constraints, earlier.held_out if earlier else None, metric)
    bounded = (bound.measure for bound in bounds if bound.measure in metrics)
    judge = Judge(dataset, metric, metrics, (*bounded, *also))
    finalists = choose_finalists(metric, trials, _find_fitting(trials, bounds, judge))
    refits = _refit_finalists(
        finalists, plans, batches, dataset=dataset, seed=seed, time_left_s=time_left_s
    )
    features = dataset.folder / "holdout_features.parquet" if needs_speed(constraints) else None
    costs = {
        trial_id: measure_refit(
            batches[refit.trial.plan_id],
            plans[refit.trial.plan_id],
            refit,
            features=features,
            time_left_s=time_left_s,
        )
        for trial_id, refit in refits.items()
    }
    weights: Mapping[str, float] = _choose_members(metric, dataset, refits)
    if bounds:
        candidates = list(_list_candidates(weights, refits, costs, judge))
        weights = sort_candidates(candidates, bounds, metric)[0].weights
    delivery = _build_delivery(trials, refits, weights, costs, judge)
    known = {**delivery.measures, **(delivery.leaderboard[0].scores or {})}
    return replace(delivery, verdicts=tuple(check(bound, known) for bound in judged))


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


def _find_fitting(trials: list[Trial], bounds: Sequence[Bound], judge: Judge) -> list[Trial]:
    """Of the trials a few that the constraints prefer, as far as can be told before the refit."""
    if not bounds:
        return []
    finished = {trial.trial_id: trial for trial in trials if trial.predictions is not None}
    candidates = []
    for trial_id, trial in finished.items():
        assert trial.predictions is not None
        costs = {
            "model_mib": measure_model_mib(trial.folder / "model"),
            "fit_seconds": trial.seconds,
            N_MEMBERS: 1.0,
        }
        measures = {**judge.score_asked(trial.predictions), **costs}
        candidates.append(Candidate({trial_id: 1.0}, measures))
    ranked = sort_candidates(candidates, stand_in(bounds), judge.metric)[:_N_FITTING]
    return [finished[trial_id] for candidate in ranked for trial_id in candidate.weights]


def _refit_finalists(
    finalists: list[Trial],
    plans: Mapping[str, Plan],
    batches: Mapping[str, Batch],
    *,
    dataset: Dataset,
    seed: int,
    time_left_s: Callable[[], float],
) -> dict[str, Refit]:
    refits: dict[str, Refit] = {}
    problems: list[SandboxError] = []
    for trial in finalists:
        plan, batch = plans[trial.plan_id], batches[trial.plan_id]
        limit_s = time_left_s()
        try:
            if limit_s > trial.seconds:
                refit = refit_trial(batch, plan, trial, dataset, seed=seed, time_limit_s=limit_s)
                refits[trial.trial_id] = refit
            elif not refits:
                refits[trial.trial_id] = reuse_trial(
                    batch, plan, trial, dataset, time_limit_s=_REUSE_S
                )
        except SandboxError as exc:  # another finalist may fare better
            problems.append(exc)
    return refits or _reuse_first(finalists, plans, batches, dataset, problems)


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
    weights = choose_weights(metric, dataset.valid_labels, _valid_predictions(refits))
    strong = {trial_id: weight for trial_id, weight in weights.items() if weight >= _MIN_WEIGHT}
    total = sum(strong.values())
    return {trial_id: weight / total for trial_id, weight in strong.items()}


def _list_candidates(
    blend: Mapping[str, float],
    refits: Mapping[str, Refit],
    costs: Mapping[str, Costs],
    judge: Judge,
) -> Iterator[Candidate]:
    valid = _valid_predictions(refits)
    for weights in list_weights(blend, list(valid)):
        scores = judge.score_asked(blend_predictions(weights, valid))
        yield Candidate(weights, {**scores, **add_costs([costs[name] for name in weights])})


def _build_delivery(
    trials: list[Trial],
    refits: Mapping[str, Refit],
    weights: Mapping[str, float],
    costs: Mapping[str, Costs],
    judge: Judge,
) -> Delivery:
    dataset, metric = judge.dataset, judge.metric
    rows = [
        build_row(trial, refits.get(trial.trial_id), costs, judge)
        for trial in trials
        if trial.score is not None
    ]
    chosen = next(iter(weights))
    valid = blend_predictions(weights, _valid_predictions(refits))
    valid_scores = judge.score_valid(valid)
    measures = add_costs([costs[trial_id] for trial_id in weights])
    if len(weights) > 1:
        chosen = "blend"
        held_out = {trial_id: refit.predictions for trial_id, refit in refits.items()}
        scores = judge.score_held_out(blend_predictions(weights, held_out))
        seconds = sum(row.seconds for row in rows if row.name in weights)
        valid_score = score_predictions(metric, dataset.valid_labels, valid)
        own = {name: measures[name] for name in COSTS}
        rows.append(LeaderboardRow(chosen, "blend", weights, valid_score, scores, seconds, own))
    rows.sort(key=lambda row: (row.name != chosen, metric.loss(row.valid_score)))
    return Delivery(
        refits,
        weights,
        chosen,
        tuple(rows),
        dataset.split_fingerprint,
        dataset.categories,
        measures,
        valid_scores,
    )


def _valid_predictions(refits: Mapping[str, Refit]) -> "dict[str, Array]":
    return {
        trial_id: refit.trial.predictions
        for trial_id, refit in refits.items()
        if refit.trial.predictions is not None
    }
