"""What earlier trainings say of a session's plans: first settings, predicted logs, their ends."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from automl_agent.cards.metric import Metric
from automl_agent.cards.model_card import ModelCard, Settings
from automl_agent.cards.paragraph import Neighbour
from automl_agent.cards.predicted_log import PredictedLog
from automl_agent.controllers.conversation.recorded_trial import (
    Extrapolate,
    forecast_from_card,
    make_standard,
    skip_candidates,
)
from automl_agent.experts.plan import Plan
from automl_agent.knowledge.advisor import Advisor, Question
from automl_agent.knowledge.prediction.stopping import choose_candidates
from automl_agent.knowledge.records.record import Record, fingerprint_card
from automl_agent.knowledge.similarity.similar_cards import SimilarCard, describe_shares
from automl_agent.knowledge.transfer.candidates import Candidate, Transfer
from automl_agent.training.constraints import prefers_small
from automl_agent.training.tuning import Tuner

if TYPE_CHECKING:
    from automl_agent.controllers.conversation.session import Session

N_SHOWN_NEIGHBOURS = 3
_DIGITS = 4
_OWN_TABLE = "an earlier table of this machine"
# Predictions may be wrong: so many of the best predicted settings are tried in any case.
_N_ALWAYS_KEPT = 3
# And so many of the expert's starting points, its default first: they were chosen to differ, which
# what is predicted to be best seldom does. Measured in docs/benchmarks.md.
_N_POINTS_KEPT = 2


def advise(session: "Session", advisor: Advisor) -> None:
    """Let an advisor say what the session's plans start with, and how its trials will go."""
    session.advisor = advisor
    session.forecast = partial(forecast_trial, session)
    session.find_extrapolator = partial(find_extrapolator, session)


def make_question(session: "Session", model: ModelCard) -> Question | None:
    """What the advisor is asked about an expert; None if there is nobody to ask, or no chance."""
    chance = session.find_chance()
    if session.advisor is None or chance is None:
        return None
    return Question(session.known_card, model, session.metric, chance)


def propose_settings(session: "Session", model: ModelCard) -> Transfer | None:
    """The settings to try first; None if nobody can be asked."""
    question = make_question(session, model)
    if question is None or session.advisor is None:
        return None
    return session.advisor.propose(question)


def choose_first_settings(session: "Session", model: ModelCard, transfer: Transfer) -> Settings:
    """The most promising of transferred settings that leave time for as many trials as may be made.

    Where all take too long, those that are expected to take least: a learning rate that is good in
    an hour may not come to its end in a minute.
    """
    question = make_question(session, model)
    assert question is not None and session.advisor is not None  # whom the transfer came from
    limit_s = session.budget.time_left_s / max(1, session.budget.n_trials_left)
    found: list[tuple[float, Settings]] = []
    for candidate in transfer.candidates:
        seconds = session.advisor.predict(question, candidate.settings).combined.seconds
        if seconds <= limit_s:
            return candidate.settings
        found.append((seconds, candidate.settings))
    return min(found, key=lambda each: each[0])[1]


def forecast_trial(
    session: "Session", plan: Plan, settings: Settings, metric: Metric, *, chance: float
) -> Sequence[PredictedLog]:
    """The predicted logs of a trial: the combined one first, then one for each predictor.

    What a language model said of a plan is about the plan's own settings.
    """
    if session.advisor is None:
        return forecast_from_card(plan, settings, metric, chance=chance)
    question = Question(plan.data_card, plan.model_card, metric, chance)
    told = session.told_logs.get(plan.plan_id)
    forecast = session.advisor.predict(
        question,
        settings,
        others=[told] if told and settings == plan.settings else [],
        own=_list_own_records(session, plan, metric),
    )
    return forecast.combined, *forecast.parts


def find_extrapolator(
    session: "Session", plan: Plan, settings: Settings, metric: Metric, *, chance: float
) -> Extrapolate | None:
    """What says where a running trial ends; None if no curve is known to compare with."""
    if session.advisor is None:
        return None
    question = Question(plan.data_card, plan.model_card, metric, chance)
    found = session.advisor.watch(question, settings)
    return None if found is None else found.extrapolate


def make_tuner(session: "Session", plan: Plan) -> Tuner:
    """The tuner of a plan, which begins with what earlier trainings say."""
    return Tuner(
        plan.model_card,
        session.metric,
        seed=session.request.seed,
        smaller_than=plan.settings if prefers_small(session.constraints) else None,
        choose_first=lambda points: choose_first_trials(session, plan, points),
    )


def choose_first_trials(
    session: "Session", plan: Plan, points: Sequence[Settings]
) -> list[Settings]:
    """The settings to tune with first: the plan's own, the expert's default, the most promising.

    points: the expert's starting points, its default first, of which the first are always tried.
    The others and the transferred settings are ranked by what is predicted of them; what is not
    worth a trial is left out, and told, unless the person wants every trial to be trained to its
    end.
    """
    proposed = propose_settings(session, plan.model_card)
    standard = make_standard(session)
    if proposed is None or not proposed.is_transferred or standard is None:
        return list(points)
    tried = [t.settings for t in session.finished_trials if t.plan_id == plan.plan_id]
    begun_with = _list_distinct([plan.settings, *points[:_N_POINTS_KEPT]])
    proposals = _list_distinct([c.settings for c in proposed.candidates] + list(points))
    candidates = [settings for settings in proposals if settings not in begun_with]
    chance = session.find_chance()
    assert chance is not None  # a standard has one
    forecasts = [
        forecast_trial(session, plan, settings, session.metric, chance=chance)[0].final
        for settings in candidates
    ]
    n_left = session.budget.n_trials_left - sum(s not in tried for s in begun_with)
    n_kept = _N_ALWAYS_KEPT if session.request.early_stop else len(candidates)
    choice = choose_candidates(forecasts, max(0, n_left), standard, n_kept=n_kept)
    skip_candidates(session, plan, candidates, choice.skipped)
    return [*begun_with, *(candidates[index] for index in choice.kept)]


def _list_distinct(settings: Sequence[Settings]) -> list[Settings]:
    return [one for place, one in enumerate(settings) if one not in settings[:place]]


def name_neighbours(transfer: Transfer | None) -> tuple[Neighbour, ...]:
    """The data sets that settings came from, for the paragraph; none if nothing was transferred."""
    if transfer is None or not transfer.is_transferred:
        return ()
    return tuple(
        Neighbour(similar.known.card.name, round(similar.similarity, 2))
        for similar in transfer.neighbours[:N_SHOWN_NEIGHBOURS]
    )


def tell_reason(transfer: Transfer) -> str:
    """Where settings come from, as a controller is told."""
    if not transfer.is_transferred:
        return transfer.reason
    return f"similar data sets: {describe_shares(list(map(_mask, transfer.neighbours[:3])))}"


def tell_similar(similar: Sequence[SimilarCard]) -> dict[str, Any]:
    """Similar data sets as a controller is told of them."""
    similar = list(map(_mask, similar))
    return {
        "shares": describe_shares(similar),
        "similar": [
            {
                "name": one.known.card.name,
                "similarity": round(one.similarity, 2),
                "label_space": _round(one.label_space),
                "text": _round(one.text),
                "meta_features": round(one.meta, 2),
                "origin": one.known.origin,
            }
            for one in similar
        ],
    }


def tell_candidate(candidate: Candidate) -> Mapping[str, Any]:
    """Proposed settings as a controller is told of them."""
    bounds = [candidate.low, candidate.expected, candidate.high]
    low, expected, high = (float(f"{bound:.{_DIGITS}g}") for bound in bounds)
    return {
        "settings": dict(candidate.settings),
        "expected_score": expected,
        "interval": [low, high],
        "why": candidate.why,
    }


def _mask(similar: SimilarCard) -> SimilarCard:
    """Without the name of a person's own table: a model of another request has not to know it."""
    known = similar.known
    if not known.is_own:
        return similar
    return replace(similar, known=replace(known, card=replace(known.card, name=_OWN_TABLE)))


def _list_own_records(session: "Session", plan: Plan, metric: Metric) -> list[Record]:
    """What the expert has reached in this run by now; without curves, which are not needed."""
    card_id = fingerprint_card(plan.data_card)
    return [
        Record(
            card_id=card_id,
            expert=trial.expert,
            settings=trial.settings,
            metric=metric.name,
            scores={metric.name: trial.score},
            curve=(),
            n_steps=trial.n_steps,
            seconds=trial.seconds,
            memory_mib=trial.max_rss_mib,
        )
        for trial in session.finished_trials
        if trial.score is not None
        and trial.expert == plan.expert
        and not session.plans[trial.plan_id].generated
    ]


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
