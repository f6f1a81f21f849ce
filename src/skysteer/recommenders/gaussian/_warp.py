"""Bends the scale of readings, where that makes them easier to learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skysteer.recommenders._matern import Array


@dataclass(frozen=True, slots=True)
class Warp:
    """Better than the knee all stays as it is; worse than it differences count less the worse they are.

    For a value v that is to be large: ``(v - knee) / width`` above the knee,
    ``-log(1 + (knee - v) / width)`` below it.
    """

    knee: float
    """Where the scale begins to bend; ``-inf`` where it does not."""
    width: float
    """What counts as a small distance below the knee."""

    def __call__(self, values: Array) -> Array:
        """Return bent values, of any shape."""
        if not np.isfinite(self.knee):
            return values / self.width
        above = (values - self.knee) / self.width
        return np.where(above >= 0.0, above, -np.log1p(np.maximum(-above, 0.0)))

    def back(self, bent: Array) -> Array:
        """Return the values of bent ones."""
        if not np.isfinite(self.knee):
            return bent * self.width
        # Far below the knee the model's own doubt would give numbers beyond any float.
        below = -np.expm1(np.minimum(-bent, 50.0))
        return self.knee + self.width * np.where(bent >= 0.0, bent, below)

    def slope(self, values: Array) -> Array:
        """Return the derivative of the bent values at values."""
        if not np.isfinite(self.knee):
            return np.full_like(values, 1.0 / self.width)
        return 1.0 / (self.width * (1.0 + np.maximum((self.knee - values) / self.width, 0.0)))


STRAIGHT = Warp(-np.inf, 1.0)
"""The scale as it is."""


def bend(values: Array) -> Warp:
    """Return the bent scale on which readings, which are to be large, may be better learnt.

    The worst quarter of them is drawn together: a model then need not follow
    the steep walls far from the best place.
    """
    knee = float(np.percentile(values, 25))
    return Warp(knee, max(float(values.max()) - knee, 1e-3 * float(values.std())))
