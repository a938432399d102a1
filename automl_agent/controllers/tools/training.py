"""The tools from the plan to the model: train, tune, look at what came of it."""

from typing import Any

from automl_agent.controllers.conversation.session import CLOSING_S, MAX_REPAIRS, Session
from automl_agent.controllers.privacy import show_failure
from automl_agent.controllers.tools.tool import Tool, builtin_parameters
from automl_agent.errors import ToolError, suggest
from automl_agent.training.delivery import deliver, save_model
from automl_agent.training.training_log import LogRecord, read_log
from automl_agent.training.trial import Trial

_MAX_SHOWN_TRIALS = 12
_MAX_SHOWN_FAILED = 3
_MAX_SHOWN_STOPPED = 3


def train(session: Session, *, plan_id: str) -> dict[str, Any]:
    """Train a plan with its hyperparameters and compare with the predicted log."""
    plan = session.find_plan(plan_id)
    session.pass_gate()
    plan = session.find_plan(plan_id)  # the person may have changed its hyperparameters
    trial = session.run_trial(plan, plan.settings)
    scored = _note_prediction(session, trial)
    told = scored and {k: _round(v) if type(v) is float else v for k, v in scored.items()}
    return _show_trial(session, trial) | {"prediction": told}


def tune(session: Session, *, plan_id: str, n_trials: int) -> dict[str, Any]:
    """Run further trials of a plan, each where the ones before went well."""
    plan = session.find_plan(plan_id)
    session.pass_gate()
    tuner = session.find_tuner(plan)
    trials: list[Trial] = []
    stopped = ""
    for _ in range(n_trials):
        try:
            trials.append(session.run_trial(plan, tuner.propose()))
        except ToolError as exc:
            stopped = str(exc)
            break
    scored = [trial for trial in trials if trial.score is not None]
    loss = session.metric.loss
    best = min(scored, key=lambda trial: loss(trial.score or 0.0), default=None)
    told = best and _show_trial(session, best)
    given_up = [trial for trial in trials if trial.is_stopped]
    more = {"n_stopped_early": len(given_up)} if given_up else {}
    return {"n_trials": len(trials), "best": told, "stopped": stopped, **more}


def read_training_log(session: Session, *, trial_id: str, n_points: int = 20) -> dict[str, Any]:
    """The curve of a trial, thinned out."""
    records = [r for r in find_training_log(session, trial_id) if r.split == "valid"]
    stride = max(1, -(-len(records) // n_points))
    shown = records[::stride]
    if records and shown[-1] is not records[-1]:
        shown.append(records[-1])
    # A script can write any name; only those of metrics are told to the controller.
    known = session.plugins.metrics
    return {
        "records": [
            {"step": r.step, **{k: _round(v) for k, v in r.metrics.items() if k in known}}
            for r in shown
        ]
    }


def compare_trials(session: Session) -> dict[str, Any]:
    """All trials, the best first."""
    loss = session.metric.loss
    finished = sorted(session.finished_trials, key=lambda trial: loss(trial.score or 0.0))
    ended_early = [trial for trial in session.trials if trial.is_stopped]
    failed = [trial for trial in session.trials if trial.score is None and not trial.is_stopped]
    trials = [
        *finished[:_MAX_SHOWN_TRIALS],
        *ended_early[:_MAX_SHOWN_STOPPED],
        *failed[:_MAX_SHOWN_FAILED],
    ]
    saved_s = sum(trial.saved_s or 0.0 for trial in ended_early)
    more = {"n_stopped_early": len(ended_early), "saved_seconds": round(saved_s, 1)}
    return {
        "metric": session.metric.name,
        "trials": [_show_trial(session, trial) for trial in trials],
        "n_trials": len(session.trials),
        "time_left_s": round(session.budget.time_left_s, 1),
        "n_trials_left": session.budget.n_trials_left,
        **(more if ended_early else {}),
    }


def deliver_model(session: Session) -> None:
    """Train the best trials again on all rows, blend, score and save.

    Raises: SandboxError if not one finished trial can be delivered.
    """
    session.emit("delivery_started", {"n_trials": len(session.finished_trials)})
    for trial in session.finished_trials:
        session.open_batch(session.plans[trial.plan_id])
    delivery = deliver(
        trials=session.trials,
        plans=session.plans,
        batches=session.batches,
        dataset=session.prepared_dataset(),
        metric=session.metric,
        metrics=session.plugins.metrics,
        constraints=session.constraints,
        earlier=session.find_earlier(),
        also=session.request.also,
        seed=session.request.seed,
        time_left_s=lambda: session.budget.time_left_s - CLOSING_S,
    )
    session.close_batches()
    save_model(delivery, session.plans, session.batches, session.directory.model)
    # Only what is saved is delivered.
    session.delivery = delivery


def find_training_log(session: Session, trial_id: str) -> list[LogRecord]:
    """The whole log of a trial.

    Raises: ToolError that lists the trials.
    """
    trials = {trial.trial_id: trial for trial in session.trials}
    if trial_id not in trials:
        raise ToolError(f"There is no trial {trial_id!r}.{suggest(trial_id, trials)}")
    return read_log(trials[trial_id].folder / "training_log.jsonl")


def _note_prediction(session: Session, trial: Trial) -> dict[str, Any] | None:
    """How what was predicted of a plan came out: of its first trial that could be scored."""
    entry = session.scores.get(trial.trial_id)
    if entry is None or entry.state != "scored":
        return None
    if any(scored["plan_id"] == trial.plan_id for scored in session.predictions):
        return None
    prediction = entry.prediction
    outcome = {
        "plan_id": trial.plan_id,
        "predictor": prediction.predictor,
        "predicted": prediction.final.median,
        "low": prediction.final.low,
        "high": prediction.final.high,
        "measured": entry.score,
        "error": entry.error,
        "is_inside": entry.is_inside,
        "predicted_seconds": prediction.seconds,
        "measured_seconds": entry.seconds,
        "predicted_memory_mib": prediction.memory_mib,
        "measured_memory_mib": entry.memory_mib,
    }
    session.predictions.append(outcome)
    session.emit("prediction_scored", outcome)
    return outcome


def _show_trial(session: Session, trial: Trial) -> dict[str, Any]:
    """A trial as the controller is told of it; what its script wrote is shown as far as it may."""
    shown = {
        "trial_id": trial.trial_id,
        "plan_id": trial.plan_id,
        "settings": dict(trial.settings),
        "status": trial.status,
        "valid_score": trial.score and _round(trial.score),
        "seconds": _round(trial.seconds),
        "max_rss_mib": round(trial.max_rss_mib),
        "n_steps": trial.n_steps,
    }
    entry = session.scores.get(trial.trial_id)
    if entry is not None and entry.score is not None:
        shown["predicted"] = _round(entry.prediction.final.median)
        shown["is_as_predicted"] = entry.is_inside
    if trial.is_stopped:
        # The framework's own words, which hold nothing but numbers and the metric's name.
        shown["stopped_early"] = trial.message
        shown["expected_score"] = trial.expected_score and _round(trial.expected_score)
    elif trial.score is None:
        plan = session.plans[trial.plan_id]
        shown["failure"] = show_failure(trial.message, dict(plan.scripts), session.privacy)
        if plan.generated:
            shown["n_repairs_left"] = MAX_REPAIRS - session.n_repairs[trial.plan_id]
    return shown


def _round(value: float) -> float:
    """Five significant digits: what comparing needs, and a third of the tokens."""
    return float(f"{value:.5g}")


def _may_train(session: Session) -> bool:
    has_plan = any(plan.predicted_log for plan in session.plans.values())
    return has_plan and not session.is_ended


def _may_tune(session: Session) -> bool:
    return _has_trial(session) and not session.is_ended


def _has_trial(session: Session) -> bool:
    return bool(session.trials)


TRAINING_TOOLS = (
    Tool(
        "train",
        "Train a plan with its hyperparameters. The person is shown the plans before the first.",
        builtin_parameters("train"),
        train,
        _may_train,
    ),
    Tool(
        "tune",
        "Run more trials of a plan with other hyperparameters.",
        builtin_parameters("tune"),
        tune,
        _may_tune,
    ),
    Tool(
        "read_training_log",
        "Read the validation curve of a trial.",
        builtin_parameters("read_training_log"),
        read_training_log,
        _has_trial,
    ),
    Tool(
        "compare_trials",
        "List all trials with their validation scores, and what is left of time and trials.",
        builtin_parameters("compare_trials"),
        compare_trials,
        _has_trial,
    ),
)
