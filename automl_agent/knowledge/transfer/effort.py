"""How many steps, seconds and MiB a training takes, from what others took."""

import math
from collections.abc import Sequence
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
    more rounds, and twice the rows more seconds.
    """
    import numpy as np

    rows = _describe_records(neighbourhood)
    own = np.concatenate(
        [_describe_size(neighbourhood.card), settings_matrix(neighbourhood.model, [settings])[0]]
    )
    records = neighbourhood.records
    steps = _regress(rows, own, [float(record.n_steps or 1) for record in records])
    seconds = _regress(rows, own, [max(r.seconds, _LEAST_SECONDS) for r in records])
    memory = _regress(rows, own, [max(record.memory_mib, 1.0) for record in records])
    return Effort(max(1, round(steps)), round(seconds, 2), round(memory, 1))


def _describe_records(neighbourhood: Neighbourhood) -> "Array":
    import numpy as np

    sizes = {s.known.card_id: _describe_size(s.known.card) for s in neighbourhood.similar}
    own = _describe_size(neighbourhood.card)
    of_records = np.stack([sizes.get(record.card_id, own) for record in neighbourhood.records])
    return np.column_stack([of_records, neighbourhood.settings])


def _describe_size(card: DataCard) -> "Array":
    import numpy as np

    counts = (card.n_rows or 1000, card.n_features or 10, card.n_classes or 1)
    return np.array([math.log10(max(1, count)) for count in counts])


def _regress(rows: "Array", own: "Array", values: Sequence[float]) -> float:
    """The value at `own` of a ridge regression of the logarithms, kept within what was seen."""
    import numpy as np

    logs = np.log(values)
    center = rows.mean(axis=0)
    x = rows - center
    gram = x.T @ x + _RIDGE * np.eye(x.shape[1])
    slopes = np.linalg.solve(gram, x.T @ (logs - logs.mean()))
    predicted = float(logs.mean() + (own - center) @ slopes)
    spread = float(np.ptp(logs))
    bounded = min(max(predicted, float(logs.min()) - spread), float(logs.max()) + spread)
    return math.exp(bounded)
