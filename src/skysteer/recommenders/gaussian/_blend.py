"""The weighted sum of outcomes that are learnt one by one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skysteer.recommenders._matern import Array

from ._acquisition import Belief


class Blend:
    """A weighted sum of independent normal beliefs, itself normal.

    Parameters
    ----------
    beliefs
        One for each outcome.
    weights
        One number for each: of the sum's mean, and squared of its variance.
    """

    def __init__(self, beliefs: Sequence[Belief], weights: Sequence[float]) -> None:
        self._parts = list(zip(beliefs, weights, strict=True))

    def __call__(self, rows: Array) -> tuple[Array, Array]:
        """Return (m,) mean and standard deviation at (m, dimensions) rows."""
        mean, variance = np.zeros(len(rows)), np.zeros(len(rows))
        for belief, weight in self._parts:
            part, sd = belief(rows)
            mean += weight * part
            variance += (weight * sd) ** 2
        return mean, np.sqrt(variance)

    def slopes(self, row: Array) -> tuple[float, float, Array, Array]:
        """Return mean and standard deviation at one (dimensions,) row, and their gradients."""
        mean, variance = 0.0, 0.0
        mean_slope, half_slope = np.zeros(len(row)), np.zeros(len(row))
        for belief, weight in self._parts:
            part, sd, part_slope, sd_slope = belief.slopes(row)
            mean += weight * part
            variance += (weight * sd) ** 2
            mean_slope += weight * part_slope
            half_slope += weight**2 * sd * sd_slope
        sd = float(np.sqrt(variance))
        return mean, sd, mean_slope, half_slope / sd
