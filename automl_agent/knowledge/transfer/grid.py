"""What settings have reached on data sets, laid out as a table: data sets by settings."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import ndarray as Array

# What is known of a spread before any record: as much as so many records of this spread would say.
_USUAL_SPREAD, _SPREAD_COUNT = 0.1, 2.0
# A data set with fewer settings says little of where its others lie.
_MANY_SETTINGS = 8


@dataclass(frozen=True)
class Points:
    """Pairs of data set and setting.

    cards: (n, n_features), standardised meta-features, none unknown. settings: (n, n_dimensions),
    0 to 1. tables: (n,), the same number for the same data set.
    """

    cards: "Array"
    settings: "Array"
    tables: "Array"


@dataclass(frozen=True)
class Grid:
    """The remaining loss of each setting on each data set.

    cards: (n_tables, n_features). settings: (n_settings, n_dimensions), all different.
    remaining: (n_tables, n_settings), NaN where a setting was not trained.
    """

    cards: "Array"
    settings: "Array"
    remaining: "Array"

    @cached_property
    def counts(self) -> "Array":
        """How many settings were trained on each data set, shape (n_tables,)."""
        import numpy as np

        counts: Array = np.isfinite(self.remaining).sum(axis=1)
        return counts

    @cached_property
    def spreads(self) -> "Array":
        """How much settings matter on each data set, as a standard deviation, (n_tables,)."""
        import numpy as np

        squares = np.nansum((self.remaining - _row_means(self.remaining)) ** 2, axis=1)
        usual = _SPREAD_COUNT * _USUAL_SPREAD**2
        spreads: Array = np.sqrt((squares + usual) / (self.counts + _SPREAD_COUNT))
        return spreads

    def take_settings(self, n_most: int) -> "Array":
        """The places of the settings that are known of most data sets, shape (≤ n_most,).

        Of several that are known of as many, those of the first data sets come first.
        """
        import numpy as np

        is_known = np.isfinite(self.remaining)
        first = (is_known.cumsum(axis=0) == 0).sum(axis=0)
        order: Array = np.lexsort((first, -is_known.sum(axis=0)))
        return order[:n_most]

    @cached_property
    def usual_log_spread(self) -> float:
        """The mean of the spreads' logarithms, with what is known before any data set."""
        import numpy as np

        return float(np.mean([math.log(_USUAL_SPREAD), *np.log(self.spreads)]))

    @cached_property
    def levels(self) -> "Array":
        """What settings that are middling elsewhere reach on each data set, (n_tables,).

        A person's trials are not: they were chosen because they were expected to be good.
        """
        import numpy as np

        medians: Array = np.nanmedian(self.remaining, axis=1)
        standardised = (self.remaining - medians[:, None]) / self.spreads[:, None]
        told = standardised[self.counts >= _MANY_SETTINGS]
        if not len(told):
            return medians
        n_told = np.isfinite(told).sum(axis=0)
        usual = np.where(n_told > 1, np.nansum(told, axis=0) / np.maximum(n_told, 1), np.nan)
        without = self.remaining - self.spreads[:, None] * usual
        is_known = np.isfinite(without).any(axis=1)
        levels = medians.copy()
        levels[is_known] = np.nanmedian(without[is_known], axis=1)
        return levels

    @cached_property
    def effects(self) -> "Array":
        """How much better (below 0) or worse each setting is, standardised, as `remaining`."""
        effects: Array = (self.remaining - self.levels[:, None]) / self.spreads[:, None]
        return effects


def lay_grid(points: Points, remaining: "Array") -> Grid:
    """The grid of pairs, (n,); of several trainings of the same pair the mean."""
    import numpy as np

    settings, columns = np.unique(points.settings, axis=0, return_inverse=True)
    tables, first, rows = np.unique(points.tables, return_index=True, return_inverse=True)
    sums, counts = (np.zeros((len(tables), len(settings))) for _ in range(2))
    place = (rows.reshape(-1), columns.reshape(-1))
    np.add.at(sums, place, remaining)
    np.add.at(counts, place, 1)
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return Grid(points.cards[first], settings, means)


def _row_means(values: "Array") -> "Array":
    import numpy as np

    means: Array = np.nanmean(values, axis=1, keepdims=True)
    return means
