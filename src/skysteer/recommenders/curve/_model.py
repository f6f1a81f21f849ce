"""What a curve looks like between its measured points: drawn through them, or smoothed where they are noisy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Noise = float | Literal["fit"] | None
"""Standard deviation of a reading; ``"fit"`` learns it; ``None`` is none."""

SCALES = np.geomspace(1.5, 60.0, 10)
"""Correlation lengths tried, in intervals between neighbouring points."""
RATIOS = np.geomspace(1e-8, 10.0, 46)
"""Ratios of the variance of a reading's noise to that of the curve tried."""
MOST_FITTED = 150
"""Length and ratio are fitted to so many evenly chosen places at the most; all places are used with them."""
NEIGHBOURS = 4
"""The local spacing is a mean over so many intervals on either side."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where a curve was measured: each place once, repeats averaged."""

    x: Array
    """(n,) positions, ascending."""
    y: Array
    """(n,) mean readings."""
    repeats: Array
    """(n,) readings at each place."""

    @classmethod
    def of(cls, x: Array, y: Array, *, apart: float) -> Places:
        """Average what was measured at one place: closer than `apart` to the place before it."""
        order = np.lexsort((y, x))  # by the values alone: who learnt them in another order sees the same curve
        x, y = x[order], y[order]
        place = np.concatenate([[0], np.cumsum(np.diff(x) > apart)]) if len(x) else np.zeros(0, int)
        repeats = np.bincount(place).astype(float)
        return cls(np.bincount(place, x) / repeats, np.bincount(place, y) / repeats, repeats)


class Drawn:
    """A curve through its points: monotone cubic pieces (PCHIP, Fritsch and Carlson 1980), level beyond the ends."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def __call__(self, at: Array) -> tuple[Array, Array]:
        """Return the curve and how much straight lines would differ from it, (n,) each."""
        places = self._places
        straight = np.interp(at, places.x, places.y)
        if len(places.x) < 3:
            return straight, np.zeros_like(straight)
        from scipy.interpolate import PchipInterpolator  # pyright: ignore[reportMissingTypeStubs]

        curve = cast("Any", PchipInterpolator)(places.x, places.y)
        mean: Array = curve(np.clip(at, places.x[0], places.x[-1]))
        return mean, np.abs(mean - straight)


class Smoothed:
    """A Gaussian process along the curve, in a coordinate that the spacing of the points stretches.

    Points lie close where the curve bends, so in a coordinate that counts
    points the curve bends about the same everywhere and one correlation length
    does (Matern 5/2). Length, variance and noise are the most likely of a grid:
    there is no fit that can fail.

    Parameters
    ----------
    places
        Three or more.
    noise
        Standard deviation of one reading; ``None`` fits it.
    """

    def __init__(self, places: Places, noise: float | None) -> None:
        self._x = places.x
        self._u = _stretched(places.x)
        self._mean = float(np.average(places.y, weights=places.repeats))
        values = places.y - self._mean
        # Squares of very small readings would be zero.
        self._width = max(float(np.abs(values).max()), noise or 0.0) or 1.0
        values /= self._width
        some = np.linspace(0, len(values) - 1, min(len(values), MOST_FITTED)).round().astype(int)
        self._scale, ratio, self._variance = _most_likely(
            self._u[some], values[some], places.repeats[some], None if noise is None else noise / self._width
        )
        covariance: Array = _matern(self._u, self._u, self._scale) + np.diag(ratio / places.repeats + 1e-10)
        self._factor = np.linalg.cholesky(covariance)
        self._weights = np.linalg.solve(self._factor.T, np.linalg.solve(self._factor, values))

    def __call__(self, at: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation of the curve, (n,) each; without the noise of a reading."""
        across = _matern(np.interp(at, self._x, self._u), self._u, self._scale)
        explained = np.sum(np.linalg.solve(self._factor, across.T) ** 2, axis=0)
        sd = np.sqrt(self._variance * np.maximum(1.0 - explained, 0.0))
        return self._mean + self._width * (across @ self._weights), self._width * sd


def _stretched(x: Array) -> Array:
    steps = np.log(np.diff(x))
    total = np.concatenate([[0.0], np.cumsum(steps)])
    number = np.arange(len(steps))
    first, last = np.maximum(number - NEIGHBOURS, 0), np.minimum(number + NEIGHBOURS + 1, len(steps))
    spacing = (total[last] - total[first]) / (last - first)
    return np.concatenate([[0.0], np.cumsum(np.exp(steps - spacing))])


def _matern(a: Array, b: Array, scale: float) -> Array:
    r = np.sqrt(5.0) * np.abs(a[:, None] - b[None, :]) / scale
    return (1.0 + r + r * r / 3.0) * np.exp(-r)


def _most_likely(u: Array, values: Array, repeats: Array, noise: float | None) -> tuple[float, float, float]:
    """Return scale, noise ratio and variance of the largest likelihood, from one eigendecomposition a scale."""
    count = len(values)
    if not values.any():  # a level curve: nothing to learn from
        return float(SCALES[-1]), 1e-8, 0.0 if noise is None else noise**2
    root = np.sqrt(repeats)
    best = (-np.inf, 0.0, 0.0, 0.0)
    for scale in SCALES:
        eigenvalues, vectors = np.linalg.eigh(root[:, None] * _matern(u, u, scale) * root)
        widths = np.maximum(eigenvalues, 0.0) + RATIOS[:, None]
        misfit = ((vectors.T @ (root * values)) ** 2 / widths).sum(axis=1)
        variance = misfit / count if noise is None else noise**2 / RATIOS
        likelihood = -0.5 * (misfit / variance + count * np.log(variance) + np.log(widths).sum(axis=1))
        n = int(np.argmax(likelihood))
        if likelihood[n] > best[0]:
            best = (float(likelihood[n]), float(scale), float(RATIOS[n]), float(variance[n]))
    return best[1:]
