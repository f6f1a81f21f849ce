"""What a Gaussian process with a Matern-5/2 kernel knows: mean, standard deviation and their slopes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg as _linalg

Array = NDArray[np.float64]
linalg: Any = _linalg  # it has no types

JITTER = 1e-8
"""Added to the diagonal, in units of the outputs' variance: keeps repeated points apart."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """The kernel ``variance * Matern52(distance / scale)``, and the noise of a reading."""

    scale: Array
    """(dimensions,) correlation lengths, as parts of the unit box."""
    variance: float
    """Of the standardised outputs."""
    noise: float
    """Variance of one reading."""
    gain: float = 0.0
    """By how much (in nats) these explain the readings better than noise alone."""


class Posterior:
    """A Gaussian process that has seen readings.

    Parameters
    ----------
    rows
        (n, dimensions) points in the unit box, n >= 1.
    values
        (n,) standardised readings.
    hyper
        The kernel.
    """

    def __init__(self, rows: Array, values: Array, hyper: Hyperparameters) -> None:
        self.rows, self.values, self.hyper = rows, values, hyper
        covariance = self._covariance(rows)
        covariance[np.diag_indices_from(covariance)] += hyper.noise + JITTER
        self._factor: Array = linalg.cholesky(covariance, lower=True)
        self._weights: Array = linalg.cho_solve((self._factor, True), values)

    def __call__(self, rows: Array) -> tuple[Array, Array]:
        """Mean and standard deviation (without the noise of a reading) at (m, dimensions) rows, (m,) each."""
        cross = self._covariance(rows)
        white: Array = linalg.solve_triangular(self._factor, cross, lower=True, check_finite=False)
        left = self.hyper.variance - np.einsum("ij,ij->j", white, white)
        return cross.T @ self._weights, np.sqrt(np.maximum(left, 1e-12))

    def slopes(self, row: Array) -> tuple[float, float, Array, Array]:
        """Mean and standard deviation at one (dimensions,) row, and their (dimensions,) gradients."""
        scale, variance = self.hyper.scale, self.hyper.variance
        away = (row - self.rows) / scale
        r = np.sqrt(5.0 * np.einsum("ij,ij->i", away, away))
        decay = variance * np.exp(-r)
        cross = (1.0 + r + r * r / 3.0) * decay
        slope = -(5.0 / 3.0) * ((1.0 + r) * decay)[:, None] * away / scale
        solved: Array = linalg.cho_solve((self._factor, True), cross, check_finite=False)
        sd = float(np.sqrt(max(variance - float(cross @ solved), 1e-12)))
        return float(cross @ self._weights), sd, slope.T @ self._weights, -(slope.T @ solved) / sd

    def believing(self, rows: Array) -> Posterior:
        """Return what it would know if readings at these rows came out as it expects.

        The kriging believer of Ginsbourger, Le Riche and Carraro (2010): the
        mean stays as it is, the doubt near the rows goes.
        """
        if not len(rows):
            return self
        expected, _ = self(rows)
        return Posterior(np.vstack([self.rows, rows]), np.concatenate([self.values, expected]), self.hyper)

    def _covariance(self, rows: Array) -> Array:
        a, b = self.rows / self.hyper.scale, rows / self.hyper.scale
        square = np.einsum("ij,ij->i", a, a)[:, None] + np.einsum("ij,ij->i", b, b)[None] - 2.0 * (a @ b.T)
        r = np.sqrt(5.0 * np.maximum(square, 0.0))
        return self.hyper.variance * (1.0 + r + r * r / 3.0) * np.exp(-r)
