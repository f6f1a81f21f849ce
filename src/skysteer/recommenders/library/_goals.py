"""How much a library would like to have each of its samples measured."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysteer.recommenders._matern import Array
from skysteer.recommenders.gaussian._acquisition import log_h

from ._whitened import Columns

Mask = NDArray[np.bool_]

FLOOR = 1e-3
"""Added to a slope (standardised units over the whole range of a feature): a flat map is filled evenly."""
CLEAR = 1e-6
"""What is behind by less than this is not behind for certain."""
FAR = 9.0
"""A sample further than three standard deviations from the level is no worse than one at three."""


def improvement(mean: Array, sd: Array, measured: Columns, free: Mask, share: Array | None = None) -> Array:
    """The logarithm of the expected improvement over the best expectation among the columns `measured`.

    Parameters
    ----------
    mean, sd
        (m,) what is expected, larger being better.
    measured
        Columns.
    free
        (m,) which matter; there must be one.
    share
        (m,) a factor, or ``None``.

    Returns
    -------
    (m,) array
        ``-inf`` where one look at mean and sd shows that another is better, and where not free.
    """
    best = float(mean[measured].max()) if len(measured) else float(mean.max())
    z = (mean - best) / sd
    scale = np.log(sd) if share is None else np.log(sd) + np.log(share)
    # log_h grows with z: who is behind a good one in both need not be looked at.
    rough = np.where(free, scale - 0.5 * np.minimum(z, 0.0) ** 2 + np.log1p(np.maximum(z, 0.0)), -np.inf)
    good = int(np.argmax(rough))
    left = np.flatnonzero(free & ((z > z[good] - CLEAR) | (scale > scale[good] - CLEAR)))
    worth = np.full(len(mean), -np.inf)
    worth[left] = scale[left] + log_h(z[left])
    return worth


class Edge:
    """Where the objective changes: its slope times its standard deviation, most of all near a level.

    The slope from sample to neighbouring sample, of what is expected, times
    the standard deviation, is what gpCAM calls *gradient*. The factor
    ``exp(-z**2 / 2)``, z being the distance from the level in standard
    deviations, is the straddle of Bryan et al. (2005) in another form: where
    the phase is not in doubt, a slope is no reason to measure.

    Parameters
    ----------
    rows
        (m, features) of the samples.
    """

    def __init__(self, rows: Array) -> None:
        self._near, self._apart = neighbours(rows)

    def __call__(self, mean: Array, sd: Array, level: float | None) -> Array:
        """Return (m,) logarithms; without a level, slopes alone count."""
        slope = np.sqrt((((mean[self._near] - mean[:, None]) * self._apart) ** 2).sum(axis=1))
        worth = np.log(sd) + np.log(slope + FLOOR)
        if level is not None:
            worth -= 0.5 * np.minimum(((mean - level) / sd) ** 2, FAR)
        return worth

    def slope(self, mean: Array, column: int) -> float:
        """Return how steep it is at one sample, in standardised units over the whole range of a feature."""
        return float(np.sqrt((((mean[self._near[column]] - mean[column]) * self._apart[column]) ** 2).sum()))


def neighbours(rows: Array) -> tuple[NDArray[np.intp], Array]:
    """The nearest rows of each row, two a dimension, and one over their distances."""
    from scipy import spatial as _spatial  # pyright: ignore[reportMissingTypeStubs]  a tenth of a second

    spatial: Any = _spatial
    wanted = min(len(rows), 2 * rows.shape[1] + 1)
    found: tuple[Array, NDArray[np.intp]] = spatial.KDTree(rows).query(rows, range(1, wanted + 1))
    distances, numbers = found
    return numbers[:, 1:], 1.0 / np.maximum(distances[:, 1:], 1e-9)


class Cover:
    """How far each sample is from all that were taken: the next one of a maximin cover is the farthest.

    Greedy k-centre: Gonzalez (1985), doi:10.1016/0304-3975(85)90224-5.
    """

    def __init__(self, rows: Array) -> None:
        self._rows = rows
        self.gap = np.full(len(rows), np.inf)
        """(m,) distance to the nearest one taken, in parts of the features' ranges."""

    def take(self, row: Array) -> None:
        """Take a place."""
        np.minimum(self.gap, np.sqrt(((self._rows - row) ** 2).sum(axis=1)), out=self.gap)

    def copy(self) -> Cover:
        """Another one that has taken the same."""
        other = Cover(self._rows)
        other.gap = self.gap.copy()
        return other


def spread(number: int, dimensions: int, seed: int) -> Array:
    """The n-th of a sequence of points that fill the unit box evenly: (dimensions,).

    The additive recurrence of Roberts (2018), "The unreasonable effectiveness
    of quasirandom sequences", with a start that depends on the seed.
    """
    ratio = 2.0
    for _ in range(40):
        ratio = (1.0 + ratio) ** (1.0 / (dimensions + 1))
    steps = ratio ** -np.arange(1.0, dimensions + 1)
    return (np.random.default_rng(seed).random(dimensions) + (number + 1) * steps) % 1.0


def first_best(worth: Array, allowed: Mask, slack: float) -> int | None:
    """The first that is allowed and within `slack` of the best, or ``None`` if none is allowed.

    Two ways to the same knowledge differ by rounding, which must not decide between equals.
    """
    if not allowed.any():
        return None
    worth = np.where(allowed, worth, -np.inf)
    return int(np.argmax(worth >= worth.max() - slack))
