"""Every finished trial of an expert's own scripts becomes a knowledge record."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from automl_agent.cards.metric import Metric
from automl_agent.cards.profile import DEFAULT_METRIC
from automl_agent.errors import InputError, KnowledgeError
from automl_agent.experts.plan import Plan
from automl_agent.knowledge.records.record import (
    OWN_ORIGIN,
    CurvePoint,
    KnownCard,
    Record,
    fingerprint_card,
)
from automl_agent.training.scoring import COMPANIONS, find_metric, score_predictions
from automl_agent.training.training_log import best_step, iterate_log
from automl_agent.training.trial import Trial

if TYPE_CHECKING:
    from numpy import ndarray as Array

    from automl_agent.controllers.conversation.session import Session

MAX_POINTS = 24


def remember_trial(session: "Session", plan: Plan, trial: Trial) -> None:
    """Keep a finished trial for later runs; if that fails, an event says why and the run goes on.

    A plan with generated scripts is not kept: a record says how an expert's own do.
    """
    knowledge = session.knowledge
    if knowledge is None or not knowledge.remembers or plan.generated:
        return
    record = describe_trial(
        plan, trial, session.prepared_dataset().valid_labels, session.plugins.metrics
    )
    if record is None:
        return
    n_known = len(knowledge.warnings)
    try:
        knowledge.add(KnownCard(plan.data_card, OWN_ORIGIN), record)
    except KnowledgeError as exc:
        session.emit("knowledge_not_kept", {"reason": str(exc)})
    for warning in knowledge.warnings[n_known:]:
        session.emit("knowledge_warning", {"text": warning})


def describe_trial(
    plan: Plan, trial: Trial, valid_labels: "Array", metrics: Mapping[str, Metric]
) -> Record | None:
    """The record of a trial, None if it did not finish.

    Its metric is the data card's, or, where the script's log does not have that one, the task's
    proper loss, so that the curve and the score are in the same.
    """
    if trial.score is None or trial.predictions is None:
        return None
    card, log = plan.data_card, trial.folder / "training_log.jsonl"
    scores = {card.metric: trial.score}
    for name in COMPANIONS[card.task]:
        try:
            metric = find_metric(metrics, name, card.task)
            scores.setdefault(name, score_predictions(metric, valid_labels, trial.predictions))
        except InputError:  # an AUC of rows of one class, say
            continue
    names = [name for name in (card.metric, DEFAULT_METRIC[card.task]) if name in scores]
    curves = {name: thin_curve(log, find_metric(metrics, name, card.task)) for name in names}
    name = next((name for name in names if curves[name]), card.metric)
    return Record(
        card_id=fingerprint_card(card),
        expert=plan.expert,
        settings=dict(trial.settings),
        metric=name,
        scores=scores,
        curve=curves[name],
        n_steps=trial.n_steps,
        seconds=round(trial.seconds, 3),
        memory_mib=round(trial.max_rss_mib, 1),
    )


def thin_curve(log: Path, metric: Metric) -> tuple[CurvePoint, ...]:
    """At most MAX_POINTS validation scores of a log, close together at its start.

    The first, the best and the last are among them.
    """
    # Read twice: a script may log half a million steps, which need not be in memory.
    n_points = sum(r.split == "valid" and metric.name in r.metrics for r in iterate_log(log))
    best = best_step(iterate_log(log), metric.name, greater_is_better=metric.greater_is_better)
    wanted = _space_positions(n_points)
    points: list[CurvePoint] = []
    position = 0
    is_best_taken = False
    for record in iterate_log(log):
        if record.split != "valid" or metric.name not in record.metrics:
            continue
        is_best = record.step == best and not is_best_taken
        is_best_taken = is_best_taken or is_best
        if position in wanted or is_best:
            score = float(f"{record.metrics[metric.name]:.6g}")
            points.append(CurvePoint(record.step, score, round(record.time_s, 3)))
        position += 1
    return tuple(sorted(points, key=lambda point: point.step))


def _space_positions(n_points: int) -> set[int]:
    """Positions in a curve, the first and the last among them; one less than MAX_POINTS."""
    if n_points < MAX_POINTS:
        return set(range(n_points))
    n_gaps = MAX_POINTS - 2
    return {round(n_points ** (number / n_gaps)) - 1 for number in range(n_gaps + 1)}
