"""Spectra that were measured at places: read, made comparable, and mapped over the places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg as _linalg

from skysteer.errors import PointError
from skysteer.recommenders._candidates import Array
from skysteer.recommenders._turns import Point

linalg: Any = _linalg  # it has no types

GAPS = 0.1
"""Up to this part of the channels of a spectrum may be NaN: they are bridged by straight lines."""
LARGEST = 1e100
"""A value beyond this is taken as NaN, one below its inverse as 0: the squares of the others are numbers."""
STARTS = 6
"""From so many starts k-means is tried."""
WIDTH = 0.08
"""How narrow the border between two measured places is taken to be, as a part of their distance."""
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Reader:
    """Takes the spectra out of points."""

    objective: str
    """Name of the spectrum in a point."""
    normalize: bool
    """Whether each is divided by its mean magnitude, so that only its shape counts."""
    positive: bool
    """Whether values below zero are noise, and taken as zero."""

    def read_all(self, points: Sequence[Point], channels: int | None) -> list[Array | None]:
        """Return the spectrum of each point, ``None`` where there is nothing to learn from.

        Parameters
        ----------
        points
            Each with a sequence of numbers.
        channels
            How many values the spectra before had, ``None`` for none before.

        Raises
        ------
        PointError
            If one is missing, is no list of numbers, or has another length.
        """
        spectra: list[Array | None] = []
        for point in points:
            spectrum = self._numbers(point)
            channels = len(spectrum) if channels is None else channels
            if len(spectrum) != channels:
                raise PointError(
                    f"{self.objective!r} has {len(spectrum)} values, the spectra before it {channels}: "
                    "bring them onto the same channels in reduce="
                )
            spectra.append(self._comparable(spectrum))
        return spectra

    def _numbers(self, point: Point) -> Array:
        if self.objective not in point:
            raise PointError(f"{self.objective!r} is missing from the point {sorted(point)}")
        try:
            spectrum: Array = np.asarray(point[self.objective], dtype=np.float64)
        except (TypeError, ValueError) as exc:
            raise PointError(f"{self.objective!r} is no list of numbers: {exc}") from exc
        shape = spectrum.shape
        if spectrum.ndim > 1 and spectrum.size == max(shape):  # one spectrum of a run of one event
            spectrum = spectrum.ravel()
        if spectrum.ndim != 1 or len(spectrum) < 2:
            raise PointError(
                f"{self.objective!r} has the shape {shape}, expected one spectrum of two or more values: "
                "make one of it in reduce="
            )
        return spectrum

    def _comparable(self, spectrum: Array) -> Array | None:
        finite = np.isfinite(spectrum) if self.normalize else np.abs(spectrum) <= LARGEST
        if finite.mean() < 1.0 - GAPS:
            return None
        if not finite.all():
            channels = np.arange(len(spectrum))
            spectrum = np.interp(channels, channels[finite], spectrum[finite])
        if self.positive:
            below, above = float(-spectrum[spectrum < 0].sum()), float(spectrum[spectrum > 0].sum())
            if below > above:
                raise PointError(
                    f"{self.objective!r} is more below zero ({-below:.4g} in all) than above ({above:.4g}), and "
                    "a non-negative factorization takes spectra: subtract less, or give method='pca'"
                )
            spectrum = np.maximum(spectrum, 0.0)
        if self.normalize:
            largest = float(np.abs(spectrum).max())
            if largest > 0.0:
                spectrum = spectrum / largest  # the sum of huge values is not finite
                spectrum = spectrum / float(np.abs(spectrum).mean())
        return np.where(np.abs(spectrum) < 1.0 / LARGEST, 0.0, spectrum)


def signals(spectra: Array, explained: float, most: int) -> int:
    """How many components of centred spectra are more than noise.

    Those whose singular value is above the threshold of Gavish and Donoho
    (2014, doi:10.1109/TIT.2014.2323359) for noise of unknown strength, but no
    more than explain the part `explained` of the variance, and one at least.
    """
    singular: Array = linalg.svdvals(spectra - spectra.mean(axis=0))
    power = np.square(singular)
    if not float(power.sum()) > 0.0:
        return 1
    short, long = sorted(spectra.shape)
    beta = short / long
    factor = 0.56 * beta**3 - 0.95 * beta**2 + 1.82 * beta + 1.43
    above = int((singular > factor * np.median(singular)).sum())
    enough = int(np.searchsorted(np.cumsum(power) / power.sum(), explained)) + 1
    return int(np.clip(min(above, enough), 1, min(most, short - 1 if short > 1 else 1)))


def clustered(rows: Array, count: int, seed: int) -> Labels:
    """Sort (n, d) rows into at most `count` clusters by k-means, the best of some starts (k-means++).

    Returns
    -------
    (n,) numbers
        In the order in which the clusters are first met. Fewer clusters where
        there are fewer different rows.
    """
    # Here, because it is not needed by everybody who reads spectra.
    from scipy.cluster import vq as _vq

    vq: Any = _vq  # it has no types
    count = min(count, len(np.unique(rows, axis=0)))
    if count < 2:
        return np.zeros(len(rows), np.int64)
    best, least = np.zeros(len(rows), np.int64), np.inf
    while count > 1 and np.isinf(least):  # with nearly as many clusters as rows there is always one that becomes empty
        for start in range(STARTS):
            try:
                centres, labels = vq.kmeans2(rows, count, iter=50, minit="++", missing="raise", rng=(seed, start))
            except vq.ClusterError:  # one became empty
                continue
            spread = float(np.square(rows - centres[labels]).sum())
            if spread < least:
                best, least = labels, spread
        count -= max(1, count // 8)
    met, first = np.unique(best, return_index=True)
    numbers = np.empty(met.max() + 1, np.int64)
    numbers[met[np.argsort(first)]] = np.arange(len(met))
    return numbers[best]


class Changes:
    """How much what was measured changes around a place.

    Halfway between two measured places with different weights there is a
    border. With the distance a from a place to the nearest measured one, and b
    to another one, the change is the difference of their weights, times
    ``1 / (1 + ((b - a) / (b + a) / 0.08)**2)``: whole where a = b. The largest
    over all the others counts.

    Parameters
    ----------
    measured, weights
        (n, dimensions) places and (n, k) weights there.
    """

    def __init__(self, measured: Array, weights: Array) -> None:
        self._measured, self._weights = measured, weights
        self._differences = distances(weights, weights)

    def __call__(self, rows: Array) -> Array:
        """Return the change at (m, dimensions) rows, (m,), in the units of the weights."""
        changes = np.empty(len(rows))
        for at in np.array_split(np.arange(len(rows)), max(1, len(rows) * len(self._measured) // 200_000)):
            _, seen = self._seen(rows[at])
            changes[at] = seen.max(axis=1)
        return changes

    def between(self, row: Array) -> tuple[int, int]:
        """Return the numbers of the measured places between which a (dimensions,) row is: the nearest one first."""
        closest, seen = self._seen(row[None])
        return int(closest[0]), int(seen[0].argmax())

    def around(self, rows: Array) -> tuple[Array, Array]:
        """Return mean and scatter, (m, k) each, of the weights around (m, dimensions) rows.

        By the inverse fourth power of the distance (Shepard 1968,
        doi:10.1145/800186.810616).
        """
        away = np.maximum(distances(rows, self._measured), 1e-9)
        share = (away.min(axis=1)[:, None] / away) ** 4
        share /= share.sum(axis=1)[:, None]
        mean = share @ self._weights
        square = share @ np.square(self._weights - self._weights.mean(axis=0))
        return mean, np.sqrt(np.maximum(square - np.square(mean - self._weights.mean(axis=0)), 0.0))

    def closest(self, rows: Array) -> Labels:
        """Return the number of the nearest measured place of each row, (m,)."""
        return distances(rows, self._measured).argmin(axis=1)

    def _seen(self, rows: Array) -> tuple[Labels, Array]:
        """The number of the nearest measured place of each row, (m,), and the change towards each of them, (m, n)."""
        away = distances(rows, self._measured)
        closest = away.argmin(axis=1)
        a = away[np.arange(len(rows)), closest][:, None]
        share = (away - a) / np.maximum(away + a, 1e-12) / WIDTH
        return closest, self._differences[closest] / (1.0 + np.square(share))


def distances(rows: Array, others: Array) -> Array:
    """Return (m, n) distances."""
    square = np.square(rows).sum(axis=1)[:, None] + np.square(others).sum(axis=1)[None] - 2.0 * (rows @ others.T)
    return np.sqrt(np.maximum(square, 0.0))
