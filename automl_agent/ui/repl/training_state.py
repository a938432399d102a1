"""Where the training stands, kept up to date from events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from automl_agent.cards.predicted_log import PredictedLog, PredictedPoint
from automl_agent.ui.rendering import format_number

# More points than a plot has dots are not drawn.
_MAX_POINTS = 400


@dataclass
class TrainingState:
    """The trial that runs, and what is known of those before it in this request.

    logs: the predicted log of each plan. curve: the deciding metric on validation rows, by step.
    directions: of each metric, whether greater is better.
    """

    logs: dict[str, PredictedLog] = field(default_factory=dict)
    metric: str = ""
    directions: dict[str, bool] = field(default_factory=dict)
    n_trials: int = 0
    n_ended: int = 0
    best: float | None = None
    trial_id: str = ""
    plan_id: str = ""
    stage: str = "preparing"
    curve: list[tuple[int, float]] = field(default_factory=list)

    def begin_request(self) -> None:
        """Forget the trials of the request before."""
        self.n_trials = self.n_ended = 0
        self.best, self.stage = None, "preparing"

    def take_event(self, name: str, fields: Mapping[str, Any]) -> None:
        """Learn from an event."""
        match name:
            case "run_started":
                self.n_trials += fields["n_trials"]
                self.best = None
            case "data_profiled":
                self.metric = fields["metric"]
                self.directions[self.metric] = fields["greater_is_better"]
            case "plan_approved":
                self.logs[fields["plan_id"]] = PredictedLog.from_json(fields["predicted_log"])
                self.stage = "starting the sandbox"
            case "trial_started":
                self.trial_id, self.plan_id = fields["trial_id"], fields["plan_id"]
                self.curve, self.stage = [], ""
                self._choose_metric()
            case "trial_step" if fields["split"] == "valid" and self.metric in fields["metrics"]:
                self.curve.append((fields["step"], fields["metrics"][self.metric]))
            case "trial_ended":
                self.n_ended += 1
                self._take_score(fields["valid_score"])
            case "delivery_started":
                self.stage = "training the best again on all rows"

    def describe(self) -> str:
        """The trial that runs, the metric and the best so far, in a line."""
        if self.stage:
            return self.stage
        parts = [self.trial_id]
        if self.curve:
            step, value = self.curve[-1]
            parts += [f"step {step}", f"{self.metric} {format_number(value)}"]
        if self.best is not None:
            parts.append(f"best {format_number(self.best)}")
        return "   ".join(parts)

    def is_best(self, score: float | None) -> bool:
        """Whether a score is the best so far."""
        return score is not None and score == self.best

    def thinned_curve(self) -> list[tuple[int, float]]:
        """The curve, with no more points than can be shown; empty while nothing trains."""
        if self.stage:
            return []
        curve = self.curve[:]  # the region is drawn by another thread
        stride = max(1, len(curve) // _MAX_POINTS)
        return [*curve[::stride], *curve[-1:]]

    def predicted_points(self) -> Sequence[PredictedPoint]:
        """The predicted log of the plan that trains, if it is about the deciding metric."""
        log = self.logs.get(self.plan_id)
        if self.stage or log is None or log.metric != self.metric:
            return ()
        return log.points

    def _choose_metric(self) -> None:
        """The deciding metric of the plan's task: several tasks may be open."""
        log = self.logs.get(self.plan_id)
        if log is not None and log.metric != self.metric:
            self.metric, self.best = log.metric, None

    def _take_score(self, score: float | None) -> None:
        if score is None:
            return
        better = max if self.directions.get(self.metric) else min
        self.best = score if self.best is None else better(score, self.best)
