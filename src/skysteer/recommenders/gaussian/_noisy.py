"""Expected improvement where readings have noise, so that nobody knows what the best so far is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special as _special

from skysteer.recommenders._matern import Array, Posterior, linalg

from ._acquisition import log_h

special: Any = _special  # it has no types

DRAWS = 16
"""So many sets of true values are imagined."""
RIDGE = 1e-4
"""Noise of an imagined true value, as a part of the kernel's variance: for the arithmetic."""


class LogNoisyImprovement:
    """The logarithm of the expected improvement over the best true value at the measured places, for a maximum.

    What the true values are is imagined `DRAWS` times, as the readings allow;
    each time the model is told these and its expected improvement over the
    largest of them is taken. The mean of these: Letham, Karrer, Ottoni and
    Bakshy (2019), doi:10.1214/18-BA1110. Other than the improvement over the
    best expected value, it does not ask for the same place again and again
    because it might have been unlucky there.

    Parameters
    ----------
    posterior
        After all readings, and what is taken to come out as expected.
    counted
        (n,) which of its rows are candidates for the best.
    """

    def __init__(self, posterior: Posterior, counted: NDArray[np.bool_]) -> None:
        self._posterior = posterior
        mean, covariance = posterior.truth()
        count = len(mean)
        uniform = _uniform(count)
        imagined: Array = mean + special.ndtri(uniform) @ _root(covariance, posterior.hyper.variance).T
        self._best: Array = imagined[:, counted].max(axis=1)
        before = posterior.before()
        before[np.diag_indices(count)] += RIDGE * posterior.hyper.variance
        self._factor: Array = linalg.cholesky(before, lower=True, check_finite=False)
        self._weights: Array = linalg.cho_solve((self._factor, True), imagined.T, check_finite=False)  # (n, DRAWS)

    def __call__(self, rows: Array) -> Array:
        cross, before = self._posterior.covariances(rows)
        white: Array = linalg.solve_triangular(self._factor, cross, lower=True, check_finite=False)
        sd = np.sqrt(np.maximum(before - np.einsum("ij,ij->j", white, white), 1e-12))[:, None]
        return _log_mean(np.log(sd) + log_h((cross.T @ self._weights - self._best) / sd))

    def slope(self, row: Array) -> tuple[float, Array]:
        cross, before, cross_slope, before_slope = self._posterior.covariance_slopes(row)
        solved: Array = linalg.cho_solve((self._factor, True), cross, check_finite=False)
        sd = float(np.sqrt(max(before - float(cross @ solved), 1e-12)))
        sd_slope: Array = (0.5 * before_slope - cross_slope.T @ solved) / sd
        z = (cross @ self._weights - self._best) / sd
        lh = log_h(z)
        rise = np.exp(np.clip(special.log_ndtr(z) - lh, -50.0, 50.0))[:, None]
        mean_slopes = self._weights.T @ cross_slope  # (DRAWS, dimensions)
        slopes = sd_slope / sd + rise * (mean_slopes - z[:, None] * sd_slope) / sd
        share = np.exp(lh - lh.max())
        return float(np.log(sd) + _log_mean(lh[None])[0]), share @ slopes / share.sum()


def _log_mean(logarithms: Array) -> Array:
    """Logarithm of the mean along the last axis, up to a constant."""
    top = logarithms.max(axis=-1, keepdims=True)
    return top[..., 0] + np.log(np.exp(logarithms - top).sum(axis=-1))


def _uniform(count: int) -> Array:
    """(DRAWS, count) numbers between 0 and 1, evenly spread, always the same."""
    # Here, because importing it takes half a second.
    from scipy.stats.qmc import Sobol as Engine  # pyright: ignore[reportMissingTypeStubs]

    generator = np.random.default_rng(count)
    if count > Engine.MAXDIM:
        return generator.uniform(1e-6, 1.0 - 1e-6, (DRAWS, count))
    return np.clip(Engine(count, rng=generator).random(DRAWS), 1e-6, 1.0 - 1e-6)


def _root(covariance: Array, variance: float) -> Array:
    """A lower triangle whose square is the covariance, or nearly: rounding may have made it no covariance."""
    for jitter in (1e-8, 1e-6, 1e-4):
        try:
            return linalg.cholesky(
                covariance + jitter * variance * np.eye(len(covariance)), lower=True, check_finite=False
            )
        except linalg.LinAlgError:
            continue
    return np.diag(np.sqrt(np.maximum(np.diag(covariance), 0.0)))
