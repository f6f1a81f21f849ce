"""How much a Gaussian process would like to measure a place."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from scipy import special as _special

from ._matern import Array, Posterior

special: Any = _special  # it has no types


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

    def __init__(self, posterior: Posterior) -> None:
        self._posterior = posterior

    def __call__(self, rows: Array) -> Array:
        return self._posterior(rows)[1]

    def slope(self, row: Array) -> tuple[float, Array]:
        _, sd, _, sd_slope = self._posterior.slopes(row)
        return sd, sd_slope


class LogImprovement:
    """The logarithm of the expected improvement over `best`, for a maximum.

    Expected improvement: Jones, Schonlau and Welch (1998), doi:10.1023/A:1008306431147.
    Its logarithm keeps a slope where the improvement itself is too small for a
    float: Ament et al. (2023), arXiv:2310.20708.
    """

    def __init__(self, posterior: Posterior, best: float) -> None:
        self._posterior, self._best = posterior, best

    def __call__(self, rows: Array) -> Array:
        mean, sd = self._posterior(rows)
        return np.log(sd) + log_h((mean - self._best) / sd)

    def slope(self, row: Array) -> tuple[float, Array]:
        mean, sd, mean_slope, sd_slope = self._posterior.slopes(row)
        z = (mean - self._best) / sd
        lh = float(log_h(np.array([z]))[0])
        rise = np.exp(np.clip(float(special.log_ndtr(z)) - lh, -50.0, 50.0))  # d log_h / dz
        return float(np.log(sd)) + lh, sd_slope / sd + rise * (mean_slope - z * sd_slope) / sd


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
