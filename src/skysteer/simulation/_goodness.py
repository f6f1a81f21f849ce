"""How good points are: the best value there is, and the error of the map that they make."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from skysteer.errors import PointError
from skysteer.model import Choice, Space
from skysteer.recommenders._sobol import sobol_rows

from ._truth import Array, Point, Truth

__all__ = ["MapJudge", "Reconstruction", "best_value", "reconstructed"]

Reconstruction = Literal["own", "linear"]
"""``"own"``: what the recommender's ``predict`` says, where it has one; ``"linear"``: linear
interpolation between its points."""
SEARCHED, ZOOMED = 1024, 128
"""Points at which a truth is looked at for its best value: all over, and in each step around the best."""
MOST_CHOICES = 4096
"""Combinations of choices that are all looked at."""
HELD_OUT_LINE, HELD_OUT = 1001, 2048
"""Points on which a map is judged: evenly on one axis, a Sobol sequence on several."""


def best_value(truth: Truth, space: Space, goal: str) -> float:
    """Return the best true value in a space: the known one, or the best of a search.

    The search looks at 1024 Sobol points (at all combinations, where there are
    only choices), at all recorded points, and then ever closer around the
    best: 1536 values in all.

    Raises
    ------
    PointError
        If no value is finite.
    """
    if truth.best is not None and goal == truth.goal:
        return truth.best
    sign = -1.0 if goal == "minimize" else 1.0
    recorded = [point for point in truth.recorded if not space.problems({name: point[name] for name in space})]
    rows = np.vstack([_everywhere(space, 101, SEARCHED), space.to_unit(recorded)])
    values = sign * truth.values(space.from_unit(rows))
    if not np.isfinite(values).any():
        raise PointError(f"the truth {truth.name!r} has no finite {truth.objective!r} at any of {len(rows)} points")
    generator = np.random.default_rng(0)
    moves = np.array([not isinstance(axis, Choice) for axis in space.axes for _ in range(_columns(axis))])
    for radius in (0.05, 0.015, 0.004, 0.001):
        middle = rows[np.nanargmax(np.where(np.isfinite(values), values, np.nan))]
        close = np.clip(middle + radius * moves * generator.standard_normal((ZOOMED, len(middle))), 0.0, 1.0)
        rows, values = np.vstack([rows, close]), np.append(values, sign * truth.values(space.from_unit(close)))
    return sign * float(values[np.isfinite(values)].max())


class MapJudge:
    """Says how far a map is from the truth, on points that nobody was told.

    Parameters
    ----------
    truth, space
        What is mapped, and where. Of a recorded run the recorded points are
        the held-out ones: elsewhere nobody knows the truth.
    """

    def __init__(self, truth: Truth, space: Space) -> None:
        self._space = space
        recorded = [{name: point[name] for name in space} for point in truth.recorded]
        if inside := [space.clean(point) for point in recorded if not space.problems(point)]:
            self.points: list[dict[str, Any]] = list(inside)
        elif space.dimensions == 1:
            self.points = list(space.from_unit(np.linspace(0, 1, HELD_OUT_LINE)[:, None]))
        else:
            self.points = list(space.from_unit(_everywhere(space, 202, HELD_OUT)))
        self._rows = space.to_unit(self.points)
        self._true = truth.values(self.points)
        self._spread = float(self._true.std())
        if not np.isfinite(self._spread) or self._spread == 0:
            found = "the same everywhere" if self._spread == 0 else "not finite everywhere"
            raise PointError(f"the truth {truth.name!r} cannot be mapped: its {truth.objective!r} is {found}")

    def error(
        self, predict: Callable[[Sequence[Point]], Array | None] | None, points: Sequence[Point], read: Array
    ) -> float:
        """Return the root mean square error in standard deviations of the truth: 1 for a flat map.

        Parameters
        ----------
        predict
            Points to (n,) expected values; ``None``, or one that returns ``None``: linear interpolation.
        points, read
            What was measured.
        """
        guess = predict(self.points) if predict is not None else None
        if guess is None:
            finite = np.isfinite(read)
            if not finite.any():
                return float("nan")
            guess = reconstructed(self._space.to_unit(points)[finite], read[finite], self._rows)
        return float(np.sqrt(np.mean((guess - self._true) ** 2))) / self._spread


def reconstructed(rows: Array, values: Array, at: Array) -> Array:
    """Return (m,) values at (m, d) rows by linear interpolation of (n,) values at (n, d) rows.

    On one axis, and on the Delaunay triangulation in two and three; the
    nearest value outside of it, with too few points, and where points have no
    volume. From four dimensions on the linear radial basis function.
    """
    # Here, because importing it takes a third of a second.
    from scipy import interpolate as _interpolate  # pyright: ignore[reportMissingTypeStubs]

    interpolate: Any = _interpolate
    rows, places = np.unique(rows, axis=0, return_inverse=True)
    counts = np.bincount(places.ravel())
    values = np.bincount(places.ravel(), weights=values) / counts  # the mean of points measured twice
    if rows.shape[1] == 1:
        return np.interp(at[:, 0], rows[:, 0], values)
    nearest: Array = (
        interpolate.NearestNDInterpolator(rows, values)(at) if len(rows) > 1 else np.full(len(at), values[0])
    )
    flat = np.linalg.matrix_rank(rows - rows.mean(axis=0), tol=1e-9) < rows.shape[1]
    if flat or len(rows) < rows.shape[1] + 1:
        return nearest
    if rows.shape[1] > 3:
        return np.asarray(interpolate.RBFInterpolator(rows, values, kernel="linear")(at))
    linear: Array = interpolate.LinearNDInterpolator(rows, values)(at)
    return np.where(np.isnan(linear), nearest, linear)


def _everywhere(space: Space, seed: int, count: int) -> Array:
    """Rows of a Sobol sequence, or of all there is where only choices are made and they are few."""
    options = [axis.options for axis in space.axes if isinstance(axis, Choice)]
    if len(options) == len(space) and math.prod(map(len, options)) <= MOST_CHOICES:
        return space.to_unit([dict(zip(space, taken, strict=True)) for taken in itertools.product(*options)])
    return sobol_rows(space, [seed, 0], 0, count)


def _columns(axis: Any) -> int:
    return len(axis.options) if isinstance(axis, Choice) else 1
