"""Settings for a data set from what similar ones were trained with, the most promising first.

Source: hyperparameter transfer by data cards, AutoML-GPT (arXiv 2305.02499, section 4). The first
proposal has the best expected score; each further one is what improves most on the best of those
before it in draws from the surrogate, as in the greedy portfolios of Feurer et al. 2022,
"Auto-sklearn 2.0".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from automl_agent.cards.model_card import ModelCard, Settings, value_problem
from automl_agent.errors import ToolError
from automl_agent.experts.search_space import complete_settings, default_settings, starting_points
from automl_agent.knowledge.records.record import Record
from automl_agent.knowledge.similarity.similar_cards import SimilarCard, describe_shares
from automl_agent.knowledge.transfer.neighbourhood import Neighbourhood
from automl_agent.knowledge.transfer.surrogate import score_of

# Below it, what neighbours reached says no more than the expert's defaults: measured by leaving
# each family of tables out, benchmarks/knowledge/transfer.py.
MIN_SIMILARITY = 0.35
N_NAMED = 3
_N_DRAWS = 256
_MAX_CANDIDATES = 200
# Of an interval that holds four values of five, in standard deviations.
DEVIATIONS_80 = 1.2816
_SEED = 0


@dataclass(frozen=True)
class Candidate:
    """Settings with the score they are expected to reach, and why they are proposed.

    low, high: the bounds of the 80 % interval, low ≤ high. sources: the data sets that these very
    settings did best on, among the similar ones.
    """

    settings: Settings
    expected: float
    low: float
    high: float
    sources: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Transfer:
    """What is proposed for a data set and an expert.

    candidates: the best first; only the expert's own starting points if nothing was transferred.
    neighbours: the similar data sets, the most similar first. reason: what was done, in a sentence.
    """

    candidates: tuple[Candidate, ...]
    neighbours: tuple[SimilarCard, ...]
    is_transferred: bool
    reason: str


def transfer_settings(
    neighbourhood: Neighbourhood | None, model: ModelCard, *, n_candidates: int
) -> Transfer:
    """The settings to try first, in order.

    neighbourhood: None if nothing is known that is comparable.
    """
    if neighbourhood is None:
        return _keep_defaults(model, (), "No comparable data set was trained with this expert")
    nearest = neighbourhood.similar[0]
    if nearest.similarity < MIN_SIMILARITY:
        reason = (
            f"The most similar data set, {nearest.known.card.name}, is too far away (similarity "
            f"{nearest.similarity:.2f}, {MIN_SIMILARITY} is needed)"
        )
        return _keep_defaults(model, neighbourhood.similar, reason)
    possible = _list_candidates(neighbourhood)
    candidates = _choose(neighbourhood, possible, n_candidates)
    shares = describe_shares(neighbourhood.similar[:N_NAMED])
    return Transfer(candidates, neighbourhood.similar, True, f"Transferred: {shares}.")


def _keep_defaults(model: ModelCard, similar: tuple[SimilarCard, ...], reason: str) -> Transfer:
    points = starting_points(model)
    candidates = tuple(
        Candidate(settings, math.nan, math.nan, math.nan, (), "a starting point of the expert")
        for settings in points
    )
    return Transfer(candidates, similar, False, f"{reason}: the expert's defaults are proposed.")


def _list_candidates(neighbourhood: Neighbourhood) -> list[Settings]:
    """The settings of the records, as long as the expert still allows them, and its defaults."""
    found: list[Settings] = [default_settings(neighbourhood.model)]
    # Most records share a list of settings: each is looked at once.
    distinct = {repr(sorted(r.settings.items())): r.settings for r in neighbourhood.records}
    for known in distinct.values():
        settings = _update_settings(neighbourhood.model, known)
        if settings is not None and settings not in found and len(found) < _MAX_CANDIDATES:
            found.append(settings)
    return found


def _update_settings(model: ModelCard, settings: Settings) -> Settings | None:
    """Complete settings; None if the expert's card does not allow them any more."""
    allowed = {p.name: p for p in model.search_space}
    kept = {name: value for name, value in settings.items() if name in allowed}
    if any(value_problem(allowed[name], value) for name, value in kept.items()):
        return None
    try:
        return complete_settings(model, kept)
    except ToolError:
        return None


def _choose(
    neighbourhood: Neighbourhood, possible: Sequence[Settings], n_candidates: int
) -> tuple[Candidate, ...]:
    import numpy as np

    mean, covariance = neighbourhood.predict(possible)
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0))
    random = np.random.default_rng(_SEED)
    draws = random.multivariate_normal(mean, covariance, _N_DRAWS, method="eigh")
    chosen = [int(mean.argmin())]
    best = draws[:, chosen[0]]
    while len(chosen) < min(n_candidates, len(possible)):
        improved = np.minimum(draws, best[:, None]).mean(axis=0)
        improved[chosen] = np.inf
        chosen.append(int(improved.argmin()))
        best = np.minimum(best, draws[:, chosen[-1]])
    return tuple(
        _describe(neighbourhood, possible[i], float(mean[i]), float(deviation[i])) for i in chosen
    )


def _describe(
    neighbourhood: Neighbourhood, settings: Settings, mean: float, deviation: float
) -> Candidate:
    metric, chance = neighbourhood.metric, neighbourhood.chance
    ends = [mean + factor * deviation for factor in (-DEVIATIONS_80, 0.0, DEVIATIONS_80)]
    low, expected, high = sorted(score_of(end, metric, chance) for end in ends)
    sources = _find_sources(neighbourhood, settings)
    why = "best expected score over the similar data sets"
    if sources:
        why = f"among the best on {', '.join(sources)}"
    return Candidate(settings, expected, low, high, sources, why)


def _find_sources(neighbourhood: Neighbourhood, settings: Settings) -> tuple[str, ...]:
    """The similar data sets on which these settings were among the better quarter."""
    found = []
    for similar in neighbourhood.similar[:N_NAMED]:
        card_id = similar.known.card_id
        own = [record for record in neighbourhood.records if record.card_id == card_id]
        place = _find_place(neighbourhood, own, settings)
        if place is not None and place <= len(own) / 4:
            found.append(similar.known.card.name)
    return tuple(found)


def _find_place(
    neighbourhood: Neighbourhood, records: Sequence[Record], settings: Settings
) -> int | None:
    loss, name = neighbourhood.metric.loss, neighbourhood.metric.name
    ranked = sorted(records, key=lambda record: loss(record.scores[name]))
    places = (n for n, record in enumerate(ranked, 1) if dict(record.settings) == dict(settings))
    return next(places, None)
