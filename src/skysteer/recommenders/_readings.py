"""What a model has been told of one objective: finite readings, and places to stay away from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skysteer.errors import PointError
from skysteer.model import Space

from ._matern import Array
from ._turns import Point


class Readings:
    """Points in the order in which they were told, each ``_id`` once.

    Parameters
    ----------
    space, objective
        What is read from a point.
    flipped
        Smaller readings are better: `values` have the other sign.
    counts
        `values` are ``2 * sqrt(counts + 3/8)``, which gives Poisson counts a
        standard deviation of one (Anscombe 1948).
    """

    def __init__(self, space: Space, objective: str, *, flipped: bool, counts: bool) -> None:
        self._space, self._objective = space, objective
        self._flipped, self._counts = flipped, counts
        self._known: set[Any] = set()
        self._points: list[tuple[Any, dict[str, Any], float]] = []
        self._rows: list[Array] = []
        self._values: list[float] = []
        self.avoid: list[Array] = []
        """(dimensions,) rows that failed or gave a reading that is not finite."""

    @property
    def count(self) -> int:
        """How many finite readings there are."""
        return len(self._values)

    @property
    def rows(self) -> Array:
        """(count, dimensions) places in the unit box."""
        return np.array(self._rows)

    @property
    def values(self) -> Array:
        """(count,) readings as the model learns them: larger is better."""
        return np.array(self._values)

    def point(self, number: int) -> tuple[Any, dict[str, Any], float]:
        """Return ``(_id, axes, reading)`` as they were told."""
        name, axes, reading = self._points[number]
        return name, dict(axes), reading

    def knows(self, point: Point) -> bool:
        """Whether a point of this ``_id`` was measured or failed."""
        name = point.get("_id")
        return name is not None and name in self._known

    def add(self, points: Sequence[Point]) -> list[Point]:
        """Learn measured points and return those that are new.

        Raises
        ------
        PointError
            If a point lacks an axis or the objective, or one has a value it
            cannot have; then none of the points is learnt.
        """
        rows = self._space.to_unit(points)
        readings = [self._reading(point) for point in points]
        new: list[Point] = []
        for point, row, reading in zip(points, rows, readings, strict=True):
            if self.knows(point):
                continue
            new.append(point)
            name = self._note(point)
            if not np.isfinite(reading):
                self.avoid.append(row)
                continue
            self._points.append((name, {axis: point[axis] for axis in self._space}, reading))
            self._rows.append(row)
            self._values.append(self._learnt(reading))
        return new

    def fail(self, points: Sequence[Point]) -> None:
        """Learn of points that will never be measured; one that says no place is only crossed off."""
        for point in points:
            if not self.knows(point) and all(axis in point for axis in self._space):
                self.avoid.append(self._space.to_unit([point])[0])
            self._note(point)

    def scaling(self, m: int) -> tuple[float, float]:
        """Mean and standard deviation of the first `m` values; 1 where all are equal."""
        values = np.array(self._values[:m])
        width = float(values.std())
        # Equal readings may differ by rounding: that is no width to measure by.
        return float(values.mean()), width if width > 1e-12 * float(np.abs(values).max()) else 1.0

    def standardised(self, m: int) -> Array:
        """Return all values, (count,), on the scale of the first `m`."""
        shift, width = self.scaling(m)
        return (self.values - shift) / width

    def as_measured(self, mean: Array, sd: Array) -> tuple[Array, Array]:
        """Return a mean and standard deviation of `values` in the units of the objective."""
        mean = -mean if self._flipped else mean
        if self._counts:
            root = np.maximum(mean, 0.0)
            return root**2 / 4.0 - 0.375, sd * root / 2.0
        return mean, sd

    def _learnt(self, reading: float) -> float:
        value = 2.0 * float(np.sqrt(max(reading, 0.0) + 0.375)) if self._counts else reading
        return -value if self._flipped else value

    def _reading(self, point: Point) -> float:
        if self._objective not in point:
            raise PointError(f"{self._objective!r} is missing from the point {dict(point)}")
        found = point[self._objective]
        try:
            return float(found)
        except (TypeError, ValueError) as exc:
            raise PointError(f"{self._objective}={found!r} is a {type(found).__name__}, expected a number") from exc

    def _note(self, point: Point) -> Any:
        name = point.get("_id")
        if name is not None:
            self._known.add(name)
        return name
