"""Settings for a data set from what similar ones were trained with, the most promising first.

Source: hyperparameter transfer by data cards, AutoML-GPT (arXiv 2305.02499, section 4). The first
proposal has the best mean rank over the similar data sets; each further one is what improves most
on those before it, as in the greedy portfolios of Feurer et al. 2022, "Auto-sklearn 2.0", with data
sets weighted by their similarity. Ranks, because scores of some data sets would drown all others.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_agent.cards.model_card import ModelCard, Settings, value_problem
from automl_agent.errors import ToolError
from automl_agent.experts.search_space import complete_settings, default_settings, starting_points
from automl_agent.knowledge.similarity.similar_cards import SimilarCard, describe_shares
from automl_agent.knowledge.transfer.neighbourhood import Neighbourhood
from automl_agent.knowledge.transfer.size_rule import Scaled, scale_settings
from automl_agent.knowledge.transfer.surrogate import score_of

if TYPE_CHECKING:
    from numpy import ndarray as Array

# Below it, what others reached says no more than the expert's defaults: of 61 left out tables in
# benchmarks/knowledge/transfer.py, those with nothing more alike lose, all above gain.
MIN_SIMILARITY = 0.4
N_NAMED = 3
_MAX_CANDIDATES = 200
# How much more the nearest data sets count, measured in the same way (docs/benchmarks.md), and how
# little an average over few records does.
_SHARPNESS = 6
# How much one that is far away counts beside the nearest: what is good everywhere is good.
_FAR_SHARE = 0.1
_FEW_RECORDS = 8
_PRIOR_WEIGHT = 0.02
# The place of the expert's default among what can be proposed.
_DEFAULT = 0
# The rank of settings that nothing is known of.
_MIDDLE = 0.5
_TIE_SHARE = 0.01
# Of an interval that holds four values of five, in standard deviations.
DEVIATIONS_80 = 1.2816


@dataclass(frozen=True)
class Candidate:
    """Settings with the score they are expected to reach, and why they are proposed.

    low, high: the bounds of the 80 % interval, low ≤ high. sources: the data sets that these very
    settings, before they were scaled, did best on, among the similar ones.
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
    """The settings to try first, in order; the expert's default is one of them, if not of one.

    neighbourhood: None if nothing is known that is comparable.
    """
    import numpy as np

    if neighbourhood is None:
        return _keep_defaults(model, (), "No comparable data set was trained with this expert")
    nearest = neighbourhood.similar[0]
    if nearest.similarity < MIN_SIMILARITY:
        reason = (
            f"The most similar data set, {nearest.known.card.name}, is too far away (similarity "
            f"{nearest.similarity:.2f}, {MIN_SIMILARITY} is needed)"
        )
        return _keep_defaults(model, neighbourhood.similar, reason)
    possible, places = _list_candidates(neighbourhood)
    ranks, weights = _rank_everywhere(neighbourhood, places, len(possible))
    chosen = choose_portfolio(ranks, weights, min(n_candidates, len(possible)))
    if _DEFAULT not in chosen and len(chosen) > 1:
        chosen[-1] = _DEFAULT
    # Settings come from where they did well; the default is the expert's, whatever the size.
    came_from = weights[:, None] * np.where(np.isfinite(ranks), 1 - ranks, 0)
    came_from[:, _DEFAULT] = 0
    candidates = _describe_all(
        neighbourhood, [possible[place] for place in chosen], came_from[:, chosen].T
    )
    shares = describe_shares(neighbourhood.similar[:N_NAMED])
    return Transfer(candidates, neighbourhood.similar, True, f"Transferred: {shares}.")


def _keep_defaults(model: ModelCard, similar: tuple[SimilarCard, ...], reason: str) -> Transfer:
    points = starting_points(model)
    candidates = tuple(
        Candidate(settings, math.nan, math.nan, math.nan, (), "a starting point of the expert")
        for settings in points
    )
    return Transfer(candidates, similar, False, f"{reason}: the expert's defaults are proposed.")


def _list_candidates(neighbourhood: Neighbourhood) -> tuple[list[Settings], dict[str, int]]:
    """The expert's defaults and the settings of the records, as long as the expert allows them.

    The second are the places of records' settings in the first, by their keys.
    """
    found: list[Settings] = [default_settings(neighbourhood.model)]
    places: dict[str, int] = {}
    # Most records share a list of settings: each is looked at once.
    distinct = {record.settings_key: record.settings for record in neighbourhood.records}
    for key, known in distinct.items():
        settings = _update_settings(neighbourhood.model, known)
        if settings is not None and settings in found:
            places[key] = found.index(settings)
        elif settings is not None and len(found) < _MAX_CANDIDATES:
            places[key] = len(found)
            found.append(settings)
    return found, places


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


def choose_portfolio(ranks: "Array", weights: "Array", n_chosen: int) -> list[int]:
    """Greedily, the settings of which one each has the best rank on each similar data set.

    ranks: shape (n_tables, n_settings), 0 the best to 1, NaN where a setting was not trained.
    weights: (n_tables,), how much each data set counts; their sum is above 0.
    """
    import numpy as np

    is_known = np.isfinite(ranks)
    known_weights = weights[:, None] * is_known
    told = (known_weights * np.where(is_known, ranks, 0)).sum(axis=0)
    means = (told + _PRIOR_WEIGHT * _MIDDLE) / (known_weights.sum(axis=0) + _PRIOR_WEIGHT)
    chosen = [int(means.argmin())]
    best = np.where(is_known[:, chosen[0]], ranks[:, chosen[0]], _MIDDLE)
    while len(chosen) < n_chosen:
        improved = np.where(is_known, np.minimum(ranks, best[:, None]), best[:, None])
        # Where nothing improves any more, what is good by itself comes next.
        scores = weights @ improved / weights.sum() + _TIE_SHARE * means
        scores[chosen] = np.inf
        chosen.append(int(scores.argmin()))
        best = improved[:, chosen[-1]]
    return chosen


def _rank_everywhere(
    neighbourhood: Neighbourhood, places: Mapping[str, int], n_settings: int
) -> "tuple[Array, Array]":
    """The ranks of settings on all data sets, and how much each data set counts.

    A data set with few records says little of what is good.
    """
    import numpy as np

    ranks = np.full((len(neighbourhood.similar), n_settings), np.nan)
    weights = np.zeros(len(neighbourhood.similar))
    least = _FAR_SHARE * neighbourhood.similar[0].similarity ** _SHARPNESS
    for row, similar in enumerate(neighbourhood.similar):
        ranked = neighbourhood.ranked[similar.known.card_id]
        # Of settings that were trained several times, the best counts.
        for rank, record in reversed(list(enumerate(ranked))):
            place = places.get(record.settings_key)
            if place is not None:
                ranks[row, place] = rank / (len(ranked) - 1) if len(ranked) > 1 else _MIDDLE
        trust = len(ranked) / (len(ranked) + _FEW_RECORDS)
        weights[row] = trust * (similar.similarity**_SHARPNESS + least)
    return ranks, weights


def _describe_all(
    neighbourhood: Neighbourhood, chosen: Sequence[Settings], came_from: "Array"
) -> tuple[Candidate, ...]:
    """came_from: (n_chosen, n_tables), how far each of the settings comes from each data set."""
    cards = [similar.known.card for similar in neighbourhood.similar]
    scaled = [
        scale_settings(neighbourhood.model, settings, neighbourhood.card, cards, weights)
        for settings, weights in zip(chosen, came_from, strict=True)
    ]
    means, covariance = neighbourhood.predict([one.settings for one in scaled])
    deviations = covariance.diagonal().clip(min=0) ** 0.5
    return tuple(
        _describe(neighbourhood, one, _find_sources(neighbourhood, settings), *end)
        for settings, one, *end in zip(
            chosen, scaled, means.tolist(), deviations.tolist(), strict=True
        )
    )


def _describe(
    neighbourhood: Neighbourhood,
    scaled: Scaled,
    sources: tuple[str, ...],
    mean: float,
    deviation: float,
) -> Candidate:
    metric, chance = neighbourhood.metric, neighbourhood.chance
    ends = [mean + factor * deviation for factor in (-DEVIATIONS_80, 0.0, DEVIATIONS_80)]
    low, expected, high = sorted(score_of(end, metric, chance) for end in ends)
    why = "good on average over the similar data sets, of which the nearest count most"
    if sources:
        why = f"among the best on {', '.join(sources)}"
    if scaled.why:
        why = f"{why}; {scaled.why}"
    return Candidate(scaled.settings, expected, low, high, sources, why)


def _find_sources(neighbourhood: Neighbourhood, settings: Settings) -> tuple[str, ...]:
    """The similar data sets on which these settings were among the better quarter."""
    found = []
    for similar in neighbourhood.similar[:N_NAMED]:
        ranked = neighbourhood.ranked[similar.known.card_id]
        best = ranked[: len(ranked) // 4]
        if any(dict(record.settings) == dict(settings) for record in best):
            found.append(similar.known.card.name)
    return tuple(found)
