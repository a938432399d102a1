"""Settings that were good on data sets of one size, for a data set of another.

Source: the linear scaling rule for batch sizes (Goyal et al. 2017, arXiv 1706.02677) is one of the
kind; which settings scale, and by which power, an expert's card says.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.model_card import ModelCard, Settings
from automl_agent.experts.search_space import complete_settings, fit_value

if TYPE_CHECKING:
    from numpy import ndarray as Array

_DIGITS = 3


@dataclass(frozen=True)
class Scaled:
    """Settings for the data set's size; why: what was changed, empty if nothing was."""

    settings: Settings
    why: str = ""


def scale_settings(
    model: ModelCard,
    settings: Settings,
    card: DataCard,
    others: Sequence[DataCard],
    weights: "Array",
) -> Scaled:
    """The settings with those that scale brought from the size of other data sets to this one's.

    others: that the settings come from. weights: (n_others,), how much each counts, at least 0.
    A size that is not told, or is not told of any other, changes nothing.
    """
    ratios = {
        kind: _compare_size(kind, card, others, weights)
        for kind in {kind for p in model.search_space for kind in p.scales_with}
    }
    scaled, changes = dict(settings), []
    for parameter in model.search_space:
        if parameter.name not in settings or not parameter.scales_with:
            continue
        factor = 1.0
        for kind, power in parameter.scales_with.items():
            factor *= ratios[kind] ** power
        value = float(settings[parameter.name])
        # Three digits are what a person reads; a factor of 1 must not change any.
        fitting = fit_value(parameter, float(f"{value * factor:.{_DIGITS}g}"))
        if not math.isclose(factor, 1, rel_tol=1e-6) and fitting != value:
            scaled[parameter.name] = fitting
            changes.append(f"{parameter.name} from {value:g} to {fitting:g}")
    return Scaled(complete_settings(model, scaled), _tell(changes, ratios))


def _compare_size(kind: str, card: DataCard, others: Sequence[DataCard], weights: "Array") -> float:
    """How many times the rows or columns of the others the data set has: of their weighted mean."""
    import numpy as np

    sizes = np.array([_size_of(kind, other) or np.nan for other in others], dtype=float)
    own, counted = _size_of(kind, card), np.isfinite(sizes) & (weights > 0)
    if not own or not counted.any():
        return 1.0
    return float(own / np.exp(np.average(np.log(sizes[counted]), weights=weights[counted])))


def _size_of(kind: str, card: DataCard) -> int | None:
    return card.n_rows if kind == "rows" else card.n_features


def _tell(changes: Sequence[str], ratios: dict[str, float]) -> str:
    if not changes:
        return ""
    sizes = " and ".join(f"{ratios[kind]:.2g} times the {kind}" for kind in sorted(ratios))
    return f"{', '.join(changes)}, as the data set has {sizes}"
