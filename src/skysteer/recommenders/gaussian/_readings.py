"""What a model has been told: the readings of every outcome, and places to stay away from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from skysteer.errors import PointError
from skysteer.model import Space
from skysteer.recommenders._matern import Array
from skysteer.recommenders._turns import Point

logger = logging.getLogger(__name__)

FAR_OUTSIDE = 0.1
"""A point farther beyond a limit than this part of the range is no readback of a point inside: it is counted."""
FARTHEST = 1e6
"""A point is learnt no farther from a limit than so many ranges: the square of its distance must remain a number."""
LARGEST = 1e100
"""A reading beyond this, of either sign, is as one that is not finite: it is what a device says that has none."""


class Readings:
    """Points in the order in which they were told, each ``_id`` once.

    A point with an outcome that is not finite, or beyond `LARGEST`, is left
    out, all of it, and its place is avoided. A point that lies outside the
    space is learnt where it lies: it is knowledge, though nobody will be sent
    there.

    Parameters
    ----------
    space, outcomes
        What is read from a point.
    """

    def __init__(self, space: Space, outcomes: Sequence[str]) -> None:
        self._space, self._outcomes = space, tuple(outcomes)
        self._known: set[Any] = set()
        self._points: list[tuple[Any, dict[str, Any], dict[str, float]]] = []
        self._rows: list[Array] = []
        self.avoid: list[Array] = []
        """(dimensions,) rows that failed or gave a reading that is not finite."""
        self.failed = 0
        """How many points failed."""
        self.unreadable = 0
        """How many points had an outcome that is not finite, or beyond `LARGEST`."""
        self.outside = 0
        """How many points lie far outside the space."""
        self.last: Array | None = None
        """(dimensions,) row of the point told last, whatever became of it; ``None`` before the first."""

    @property
    def count(self) -> int:
        """How many points have finite readings."""
        return len(self._rows)

    @property
    def rows(self) -> Array:
        """(count, dimensions) places in the unit box."""
        return np.array(self._rows).reshape(-1, self._space.dimensions)

    def of(self, outcome: str) -> Array:
        """Return the (count,) readings of an outcome, as they were told."""
        return np.array([readings[outcome] for _, _, readings in self._points], dtype=float)

    def point(self, number: int) -> tuple[Any, dict[str, Any], dict[str, float]]:
        """Return ``(_id, axes, readings)`` as they were told."""
        name, axes, readings = self._points[number]
        return name, dict(axes), dict(readings)

    def knows(self, point: Point) -> bool:
        """Whether a point of this ``_id`` was measured or failed."""
        name = point.get("_id")
        return name is not None and name in self._known

    def add(self, points: Sequence[Point]) -> list[Point]:
        """Learn measured points and return those that are new.

        Raises
        ------
        PointError
            If a point lacks an axis or an outcome, or one has a value it
            cannot have; then none of the points is learnt.
        """
        rows = np.clip(self._space.to_unit(points), -FARTHEST, FARTHEST)
        readings = [{name: _reading(point, name) for name in self._outcomes} for point in points]
        new: list[Point] = []
        for point, row, read in zip(points, rows, readings, strict=True):
            if self.knows(point):
                continue
            new.append(point)
            name = self._note(point)
            self.last = row
            if not all(abs(value) <= LARGEST for value in read.values()):
                self.avoid.append(row)
                self.unreadable += 1
                continue
            if (row < -FAR_OUTSIDE).any() or (row > 1.0 + FAR_OUTSIDE).any():
                self.outside += 1
                logger.warning("learning from a point outside the space (are the units right?): %s", dict(point))
            self._points.append((name, {axis: point[axis] for axis in self._space}, read))
            self._rows.append(row)
        return new

    def fail(self, points: Sequence[Point]) -> None:
        """Learn of points that will never be measured; one that says no place is only crossed off."""
        for point in points:
            if not self.knows(point):
                self.failed += 1
                if all(axis in point for axis in self._space):
                    row = np.clip(self._space.to_unit([point])[0], -FARTHEST, FARTHEST)
                    self.avoid.append(row)
                    self.last = row
            self._note(point)

    def _note(self, point: Point) -> Any:
        name = point.get("_id")
        if name is not None:
            self._known.add(name)
        return name


def _reading(point: Point, outcome: str) -> float:
    if outcome not in point:
        raise PointError(f"{outcome!r} is missing from the point {dict(point)}")
    found = point[outcome]
    try:
        return float(found)
    except (TypeError, ValueError) as exc:
        raise PointError(f"{outcome}={found!r} is a {type(found).__name__}, expected a number") from exc
