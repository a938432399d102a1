"""The surrogate: what a setting of an expert will reach on a data set, from records of others.

A Gaussian process over pairs of data set and setting. Its covariance says what is shared: the level
by similar data sets, the effect of a setting by all data sets and more so by similar ones, and by
a data set with itself. The unit is the remaining loss: log(loss / loss of a constant prediction), 0
at chance, towards minus infinity at perfection; it makes data sets comparable.
Source: multi-task Gaussian processes (Bonilla, Chai and Williams 2008), with descriptors of the
data sets in place of free task parameters, as in Bardenet et al. 2013, "Collaborative
hyperparameter tuning". The scales were fitted on the packaged records: benchmarks/knowledge/fit.py.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_agent.cards.metric import Metric
from automl_agent.knowledge.transfer.gaussian_process import Observations, Posterior

if TYPE_CHECKING:
    from numpy import ndarray as Array

# A loss of nothing has no logarithm; below a thousandth of chance, differences are noise.
_LEAST_LOSS, _MOST_LOSS = 0.003, 3.0


@dataclass(frozen=True)
class Scales:
    """What the covariance is made of, for one expert.

    Variances, in units of the remaining loss squared: level, of data sets by their similarity;
    setting, of a setting's effect everywhere; interaction, of its effect on similar data sets;
    own_level and own_setting, of what a data set shares only with itself; noise, of one training.
    level_weights, interaction_weights: (n_features,), of standardised meta-features.
    setting_weights, interaction_setting_weights: of a settings vector's dimensions, by parameter.
    mean: of the remaining loss over all data sets. interval_factor: what deviations are multiplied
    with so that 80 % intervals hold 80 % of the scores on left out tables.
    """

    mean: float
    level: float
    setting: float
    interaction: float
    own_level: float
    own_setting: float
    noise: float
    level_weights: tuple[float, ...]
    interaction_weights: tuple[float, ...]
    setting_weights: Mapping[str, float] = field(default_factory=dict)
    interaction_setting_weights: Mapping[str, float] = field(default_factory=dict)
    interval_factor: float = 1.0


@dataclass(frozen=True)
class Points:
    """Pairs of data set and setting.

    cards: (n, n_features), standardised meta-features, none unknown. settings: (n, n_dimensions),
    0 to 1.
    tables: (n,), the same number for the same data set.
    """

    cards: "Array"
    settings: "Array"
    tables: "Array"


class Surrogate:
    """Conditioned on records, predicts the remaining loss of pairs.

    names: the parameter that each dimension of a settings vector belongs to.
    remaining: (m,), of the observed pairs. n_splits: (m,), how many trainings each is the mean of.
    """

    def __init__(
        self,
        scales: Scales,
        names: list[str],
        observed: Points,
        remaining: "Array",
        n_splits: "Array",
    ) -> None:
        self._scales = scales
        self._names = names
        self._observed = observed
        self._observations = Observations(
            remaining - scales.mean, self._covariance(observed, observed), scales.noise / n_splits
        )

    def predict(self, wanted: Points) -> Posterior:
        """The remaining loss of other pairs, jointly, without the noise of a training."""
        found = self._observations.condition(
            self._covariance(wanted, self._observed), self._covariance(wanted, wanted)
        )
        return Posterior(found.mean + self._scales.mean, found.covariance)

    def _covariance(self, a: Points, b: Points) -> "Array":
        import numpy as np

        scales = self._scales
        by_setting = _square(a.settings, b.settings, self._weigh(scales.setting_weights))
        by_both = _square(a.cards, b.cards, scales.interaction_weights) + _square(
            a.settings, b.settings, self._weigh(scales.interaction_setting_weights)
        )
        is_same = a.tables[:, None] == b.tables[None, :]
        shared = scales.level * np.exp(-_square(a.cards, b.cards, scales.level_weights))
        effect = scales.setting * np.exp(-by_setting) + scales.interaction * np.exp(-by_both)
        own = scales.own_level + scales.own_setting * np.exp(-by_setting)
        covariance: Array = shared + effect + is_same * own
        return covariance

    def _weigh(self, weights: Mapping[str, float]) -> list[float]:
        return [weights.get(name, 1.0) for name in self._names]


def _square(a: "Array", b: "Array", weights: Any) -> "Array":
    """Squared distances of rows, (n, m), each dimension times its weight."""
    import numpy as np

    wa, wb = a * np.asarray(weights), b * np.asarray(weights)
    square: Array = (wa**2).sum(1)[:, None] + (wb**2).sum(1)[None, :] - 2 * wa @ wb.T
    return square.clip(min=0)  # rounding can leave less than nothing


def remaining_loss(score: float, metric: Metric, chance: float) -> float:
    """The score as log(loss / loss of chance), within bounds; chance: the constant's score."""
    way = abs(chance - metric.ideal) or 1.0
    share = abs(score - metric.ideal) / way
    return math.log(min(max(share, _LEAST_LOSS), _MOST_LOSS))


def score_of(remaining: float, metric: Metric, chance: float) -> float:
    """The score that has this remaining loss."""
    return metric.ideal + (chance - metric.ideal) * math.exp(remaining)


@cache
def read_scales() -> Mapping[str, Scales]:
    """The fitted scales by expert; "" for experts that nothing was fitted for."""
    path = Path(__file__).parents[1] / "base" / "scales.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    return {name: _parse_scales(scales) for name, scales in document["experts"].items()}


def find_scales(expert: str) -> Scales:
    """The scales of an expert, or the general ones."""
    scales = read_scales()
    return scales.get(expert, scales[""])


def _parse_scales(document: Mapping[str, Any]) -> Scales:
    tuples = {key: tuple(value) for key, value in document.items() if isinstance(value, list)}
    return Scales(**{**document, **tuples})
