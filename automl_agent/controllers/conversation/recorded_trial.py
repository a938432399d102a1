"""One trial of a session: predicted before it begins, watched while it runs, scored after it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any, Protocol

from automl_agent.cards.metric import Metric
from automl_agent.cards.model_card import Settings
from automl_agent.cards.predicted_log import PredictedLog, PredictedPoint
from automl_agent.experts.plan import Plan
from automl_agent.knowledge.prediction.card_predictor import predict_from_card
from automl_agent.knowledge.prediction.ledger import Actual, Prediction, Subject, find_main
from automl_agent.knowledge.prediction.stopping import (
    MIN_RECORDS,
    Skipped,
    Standard,
    decide_stop,
    estimate_saved_s,
)
from automl_agent.knowledge.records.record import CurvePoint, fingerprint_card
from automl_agent.training.training_log import LogRecord
from automl_agent.training.trial import Trial, run_trial

if TYPE_CHECKING:
    from automl_agent.controllers.conversation.session import Session

EXTRAPOLATION = "extrapolation"
# The curve is looked at again when it has so many times the records: often enough to stop early,
# seldom enough that the ledger holds a few lines for half a million records.
_NEXT_LOOK = 1.5
# More points than a curve needs are thinned out; the best one is kept.
_MAX_POINTS = 1000


class Forecaster(Protocol):
    """Predicts a trial of a plan with these settings; the first log is the one that counts.

    chance: the score of a constant prediction. Each log has a predictor of its own.
    """

    def __call__(
        self, plan: Plan, settings: Settings, metric: Metric, *, chance: float
    ) -> Sequence[PredictedLog]:
        """The predicted logs, one for each predictor."""
        ...


class Extrapolate(Protocol):
    """Predicts where the curve of a trial ends: the final score and its 80 % interval."""

    def __call__(self, points: Sequence[CurvePoint], prior: PredictedLog, /) -> PredictedPoint:
        """The expected end. prior: what was predicted before the training."""
        ...


class ExtrapolatorFinder(Protocol):
    """Finds what predicts the end of a trial of a plan with these settings, once it runs."""

    def __call__(
        self, plan: Plan, settings: Settings, metric: Metric, *, chance: float
    ) -> Extrapolate | None:
        """It, or None where nothing does; then the trial is not stopped early."""
        ...


class Recorder(Protocol):
    """Commits an extrapolation before it is acted on."""

    def __call__(self, final: PredictedPoint, step: int, /) -> None:
        """Take it; step: the last one that it had seen."""


class TrialWatch:
    """Follows the validation curve of a trial that runs, and says when it cannot win any more.

    final: the last extrapolation. reason: why the trial is to be stopped; empty: it is not.
    """

    def __init__(
        self,
        prior: PredictedLog,
        standard: Standard,
        extrapolate: Extrapolate,
        *,
        record: Recorder,
        may_stop: bool,
    ) -> None:
        self.points: list[CurvePoint] = []
        self.final: PredictedPoint | None = None
        self.reason = ""
        self._prior = prior
        self._standard = standard
        self._extrapolate = extrapolate
        self._record = record
        self._may_stop = may_stop
        self._n_seen = 0
        self._stride = 1
        self._next_look = MIN_RECORDS
        self._last_step = 0
        self._best: float | None = None

    def take(self, record: LogRecord) -> None:
        """Learn from a record of the training log."""
        name = self._standard.metric.name
        # A script that goes back in its steps is not followed there.
        if record.split != "valid" or name not in record.metrics or record.step <= self._last_step:
            return
        self._last_step = record.step
        self._n_seen += 1
        point = CurvePoint(record.step, record.metrics[name], record.time_s)
        is_due = self._n_seen >= self._next_look
        if self._is_new_best(point) or is_due or self._n_seen % self._stride == 0:
            self._add(point)
        if is_due and not self.reason:
            self._next_look = ceil(self._n_seen * _NEXT_LOOK)
            self._look()

    def find_reason(self) -> str:
        """Why the trial is to be stopped; empty: it is not."""
        return self.reason

    @property
    def saved_s(self) -> float:
        """The seconds that the rest of the training would have taken, as far as can be told."""
        return estimate_saved_s(self.points, self.final) if self.final else 0.0

    def _look(self) -> None:
        self.final = self._extrapolate(tuple(self.points), self._prior)
        self._record(self.final, self._last_step)
        decision = decide_stop(self.points, self.final, self._standard)
        if decision.is_stop and self._may_stop:
            self.reason = decision.reason

    def _is_new_best(self, point: CurvePoint) -> bool:
        metric = self._standard.metric
        if self._best is not None and not metric.is_better(point.score, self._best):
            return False
        self._best = point.score
        return True

    def _add(self, point: CurvePoint) -> None:
        self.points.append(point)
        if len(self.points) > _MAX_POINTS:
            best = min(self.points, key=lambda p: self._standard.metric.loss(p.score))
            kept = self.points[::-1][::2][::-1]  # the last one among them
            self.points = sorted({best, *kept}, key=lambda p: p.step)
            self._stride *= 2


def forecast_from_card(
    plan: Plan, settings: Settings, metric: Metric, *, chance: float
) -> Sequence[PredictedLog]:
    """What the model card expects, whatever the settings."""
    del settings
    return (predict_from_card(plan.data_card, plan.model_card, metric, chance=chance),)


def run_recorded_trial(session: "Session", plan: Plan, settings: Settings) -> Trial:
    """Predict a trial, run it, score what was predicted; each is committed before the next."""
    time_limit_s = session.trial_time_s(plan)
    session.budget.reserve_trial()
    session.n_begun[plan.plan_id] += 1
    trial_id = f"{plan.plan_id}-{session.n_begun[plan.plan_id]}"
    watch = _predict(session, plan, settings, trial_id)
    intent = {
        "plan_id": plan.plan_id,
        "settings": dict(settings),
        "time_limit_s": time_limit_s,
        "step_id": session.step_ids.get(plan.plan_id),
    }
    session.journal.begin("trials", session.run_id, trial_id, intent)

    def take_record(record: LogRecord) -> None:
        session.emit_record(trial_id, record)
        if watch:
            watch.take(record)

    try:
        session.emit("trial_started", {"trial_id": trial_id, **intent})
        trial = run_trial(
            session.open_batch(plan),
            plan,
            session.prepared_dataset(),
            session.metric,
            trial_id=trial_id,
            settings=settings,
            seed=session.request.seed,
            time_limit_s=time_limit_s,
            on_record=take_record,
            stop_when=watch.find_reason if watch else lambda: "",
        )
    except BaseException as exc:
        outcome = {"reason": str(exc) or type(exc).__name__}
        session.journal.end("trials", session.run_id, trial_id, "abandoned", outcome)
        session.ledger.score(session.run_id, trial_id, Actual(None, reason="abandoned"))
        raise
    if trial.is_stopped and watch and watch.final:
        expected = watch.final.median
        trial = replace(trial, expected_score=expected, saved_s=round(watch.saved_s, 3))
    _record_end(session, trial, watch)
    return trial


def skip_candidates(
    session: "Session", plan: Plan, candidates: Sequence[Settings], skipped: Sequence[Skipped]
) -> None:
    """Tell of candidates that are not trained, and why; the run's result has them too."""
    found = [{"settings": dict(candidates[one.index]), "reason": one.reason} for one in skipped]
    session.skipped += [{"plan_id": plan.plan_id, **one} for one in found]
    if found:
        session.emit("candidates_skipped", {"plan_id": plan.plan_id, "skipped": found})


def make_standard(session: "Session") -> Standard | None:
    """What a further trial of the session has to beat; None if chance is not known."""
    metric, chance = session.metric, session.find_chance()
    if chance is None or chance == metric.ideal:
        return None
    scores = [trial.score for trial in session.finished_trials if trial.score is not None]
    best = min(scores, key=metric.loss, default=None)
    return Standard(metric, best, abs(metric.ideal - chance))


def _predict(
    session: "Session", plan: Plan, settings: Settings, trial_id: str
) -> TrialWatch | None:
    """Commit what is predicted of a trial; what watches it, if its end can be extrapolated."""
    metric, chance = session.metric, session.find_chance()
    logs = _list_logs(session, plan, settings, chance)
    subject = Subject(
        trial_id=trial_id,
        plan_id=plan.plan_id,
        expert=plan.expert,
        card_id=fingerprint_card(plan.data_card),
        data=plan.data_card.name,
        chance=chance,
        ideal=metric.ideal,
    )
    session.ledger.predict(session.run_id, subject, map(Prediction.from_log, logs))
    standard = make_standard(session)
    if not logs or logs[0].metric != metric.name or standard is None or chance is None:
        return None
    find = session.find_extrapolator
    extrapolate = find(plan, settings, metric, chance=chance) if find else None
    if extrapolate is None:
        return None

    def record(final: PredictedPoint, step: int) -> None:
        found = Prediction(EXTRAPOLATION, metric.name, (final,), n_steps_seen=step)
        session.ledger.predict(session.run_id, subject, [found])

    return TrialWatch(
        logs[0],
        standard,
        extrapolate,
        record=record,
        may_stop=session.request.early_stop,
    )


def _list_logs(
    session: "Session", plan: Plan, settings: Settings, chance: float | None
) -> list[PredictedLog]:
    """One log for each predictor, the one that counts first."""
    logs: list[PredictedLog] = []
    if plan.predicted_log and settings == plan.settings:
        logs.append(plan.predicted_log)  # what the person was shown
    if chance is not None:
        logs += session.forecast(plan, settings, session.metric, chance=chance)
    return list({log.predictor: log for log in reversed(logs)}.values())[::-1]


def _record_end(session: "Session", trial: Trial, watch: TrialWatch | None) -> None:
    status = "done" if trial.score is not None else "stopped" if trial.is_stopped else "failed"
    document = trial.to_json()
    # The log lies under the job's id; a conversation that is taken up shows it again.
    kept = {**document, "job_id": trial.job_id}
    session.journal.end("trials", session.run_id, trial.trial_id, status, kept)
    actual = Actual.from_trial(document)
    main = find_main(session.ledger.score(session.run_id, trial.trial_id, actual))
    if main is not None:
        session.scores[trial.trial_id] = main
    if trial.is_stopped and watch and watch.final:
        fields = _describe_stop(trial, watch, watch.final)
        session.stopped.append(fields)
        session.emit("trial_stopped", fields)


def _describe_stop(trial: Trial, watch: TrialWatch, final: PredictedPoint) -> Mapping[str, Any]:
    return {
        "trial_id": trial.trial_id,
        "plan_id": trial.plan_id,
        "settings": dict(trial.settings),
        "step": watch.points[-1].step,
        "predicted": final.median,
        "low": final.low,
        "high": final.high,
        "seconds": round(trial.seconds, 3),
        "saved_seconds": trial.saved_s,
        "reason": trial.message,
    }
