"""The trials of a conversation with their training logs, also of runs before it was taken up."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_agent.cards.data_card import read_data_card
from automl_agent.cards.metric import Metric
from automl_agent.cards.predicted_log import PredictedLog, PredictedPoint
from automl_agent.controllers.conversation.conversation import Conversation
from automl_agent.errors import UserError
from automl_agent.runs.run_directory import RunDirectory


@dataclass(frozen=True)
class LoggedTrial:
    """A trial that has ended. log: its training log. points: what was predicted before it."""

    run_id: str
    trial_id: str
    metric: Metric
    score: float | None
    log: Path
    points: tuple[PredictedPoint, ...]


def list_trials(conversation: Conversation) -> dict[str, LoggedTrial]:
    """The trials by their names, the oldest first.

    A run that takes up an unfinished one names its trials alike; the earlier are then RUN/TRIAL.
    """
    journal, owner = conversation.workplace.journal, conversation.conversation_id
    runs = [row for row in reversed(journal.list_runs()) if row["conversation_id"] == owner]
    found = [trial for row in runs for trial in _read_run(conversation, row["run_id"])]
    last = {trial.trial_id: trial for trial in found}
    return {
        trial.trial_id
        if last[trial.trial_id] is trial
        else f"{trial.run_id}/{trial.trial_id}": trial
        for trial in found
    }


def find_best(trials: Mapping[str, LoggedTrial]) -> str:
    """The name of the best trial of the run that trained last."""
    last_name, last = list(trials.items())[-1]
    finished = {
        name: trial.metric.loss(trial.score)
        for name, trial in trials.items()
        if trial.run_id == last.run_id and trial.score is not None
    }
    return min(finished, key=finished.__getitem__) if finished else last_name


def _read_run(conversation: Conversation, run_id: str) -> Iterator[LoggedTrial]:
    workplace = conversation.workplace
    rows = workplace.journal.list_rows("trials", run_id)
    directory = RunDirectory(workplace.home / "runs" / run_id)
    try:
        metric = workplace.plugins.metrics[read_data_card(directory.data_card).metric]
    except (UserError, KeyError):  # nothing was profiled, or the metric's plugin is gone
        return
    plans = {row["key"]: row["intent"] for row in workplace.journal.list_rows("plans", run_id)}
    points = {
        plan_id: PredictedLog.from_json(plan["predicted_log"]).points
        for plan_id, plan in plans.items()
        if plan["predicted_log"] is not None
    }
    for row in rows:
        outcome: Mapping[str, Any] = row["outcome"] or {}
        step_id, job_id = row["intent"].get("step_id"), outcome.get("job_id")
        if step_id is None or job_id is None:
            continue
        yield LoggedTrial(
            run_id=run_id,
            trial_id=row["key"],
            metric=metric,
            score=outcome["valid_score"],
            log=directory.step(step_id) / "out" / job_id / "training_log.jsonl",
            points=points.get(row["intent"]["plan_id"], ()),
        )
