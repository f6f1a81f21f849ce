"""What a Gaussian process knows whose kernel is a Matern-5/2 and a trend: mean, standard deviation and their slopes."""

from __future__ import annotations

import math
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
    """The kernel ``variance * Matern52(distance / scale)``, a trend, and the noise of a reading."""

    scale: Array
    """(dimensions,) correlation lengths, as parts of the unit box."""
    variance: float
    """Of the standardised outputs."""
    noise: float
    """Variance of one reading."""
    gain: float = 0.0
    """By how much (in nats) these explain the readings better than noise alone."""
    trend: float = 0.0
    """Variance of each coefficient of a quadratic trend, see `trend_features`; 0 is none."""
    loss: float = 0.0
    """Minus the logarithm of their probability, up to a constant of the readings; infinite where no fit was found."""


def trend_features(rows: Array) -> Array:
    """Return the (n, 2 dimensions) features of a trend without products of axes: each axis about 0, and its square.

    A Gaussian process with a stationary kernel alone takes many points to see
    that an outcome rises towards one side, or has the shape of a bowl.
    """
    about = 2.0 * rows - 1.0
    return np.hstack([about, about**2 - 1.0 / 3.0])


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
        self._features = trend_features(rows) if hyper.trend else rows
        covariance = self._covariance(rows)
        covariance[np.diag_indices_from(covariance)] += hyper.noise + JITTER
        self._factor: Array = linalg.cholesky(covariance, lower=True)
        self._weights: Array = linalg.cho_solve((self._factor, True), values)

    def __call__(self, rows: Array) -> tuple[Array, Array]:
        """Mean and standard deviation (without the noise of a reading) at (m, dimensions) rows, (m,) each."""
        cross = self._covariance(rows)
        white: Array = linalg.solve_triangular(self._factor, cross, lower=True, check_finite=False)
        left = self._before(rows) - np.einsum("ij,ij->j", white, white)
        return cross.T @ self._weights, np.sqrt(np.maximum(left, 1e-12))

    def slopes(self, row: Array) -> tuple[float, float, Array, Array]:
        """Mean and standard deviation at one (dimensions,) row, and their (dimensions,) gradients."""
        cross, before, slope, before_slope = self.covariance_slopes(row)
        solved: Array = linalg.cho_solve((self._factor, True), cross, check_finite=False)
        sd = math.sqrt(max(before - float(cross @ solved), 1e-12))
        return float(cross @ self._weights), sd, slope.T @ self._weights, (0.5 * before_slope - slope.T @ solved) / sd

    def truth(self) -> tuple[Array, Array]:
        """Return the (n,) mean and (n, n) covariance of the true values, without noise, at its own rows."""
        before = self.before()
        white: Array = linalg.solve_triangular(self._factor, before, lower=True, check_finite=False)
        return before @ self._weights, before - white.T @ white

    def before(self) -> Array:
        """Return the (n, n) covariance of the true values at its own rows before any reading."""
        return self._covariance(self.rows)

    def covariances(self, rows: Array) -> tuple[Array, Array | float]:
        """Return (n, m) covariances with (m, dimensions) rows, and their variance, before any reading."""
        return self._covariance(rows), self._before(rows)

    def covariance_slopes(self, row: Array) -> tuple[Array, float, Array, Array]:
        """Return `covariances` with one (dimensions,) row, and their gradients: (n, dimensions) and (dimensions,)."""
        scale, variance, trend = self.hyper.scale, self.hyper.variance, self.hyper.trend
        away = (row - self.rows) / scale
        r = np.sqrt(5.0 * np.einsum("ij,ij->i", away, away))
        decay = variance * np.exp(-r)
        cross = (1.0 + r + r * r / 3.0) * decay
        slope = -(5.0 / 3.0) * ((1.0 + r) * decay)[:, None] * away / scale
        if not trend:
            return cross, variance, slope, np.zeros_like(row)
        (features,), about, d = trend_features(row[None]), 2.0 * row - 1.0, len(row)
        cross += trend * (self._features @ features)
        slope += trend * (2.0 * self._features[:, :d] + 4.0 * about * self._features[:, d:])
        before_slope = trend * 2.0 * (2.0 * about + 4.0 * about * features[d:])
        return cross, variance + trend * float(features @ features), slope, before_slope

    def believing(self, rows: Array) -> Posterior:
        """Return what it would know if readings at these rows came out as it expects.

        The kriging believer of Ginsbourger, Le Riche and Carraro (2010): the
        mean stays as it is, the doubt near the rows goes.
        """
        if not len(rows):
            return self
        expected, _ = self(rows)
        return Posterior(np.vstack([self.rows, rows]), np.concatenate([self.values, expected]), self.hyper)

    def beside(self, others: Array, rows: Array) -> tuple[Array, Array]:
        """Mean and standard deviation at (m, dimensions) rows as `believing` says, of a few others and a few rows.

        It takes no (n, n) matrix of its own, so that a belief can be kept for later.
        """
        count = len(others)
        if not count:
            return self(rows)
        places = np.vstack([others, rows])
        cross = self._covariance(places)
        white: Array = linalg.solve_triangular(self._factor, cross, lower=True, check_finite=False)
        features = trend_features(places) if self.hyper.trend else places
        covariance = self._between(places, features, places) - white.T @ white
        near, towards = covariance[:count, :count], covariance[:count, count:]
        near[np.diag_indices_from(near)] += self.hyper.noise + JITTER
        # Places that coincide make it singular, but for rounding.
        learnt: Array = linalg.lstsq(near, towards, check_finite=False)[0]
        left = np.diag(covariance)[count:] - np.einsum("ij,ij->j", towards, learnt)
        return cross[:, count:].T @ self._weights, np.sqrt(np.maximum(left, 1e-12))

    def _covariance(self, rows: Array) -> Array:
        return self._between(self.rows, self._features, rows)

    def _between(self, some: Array, features: Array, others: Array) -> Array:
        """(k, m) covariances of the true values at k rows, of which these are features, and at m others."""
        a, b = some / self.hyper.scale, others / self.hyper.scale
        square = np.einsum("ij,ij->i", a, a)[:, None] + np.einsum("ij,ij->i", b, b)[None] - 2.0 * (a @ b.T)
        r = np.sqrt(5.0 * np.maximum(square, 0.0))
        smooth = self.hyper.variance * (1.0 + r + r * r / 3.0) * np.exp(-r)
        return smooth + self.hyper.trend * (features @ trend_features(others).T) if self.hyper.trend else smooth

    def _before(self, rows: Array) -> Array | float:
        """Variance at rows before any reading."""
        if not self.hyper.trend:
            return self.hyper.variance
        return self.hyper.variance + self.hyper.trend * (trend_features(rows) ** 2).sum(axis=1)
