"""The surrogate: what settings of an expert will reach on a data set, from records of others.

What a setting reaches on a data set is level + spread · effect: how far the data set is learnt at
all, how much settings matter there, and how good the setting is. Level, spread and effects are each
carried over from other data sets by a Gaussian process over their meta-features, and effects to
other settings by one over settings. The unit is the remaining loss: log(loss / loss of a constant
prediction), 0 at chance, towards minus infinity at perfection; it makes data sets comparable.
Source: the two stages of Wistuba, Schilling and Schmidt-Thieme 2016, "Two-stage transfer surrogate
model for automatic hyperparameter optimization", with data sets standardised and described by
meta-features. The weights of dimensions were fitted on the packaged records:
benchmarks/knowledge/fit.py.
"""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from automl_agent.cards.metric import Metric
from automl_agent.knowledge.transfer.gaussian_process import Observations, Posterior
from automl_agent.knowledge.transfer.grid import Points, lay_grid
from automl_agent.knowledge.transfer.scales import Scales

if TYPE_CHECKING:
    from numpy import ndarray as Array

# A loss of nothing has no logarithm; below a thousandth of chance, differences are noise.
_LEAST_LOSS, _MOST_LOSS = 0.003, 3.0
# Variances of standardised effects: what all data sets share, what similar ones share, and what is
# a data set's own. Other proportions change little (docs/benchmarks.md).
_SHARED, _SIMILAR, _OWN = 1 / 3, 1 / 3, 1 / 3
# Variances of the logarithm of spreads, likewise: what similar ones share, and a data set's own.
_SPREAD_SIMILAR, _SPREAD_OWN = 0.6, 0.2
# How closely the process over settings keeps to the effects of those that were trained.
_NUGGET = 0.001
# It costs the cube of their number; a person's own trials are each of other settings.
_MAX_SETTINGS = 500


class Surrogate:
    """Conditioned on records, predicts the remaining loss of settings on a data set.

    names: the parameter that each dimension of a settings vector belongs to.
    remaining: (m,), of the observed pairs. n_splits: (m,), how many trainings each is the mean of.
    card: (n_features,), of the data set that is asked for. table: its number; what was observed
        under it is the data set's own.
    """

    def __init__(
        self,
        scales: Scales,
        names: Sequence[str],
        observed: Points,
        remaining: "Array",
        n_splits: "Array",
        *,
        card: "Array",
        table: int,
    ) -> None:
        is_own = observed.tables == table
        others = Points(
            observed.cards[~is_own], observed.settings[~is_own], observed.tables[~is_own]
        )
        self._scales, self._card = scales, card
        self._weights = [scales.setting_weights.get(name, 1.0) for name in names]
        self._grid = lay_grid(others, remaining[~is_own])
        self._own_settings, self._own_remaining = observed.settings[is_own], remaining[is_own]
        self._own_noise = scales.noise / n_splits[is_own]

    def predict(self, settings: "Array") -> Posterior:
        """The remaining loss of settings, (n, n_dimensions), without the noise of a training."""
        import numpy as np

        prior = self._predict_untrained(np.concatenate([self._own_settings, settings]))
        own, asked = np.split(np.arange(len(prior.mean)), [len(self._own_settings)])
        if not len(own):
            return prior
        found = Observations(
            self._own_remaining - prior.mean[own],
            prior.covariance[np.ix_(own, own)],
            self._own_noise,
        ).condition(prior.covariance[np.ix_(asked, own)], prior.covariance[np.ix_(asked, asked)])
        return Posterior(found.mean + prior.mean[asked], found.covariance)

    def _predict_untrained(self, settings: "Array") -> Posterior:
        """As if nothing had been trained on the data set itself."""
        import numpy as np

        effect = self._predict_effects(settings)
        level, log_spread = self._level, self._log_spread
        spread = math.exp(float(log_spread.mean[0]))
        # The variance of a product, as far as the effect's mean is known.
        doubt = math.expm1(float(log_spread.covariance[0, 0]))
        scaled = effect.covariance + doubt * np.outer(effect.mean, effect.mean)
        return Posterior(
            level.mean[0] + spread * effect.mean, level.covariance[0, 0] + spread**2 * scaled
        )

    @cached_property
    def _level(self) -> Posterior:
        scales, grid = self._scales, self._grid
        between, among = self._compare_cards(scales.level_weights)
        found = Observations(
            grid.levels - scales.mean,
            scales.level * among,
            scales.own_level + (scales.noise + grid.spreads**2) / grid.counts,
        ).condition(scales.level * between, _square_of(scales.level))
        return Posterior(found.mean + scales.mean, found.covariance + scales.own_level)

    @cached_property
    def _log_spread(self) -> Posterior:
        import numpy as np

        usual = self._grid.usual_log_spread
        between, among = self._compare_cards(self._scales.level_weights)
        found = Observations(
            np.log(self._grid.spreads) - usual,
            _SPREAD_SIMILAR * among,
            _SPREAD_OWN + 0.5 / self._grid.counts,
        ).condition(_SPREAD_SIMILAR * between, _square_of(_SPREAD_SIMILAR))
        return Posterior(found.mean + usual, found.covariance + _SPREAD_OWN)

    def _predict_effects(self, settings: "Array") -> Posterior:
        """The standardised effects of settings; those that were trained, and others like them."""
        import numpy as np

        effects, ignorance = self._effects
        known = self._grid.settings[self._places]
        n_tables = np.isfinite(self._grid.remaining[:, self._places]).sum(axis=0)
        shared, alike = _SHARED + _SIMILAR, self._compare(settings, settings)
        found = Observations(
            effects, shared * self._compare(known, known), _NUGGET + _OWN / n_tables
        ).condition(shared * self._compare(settings, known), shared * alike)
        return Posterior(found.mean, found.covariance + (ignorance + _OWN) * alike)

    @cached_property
    def _effects(self) -> "tuple[Array, float]":
        """The effects of settings of the grid on the data set, and the variance of most of them."""
        import numpy as np

        grid, places = self._grid, self._places
        between, among = self._compare_cards(self._scales.interaction_weights)
        between, among = (_SHARED + _SIMILAR * alike for alike in (between, among))
        noise = _OWN + self._scales.noise / grid.spreads**2
        effects = np.zeros(len(places))
        known_effects = grid.effects[:, places]
        ignorance, n_most = _SHARED + _SIMILAR, 0
        # Settings that were trained on the same data sets are carried over at once.
        for known, members in _group_columns(np.isfinite(known_effects)):
            found = Observations(
                known_effects[np.ix_(known, members)], among[np.ix_(known, known)], noise[known]
            ).condition(between[:, known], _square_of(_SHARED + _SIMILAR))
            effects[members] = found.mean[0]
            if len(members) > n_most:
                ignorance, n_most = float(found.covariance[0, 0]), len(members)
        return effects, ignorance

    @cached_property
    def _places(self) -> "Array":
        return self._grid.take_settings(_MAX_SETTINGS)

    def _compare_cards(self, weights: Sequence[float]) -> "tuple[Array, Array]":
        """How alike the data set is to those of the grid, (1, n), and they are alike, (n, n)."""
        cards = self._grid.cards
        return _compare(self._card[None], cards, weights), _compare(cards, cards, weights)

    def _compare(self, a: "Array", b: "Array") -> "Array":
        return _compare(a, b, self._weights)


def _compare(a: "Array", b: "Array", weights: Sequence[float]) -> "Array":
    """How alike rows are, (n, m), 0 to 1: by their distance, each dimension times its weight."""
    import numpy as np

    wa, wb = a * np.asarray(weights), b * np.asarray(weights)
    square = (wa**2).sum(1)[:, None] + (wb**2).sum(1)[None, :] - 2 * wa @ wb.T
    alike: Array = np.exp(-square.clip(min=0))  # rounding can leave less than nothing
    return alike


def _group_columns(is_known: "Array") -> "list[tuple[Array, Array]]":
    """For each set of rows that is known of some columns: the rows and these columns."""
    import numpy as np

    sets, numbers = np.unique(is_known, axis=1, return_inverse=True)
    return [
        (np.flatnonzero(sets[:, number]), np.flatnonzero(numbers.reshape(-1) == number))
        for number in range(sets.shape[1])
    ]


def _square_of(variance: float) -> "Array":
    import numpy as np

    return np.array([[variance]])


def remaining_loss(score: float, metric: Metric, chance: float) -> float:
    """The score as log(loss / loss of chance), within bounds; chance: the constant's score."""
    way = abs(chance - metric.ideal) or 1.0
    share = abs(score - metric.ideal) / way
    return math.log(min(max(share, _LEAST_LOSS), _MOST_LOSS))


def score_of(remaining: float, metric: Metric, chance: float) -> float:
    """The score that has this remaining loss."""
    return metric.ideal + (chance - metric.ideal) * math.exp(remaining)
