"""Numbers that say what kind of table a data card describes, and how alike two such tables are.

Source: simple and statistical meta-features as in Feurer et al. 2015 ("Initializing Bayesian
hyperparameter optimization via meta-learning", AAAI), those that a card holds.
"""

import math
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from automl_agent.cards.data_card import Classes, DataCard

if TYPE_CHECKING:
    from numpy import ndarray as Array

# By how much two tables differ that have little to do with each other: about the distance between
# the quartiles over real tables. Fixed, so that a similarity means the same with other neighbours.
SCALES: Mapping[str, float] = {
    "log10_rows": 1.0,
    "log10_features": 0.5,
    "categorical_share": 0.4,
    "missing_share": 0.1,
    "log2_classes": 1.0,
    "class_entropy": 0.3,
    "imbalance": 0.5,
    "log10_cardinality": 1.0,
    "is_regression": 0.25,
    # How much of the loss small models take away, and which of them does; see `_measure_landmarks`.
    "skill": 1.0,
    "skill_tree": 0.7,
    "skill_linear": 0.7,
    "skill_neighbours": 0.7,
    "skill_by_rows": 0.15,
}
# A single number that is far off, such as a billion rows, does not outweigh all others.
_MAX_DISTANCE = 4.0
_MAX_COUNT = 1e15
# How alike two cards are of which nothing is known, and from how many numbers on all is.
_UNKNOWN = 0.5
_N_TELLING = 4
_LANDMARKS = ("tree", "linear", "neighbours", "forest", "forest_half")
# Of a landmark: beyond them its number says no more.
_LEAST_LOSS, _MOST_LOSS = 0.01, 2.0


def measure_card(card: DataCard) -> dict[str, float]:
    """The meta-features of a card by their names in SCALES; what it does not tell is left out.

    Numbers that cannot be, such as a share of 7 or -5 rows, count as not told.
    """
    statistics = card.statistics or {}
    n_numeric = clean_number(statistics.get("n_numeric"), _MAX_COUNT)
    n_categorical = clean_number(statistics.get("n_categorical"), _MAX_COUNT)
    share = None
    if n_numeric is not None and n_categorical is not None and n_numeric + n_categorical > 0:
        share = n_categorical / (n_numeric + n_categorical)
    found = {
        "log10_rows": _log(clean_number(card.n_rows, math.inf)),
        "log10_features": _log(clean_number(card.n_features, math.inf)),
        "categorical_share": share,
        "missing_share": clean_number(statistics.get("missing_share"), 1),
        "log10_cardinality": _log(clean_number(statistics.get("max_cardinality"), _MAX_COUNT)),
        "is_regression": float(card.task == "regression"),
        **_measure_classes(card),
        **_measure_landmarks(statistics),
    }
    return {name: value for name, value in found.items() if value is not None}


def compare_features(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """How alike two cards are in the numbers that both tell, 0 to 1."""
    distances = [
        min(abs(one[name] - other[name]) / scale, _MAX_DISTANCE)
        for name, scale in SCALES.items()
        if name in one and name in other
    ]
    if not distances:
        return _UNKNOWN
    telling = min(len(distances) / _N_TELLING, 1.0)
    return telling * math.exp(-sum(distances) / len(distances)) + (1 - telling) * _UNKNOWN


def features_vector(card: DataCard) -> "Array":
    """The meta-features in the order of SCALES, each by its scale, (n_features,); NaN: not told."""
    import numpy as np

    found = measure_card(card)
    return np.array([found.get(name, math.nan) / scale for name, scale in SCALES.items()])


def clean_number(value: object, high: float) -> float | None:
    """The number if it is one, of at least 0 and at most `high`; None if not.

    A whole number beyond any float counts as the greatest float.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        number = sys.float_info.max if value > 0 else -1.0
    return number if math.isfinite(number) and 0 <= number <= high else None


def _measure_classes(card: DataCard) -> dict[str, float | None]:
    space = card.label_space
    if not isinstance(space, Classes):
        return {}
    shares = [clean_number(share, 1) for share in space.shares or ()]
    known = [share for share in shares if share is not None]
    n_classes = max(len(space.classes), 1)
    found: dict[str, float | None] = {"log2_classes": math.log2(n_classes)}
    if len(known) < 2 or len(known) < len(shares) or not 0.9 < sum(known) < 1.1:
        return found
    entropy = -sum(share * math.log(share) for share in known if share > 0)
    # 1: all classes are equally frequent.
    found["class_entropy"] = entropy / math.log(len(known))
    found["imbalance"] = math.log10(max(known) / max(min(known), 1e-6)) / 2
    return found


def _measure_landmarks(statistics: Mapping[str, float]) -> dict[str, float]:
    """The skill of the best small model, of each against a forest, and what twice the rows bring.

    Skill is the logarithm of the loss that is taken away: 0 is useless, 2.3 leaves a tenth.
    """
    skills = {
        name: -math.log(min(max(1 - gain, _LEAST_LOSS), _MOST_LOSS))
        for name in _LANDMARKS
        if (gain := statistics.get(f"landmark_{name}")) is not None and math.isfinite(gain)
    }
    if not skills:
        return {}
    found = {"skill": max(skills.values())}
    forest = skills.get("forest")
    if forest is None:
        return found
    for name in ("tree", "linear", "neighbours"):
        if name in skills:
            found[f"skill_{name}"] = skills[name] - forest
    if "forest_half" in skills:
        found["skill_by_rows"] = forest - skills["forest_half"]
    return found


def _log(count: float | None) -> float | None:
    """0 for a count of 0; what is beyond all tables is cut off."""
    return None if count is None else math.log10(min(max(count, 1.0), _MAX_COUNT))
