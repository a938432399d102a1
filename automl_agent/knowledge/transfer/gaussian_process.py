"""Gaussian process regression with given covariances.

Source: Rasmussen and Williams 2006, "Gaussian Processes for Machine Learning", algorithm 2.1.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import ndarray as Array

# Added to the diagonal, so that equal points do not make the matrix singular.
_JITTER = 1e-6


@dataclass(frozen=True)
class Posterior:
    """What is known of values after the observations: means (n,) and covariance (n, n)."""

    mean: "Array"
    covariance: "Array"

    @property
    def deviation(self) -> "Array":
        """The standard deviations, shape (n,)."""
        import numpy as np

        deviation: Array = np.sqrt(np.diag(self.covariance).clip(min=0))
        return deviation


class Observations:
    """Observed values whose mean was 0 before, to condition other values on.

    values: (m,), with variances `noise` (m,) of their errors. covariance: (m, m), of the true
    values.
    """

    def __init__(self, values: "Array", covariance: "Array", noise: "Array") -> None:
        import numpy as np

        # Not by the factors of the book: importing SciPy's takes longer than all that is solved.
        self._covariance = covariance + np.diag(noise + _JITTER)
        self._solved = np.linalg.solve(self._covariance, values)

    def condition(self, between: "Array", prior: "Array") -> Posterior:
        """The posterior of other values.

        between: (n, m), their covariance with the observed ones. prior: (n, n), their own.
        """
        import numpy as np

        explained = between @ np.linalg.solve(self._covariance, between.T)
        return Posterior(mean=between @ self._solved, covariance=prior - explained)
