"""What a recommender that is being checked is told: places, readbacks near them, and outcomes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from skysteer.model import Axis, Choice, Space

Point = Mapping[str, Any]
Truth = Callable[[Point], Mapping[str, Any]]
"""Axis name to position, to objective name to value."""

READBACK = 1e-4
"""A motor ends this part of its range beside the position it was sent to."""
SAME = 1e-6
"""Positions that differ by less than this part of the range are the same."""
WINDOW = 10.0
"""Width taken for an axis without limits, in its units."""


class World:
    """Measures without noise: the same place gives the same outcome.

    Parameters
    ----------
    space
        Where to measure. Of an axis without limits a part is used.
    objectives
        What is measured: by default a smooth peak between 0 and 100 for each.
    truth
        Another way to measure, for objectives that are no numbers.
    """

    def __init__(self, space: Space, objectives: Sequence[str], truth: Truth | None = None) -> None:
        self.space = space
        self.objectives = tuple(objectives)
        self._window = Space(*map(_window, space.axes))
        self._truth = truth

    def strangers(self, count: int, first: int = 0) -> list[dict[str, Any]]:
        """Return measured points that nobody was asked for."""
        return [self.measured(self._random(number)) for number in range(first, first + count)]

    def measured(self, asked: Point, number: int = 0, **changes: Any) -> dict[str, Any]:
        """Return a suggestion as it is told: readback, outcomes (those in `changes` as given there) and its ``_id``."""
        place = self.tidy(asked)
        for axis in self._window.axes:
            if isinstance(axis, Axis):
                moved = place[axis.name] + READBACK * (axis.high - axis.low) * math.sin(7 * number + 1)
                place[axis.name] = min(max(moved, axis.low), axis.high)
        told = {**place, **self.outcome(place), **changes}
        identity = asked.get("_id")
        return told if identity is None or not is_hashable(identity) else {**told, "_id": identity}

    def outcome(self, place: Point) -> dict[str, Any]:
        """Return what is measured there."""
        if self._truth is not None:
            return dict(self._truth(place))
        row = self._window.to_unit([place])[0]
        # Not in the middle, and for every objective elsewhere.
        return {
            name: round(100.0 * math.exp(-float(((row - 0.3 - 0.1 * number) ** 2).sum()) / 0.18), 9)
            for number, name in enumerate(self.objectives)
        }

    def as_outcome(self, value: float) -> dict[str, Any]:
        """Return an outcome that is this number throughout, of the shape that is measured."""
        return {name: _filled(old, value) for name, old in self.outcome(self._random(0)).items()}

    def tidy(self, asked: Point) -> dict[str, Any]:
        """Return a place to measure at: what a suggestion says, mended where it says nothing possible."""
        place = {name: plain(asked.get(name)) for name in self._window}
        middle = self._random(1)
        return {
            axis.name: middle[axis.name] if axis.problem(place[axis.name]) else place[axis.name]
            for axis in self._window.axes
        }

    def row(self, asked: Point) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the place of a suggestion in the unit box."""
        return self._window.to_unit([self.tidy(asked)])[0]

    def is_same_place(self, one: Point, other: Point) -> bool:
        """Whether two suggestions are for the same place."""
        return bool(np.all(np.abs(self.row(one) - self.row(other)) < SAME))

    def width(self, name: str) -> float | None:
        """How long an axis is, in its units; ``None`` for a choice."""
        axis = self._window[name]
        return axis.high - axis.low if isinstance(axis, Axis) else None

    def places(self) -> float:
        """How many different places there are; infinite with an axis that has no steps."""
        counts = [len(axis.options) if isinstance(axis, Choice) else _steps(axis) for axis in self._window.axes]
        return math.prod(counts)

    def _random(self, number: int) -> dict[str, Any]:
        row = np.random.default_rng([20, number]).random(self._window.dimensions)
        return dict(self._window.from_unit(row)[0])


def is_hashable(value: Any) -> bool:
    """Whether it can be a key. A tuple of lists only says so."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


def plain(value: Any) -> Any:
    """Return the same value without NumPy, so that only the check of plain values sees a difference."""
    if isinstance(value, np.generic | np.ndarray):
        return cast(Any, value).tolist()
    return value


def _window(axis: Axis | Choice) -> Axis | Choice:
    if isinstance(axis, Choice) or axis.bounded:
        return axis
    low = axis.low if math.isfinite(axis.low) else axis.high - WINDOW if math.isfinite(axis.high) else -WINDOW / 2
    return replace(axis, low=low, high=axis.high if math.isfinite(axis.high) else low + WINDOW)


def _steps(axis: Axis) -> float:
    return math.inf if axis.step is None else math.floor((axis.high - axis.low) / axis.step) + 1


def _filled(old: Any, value: float) -> Any:
    if isinstance(old, np.ndarray):
        return np.full(old.shape, value)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    if isinstance(old, list | tuple):
        return [_filled(each, value) for each in _items(old)]
    return value


def _items(values: Any) -> Iterator[Any]:
    yield from values
