"""Maps what changes in spectra: components of them, or clusters, and where they change. Needs scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from scipy import linalg as _linalg
from sklearn import decomposition as _decomposition
from sklearn.exceptions import ConvergenceWarning

from skysteer.model import Space
from skysteer.recommenders._candidates import Array, nearest, places
from skysteer.recommenders._led import Led, ModelError, Why, fitted_to
from skysteer.recommenders._turns import Point

from ._signals import Changes, Labels, Reader, clustered, distances, signals

__all__ = ["Cluster", "Decomposition"]

linalg: Any = _linalg  # they have no types
decomposition: Any = _decomposition

Method = Literal["pca", "nmf"]

MOST = 8
"""The most components, or clusters, that are looked for where their number is not given."""
NARROW = 0.01
"""Nearer than so much of the range to a spectrum is no gap."""


class Decomposition(Led):
    """Measures spectra where their components change: adaptive mapping of phases and mixtures.

    The first spectra fill the space. Then all spectra so far are decomposed
    into a few components, and the next place is that of the largest product of
    its distance to what was measured and of how much the weights of the
    components change there: halfway between two measured places, by the
    difference of their weights.

    Parameters
    ----------
    space
        Where to measure: a `Space` whose axes have limits, or a list of
        candidates (mappings of numbers and words), of which each is suggested once.
    map
        The name of the spectrum in a point: a list or one-dimensional array of
        numbers, always as many. A plan hands it over with
        ``reduce=lambda data: {"spectrum": data["xrd_pattern"]}``.
    method
        ``"pca"``, principal components, which may be negative; or ``"nmf"``,
        non-negative factors, which look like spectra (Lee and Seung 1999,
        doi:10.1038/44565).
    components
        How many; ``None`` takes those that stand out of the noise (Gavish and
        Donoho 2014, doi:10.1109/TIT.2014.2323359), up to `explained`, and for
        ``"nmf"`` one more, because mixtures of k spectra differ in k - 1 ways.
    explained
        Part of the variance of the spectra that need not be exceeded.
    normalize
        Divide each spectrum by its mean magnitude, so that only its shape counts.
    explore
        How much is added to the change everywhere, in units of the usual
        difference of two spectra: 0 looks only where a change was seen.
    seed
        The same seed and the same points: the same suggestions.
    initial
        How many spectra before the components lead; by default 5, or two for
        each axis if that is more.
    features
        Names of the candidates that describe them and are not moved; the map
        is then made over these alone.

    Raises
    ------
    SpaceError
        If an axis has no limits, or the candidates are no table.
    ValueError
        If an argument cannot be.

    Notes
    -----
    They are decomposed anew at every spectrum up to 50, then whenever a
    twentieth has been added; the weights of all spectra are known always.

    Up to a tenth of NaN channels are bridged by straight lines; a spectrum
    with more is left out, and its place is not asked for again. Values below
    zero are noise for ``"nmf"`` and taken as zero; a spectrum that is more
    below zero than above is an error.

    Examples
    --------
    >>> from skysteer.model import Axis
    >>> phases = Decomposition(Space(Axis("T", 300, 900, units="K")), map="xrd", seed=1)
    >>> phases.ingest([{"T": 300 + 60 * n, "xrd": [1.0, n > 4, n < 5]} for n in range(10)])
    >>> 500 < phases.suggest()[0]["T"] < 640
    True
    """

    def __init__(
        self,
        space: Space | Sequence[Mapping[str, Any]],
        *,
        map: str,  # noqa: A002  the word for it
        method: Method = "pca",
        components: int | None = None,
        explained: float = 0.99,
        normalize: bool = True,
        explore: float = 0.02,
        seed: int = 0,
        initial: int | None = None,
        features: Sequence[str] = (),
    ) -> None:
        found = places(space, features, "Decomposition")
        _check_name(map, found.space)
        _check_count("components", components, 1)
        if method not in get_args(Method):
            raise ValueError(f"method must be one of {list(get_args(Method))}, found {method!r}")
        if not 0.0 < explained <= 1.0:
            raise ValueError(f"explained must be a part of the variance, above 0 and up to 1, found {explained}")
        if not (np.isfinite(explore) and explore >= 0):
            raise ValueError(f"explore must be a number from 0 on, found {explore}")
        made_of = (map, method, components, explained, normalize, explore)
        super().__init__("decomposition", found, made_of, seed=seed, initial=initial)
        self._reader = Reader(map, normalize, method == "nmf")
        self._method: Method = method
        self._wanted, self._explained, self._explore = components, explained, explore
        self._parts: tuple[int, _Parts] | None = None
        self._weighed: tuple[int, Array] | None = None

    def components(self) -> Array:
        """Return the components, (k, channels): spectra for ``"nmf"``, for ``"pca"`` deviations from their mean.

        Raises
        ------
        ValueError
            If there are fewer than two spectra.
        """
        return self._fitted_parts().components.copy()

    def weights(self) -> tuple[list[dict[str, Any]], Array]:
        """Return the places of the spectra learnt from, and the (n, k) weights of the components there.

        Raises
        ------
        ValueError
            If there are fewer than two spectra.
        """
        return [dict(axes) for _, axes in self._points], self._weights().copy()

    def predict(self, points: Sequence[Point]) -> tuple[Array, Array]:
        """Return the weights that are expected at n points, and how they scatter around there, (n, k) each.

        Both are averages over the measured places, by the inverse fourth power of their distance.

        Raises
        ------
        ValueError
            If there are fewer than two spectra.
        """
        weights = self._weights()
        return Changes(self._stack(self._rows), weights).around(self._places.rows(points))

    def report(self) -> dict[str, Any]:
        """Return what it knows and does, as plain values."""
        try:
            parts = self._fitted_parts()
        except ValueError:
            parts = None
        return {
            **super().report(),
            "objective": self._reader.objective,
            "method": self._method,
            "components": None if parts is None else len(parts.components),
            "explained": None if parts is None else parts.explained,
        }

    def __repr__(self) -> str:
        return f"<Decomposition of {self._reader.objective!r} by {self._method}>"

    # ------------------------------------------------------------ how

    def _read(self, point: Point) -> Array | None:
        return self._read_all([point])[0]

    def _read_all(self, points: Sequence[Point]) -> list[Any]:
        return list(self._reader.read_all(points, len(self._values[0]) if self._values else None))

    def _worth(self, rows: Array, underway: Array) -> tuple[Array, Why]:
        try:
            weights = self._weights()
        except ValueError as exc:  # linalg.LinAlgError is one
            raise ModelError(f"{self._count} spectra cannot be decomposed: {exc}") from exc
        usual = float(np.sqrt(weights.var(axis=0).sum()))
        if not usual > 1e-9 * float(np.abs(weights).max()):
            raise ModelError("the spectra are the same everywhere")
        measured = self._stack(self._rows)
        change = Changes(measured, weights)(rows) / usual
        away = nearest(rows, np.vstack([measured, underway]))

        def why(number: int) -> str:
            seen, name = change[number], self._reader.objective
            if seen > self._explore:
                return f"{name} changes here ({seen:.2g} of its spread), {_gap(away[number])}"
            return _spread(away[number], f"where {name} changes little")

        return away * (change + self._explore), why

    def _weights(self) -> Array:
        parts = self._fitted_parts()
        if self._weighed is None or self._weighed[0] != self._count:
            self._weighed = self._count, parts.weights(np.array(self._values))
        return self._weighed[1]

    def _fitted_parts(self) -> _Parts:
        m = fitted_to(self._count)
        if m < 2:
            raise ValueError(f"{m} spectra are too few to be decomposed")
        if self._parts is None or self._parts[0] != m:
            spectra = np.array(self._values[:m])
            count = self._wanted
            if count is None:
                count = signals(spectra, self._explained, MOST) + (self._method == "nmf")
            count = min(count, *spectra.shape)
            self._parts = m, _decomposed(spectra, self._method, count, self._seed)
        return self._parts[1]


class Cluster(Led):
    """Measures spectra where one cluster of them ends and another begins: adaptive mapping of phases.

    The first spectra fill the space. Then all spectra so far are sorted into
    clusters (k-means on their principal components), and the next place is
    that of the largest product of its distance to what was measured and of how
    undecided it is between the two nearest clusters.

    Parameters
    ----------
    space
        Where to measure: a `Space` whose axes have limits, or a list of
        candidates (mappings of numbers and words), of which each is suggested once.
    map
        The name of the spectrum in a point: a list or one-dimensional array of
        numbers, always as many.
    clusters
        How many; ``None`` takes one more than there are principal components
        that stand out of the noise (Gavish and Donoho 2014,
        doi:10.1109/TIT.2014.2323359).
    normalize
        Divide each spectrum by its mean magnitude, so that only its shape counts.
    explore
        How undecided every place is at the least: 0 looks at borders only.
    seed, initial, features
        As for `Decomposition`.

    Raises
    ------
    SpaceError
        If an axis has no limits, or the candidates are no table.
    ValueError
        If an argument cannot be.

    Notes
    -----
    They are clustered anew at every spectrum up to 50, then whenever a
    twentieth has been added; later spectra join the nearest cluster. Numbers
    of clusters count in the order in which they were first met.
    """

    def __init__(
        self,
        space: Space | Sequence[Mapping[str, Any]],
        *,
        map: str,  # noqa: A002  the word for it
        clusters: int | None = None,
        normalize: bool = True,
        explore: float = 0.02,
        seed: int = 0,
        initial: int | None = None,
        features: Sequence[str] = (),
    ) -> None:
        found = places(space, features, "Cluster")
        _check_name(map, found.space)
        _check_count("clusters", clusters, 2)
        if not (np.isfinite(explore) and explore >= 0):
            raise ValueError(f"explore must be a number from 0 on, found {explore}")
        super().__init__("cluster", found, (map, clusters, normalize, explore), seed=seed, initial=initial)
        self._reader = Reader(map, normalize, positive=False)
        self._wanted, self._explore = clusters, explore
        self._centres: tuple[int, Array] | None = None

    def labels(self) -> tuple[list[dict[str, Any]], Labels]:
        """Return the places of the spectra learnt from, and the (n,) numbers of their clusters.

        Raises
        ------
        ValueError
            If there are fewer than two spectra.
        """
        return [dict(axes) for _, axes in self._points], self._labelled()[0]

    def components(self) -> Array:
        """Return the mean spectrum of each cluster, (k, channels), as normalized.

        Raises
        ------
        ValueError
            If there are fewer than two spectra.
        """
        labels, centres = self._labelled()
        spectra = np.array(self._values)
        return np.array([spectra[labels == number].mean(axis=0) for number in range(len(centres))])

    def predict(self, points: Sequence[Point]) -> tuple[Labels, Array]:
        """Return the cluster expected at n points, (n,), and from 0 to 1 how undecided that is, (n,).

        Raises
        ------
        ValueError
            If there are fewer than two spectra.
        """
        labels, centres = self._labelled()
        changes, rows = Changes(self._stack(self._rows), _one_hot(labels, len(centres))), self._places.rows(points)
        return labels[changes.closest(rows)], changes(rows)

    def report(self) -> dict[str, Any]:
        """Return what it knows and does, as plain values."""
        labels = self._labelled()[0] if self._count >= 2 else None
        return {
            **super().report(),
            "objective": self._reader.objective,
            "clusters": None if labels is None else int(labels.max()) + 1,
            "members": None if labels is None else np.bincount(labels).tolist(),
        }

    def __repr__(self) -> str:
        return f"<Cluster of {self._reader.objective!r}>"

    # ------------------------------------------------------------ how

    def _read(self, point: Point) -> Array | None:
        return self._read_all([point])[0]

    def _read_all(self, points: Sequence[Point]) -> list[Any]:
        return list(self._reader.read_all(points, len(self._values[0]) if self._values else None))

    def _worth(self, rows: Array, underway: Array) -> tuple[Array, Why]:
        try:
            labels, centres = self._labelled()
        except ValueError as exc:
            raise ModelError(f"{self._count} spectra cannot be clustered: {exc}") from exc
        if len(centres) < 2:
            raise ModelError("the spectra are the same everywhere")
        measured = self._stack(self._rows)
        changes = Changes(measured, _one_hot(labels, len(centres)))
        undecided = changes(rows)
        away = nearest(rows, np.vstack([measured, underway]))

        def why(number: int) -> str:
            one, other = (int(labels[place]) for place in changes.between(rows[number]))
            name = self._reader.objective
            if undecided[number] > self._explore:
                border = f"{min(one, other)} and {max(one, other)} of {name}"
                return f"border of clusters {border} (undecided to {undecided[number]:.2g}), {_gap(away[number])}"
            return _spread(away[number], f"in cluster {one} of {name}")

        return away * (undecided + self._explore), why

    def _labelled(self) -> tuple[Labels, Array]:
        m = fitted_to(self._count)
        if m < 2:
            raise ValueError(f"{m} spectra are too few to be clustered")
        if self._centres is None or self._centres[0] != m:
            self._centres = m, _centres(np.array(self._values[:m]), self._wanted, self._seed)
        centres = self._centres[1]
        spectra = np.array(self._values)
        nearest_centre = distances(spectra, centres).argmin(axis=1)
        # Counted as they were first met: an empty cluster has no number.
        met, first = np.unique(nearest_centre, return_index=True)
        met = met[np.argsort(first)]
        numbers = np.full(len(centres), -1)
        numbers[met] = np.arange(len(met))
        return numbers[nearest_centre], centres[met]


@dataclass(frozen=True, slots=True)
class _Parts:
    """A decomposition of spectra."""

    components: Array
    """(k, channels)."""
    middle: Array
    """(channels,) what is subtracted beforehand."""
    model: Any
    """The `sklearn.decomposition.NMF` that was fitted, ``None`` for principal components."""
    explained: float
    """Part of the variance."""

    def weights(self, spectra: Array) -> Array:
        """Return the (n, k) weights of (n, channels) spectra."""
        if self.model is None:
            return (spectra - self.middle) @ self.components.T
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return np.asarray(self.model.transform(spectra), float)


def _decomposed(spectra: Array, method: Method, count: int, seed: int) -> _Parts:
    model: Any = None
    if not spectra.any():  # nothing can be factorized
        middle, components = np.zeros(spectra.shape[1]), np.zeros((count, spectra.shape[1]))
    elif method == "pca":
        middle = spectra.mean(axis=0)
        _, _, directions = linalg.svd(spectra - middle, full_matrices=False)
        # The sign of a component is free: its largest value is positive.
        largest = np.abs(directions[:count]).argmax(axis=1)
        components = directions[:count] * np.sign(directions[np.arange(count), largest])[:, None]
    else:
        middle = np.zeros(spectra.shape[1])
        model = decomposition.NMF(count, init="nndsvda", max_iter=400, tol=1e-4, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # good enough to say where they change
            model.fit(spectra)
        components = np.asarray(model.components_, float)
    parts = _Parts(components, middle, model, 0.0)
    weights = parts.weights(spectra)
    left = float(np.square(spectra - middle - weights @ components).sum())
    whole = float(np.square(spectra - spectra.mean(axis=0)).sum())
    return _Parts(components, middle, model, 1.0 - left / whole if whole > 0.0 else 1.0)


def _centres(spectra: Array, wanted: int | None, seed: int) -> Array:
    """Return the mean spectra of the clusters, (k, channels)."""
    found = signals(spectra, 0.99, MOST)
    clusters = found + 1 if wanted is None else wanted
    middle = spectra.mean(axis=0)
    _, _, directions = linalg.svd(spectra - middle, full_matrices=False)
    directions = directions[: max(found, clusters - 1)]
    labels = clustered((spectra - middle) @ directions.T, clusters, seed)
    return np.array([spectra[labels == number].mean(axis=0) for number in range(int(labels.max()) + 1)])


def _spread(away: float, where: str) -> str:
    """Why a place is taken where nothing is seen; the last ones of a list may lie beside others."""
    return f"{'wide gap' if away > NARROW else 'no wide gap is left; a place'} {where}, {_gap(away)}"


def _gap(away: float) -> str:
    return f"{away:.2g} of the range from any spectrum"


def _one_hot(labels: Labels, count: int) -> Array:
    """Weights whose difference is 1 between two clusters."""
    return np.eye(count)[labels] / np.sqrt(2.0)


def _check_name(name: str, space: Space) -> None:
    if name in space:
        raise ValueError(f"map={name!r} is an axis of the space; expected the spectrum that is measured there")


def _check_count(what: str, count: int | None, least: int) -> None:
    if count is not None and count < least:
        raise ValueError(f"{what} must be a whole number from {least} on or None, found {count}")
