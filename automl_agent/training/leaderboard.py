"""The leaderboard: each model with its scores and what it costs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl_agent.cards.metric import Metric
from automl_agent.errors import InputError
from automl_agent.training.constraints import COSTS
from automl_agent.training.dataset import Dataset
from automl_agent.training.measuring import Costs
from automl_agent.training.scoring import COMPANIONS, score_predictions
from automl_agent.training.trial import Refit, Trial

if TYPE_CHECKING:
    from numpy import ndarray as Array


@dataclass(frozen=True)
class LeaderboardRow:
    """A model.

    scores: held-out scores by metric, None if it was not trained again.
    measures: the costs of `constraints.COSTS`, None where one was not measured.
    """

    name: str
    expert: str
    settings: Mapping[str, Any]
    valid_score: float
    scores: Mapping[str, float] | None
    seconds: float
    measures: Costs

    def to_json(self) -> dict[str, Any]:
        """The row as a JSON object."""
        return {
            "name": self.name,
            "expert": self.expert,
            "settings": dict(self.settings),
            "valid_score": self.valid_score,
            "scores": self.scores and dict(self.scores),
            "seconds": round(self.seconds, 3),
            "measures": round_costs(self.measures),
        }


@dataclass(frozen=True)
class Judge:
    """Scores models. also: metrics that are asked for beside the one that decides."""

    dataset: Dataset
    metric: Metric
    metrics: Mapping[str, Metric]
    also: tuple[str, ...] = ()

    def score_valid(self, predictions: "Array") -> dict[str, float]:
        """All scores on the validation rows."""
        return self._score(self.dataset.valid_labels, predictions)

    def score_held_out(self, predictions: "Array") -> dict[str, float]:
        """All scores on the held-out rows."""
        return self._score(self.dataset.holdout_labels, predictions)

    def score_asked(self, predictions: "Array") -> dict[str, float]:
        """Those scores on the validation rows that the choice rests on."""
        names = dict.fromkeys((self.metric.name, *self.also))
        return _score_by_name(names, self.metrics, self.dataset.valid_labels, predictions)

    def _score(self, labels: "Array", predictions: "Array") -> dict[str, float]:
        task = self.dataset.card.task
        return score_all(self.metric, self.metrics, task, labels, predictions, also=self.also)


def build_row(
    trial: Trial, refit: Refit | None, costs: Mapping[str, Costs], judge: Judge
) -> LeaderboardRow:
    """The row of a trial that has a score. refit: None if it was not trained again."""
    assert trial.score is not None
    own: Costs = {**dict.fromkeys(COSTS), "fit_seconds": trial.seconds}
    return LeaderboardRow(
        name=trial.trial_id,
        expert=trial.expert,
        settings=trial.settings,
        valid_score=trial.score,
        scores=judge.score_held_out(refit.predictions) if refit else None,
        seconds=trial.seconds + (refit.seconds if refit else 0.0),
        measures=costs.get(trial.trial_id, own),
    )


def score_all(
    metric: Metric,
    metrics: Mapping[str, Metric],
    task: str,
    labels: "Array",
    predictions: "Array",
    *,
    also: Iterable[str] = (),
) -> dict[str, float]:
    """The metric that was asked for, then the ones that people expect beside it, then others.

    One that the labels do not allow (an AUC of one class) is left out.
    """
    names = dict.fromkeys((metric.name, *COMPANIONS[task], *also))
    return _score_by_name(names, metrics, labels, predictions)


def round_costs(costs: Costs) -> dict[str, float | None]:
    """Costs as numbers of JSON, with as many digits as were measured."""
    return {name: value and float(f"{value:.4g}") for name, value in costs.items()}


def _score_by_name(
    names: Iterable[str], metrics: Mapping[str, Metric], labels: "Array", predictions: "Array"
) -> dict[str, float]:
    scores: dict[str, float] = {}
    for name in names:
        try:
            scores[name] = score_predictions(metrics[name], labels, predictions)
        except InputError:
            continue
    return scores
