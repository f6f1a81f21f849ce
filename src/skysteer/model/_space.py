"""Where a recommender may move: axes, choices, and the space they span."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysteer.errors import PointError, SpaceError

EDGE = 1e-9
"""A position beyond a limit by less than this part of the range is rounding, and is moved onto the limit."""
OFF_STEP = 1e-6
"""A position beside a step by less than this part of the step is rounding, and is moved onto the step."""

SHOWN = 20
"""So many options are written out in an error: a sample changer may have ten thousand."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One direction in which a recommender may move."""

    name: str
    """Name of the motor, and of the axis in every point."""
    low: float
    """Lowest reachable position, in `units`; ``-inf`` where nobody says."""
    high: float
    """Highest reachable position, in `units`; ``inf`` where nobody says."""
    units: str = ""
    """Engineering units, e.g. ``"mm"``; ``""`` for a dimensionless axis."""
    step: float | None = None
    """Only ``low``, ``low + step``, ``low + 2 * step`` ... can be set, in `units`; 1 for whole
    numbers from a whole `low`. ``None``: every position."""

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not _is_number(self.low) or not _is_number(self.high):
            raise SpaceError(f"axis {self.name!r}: limits must be numbers, found low={self.low!r}, high={self.high!r}")
        if math.isnan(self.low) or math.isnan(self.high):
            raise SpaceError(f"axis {self.name!r}: a limit is NaN (low={self.low}, high={self.high})")
        if not self.low < self.high:
            raise SpaceError(f"axis {self.name!r}: low must be below high, found low={self.low}, high={self.high}")
        if self.step is None:
            return
        if not _is_number(self.step) or not 0 < self.step <= self.high - self.low:
            raise SpaceError(
                f"axis {self.name!r}: step must be a number above 0 and at most high - low = "
                f"{self.high - self.low:.12g}, found step={self.step!r}"
            )
        if not math.isfinite(self.low):
            raise SpaceError(f"axis {self.name!r}: steps are counted from a finite low, found low={self.low}")

    @property
    def bounded(self) -> bool:
        """Whether both limits are finite."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def problem(self, value: Any) -> str | None:
        """What is wrong with a position on this axis, or ``None``."""
        if not _is_number(value):
            return f"{self.name}={value!r} is a {type(value).__name__}, expected a number{self._in_units}"
        try:
            number = float(value)
        except OverflowError:  # a whole number has no largest
            number = math.inf
        if not math.isfinite(number):
            return f"{self.name}={number} is not a finite number"
        slack = EDGE * (self.high - self.low) if self.bounded else 0.0
        if not self.low - slack <= number <= self.high + slack:
            # 12 digits: 7112.345 eV is not 7112.35 eV, and 5.0000001 is not 5
            return f"{self.name}={number:.12g} is outside [{self.low:.12g}, {self.high:.12g}]{self._in_units}"
        if self.step is not None and abs(number - (nearest := self.clean(number))) > OFF_STEP * self.step:
            return (
                f"{self.name}={number:.12g} is between the steps of {self.step:.12g} from {self.low:.12g}"
                f"{self._in_units}, the nearest is {nearest:.12g}"
            )
        return None

    def clean(self, value: Any) -> float:
        """The nearest position that can be set, as a plain float: between the limits, and on a step."""
        inside = float(min(max(value, self.low), self.high))
        if self.step is None:
            return inside
        # A high between two steps is not reached.
        most = math.floor((self.high - self.low) / self.step + OFF_STEP) if self.bounded else math.inf
        position = self.low + min(round((inside - self.low) / self.step), most) * self.step
        tidy = float(f"{position:.15g}")  # 0.3, not 0.30000000000000004
        return float(min(max(tidy, self.low), self.high))

    @property
    def _in_units(self) -> str:
        return f" {self.units}" if self.units else ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A setting with a few named values: a filter, a sample holder, a grating."""

    name: str
    """Name of the device, and of the axis in every point."""
    options: tuple[str | float | int, ...]
    """The values it may take, without order."""
    units: str = ""
    """Engineering units where the options are numbers."""

    def __post_init__(self) -> None:
        _check_name(self.name)
        if isinstance(self.options, str):
            raise SpaceError(
                f"choice {self.name!r}: expected two or more different options, found the text {self.options!r}"
            )
        object.__setattr__(self, "options", tuple(self.options))
        if len(self.options) < 2 or len(set(self.options)) != len(self.options):
            raise SpaceError(f"choice {self.name!r}: expected two or more different options, found {self.options}")

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value of this choice, or ``None``."""
        # An array would be compared element by element.
        if isinstance(value, str | Real) and value in self.options:
            return None
        shown = ", ".join(repr(option) for option in self.options[:SHOWN])
        more = f", ... ({len(self.options)} in all)" if len(self.options) > SHOWN else ""
        return f"{self.name}={value!r} is none of its options [{shown}{more}]"

    def clean(self, value: Any) -> str | float | int:
        """The option that equals a value without a `problem`."""
        return self.options[self.options.index(value)]

    def number_of(self, readback: Any) -> int:
        """Which option a readback means: the one it equals, else the nearest number.

        Raises
        ------
        PointError
            If it equals none, and is not nearer to an option than half the
            distance from there to the next one.
        """
        if (problem := self.problem(readback)) is None:
            return self.options.index(readback)
        numbers = [float(option) for option in self.options if _is_number(option)]
        if _is_number(readback) and len(numbers) == len(self.options):
            away = [abs(number - float(readback)) for number in numbers]
            nearest = away.index(min(away))
            others = (abs(number - numbers[nearest]) for n, number in enumerate(numbers) if n != nearest)
            if away[nearest] < min(others) / 2:
                return nearest
        raise PointError(problem)


@dataclass(frozen=True, slots=True, init=False)
class Space(Mapping[str, Axis | Choice]):
    """The axes and choices a recommender may set, by name, in order.

    >>> space = Space(Axis("x", -5, 5, units="mm"), Axis("y", 0, 10, units="mm"))
    >>> list(space)
    ['x', 'y']
    >>> space.problems({"x": 7})
    ['x=7 is outside [-5, 5] mm', 'y is missing']
    """

    axes: tuple[Axis | Choice, ...]
    """In the order in which they were given, which is the order of the columns of `to_unit`."""

    def __init__(self, *axes: Axis | Choice) -> None:
        if not axes:
            raise SpaceError("a space needs at least one axis")
        names = [axis.name for axis in axes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SpaceError(f"axis given twice: {', '.join(twice)}")
        object.__setattr__(self, "axes", axes)

    def __getitem__(self, name: str) -> Axis | Choice:
        for axis in self.axes:
            if axis.name == name:
                return axis
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (axis.name for axis in self.axes)

    def __len__(self) -> int:
        return len(self.axes)

    def __hash__(self) -> int:
        return hash(self.axes)

    @property
    def dimensions(self) -> int:
        """How many columns `to_unit` gives: one for an axis, one for each option of a choice."""
        return sum(len(axis.options) if isinstance(axis, Choice) else 1 for axis in self.axes)

    def problems(self, point: Mapping[str, Any], *, ignore: Sequence[str] = ("_id",)) -> list[str]:
        """Everything that is wrong with a requested point, one sentence each."""
        found = [
            f"{axis.name} is missing" if axis.name not in point else axis.problem(point[axis.name])
            for axis in self.axes
        ]
        unknown = [name for name in point if name not in ignore and name not in self]
        found += [f"{name!r} is not an axis (the axes are {', '.join(self)})" for name in unknown]
        return [problem for problem in found if problem is not None]

    def clean(self, point: Mapping[str, Any]) -> dict[str, float | int | str]:
        """The axes of a point without `problems`, as plain Python values in order."""
        return {axis.name: axis.clean(point[axis.name]) for axis in self.axes}

    def to_unit(self, points: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """Points as rows in the unit box.

        Parameters
        ----------
        points
            n mappings that have every axis; readbacks may lie a little outside, and
            beside a step or a number of a choice.

        Returns
        -------
        (n, dimensions) array
            An axis becomes one column, 0 at `low` and 1 at `high`; a choice
            one column for each option, 1 for the one taken and else 0.

        Raises
        ------
        PointError
            If a point lacks an axis, or a value is not a finite number or not an option.
        """
        rows = np.zeros((len(points), self.dimensions))
        for row, point in zip(rows, points, strict=True):
            column = 0
            for axis in self.axes:
                if axis.name not in point:
                    raise PointError(f"{axis.name} is missing from the point {dict(point)}")
                value = point[axis.name]
                if isinstance(axis, Choice):
                    row[column + axis.number_of(value)] = 1.0
                    column += len(axis.options)
                else:
                    row[column] = (_finite(axis, value) - axis.low) / (axis.high - axis.low)
                    column += 1
        return rows

    def from_unit(self, rows: NDArray[np.float64]) -> list[dict[str, float | int | str]]:
        """Points from (n, dimensions) rows in the unit box: the inverse of `to_unit`.

        Values are clipped to the box and go to the nearest step; of a choice
        the largest column wins.
        """
        points: list[dict[str, float | int | str]] = []
        for row in np.clip(np.atleast_2d(rows), 0.0, 1.0):
            point: dict[str, float | int | str] = {}
            column = 0
            for axis in self.axes:
                if isinstance(axis, Choice):
                    width = len(axis.options)
                    point[axis.name] = axis.options[int(np.argmax(row[column : column + width]))]
                    column += width
                else:
                    point[axis.name] = axis.clean(axis.low + float(row[column]) * (axis.high - axis.low))
                    column += 1
            points.append(point)
        return points


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def _finite(axis: Axis, value: Any) -> float:
    if not _is_number(value) or not math.isfinite(value):
        raise PointError(f"{axis.name}={value!r} is not a finite number")
    return float(value)


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not name or name.startswith("_"):
        raise SpaceError(f"an axis needs a name that does not start with an underscore, found {name!r}")
