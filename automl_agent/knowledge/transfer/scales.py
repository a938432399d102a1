"""The scales of the surrogate's covariances, as they were fitted on the packaged records."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Scales:
    """What the covariances are made of, for one expert.

    Variances, in units of the remaining loss squared: level, of data sets by their similarity;
    own_level, of what a data set shares only with itself; noise, of one training.
    level_weights, interaction_weights: (n_features,), of standardised meta-features, for levels and
    for the effects of settings. setting_weights: of a settings vector's dimensions, by parameter.
    mean: of the remaining loss over all data sets. interval_factor: what deviations are multiplied
    with so that 80 % intervals hold 80 % of the scores on left out tables.
    """

    mean: float
    level: float
    own_level: float
    noise: float
    level_weights: tuple[float, ...]
    interaction_weights: tuple[float, ...]
    setting_weights: Mapping[str, float] = field(default_factory=dict)
    interval_factor: float = 1.0


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
