"""Settings as numbers: where they lie in an expert's search space."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automl_agent.cards.model_card import ModelCard, Parameter, Settings, Value, is_same

if TYPE_CHECKING:
    from numpy import ndarray as Array

# Two choices that differ are as far apart as the two ends of a range.
_CHOICE_LENGTH = math.sqrt(0.5)


def settings_matrix(card: ModelCard, settings: Sequence[Settings]) -> "Array":
    """One row for each of the settings, shape (n, n_dimensions), float64, each value 0 to 1.

    A number is placed between its bounds (by logarithm where the card says so), a choice is one
    dimension for each possible value, and what is not in force lies where its default is. Values
    beyond the bounds, as an older version of the card allowed, lie on them.
    """
    import numpy as np

    rows = [
        [x for parameter in card.search_space for x in _place(parameter, one.get(parameter.name))]
        for one in settings
    ]
    return np.array(rows, dtype="float64").reshape(len(settings), -1)


def dimension_names(card: ModelCard) -> list[str]:
    """The parameter that each dimension belongs to."""
    return [
        parameter.name
        for parameter in card.search_space
        for _ in range(max(1, len(parameter.choices or ())))
    ]


def _place(parameter: Parameter, value: Value | None) -> list[float]:
    value = parameter.default if value is None else value
    if parameter.type == "choice":
        return [_CHOICE_LENGTH * is_same(value, choice) for choice in parameter.choices]
    return [_share(parameter, float(value))]


def _share(parameter: Parameter, value: float) -> float:
    assert parameter.low is not None and parameter.high is not None
    low, high = parameter.low, parameter.high
    if low == high:
        return 0.0
    value = min(max(value, low), high)
    if parameter.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)
