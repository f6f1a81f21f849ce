"""Fits the kernel of a Gaussian process to readings, with scikit-learn."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from ._matern import JITTER, Array, Hyperparameters
from ._search import optimize

logger = logging.getLogger(__name__)

MOST_FITTED = 400
"""The kernel is fitted to so many of the first readings at the most; later ones are used with that kernel."""


def fitted_to(count: int) -> int:
    """To how many of `count` readings the kernel is fitted: all of a few, then in steps of about a fifteenth."""
    m = min(count, 20)
    while (following := m + max(1, m // 15)) <= min(count, MOST_FITTED):
        m = following
    return m


def fitted(rows: Array, values: Array, seed: Sequence[int]) -> Hyperparameters:
    """Return the most likely kernel of standardised readings, by L-BFGS-B from two starts.

    Where no start leads anywhere, the kernel is left as it was before any
    reading, and a warning is logged.
    """
    dimensions: int = rows.shape[1]
    matern: Any = cast("Any", Matern)(np.full(dimensions, 0.3), (0.02, 20.0), nu=2.5)
    kernel: Any = ConstantKernel(1.0, (1e-2, 1e2)) * matern + WhiteKernel(1e-3, (1e-6, 1.0))
    unfitted = Hyperparameters(np.full(dimensions, 0.3), 1.0, 1e-3)
    if len(values) < 2 or not values.any():
        return unfitted
    # Its own optimizer would warn of every parameter at its bound, which is nothing unusual.
    process = cast("Any", GaussianProcessRegressor)(kernel, alpha=JITTER, optimizer=None).fit(rows, values)

    def loss(theta: Array) -> tuple[float, Array]:
        value: float
        slope: Array
        value, slope = process.log_marginal_likelihood(theta, eval_gradient=True, clone_kernel=False)
        return (-float(value), -slope) if np.isfinite(value) else (1e25, np.zeros_like(theta))

    low, high = kernel.bounds.T
    starts: list[Array] = [kernel.theta, np.random.default_rng(seed).uniform(low, high)]
    options: dict[str, Any] = {"jac": True, "method": "L-BFGS-B", "bounds": kernel.bounds, "options": {"ftol": 1e-6}}
    ends: list[Any] = [optimize.minimize(loss, start, **options) for start in starts]
    best = min(ends, key=lambda end: float(end.fun))
    if not float(best.fun) < 1e24:
        logger.warning("no kernel could be fitted to %d readings; using the one from before any reading", len(values))
        return unfitted
    at_best: Array = np.exp(best.x)
    variance, *scale, noise = at_best.tolist()
    # The best that noise alone can do on values of mean 0 and variance 1.
    only_noise = -0.5 * len(values) * (1.0 + np.log(2.0 * np.pi))
    return Hyperparameters(np.array(scale), variance, noise, float(-best.fun - only_noise))
