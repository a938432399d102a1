"""What to train for a data card alone: experts, hyperparameters and predicted logs, without data.

Source: the unseen private data set of AutoML-GPT (arXiv 2305.02499).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from automl_agent.cards.data_card import Classes, DataCard
from automl_agent.cards.metric import Metric
from automl_agent.cards.model_card import ModelCard
from automl_agent.cards.paragraph import render_paragraph
from automl_agent.cards.predicted_log import PredictedLog
from automl_agent.controllers.conversation.advising import name_neighbours
from automl_agent.errors import InputError, PluginError, ToolError
from automl_agent.experts.expert import Expert
from automl_agent.experts.plan import Plan, Resources
from automl_agent.experts.registry import Registry
from automl_agent.experts.scripts import check_scripts
from automl_agent.experts.search_space import complete_settings
from automl_agent.knowledge.advisor import Advisor, Question
from automl_agent.knowledge.prediction.card_predictor import predict_from_card
from automl_agent.knowledge.prediction.forecast import round_score
from automl_agent.knowledge.transfer.candidates import Candidate, Transfer
from automl_agent.plugins import guard_call
from automl_agent.training.scoring import chance_score, find_metric

DEFAULT_LIMIT = 3
# Of a regression whose target's scale is unknown, what is explained of its variance can still be
# predicted: a constant explains nothing.
_SCALE_FREE, _SCALE_FREE_CHANCE = "r2", 0.0
# What the width of the interval, as a share of the way from chance to perfect, is called.
_WIDTH_WORDS = (
    (0.2, "fairly sure"),
    (0.5, "a rough guess"),
    (float("inf"), "hardly more than a guess"),
)


@dataclass(frozen=True)
class _Prospect:
    """An expert that fits. expected: the share of the way from chance to perfect, 0 to 1."""

    name: str
    model: ModelCard
    transfer: Transfer | None
    expected: float


@dataclass(frozen=True)
class Advice:
    """What is recommended of one expert.

    plan: complete but for the training; its predicted log is None where nothing can be predicted.
    width: of the predicted interval, as a share of the way from a constant prediction to a perfect
        one; None without a predicted log. seconds: of the training, None without the data's size.
    others: further settings to try, in order. reason: where the settings come from.
    """

    plan: Plan
    width: float | None
    seconds: float | None
    others: tuple[Candidate, ...] = ()
    reason: str = ""

    def describe_certainty(self) -> str:
        """How sure the prediction is and where it comes from, in a sentence."""
        neighbours = self.plan.neighbours
        if neighbours:
            names = ", ".join(f"{n.name} ({n.similarity:.2f})" for n in neighbours)
            source = f"The hyperparameters come from similar data sets: {names}."
        else:
            source = self.reason or (
                "No similar data set is known: the hyperparameters are the expert's defaults, and "
                "the prediction is what its trainings usually reach."
            )
        if self.width is None:
            return f"Nothing is predicted. {source}"
        word = next(word for limit, word in _WIDTH_WORDS if self.width <= limit)
        share = f"{self.width:.0%} of the way from a constant prediction to a perfect one"
        return f"This is {word}: the 80 % interval spans {share}. {source}"

    def to_json(self) -> dict[str, Any]:
        """The advice as a JSON object."""
        plan = self.plan
        return {
            "expert": plan.expert,
            "structure": plan.model_card.structure,
            "settings": dict(plan.settings),
            "neighbours": [asdict(neighbour) for neighbour in plan.neighbours],
            "predicted_log": plan.predicted_log and plan.predicted_log.to_json(),
            "seconds": self.seconds,
            "certainty": {"interval_width": self.width, "text": self.describe_certainty()},
            "next": [
                {
                    "settings": dict(candidate.settings),
                    "expected_score": round_score(candidate.expected),
                    "interval": [round_score(candidate.low), round_score(candidate.high)],
                    "why": candidate.why,
                }
                for candidate in self.others
            ],
            "paragraph": render_paragraph(plan.to_paragraph()),
        }


@dataclass(frozen=True)
class Recommendation:
    """What to train for a data card, the most promising first.

    assumptions: what the card does not say and was assumed, in sentences.
    unfit: the reason for each expert that cannot be used. n_more: fitting ones beyond the limit.
    """

    card: DataCard
    assumptions: tuple[str, ...]
    advice: tuple[Advice, ...]
    unfit: Mapping[str, str]
    n_more: int

    def to_json(self) -> dict[str, Any]:
        """The recommendation as a JSON object that fits schemas/recommendation.schema.json."""
        return {
            "data_card": self.card.to_json(),
            "metric": self.card.metric,
            "assumptions": list(self.assumptions),
            "recommendations": [advice.to_json() for advice in self.advice],
            "unfit": dict(self.unfit),
            "n_more": self.n_more,
        }


def recommend(
    card: DataCard,
    experts: Registry[Expert],
    metrics: Mapping[str, Metric],
    *,
    resources: Resources,
    names: Sequence[str] = (),
    limit: int = DEFAULT_LIMIT,
    advisor: Advisor | None = None,
) -> Recommendation:
    """What to train for a data card, without its data.

    names: the experts to choose from, all if empty. advisor: asked for hyperparameters and
    predicted logs; without one they are what the experts' cards say.
    Raises: InputError if no expert fits, or the metric does not; UnknownNameError.
    """
    metric = find_metric(metrics, card.metric, card.task)
    allowed = {name: experts[name] for name in names or experts}
    unfit = {n: r for n, e in allowed.items() if (r := e.card.unfit_reason(card))}
    fitting = [name for name in allowed if name not in unfit]
    _check_any_fits(card, allowed, unfit)
    predicted, chance, assumptions = _find_chance(card, metric, metrics)
    ask = _Asking(advisor, card, predicted, chance)
    prospects = [ask.find_prospect(name, allowed[name].card) for name in fitting]
    # Of one data set, a greater part of the way to a perfect prediction is a better score.
    prospects.sort(key=lambda prospect: -prospect.expected)
    advice: list[Advice] = []
    for prospect in prospects:
        if len(advice) == limit:
            break
        name, plan = prospect.name, _plan(card, prospect, resources)
        try:
            plan = _write_scripts(plan, allowed[name], experts.distribution(name))
        except (PluginError, ToolError) as exc:
            unfit[name] = str(exc)
            continue
        advice.append(ask.predict(plan, prospect.transfer))
    _check_any_fits(card, allowed, unfit)
    n_more = len(allowed) - len(unfit) - len(advice)
    return Recommendation(card, tuple(assumptions), tuple(advice), unfit, n_more)


def _check_any_fits(
    card: DataCard, allowed: Mapping[str, Expert], unfit: Mapping[str, str]
) -> None:
    """Nothing, if an expert is left.

    Raises: InputError that says why there is none.
    """
    if len(unfit) < len(allowed):
        return
    known = sorted({kind for expert in allowed.values() for kind in expert.card.input_types})
    if card.input_type not in known:
        raise InputError(
            f"No expert here reads {card.input_type} data; install a plugin that does. "
            f"`automl-agent experts list` shows those that are there; they read: "
            f"{', '.join(known) or 'nothing'}."
        )
    reasons = "; ".join(f"{name}: {reason.rstrip('.')}" for name, reason in unfit.items())
    raise InputError(f"No expert fits {card.name}; install a plugin that does. {reasons}.")


def _find_chance(
    card: DataCard, metric: Metric, metrics: Mapping[str, Metric]
) -> tuple[Metric | None, float, list[str]]:
    """The metric that can be predicted, the score of a constant prediction, what was assumed."""
    assumptions = []
    if not _has_size(card):
        assumptions.append(
            "The card does not say how many rows and features there are, so no time is predicted "
            "and the experts' limits on size are not checked."
        )
    space = card.label_space
    chance = chance_score(metric, card)
    if chance is None and isinstance(space, Classes):
        assumptions.append(
            "The card does not say how frequent the classes are; equally frequent ones are assumed."
        )
        share = 1 / len(space.classes)
        balanced = replace(space, shares=(share,) * len(space.classes))
        chance = chance_score(metric, replace(card, label_space=balanced))
    if chance is not None:
        return metric, chance, assumptions
    free = metrics.get(_SCALE_FREE)
    instead = f"{_SCALE_FREE} is predicted instead" if free else "nothing is predicted"
    if free is not metric:
        assumptions.append(
            f"The card has no quantiles of the target, so no {metric.name} can be predicted; "
            f"{instead}."
        )
    return free, _SCALE_FREE_CHANCE, assumptions


def _plan(card: DataCard, prospect: _Prospect, resources: Resources) -> Plan:
    model, transfer = prospect.model, prospect.transfer
    is_transferred = transfer is not None and transfer.is_transferred
    settings = transfer.candidates[0].settings if transfer and is_transferred else {}
    return Plan(
        plan_id=model.name,
        data_card=card,
        model_card=model,
        resources=resources,
        settings=complete_settings(model, settings),
        neighbours=name_neighbours(transfer),
    )


def _write_scripts(plan: Plan, expert: Expert, distribution: str) -> Plan:
    """The plan with the expert's scripts, whose words the prompt paragraph carries.

    Raises: PluginError or ToolError if the expert cannot write them.
    """
    scripts = guard_call(lambda: expert.write_scripts(plan), distribution, "write_scripts")
    check_scripts(scripts, plan.model_card)
    return replace(plan, scripts=dict(scripts))


@dataclass(frozen=True)
class _Asking:
    """Asks for one card. metric: the one that can be predicted, None if none can."""

    advisor: Advisor | None
    card: DataCard
    metric: Metric | None
    chance: float

    def find_prospect(self, name: str, model: ModelCard) -> _Prospect:
        """What an expert is expected to reach, and with which settings."""
        expected = model.expectations[self.card.task].gain[1]
        if self.advisor is None or self.metric is None:
            return _Prospect(name, model, None, expected)
        question = Question(self.card, model, self.metric, self.chance)
        transfer = self.advisor.propose(question)
        if transfer.is_transferred:
            expected = self._share_of_way(transfer.candidates[0].expected)
        return _Prospect(name, model, transfer, expected)

    def predict(self, plan: Plan, transfer: Transfer | None) -> Advice:
        """The plan with its predicted log, and the other settings to try."""
        metric = self.metric
        others = transfer.candidates[1:] if transfer and transfer.is_transferred else ()
        reason = transfer.reason if transfer else ""
        if metric is None:
            return Advice(plan, None, None)
        log = self._forecast(plan, metric)
        way = abs(metric.ideal - self.chance)
        width = (log.final.high - log.final.low) / way if way else 0.0
        seconds = log.seconds if _has_size(plan.data_card) else None
        plan = replace(plan, predicted_log=log)
        return Advice(plan, round(width, 3), seconds, others=others, reason=reason)

    def _forecast(self, plan: Plan, metric: Metric) -> PredictedLog:
        if self.advisor is None:
            return predict_from_card(plan.data_card, plan.model_card, metric, chance=self.chance)
        question = Question(plan.data_card, plan.model_card, metric, self.chance)
        return self.advisor.predict(question, plan.settings).combined

    def _share_of_way(self, score: float) -> float:
        assert self.metric is not None
        way = self.metric.ideal - self.chance
        return (score - self.chance) / way if way else 0.0


def _has_size(card: DataCard) -> bool:
    return bool(card.n_rows and card.n_features)
