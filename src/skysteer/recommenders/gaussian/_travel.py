"""What it costs to get to a place: seconds on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from skysteer.model import Axis, Space
from skysteer.recommenders._matern import Array

from ._acquisition import Acquisition


@dataclass(frozen=True, slots=True)
class Travel:
    """How long the next point takes: the slowest of all motors, which move together, and the exposure.

    >>> Travel({"x": 2.0, "y": 0.5}, exposure=1.0, changes={"filter": 20.0})
    Travel(speeds={'x': 2.0, 'y': 0.5}, exposure=1.0, changes={'filter': 20.0})
    """

    speeds: Mapping[str, float]
    """Axis name to speed, in units of the axis per second. An axis without one takes no time."""
    exposure: float = 1.0
    """Seconds a point takes when nothing has to move: trigger, read-out and settling."""
    changes: Mapping[str, float] = field(default_factory=dict[str, float])
    """Choice name to the seconds a change of it takes."""

    def __post_init__(self) -> None:
        numbers = {**{f"the speed of {name!r}": value for name, value in self.speeds.items()}}
        numbers |= {"exposure": self.exposure, **{f"the change of {n!r}": v for n, v in self.changes.items()}}
        for what, value in numbers.items():
            if not 0 < value < math.inf:
                raise ValueError(f"Travel: {what} must be a positive number, found {value!r}")

    def check(self, space: Space) -> None:
        """Raise a `ValueError` for a name that is no axis, or no choice, of a space."""
        for names, kind, what in ((self.speeds, True, "axis"), (self.changes, False, "choice")):
            if wrong := [name for name in names if isinstance(space.get(name), Axis) is not kind or name not in space]:
                right = [axis.name for axis in space.axes if isinstance(axis, Axis) is kind]
                raise ValueError(f"Travel: {wrong[0]!r} is no {what} of the space, found there: {right}")


class Seconds:
    """How long it takes to measure a place, coming from another.

    Parameters
    ----------
    travel, space
        Speeds, and the limits that turn them into parts of the unit box.
    origin
        (dimensions,) row where the motors are; ``None`` where nobody knows: all places cost an exposure.
    """

    def __init__(self, travel: Travel, space: Space, origin: Array | None) -> None:
        self._exposure, self._origin = travel.exposure, origin
        pace: list[float] = []  # seconds for the whole range; a change of option moves two columns by one
        for axis in space.axes:
            if isinstance(axis, Axis):
                pace.append((axis.high - axis.low) / travel.speeds.get(axis.name, math.inf))
            else:
                pace += [travel.changes.get(axis.name, 0.0)] * len(axis.options)
        self._pace = np.array(pace)

    def __call__(self, rows: Array) -> Array:
        """Return (m,) seconds."""
        if self._origin is None:
            return np.full(len(rows), self._exposure)
        return self._exposure + (np.abs(rows - self._origin) * self._pace).max(axis=1)

    def slope(self, row: Array) -> tuple[float, Array]:
        """Return the seconds of one (dimensions,) row and their gradient."""
        slope = np.zeros(len(row))
        if self._origin is None:
            return self._exposure, slope
        each = np.abs(row - self._origin) * self._pace
        slowest = int(np.argmax(each))
        slope[slowest] = np.sign(row[slowest] - self._origin[slowest]) * self._pace[slowest]
        return self._exposure + float(each[slowest]), slope


class PerSecond:
    """The logarithm of a gain a second (in the manner of Snoek, Larochelle and Adams 2012, arXiv:1206.2944).

    Parameters
    ----------
    acquisition
        The logarithm of a gain.
    seconds
        What a place costs.
    """

    def __init__(self, acquisition: Acquisition, seconds: Seconds) -> None:
        self._acquisition, self._seconds = acquisition, seconds

    def __call__(self, rows: Array) -> Array:
        return self._acquisition(rows) - np.log(self._seconds(rows))

    def slope(self, row: Array) -> tuple[float, Array]:
        value, slope = self._acquisition.slope(row)
        seconds, longer = self._seconds.slope(row)
        return value - math.log(seconds), slope - longer / seconds
