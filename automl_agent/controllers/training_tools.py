"""The tools from the plan to the model: train, tune, look, ask, finish."""

from typing import Any

from automl_agent.controllers.session import CLOSING_S, Session
from automl_agent.controllers.tools import Tool, builtin_parameters
from automl_agent.errors import ToolError, suggest
from automl_agent.experts.plan import Plan
from automl_agent.training.delivery import deliver, save_model
from automl_agent.training.training_log import LogRecord, read_log
from automl_agent.training.trial import Trial


def train(session: Session, *, plan_id: str) -> dict[str, Any]:
    """Train a plan with its hyperparameters and compare with the predicted log."""
    plan = session.find_plan(plan_id)
    session.pass_gate()
    plan = session.find_plan(plan_id)  # the person may have changed its hyperparameters
    trial = session.run_trial(plan, plan.settings)
    return trial.to_json() | {"prediction": _score_prediction(session, plan, trial)}


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
    return {"n_trials": len(trials), "best": best and best.to_json(), "stopped": stopped}


def read_training_log(session: Session, *, trial_id: str, n_points: int = 20) -> dict[str, Any]:
    """The curve of a trial, thinned out."""
    records = [r for r in find_training_log(session, trial_id) if r.split == "valid"]
    stride = max(1, -(-len(records) // n_points))
    shown = records[::stride]
    if records and shown[-1] is not records[-1]:
        shown.append(records[-1])
    return {"records": [{"step": r.step, "metrics": dict(r.metrics)} for r in shown]}


def compare_trials(session: Session) -> dict[str, Any]:
    """All trials, the best first."""
    loss = session.metric.loss
    finished = sorted(session.finished_trials, key=lambda trial: loss(trial.score or 0.0))
    failed = [trial for trial in session.trials if trial.score is None]
    return {
        "metric": session.metric.name,
        "trials": [trial.to_json() for trial in (*finished, *failed)],
        "time_left_s": round(session.budget.time_left_s, 1),
        "n_trials_left": session.budget.n_trials_left,
    }


def ask_user(session: Session, *, question: str) -> dict[str, Any]:
    """The person's answer to a question."""
    with session.budget.paused():
        answer = session.gate.answer(question)
    return {"answer": answer} if answer else {"answer": None, "note": "Nobody is there to answer."}


def finish(session: Session, *, summary: str) -> dict[str, Any]:
    """Deliver the model and end the run."""
    session.summary = summary
    if session.finished_trials:
        deliver_model(session)
    session.is_finished = True
    if session.delivery is None:
        return {"delivered": None}
    return {"delivered": session.delivery.chosen, "leaderboard": _leaderboard(session)}


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


def _score_prediction(session: Session, plan: Plan, trial: Trial) -> dict[str, Any] | None:
    """The predicted log against what came; recorded once."""
    log = plan.predicted_log
    if log is None or trial.score is None or trial.settings != plan.settings:
        return None
    if any(scored["plan_id"] == plan.plan_id for scored in session.predictions):
        return None
    outcome = {
        "plan_id": plan.plan_id,
        "predictor": log.predictor,
        "predicted": log.final.median,
        "low": log.final.low,
        "high": log.final.high,
        "measured": trial.score,
        "is_inside": log.final.low <= trial.score <= log.final.high,
        "predicted_seconds": log.seconds,
        "measured_seconds": round(trial.seconds, 3),
        "predicted_memory_mib": log.memory_mib,
        "measured_memory_mib": round(trial.max_rss_mib, 1),
    }
    session.journal.end("predictions", session.run_id, plan.plan_id, "done", outcome)
    session.predictions.append(outcome)
    session.emit("prediction_scored", outcome)
    return outcome


def _leaderboard(session: Session) -> list[dict[str, Any]]:
    assert session.delivery is not None
    return [row.to_json() for row in session.delivery.leaderboard[:10]]


def _has_plan(session: Session) -> bool:
    return any(plan.predicted_log for plan in session.plans.values())


def _has_trial(session: Session) -> bool:
    return bool(session.trials)


TRAINING_TOOLS = (
    Tool(
        "train",
        "Train a plan with its hyperparameters. The person is shown the plans before the first.",
        builtin_parameters("train"),
        train,
        _has_plan,
    ),
    Tool(
        "tune",
        "Run more trials of a plan with other hyperparameters.",
        builtin_parameters("tune"),
        tune,
        _has_trial,
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
    Tool(
        "ask_user",
        "Ask the person a question.",
        builtin_parameters("ask_user"),
        ask_user,
        lambda _session: True,
    ),
    Tool(
        "finish",
        "Deliver the best model found and end the run. Always the last call.",
        builtin_parameters("finish"),
        finish,
        lambda _session: True,
    ),
)
