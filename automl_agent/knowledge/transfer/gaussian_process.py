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
        from scipy.linalg import cho_factor, cho_solve

        self._factor = cho_factor(
            covariance + np.diag(noise + _JITTER), lower=True, check_finite=False
        )
        self._solved = cho_solve(self._factor, values, check_finite=False)

    def condition(self, between: "Array", prior: "Array") -> Posterior:
        """The posterior of other values.

        between: (n, m), their covariance with the observed ones. prior: (n, n), their own.
        """
        from scipy.linalg import cho_solve

        explained = between @ cho_solve(self._factor, between.T, check_finite=False)
        return Posterior(mean=between @ self._solved, covariance=prior - explained)
