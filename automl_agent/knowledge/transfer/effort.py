"""How many steps, seconds and MiB a training takes, from what others took."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from automl_agent.cards.data_card import DataCard
from automl_agent.knowledge.records.record import Record

if TYPE_CHECKING:
    from numpy import ndarray as Array

# Below it, what is measured is the clock.
LEAST_SECONDS = 0.01
# Weight of the squared coefficients of the regressions, whose columns are of the order of 1.
_RIDGE = 1.0


@dataclass(frozen=True)
class Effort:
    """What a training is expected to take; n_steps: up to the best one."""

    n_steps: int
    seconds: float
    memory_mib: float


@dataclass(frozen=True)
class Place:
    """Where a training is done: the data set, and whether by this machine and of this very run."""

    card: DataCard
    is_own_machine: bool
    is_own_data: bool

    def describe(self) -> list[float]:
        """Logarithms of rows, features and classes, and what a machine and a data set add."""
        counts = (self.card.n_rows or 1000, self.card.n_features or 10, self.card.n_classes or 1)
        sizes = [math.log10(max(1, count)) for count in counts]
        return [*sizes, float(self.is_own_machine), float(self.is_own_data)]


@dataclass(frozen=True)
class EffortRegression:
    """Logarithms of steps, seconds and MiB as linear functions of place and settings.

    So a lower learning rate takes more rounds, and twice the rows more seconds. What this machine
    and the data set itself add is learnt from their own records: the first of them moves the
    prediction two thirds of the way.

    places: (n_records, n_place), as Place describes them. settings: (n_records, n_dimensions).
    """

    places: "Array"
    settings: "Array"
    records: Sequence[Record]

    def predict(self, place: Place, settings: "Array") -> Effort:
        """The effort of a training with settings, (n_dimensions,), kept within what was seen."""
        import numpy as np

        center, means, slopes, low, high = self._fit
        own = np.concatenate([place.describe(), settings])
        logs = np.clip(means + (own - center) @ slopes, low, high)
        steps, seconds, memory = np.exp(logs).tolist()
        return Effort(max(1, round(steps)), round(seconds, 2), round(memory, 1))

    @cached_property
    def _fit(self) -> "tuple[Array, Array, Array, Array, Array]":
        """The columns' means, the logarithms' means and slopes, and their bounds."""
        import numpy as np

        measured = [
            (record.n_steps or 1, max(record.seconds, LEAST_SECONDS), max(record.memory_mib, 1.0))
            for record in self.records
        ]
        logs = np.log(np.array(measured, dtype=float))
        rows = np.hstack([self.places, self.settings])
        center, means = rows.mean(axis=0), logs.mean(axis=0)
        x = rows - center
        gram = x.T @ x + _RIDGE * np.eye(x.shape[1])
        slopes = np.linalg.solve(gram, x.T @ (logs - means))
        spread = np.ptp(logs, axis=0)
        return center, means, slopes, logs.min(axis=0) - spread, logs.max(axis=0) + spread
