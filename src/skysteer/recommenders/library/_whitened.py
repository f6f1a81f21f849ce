"""The posterior of a Gaussian process at every candidate of a library, kept up to date row by row.

With the kernel held, ``V = L^-1 K(X, U)`` between the N points X that were
learnt and the M candidates U is kept, L being the Cholesky factor of
``K(X, X) + noise``. A new point x adds one row to each::

    l = V[:, j] where x is candidate j, else L^-1 k(X, x)
    d = sqrt(k(x, x) + noise - l . l)
    v = (k(x, U) - l @ V) / d         the whole cost: V is read once
    z = (y - l . Z) / d
    mean += v * z,  variance -= v * v

This is the posterior itself, without approximation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysteer.recommenders._matern import JITTER, Array, Hyperparameters, linalg

Columns = NDArray[np.intp]

BLOCK = 256
"""V grows by so many rows at a time, and nothing is copied when it does."""
SCRATCH = 1 << 22
"""So many numbers at the most are worked on at a time beside V."""
ROUNDING = 1e-4
"""In float32 a reading's noise variance is at least this part of the kernel's variance.

Rounding errors grow as they go from row to row of V, the faster the smaller the noise and the smoother the kernel:
with a tenth of this, or no `SMOOTHEST`, a smooth objective without noise loses all digits within a thousand readings.
"""
SMOOTHEST = 3.0
"""In float32 no correlation length is longer, in parts of a feature's range."""


class Whitened:
    """A Gaussian process that knows what it expects at every candidate.

    Parameters
    ----------
    candidates
        (M, dimensions) rows in the unit box.
    hyper
        The kernel.
    dtype
        Of V alone, which is the memory: everything else is float64. In
        float32 V takes half of it, a reading has a noise variance of at least
        1e-5, and the posterior is good to about 1e-3 standard deviations of the values.
    """

    def __init__(self, candidates: Array, hyper: Hyperparameters, dtype: type[np.floating[Any]] = np.float64) -> None:
        if dtype is not np.float64:
            noise = max(hyper.noise, ROUNDING * hyper.variance)
            hyper = replace(hyper, noise=noise, scale=np.minimum(hyper.scale, SMOOTHEST))
        self.hyper, self._dtype = hyper, dtype
        self._noise = hyper.noise + JITTER
        self._candidates = candidates / hyper.scale
        self._squares = np.einsum("ij,ij->i", self._candidates, self._candidates)
        self._blocks: list[NDArray[Any]] = []
        self._factor: list[Array] = []  # rows of L, without the zeros
        self._dense: Array | None = None
        self._points = np.empty((0, candidates.shape[1]))
        self._white = np.empty(0)  # L^-1 y
        self.count = 0
        """N, how many points were learnt."""
        self.mean = np.zeros(len(candidates))
        """(M,) expected standardised values."""
        self.variance = np.full(len(candidates), float(hyper.variance))
        """(M,) of the value itself, without the noise of a reading."""

    @property
    def nbytes(self) -> int:
        """Memory of V in use."""
        return self.count * len(self.mean) * np.dtype(self._dtype).itemsize

    @property
    def sd(self) -> Array:
        """(M,) standard deviations."""
        return np.sqrt(np.maximum(self.variance, 1e-12))

    def learn(self, rows: Array, values: Array, columns: Columns, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Learn n more points.

        Parameters
        ----------
        rows, values
            (n, dimensions) and (n,).
        columns
            (n,) which candidate each is, or -1.
        stop
            Looked at between two pieces of work: whether the answer is no longer wanted.
        """
        piece = max(1, min(BLOCK, SCRATCH // max(1, len(self.mean))))
        start = 0
        while start < len(rows) and not stop():
            end = min(start + piece, len(rows), start + BLOCK - self.count % BLOCK)
            self._learn(rows[start:end], values[start:end], columns[start:end])
            start = end

    def at(self, rows: Array) -> tuple[Array, Array]:
        """Mean and standard deviation at any (m, dimensions) rows, (m,) each."""
        mean, left = np.zeros(len(rows)), np.full(len(rows), float(self.hyper.variance))
        if self.count:
            piece = max(1, SCRATCH // self.count)
            for start in range(0, len(rows), piece):
                part = slice(start, start + piece)
                white = self._solved(rows[part] / self.hyper.scale)
                mean[part] = white.T @ self._white
                left[part] -= np.einsum("ij,ij->j", white, white)
        return mean, np.sqrt(np.maximum(left, 1e-12))

    def believed(self, column: int, others: list[Array], variance: float) -> Array:
        """Return the (M,) row that candidate `column` would add below V and the rows of others."""
        near = self._candidates[column : column + 1]
        row = self._kernel(near, self._candidates, self._squares)
        self._take_off(row, self._column(near, np.array([column])))
        for other in others:
            row -= other[column] * other
        row /= np.sqrt(max(variance, 0.0) + self._noise)
        return row[0]

    def keep(self, columns: Columns) -> None:
        """Forget all candidates but these, and give their memory back."""
        self._candidates, self._squares = self._candidates[columns], self._squares[columns]
        self.mean, self.variance = self.mean[columns], self.variance[columns]
        for number, block in enumerate(self._blocks):
            rows = min(BLOCK, self.count - number * BLOCK)
            kept = np.empty((BLOCK, len(columns)), self._dtype)
            kept[:rows] = block[:rows, columns]
            self._blocks[number] = kept

    def _learn(self, rows: Array, values: Array, columns: Columns) -> None:
        near = rows / self.hyper.scale
        known = self._column(near, columns)
        inner = self._kernel(near, near, np.einsum("ij,ij->i", near, near))
        inner[np.diag_indices_from(inner)] += self._noise
        corner = _factored(inner - known.T @ known, self._noise)
        added = self._kernel(near, self._candidates, self._squares)
        self._take_off(added, known)
        if len(near) == 1:
            added /= corner[0, 0]
        else:
            added = linalg.solve_triangular(corner, added, lower=True, overwrite_b=True, check_finite=False)
        white: Array = linalg.solve_triangular(corner, values - known.T @ self._white, lower=True, check_finite=False)
        self._append(added)
        self.mean += white @ added
        self.variance -= np.einsum("ij,ij->j", added, added)
        self._factor += [np.append(known[:, i], corner[i, : i + 1]) for i in range(len(near))]
        self._dense = None
        self._points = np.vstack([self._points, near])
        self._white = np.append(self._white, white)
        self.count += len(near)

    def _append(self, rows: Array) -> None:
        within = self.count % BLOCK  # `learn` never crosses the end of a block
        if within == 0:
            self._blocks.append(np.empty((BLOCK, len(self.mean)), self._dtype))
        self._blocks[-1][within : within + len(rows)] = rows

    def _filled(self) -> Iterator[tuple[int, NDArray[Any]]]:
        for number, block in enumerate(self._blocks):
            start = number * BLOCK
            yield start, block[: min(BLOCK, self.count - start)]

    def _column(self, near: Array, columns: Columns) -> Array:
        """``L^-1 k(X, x)`` for each of n points, (N, n): a column of V where it is one."""
        known = np.empty((self.count, len(columns)))
        inside = np.flatnonzero(columns >= 0)
        for start, block in self._filled():
            known[start : start + len(block), inside] = block[:, columns[inside]]
        if len(inside) < len(columns) and self.count:
            outside = np.flatnonzero(columns < 0)
            known[:, outside] = self._solved(near[outside])
        return known

    def _take_off(self, added: Array, known: Array) -> None:
        for start, block in self._filled():
            part = known[start : start + len(block)].astype(self._dtype, copy=False)
            if known.shape[1] == 1:  # a vector times a matrix runs at the speed of the memory
                added[0] -= part[:, 0] @ block
            else:
                added -= part.T @ block

    def _solved(self, near: Array) -> Array:
        cross = self._kernel(self._points, near, np.einsum("ij,ij->i", near, near))
        if self._dense is None:
            self._dense = np.zeros((self.count, self.count))
            for row, part in zip(self._dense, self._factor, strict=True):
                row[: len(part)] = part
        solved: Array = linalg.solve_triangular(self._dense, cross, lower=True, check_finite=False)
        return solved

    def _kernel(self, near: Array, others: Array, squares: Array) -> Array:
        """Covariance of (n, dimensions) and (m, dimensions) rows in units of the correlation lengths."""
        r = near @ others.T
        r *= -2.0
        r += squares
        r += np.einsum("ij,ij->i", near, near)[:, None]
        np.maximum(r, 0.0, out=r)
        r *= 5.0
        np.sqrt(r, out=r)
        decay = np.exp(-r)
        decay *= self.hyper.variance
        out = r / 3.0
        out += 1.0
        out *= r
        out += 1.0
        out *= decay
        return out


class Belief:
    """What `Whitened` would know if points came out as expected: its mean stays, its doubt goes.

    The kriging believer of Ginsbourger, Le Riche and Carraro (2010), at one
    row of work a point.
    """

    def __init__(self, known: Whitened) -> None:
        self._known = known
        self._rows: list[Array] = []
        self.variance = known.variance.copy()
        """(M,) of the value itself, without the noise of a reading."""

    @property
    def sd(self) -> Array:
        """(M,) standard deviations."""
        return np.sqrt(np.maximum(self.variance, 1e-12))

    @property
    def count(self) -> int:
        """How many are believed."""
        return len(self._rows)

    @property
    def left(self) -> Array:
        """(M,) the share of the variance that is left."""
        return np.maximum(self.variance, 1e-12) / np.maximum(self._known.variance, 1e-12)

    def add(self, column: int) -> None:
        """Believe one more candidate."""
        self._rows.append(self._known.believed(column, self._rows, float(self.variance[column])))
        self.variance -= self._rows[-1] ** 2


def _factored(matrix: Array, least: float) -> Array:
    # What is left of a point is never below the noise; in float32 rounding may say so.
    if len(matrix) == 1:
        return np.sqrt(np.maximum(matrix, least))
    try:
        factor: Array = linalg.cholesky(matrix, lower=True)
    except linalg.LinAlgError:
        widths, vectors = np.linalg.eigh(matrix)
        matrix = (vectors * np.maximum(widths, least)) @ vectors.T
        factor = linalg.cholesky(matrix, lower=True)
    return factor
