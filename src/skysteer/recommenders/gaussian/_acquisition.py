"""How much a Gaussian process would like to measure a place."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from scipy import special as _special

from skysteer.recommenders._matern import Array

special: Any = _special  # it has no types


class Belief(Protocol):
    """A normal distribution at every place: a `Posterior`, or a `Blend` of several."""

    def __call__(self, rows: Array) -> tuple[Array, Array]:
        """Return (m,) mean and standard deviation at (m, dimensions) rows."""
        ...

    def slopes(self, row: Array) -> tuple[float, float, Array, Array]:
        """Return mean and standard deviation at one (dimensions,) row, and their gradients."""
        ...


class Acquisition(Protocol):
    """How much a place is worth measuring; larger is better."""

    def __call__(self, rows: Array) -> Array:
        """Return (m,) values at (m, dimensions) rows."""
        ...

    def slope(self, row: Array) -> tuple[float, Array]:
        """Return the value at one (dimensions,) row and its (dimensions,) gradient."""
        ...


class Doubt:
    """The standard deviation: what is known least."""

    def __init__(self, belief: Belief) -> None:
        self._belief = belief

    def __call__(self, rows: Array) -> Array:
        return self._belief(rows)[1]

    def slope(self, row: Array) -> tuple[float, Array]:
        _, sd, _, sd_slope = self._belief.slopes(row)
        return sd, sd_slope


class LogDoubt:
    """The logarithm of the standard deviation, to be added to other logarithms."""

    def __init__(self, belief: Belief) -> None:
        self._belief = belief

    def __call__(self, rows: Array) -> Array:
        return np.log(self._belief(rows)[1])

    def slope(self, row: Array) -> tuple[float, Array]:
        _, sd, _, sd_slope = self._belief.slopes(row)
        return float(np.log(sd)), sd_slope / sd


class UpperBound:
    """What a place may well come to: the mean and `beta` standard deviations (Srinivas et al. 2010, arXiv:0912.3995).

    Their beta is the square of this one.
    """

    def __init__(self, belief: Belief, beta: float) -> None:
        self._belief, self._beta = belief, beta

    def __call__(self, rows: Array) -> Array:
        mean, sd = self._belief(rows)
        return mean + self._beta * sd

    def slope(self, row: Array) -> tuple[float, Array]:
        mean, sd, mean_slope, sd_slope = self._belief.slopes(row)
        return mean + self._beta * sd, mean_slope + self._beta * sd_slope


class LogImprovement:
    """The logarithm of the expected improvement over `best`, for a maximum.

    Expected improvement: Jones, Schonlau and Welch (1998), doi:10.1023/A:1008306431147.
    Its logarithm keeps a slope where the improvement itself is too small for a
    float: Ament et al. (2023), arXiv:2310.20708.
    """

    def __init__(self, belief: Belief, best: float) -> None:
        self._belief, self._best = belief, best

    def __call__(self, rows: Array) -> Array:
        mean, sd = self._belief(rows)
        return np.log(sd) + log_h((mean - self._best) / sd)

    def slope(self, row: Array) -> tuple[float, Array]:
        mean, sd, mean_slope, sd_slope = self._belief.slopes(row)
        z = (mean - self._best) / sd
        lh = float(log_h(np.array([z]))[0])
        rise = np.exp(np.clip(float(special.log_ndtr(z)) - lh, -50.0, 50.0))  # d log_h / dz
        return float(np.log(sd)) + lh, sd_slope / sd + rise * (mean_slope - z * sd_slope) / sd


class Together:
    """The sum of acquisitions: of logarithms, so the product of what they are logarithms of."""

    def __init__(self, *acquisitions: Acquisition) -> None:
        self._acquisitions = acquisitions

    def __call__(self, rows: Array) -> Array:
        return np.sum([acquisition(rows) for acquisition in self._acquisitions], axis=0)

    def slope(self, row: Array) -> tuple[float, Array]:
        values, slopes = zip(*(acquisition.slope(row) for acquisition in self._acquisitions), strict=True)
        return float(sum(values)), np.sum(slopes, axis=0)


def log_h(z: Array) -> Array:
    """``log(pdf(z) + z * cdf(z))``, also for z far below 0 (Ament et al. 2023, equation 9)."""
    out = np.empty_like(z)
    near = z > -1.0
    up, down = z[near], z[~near]
    out[near] = np.log(np.exp(-0.5 * up**2) / np.sqrt(2.0 * np.pi) + up * special.ndtr(up))
    tail = 1.0 + down * np.sqrt(np.pi / 2.0) * special.erfcx(-down / np.sqrt(2.0))
    # Below -1e3 the difference of two nearly equal numbers is 1/z**2.
    tail = np.where(down < -1e3, 1.0 / down**2, np.maximum(tail, 1e-300))
    out[~near] = -0.5 * down**2 - 0.5 * np.log(2.0 * np.pi) + np.log(tail)
    return out
