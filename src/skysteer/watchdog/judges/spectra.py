"""Judges of spectra: their components, or their clusters, no longer change."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg as _linalg
from scipy import optimize as _optimize
from scipy.cluster import vq as _vq

from skysteer.model import Judgement, Observation, Verdict

from ._arguments import check_count, check_number
from ._value import check_key, numbers_of

__all__ = ["Cluster", "Decomposition"]

linalg: Any = _linalg  # they have no types
optimize: Any = _optimize
vq: Any = _vq
Array = NDArray[np.float64]
Labels = NDArray[np.int64]

STARTS = 4
"""From so many starts k-means is tried."""


@dataclass(eq=False)
class Decomposition:
    r"""*Enough* when new spectra contain nothing new: those before explain them.

    The spectra so far are decomposed into their k principal components (not
    centred, each spectrum of length 1, so that brightness does not count). A
    new spectrum s is explained by

    .. math:: 1 - |s - P s|^2 / |s|^2

    where P projects onto the components of those before it. It is enough where
    the last n were each explained to `explained` or better: noise must be allowed for,
    white noise of a standard deviation of 5 % of the root mean square of the
    spectrum leaves 0.25 % unexplained.

    Spectra with NaN or infinite values, or of zeros only, are passed over. A
    detector that always says the same is explained too: see `FlatSignal`.
    """

    key: str
    """The spectrum, an array of always the same size. Looked for in the objectives, the axes, the data."""
    _: KW_ONLY
    components: int = 3
    """k, how many components are expected: one for each pure spectrum."""
    explained: float = 0.99
    """Part of each spectrum that is to be explained; below 1."""
    points: int = 10
    """n, how many spectra in a row have to be explained."""
    _spectra: list[Array] = field(init=False, repr=False)
    _basis: Array | None = field(init=False, repr=False)
    _learnt: int = field(init=False, repr=False)
    _shares: list[float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_key(self.key)
        check_count("components", self.components)
        check_count("points", self.points)
        check_number("explained", self.explained)
        if not 0.0 < self.explained < 1.0:
            raise ValueError(f"explained must be above 0 and below 1, found {self.explained!r}")
        self.reset()

    def reset(self) -> None:
        """Forget all spectra."""
        self._spectra, self._shares, self._basis, self._learnt = [], [], None, 0

    def __call__(self, observation: Observation, /) -> Judgement | None:
        """Judge one observation."""
        spectrum = _spectrum(observation, self.key, self._spectra)
        if spectrum is None:
            return None
        if len(self._spectra) >= self.components:
            share = self._share(spectrum)
            self._shares = [*self._shares, share][-self.points :] if share >= self.explained else []
        self._spectra.append(spectrum)
        if len(self._shares) < self.points:
            return None
        return Judgement(
            Verdict.ENOUGH,
            f"the last {self.points} spectra of {self.key} are explained to {100 * min(self._shares):.4g} % or better "
            f"by {self.components} components of those before them, {100 * self.explained:g} % wanted "
            f"({len(self._spectra)} spectra in all)",
        )

    def _share(self, spectrum: Array) -> float:
        # The components hardly move while everything is explained: a tenth more spectra have to come.
        basis = self._basis
        if basis is None or not self._shares or len(self._spectra) >= 1.1 * self._learnt:
            _, _, directions = linalg.svd(np.array(self._spectra), full_matrices=False)
            basis = self._basis = directions[: self.components]
            self._learnt = len(self._spectra)
        return 1.0 - float(np.square(spectrum - basis.T @ (basis @ spectrum)).sum())


@dataclass(eq=False)
class Cluster:
    """*Enough* when the spectra no longer change their clusters.

    After each spectrum all of them, each of length 1, so that brightness does
    not count, are sorted into clusters anew (k-means, the best of four starts).
    It is enough where this has changed the cluster of no more than the part
    `changed` of the spectra before, n times in a row. More clusters than there
    are will hardly ever come to rest.

    Spectra with NaN or infinite values, or of zeros only, are passed over. No
    opinion while there are fewer different spectra than clusters.
    """

    key: str
    """The spectrum, an array of always the same size. Looked for in the objectives, the axes, the data."""
    _: KW_ONLY
    clusters: int = 3
    """How many clusters are expected."""
    changed: float = 0.0
    """Part of the spectra that may change their cluster, from 0 on and below 1."""
    points: int = 10
    """n, how many spectra in a row have to change nothing."""
    seed: int = 0
    """Of the starts of k-means."""
    _spectra: list[Array] = field(init=False, repr=False)
    _labels: Labels | None = field(init=False, repr=False)
    _stable: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_key(self.key)
        check_count("clusters", self.clusters, 2)
        check_count("points", self.points)
        check_count("seed", self.seed, 0)
        check_number("changed", self.changed)
        if not 0.0 <= self.changed < 1.0:
            raise ValueError(f"changed must be from 0 on and below 1, found {self.changed!r}")
        self.reset()

    def reset(self) -> None:
        """Forget all spectra."""
        self._spectra, self._labels, self._stable = [], None, 0

    def __call__(self, observation: Observation, /) -> Judgement | None:
        """Judge one observation."""
        spectrum = _spectrum(observation, self.key, self._spectra)
        if spectrum is None:
            return None
        self._spectra.append(spectrum)
        before, self._labels = self._labels, _sorted_into(np.array(self._spectra), self.clusters, self.seed)
        if before is None or self._labels is None:
            self._stable = 0
            return None
        moved = _moved(before, self._labels[:-1])
        self._stable = self._stable + 1 if moved <= self.changed * len(before) else 0
        if self._stable < self.points:
            return None
        sizes = ", ".join(map(str, sorted(np.bincount(self._labels).tolist(), reverse=True)))
        return Judgement(
            Verdict.ENOUGH,
            f"the last {self.points} spectra of {self.key} did not change the {self.clusters} clusters "
            f"(of {sizes} spectra); up to {100 * self.changed:g} % of them were allowed to move",
        )


def _spectrum(observation: Observation, key: str, before: list[Array]) -> Array | None:
    """Return a spectrum as one row of length 1, ``None`` where it says nothing."""
    numbers = numbers_of(observation, key)
    where = f"observation {observation.seq_num} of stream {observation.stream!r}"
    if numbers.size < 2:
        raise TypeError(f"{key!r} has {numbers.size} values in {where}, expected a spectrum")
    row = numbers.ravel()
    if before and len(row) != len(before[0]):
        raise ValueError(f"{key!r} has {len(row)} values in {where}, and {len(before[0])} in those before")
    if not np.isfinite(row).all() or not row.any():
        return None
    row = row / np.abs(row).max()  # the square of a huge value is not finite
    return row / np.sqrt(np.square(row).sum())


def _sorted_into(spectra: Array, count: int, seed: int) -> Labels | None:
    """Return the cluster of each spectrum, ``None`` where there are not as many."""
    # Equal spectra may differ by rounding: that is no other spectrum.
    if len(np.unique(spectra.round(12), axis=0)) < count:
        return None
    best, least = None, np.inf
    for start in range(STARTS):
        try:
            centres, labels = vq.kmeans2(spectra, count, iter=50, minit="++", missing="raise", rng=(seed, start))
        except vq.ClusterError:  # one became empty
            continue
        spread = float(np.square(spectra - centres[labels]).sum())
        if spread < least:
            best, least = labels, spread
    return best


def _moved(before: Labels, after: Labels) -> int:
    """How many changed their cluster, whatever numbers the clusters have."""
    count = int(max(before.max(), after.max())) + 1
    table = np.bincount(before * count + after, minlength=count * count).reshape(count, count)
    rows, columns = optimize.linear_sum_assignment(-table)
    return len(before) - int(table[rows, columns].sum())
