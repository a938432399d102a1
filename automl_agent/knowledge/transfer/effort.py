"""How many steps, seconds and MiB a training takes, from what others took."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_agent.cards.data_card import DataCard
from automl_agent.cards.model_card import Settings
from automl_agent.knowledge.transfer.neighbourhood import Neighbourhood
from automl_agent.knowledge.transfer.settings_vector import settings_matrix

if TYPE_CHECKING:
    from numpy import ndarray as Array

# Weight of the squared coefficients of the regressions, whose columns are of the order of 1.
_RIDGE = 1.0
_LEAST_SECONDS = 0.01


@dataclass(frozen=True)
class Effort:
    """What a training is expected to take; n_steps: up to the best one."""

    n_steps: int
    seconds: float
    memory_mib: float


def predict_effort(neighbourhood: Neighbourhood, settings: Settings) -> Effort:
    """The effort of a training on the data set.

    Logarithms of steps, seconds and MiB are each a linear function of the settings and of the
    logarithms of rows, features and classes, fitted on the records: so a lower learning rate takes
    more rounds, and twice the rows more seconds. What this machine and the data set itself add is
    learnt from their own records: the first of them moves the prediction two thirds of the way.
    """
    import numpy as np

    rows = _describe_records(neighbourhood)
    own = np.concatenate(
        [_describe_own(neighbourhood), settings_matrix(neighbourhood.model, [settings])[0]]
    )
    measured = [
        (r.n_steps or 1, max(r.seconds, _LEAST_SECONDS), max(r.memory_mib, 1.0))
        for r in neighbourhood.records
    ]
    steps, seconds, memory = _regress(rows, own, np.array(measured, dtype=float))
    return Effort(max(1, round(steps)), round(seconds, 2), round(memory, 1))


def _describe_records(neighbourhood: Neighbourhood) -> "Array":
    """Size, whether this machine trained it, whether it is the data set's own; then settings."""
    import numpy as np

    places = {similar.known.card_id: n for n, similar in enumerate(neighbourhood.similar)}
    tables = [
        (*_describe_size(s.known.card), float(s.known.is_own), 0.0) for s in neighbourhood.similar
    ]
    n_others = len(neighbourhood.records) - neighbourhood.n_own
    others = [places[record.card_id] for record in neighbourhood.records[:n_others]]
    own = np.tile(_describe_own(neighbourhood), (neighbourhood.n_own, 1))
    return np.hstack([np.vstack([np.array(tables)[others], own]), neighbourhood.settings])


def _describe_own(neighbourhood: Neighbourhood) -> "Array":
    """As the data set's own records are described, those to come too."""
    import numpy as np

    return np.array([*_describe_size(neighbourhood.card), 1.0, 1.0])


def _describe_size(card: DataCard) -> list[float]:
    counts = (card.n_rows or 1000, card.n_features or 10, card.n_classes or 1)
    return [math.log10(max(1, count)) for count in counts]


def _regress(rows: "Array", own: "Array", values: "Array") -> list[float]:
    """At `own`, the values of ridge regressions of the logarithms, kept within what was seen.

    values: (n_records, n_kinds), above 0.
    """
    import numpy as np

    logs = np.log(values)
    center = rows.mean(axis=0)
    x = rows - center
    gram = x.T @ x + _RIDGE * np.eye(x.shape[1])
    slopes = np.linalg.solve(gram, x.T @ (logs - logs.mean(axis=0)))
    predicted = logs.mean(axis=0) + (own - center) @ slopes
    spread = np.ptp(logs, axis=0)
    bounded = np.clip(predicted, logs.min(axis=0) - spread, logs.max(axis=0) + spread)
    return [float(value) for value in np.exp(bounded)]
