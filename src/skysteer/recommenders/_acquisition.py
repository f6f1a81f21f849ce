"""How much a Gaussian process would like to measure a place, and the place it would like most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import optimize as _optimize
from scipy import special as _special

from skysteer.model import Axis, Choice, Space

from ._matern import Array, Posterior
from ._sobol import sobol_rows

optimize: Any = _optimize  # these have no types
special: Any = _special

TOO_NEAR = 0.005
"""A place within this part of the range, on every axis, of one to be avoided is not proposed."""


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


def most_wanted(
    acquisition: Acquisition,
    space: Space,
    seed: Sequence[int],
    *,
    around: Array | None,
    avoid: Array,
    candidates: int = 1024,
    starts: int = 4,
) -> Array:
    """Return the (dimensions,) row of the unit box with the largest acquisition.

    Parameters
    ----------
    acquisition, space
        What is to be large, and where. An option of a choice is taken or not,
        never half.
    seed
        The same seed gives the same row.
    around
        A (dimensions,) row in whose neighbourhood to look more closely.
    avoid
        (m, dimensions) rows that are not to be measured again.
    candidates, starts
        So many places are looked at, and the best so many of them polished by L-BFGS-B.
    """
    moving = np.concatenate([_moves(axis) for axis in space.axes])
    rows = sobol_rows(space, seed, 0, candidates)
    if around is not None:
        steps = np.random.default_rng(seed).normal(size=(candidates // 4, space.dimensions)) * moving
        steps *= np.where(np.arange(len(steps)) % 2, 0.05, 0.005)[:, None]
        rows = np.vstack([rows, np.clip(around + steps, 0.0, 1.0)])
    allowed = rows[~_near(rows, avoid)]
    rows = allowed if len(allowed) else rows
    worth = acquisition(rows)
    order = np.argsort(-worth, kind="stable")
    best, best_worth = rows[order[0]], float(worth[order[0]])

    def loss(row: Array) -> tuple[float, Array]:
        value, slope = acquisition.slope(row)
        return -value, -slope

    for start in rows[order[:starts]]:
        bounds = [(0.0, 1.0) if moves else (x, x) for x, moves in zip(start, moving, strict=True)]
        found: Any = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 50})
        row: Array = np.clip(found.x, 0.0, 1.0)
        if -found.fun > best_worth and not _near(row[None], avoid)[0]:
            best, best_worth = row, -float(found.fun)
    return best


def _moves(axis: Axis | Choice) -> NDArray[np.bool_]:
    return np.zeros(len(axis.options), bool) if isinstance(axis, Choice) else np.ones(1, bool)


def _near(rows: Array, avoid: Array) -> NDArray[np.bool_]:
    if not len(avoid):
        return np.zeros(len(rows), bool)
    return (np.abs(rows[:, None] - avoid[None]).max(axis=2) < TOO_NEAR).any(axis=1)
