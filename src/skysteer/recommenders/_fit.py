"""Fits the kernel of a Gaussian process: the most probable one, after what is thought of kernels beforehand."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize as _optimize

from ._matern import JITTER, Array, Hyperparameters, linalg, trend_features

optimize: Any = _optimize  # it has no types
logger = logging.getLogger(__name__)

MOST_FITTED = 400
"""The kernel is fitted to so many of the first readings at the most; later ones are used with that kernel."""

NO_SOLUTION = 1e3
"""A kernel that the arithmetic cannot solve counts for so many nats less than the first one.

With a number beyond all others the search would stop at the first such kernel.
"""


@dataclass(frozen=True, slots=True)
class Prior:
    """A log-normal distribution: what is thought of a positive number beforehand."""

    middle: float
    """The median."""
    spread: float
    """Standard deviation of the natural logarithm."""
    low: float
    """The number is not taken to be smaller."""
    high: float
    """The number is not taken to be larger."""


SCALE = Prior(0.5, 1.0, 0.02, 20.0)
"""Of a correlation length as a part of the range, times the root of the number of dimensions.

In many dimensions everything is far from everything: lengths grow with them
(Hvarfner, Hellsten and Nardi 2024, arXiv:2402.02229; their median is larger).
"""
VARIANCE = Prior(1.0, 1.0, 0.05, 100.0)
"""Of the kernel, for values of variance 1."""
NOISE = Prior(2.5e-3, 2.0, 1e-8, 1.0)
"""Of the variance of one reading."""
TREND = Prior(0.02, 1.0, 1e-4, 100.0)
"""Of the variance of each coefficient of the quadratic trend."""


def fitted_to(count: int) -> int:
    """To how many of `count` readings the kernel is fitted: all up to 40, then in steps of about a fifteenth."""
    m = min(count, 40)
    while (following := m + max(1, m // 15)) <= min(count, MOST_FITTED):
        m = following
    return m


def fitted(
    rows: Array, values: Array, *, trend: bool = False, scale: Array | None = None, noise: float | None = None
) -> Hyperparameters:
    """Return the most probable kernel of standardised readings, by L-BFGS-B from the middle of what is thought of it.

    Where that leads nowhere, the kernel is left as it was before any reading,
    its `Hyperparameters.loss` is infinite and a warning is logged.

    Parameters
    ----------
    rows
        (n, dimensions) points in the unit box.
    values
        (n,) readings of mean 0 and variance 1.
    trend
        The kernel has a quadratic trend.
    scale
        (dimensions,) correlation lengths that are known; NaN where they are to be fitted.
    noise
        Variance of a reading, where it is known.
    """
    posterior = _LogPosterior(rows, values, trend=trend, scale=scale, noise=noise)
    if len(values) < 2 or not values.any():
        return posterior.kernel(posterior.start, loss=0.0)
    found: Any = optimize.minimize(
        posterior.loss, posterior.start, jac=True, method="L-BFGS-B", bounds=posterior.bounds,
        options={"maxiter": 60, "ftol": 1e-6},
    )  # fmt: skip
    if not math.isfinite(found.fun):
        logger.warning("no kernel could be fitted to %d readings; using the one from before any reading", len(values))
        return posterior.kernel(posterior.start, loss=math.inf)
    return posterior.kernel(found.x, loss=float(found.fun))


class _LogPosterior:
    """Minus the logarithm of the probability of a kernel, as a function of the logarithms of its numbers.

    These are the correlation lengths, the variance, the noise and (where there
    is one) the trend. The likelihood and its gradient are those of Rasmussen
    and Williams (2006), equations 5.8 and 5.9; a constant is left out.
    """

    def __init__(self, rows: Array, values: Array, *, trend: bool, scale: Array | None, noise: float | None) -> None:
        count, self._dimensions = rows.shape
        self._values = values
        self._squares: Array = (rows[:, None] - rows[None]) ** 2
        self._trend: Array | None = None
        if trend:
            features = trend_features(rows)
            self._trend = features @ features.T
        self._diagonal: tuple[Any, ...] = np.diag_indices(count)
        spread = math.sqrt(self._dimensions)
        lengths = Prior(SCALE.middle * spread, SCALE.spread, SCALE.low, SCALE.high)
        priors = [lengths] * self._dimensions + [VARIANCE, NOISE] + ([TREND] if trend else [])
        self._middle = np.log([prior.middle for prior in priors])
        spreads = np.array([prior.spread for prior in priors])
        bounds = np.log([(prior.low, prior.high) for prior in priors])
        known = np.full(len(priors), np.nan)
        if scale is not None:
            known[: self._dimensions] = scale
        if noise is not None:
            known[self._dimensions + 1] = noise
        fixed = ~np.isnan(known)
        # What is known is not judged by what was thought before: that would count for or against a bent scale.
        self._spread = np.where(fixed, math.inf, spreads)
        bounds[fixed] = np.log(known[fixed])[:, None]
        self._beyond = math.inf
        self.bounds = bounds
        self.start: Array = np.where(fixed, bounds[:, 0], self._middle)

    def loss(self, theta: Array) -> tuple[float, Array]:
        """Return the value and its gradient; infinite if the first kernel that is asked for cannot be solved."""
        value, slope = self._unlikelihood(theta)
        if math.isinf(value):
            return self._beyond, slope
        off = (theta - self._middle) / self._spread
        value += 0.5 * float(off @ off)
        if math.isinf(self._beyond):
            self._beyond = value + NO_SOLUTION
        return value, slope + off / self._spread

    def kernel(self, theta: Array, *, loss: float) -> Hyperparameters:
        """Return the kernel of these logarithms."""
        d = self._dimensions
        numbers: list[float] = np.exp(theta[d:]).tolist()
        # The best that noise alone can do on values of mean 0 and variance 1.
        gain = 0.5 * len(self._values) - self._unlikelihood(theta)[0] if 0.0 < abs(loss) < math.inf else 0.0
        trend = numbers[2] if self._trend is not None else 0.0
        return Hyperparameters(np.exp(theta[:d]), numbers[0], numbers[1], gain, trend, loss)

    def _unlikelihood(self, theta: Array) -> tuple[float, Array]:
        d, values = self._dimensions, self._values
        variance, noise = math.exp(theta[d]), math.exp(theta[d + 1])
        squares: Array = self._squares * np.exp(-2.0 * theta[:d])
        r: Array = np.sqrt(5.0 * squares.sum(axis=2))
        decay = variance * np.exp(-r)
        smooth = (1.0 + r + r * r / 3.0) * decay
        covariance = smooth.copy()
        if self._trend is not None:
            covariance += math.exp(theta[d + 2]) * self._trend
        covariance[self._diagonal] += noise + JITTER
        try:
            factor: Array = linalg.cholesky(covariance, lower=True, check_finite=False)
        except linalg.LinAlgError:
            return math.inf, np.zeros_like(theta)
        weights: Array = linalg.cho_solve((factor, True), values, check_finite=False)
        inverse: Array = linalg.cho_solve((factor, True), np.eye(len(values)), check_finite=False)
        lack: Array = inverse - weights[:, None] * weights
        slope = np.empty_like(theta)
        slope[:d] = 0.5 * np.tensordot(lack * ((5.0 / 3.0) * (1.0 + r) * decay), squares, 2)
        slope[d] = 0.5 * float((lack * smooth).sum())
        slope[d + 1] = 0.5 * noise * float(np.diag(lack).sum())
        if self._trend is not None:
            slope[d + 2] = 0.5 * math.exp(theta[d + 2]) * float((lack * self._trend).sum())
        return 0.5 * float(values @ weights) + float(np.log(np.diag(factor)).sum()), slope
