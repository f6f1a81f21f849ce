"""An even scan of the whole space. An example to copy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skysteer.errors import SpaceError
from skysteer.model import Axis, Choice, Space

from ._bounded import bounded
from ._reasons import Reasons
from ._turns import Point, Turns


class Grid:
    """Suggests the points of a grid, the last axis fastest, then nothing.

    Parameters
    ----------
    space
        The grid reaches from limit to limit and takes every option of a choice.
    num_points_per_axis
        How many positions on every axis, or for each axis by name. One
        position is the middle of the axis. Choices need no number.
    snake
        Go back and forth, so that every step is one step on one axis.

    Raises
    ------
    SpaceError
        If an axis has no limits.
    ValueError
        If an axis has no number, or it is not a whole number above zero.

    Examples
    --------
    >>> grid = Grid(Space(Axis("y", 0, 1), Axis("x", 0, 1)), 2)
    >>> [(point["y"], point["x"]) for point in grid.suggest(4)]
    [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0)]
    """

    def __init__(self, space: Space, num_points_per_axis: int | Mapping[str, int], *, snake: bool = True) -> None:
        self._space = bounded(space, "Grid")
        if isinstance(num_points_per_axis, Mapping) and (extra := set(num_points_per_axis) - set(space)):
            raise SpaceError(f"num_points_per_axis names {sorted(extra)}, but the axes are {list(space)}")
        self._values = [_values(axis, num_points_per_axis) for axis in space.axes]
        self._snake = snake
        self._total = math.prod(len(values) for values in self._values)
        self._turns = Turns("grid", (space, self._values, snake))
        self._reasons = Reasons()

    @property
    def space(self) -> Space:
        """What the grid covers."""
        return self._space

    def __len__(self) -> int:
        return self._total

    def ingest(self, points: Sequence[Point]) -> None:
        """Cross off the points that were measured."""
        self._turns.end(points)

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Return the next points that are left, or an empty list at the end."""
        numbers = self._turns.next(num_points, self._total)
        self._reasons = Reasons(f"grid, point {number + 1} of {self._total}" for number in numbers)
        return [{**self._point(number), "_id": self._turns.id(number)} for number in numbers]

    def get_reasons(self) -> list[str]:
        """Say which point of the grid each of the newest answer is."""
        return self._reasons.sentences()

    def set_pending(self, points: Sequence[Point]) -> None:
        """Be told which suggestions are being measured: they are not asked for again."""
        self._turns.wait_for(points)

    def register_failures(self, suggestions: Sequence[Point]) -> None:
        """Cross off the points that failed."""
        self._turns.end(suggestions)

    def _point(self, number: int) -> dict[str, Any]:
        taken: list[Any] = []
        for values in reversed(self._values):
            number, step = divmod(number, len(values))
            # `number` now counts the sweeps of this axis: every second one goes back.
            taken.append(values[-1 - step] if self._snake and number % 2 else values[step])
        return dict(zip(self._space, reversed(taken), strict=True))


def _values(axis: Axis | Choice, counts: int | Mapping[str, int]) -> list[Any]:
    if isinstance(axis, Choice):
        return list(axis.options)
    count = counts.get(axis.name) if isinstance(counts, Mapping) else counts
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"axis {axis.name!r}: the number of points must be a whole number above 0, found {count!r}")
    if count == 1:
        return [axis.clean((axis.low + axis.high) / 2)]
    # On an axis with steps several positions may go to one.
    return list(dict.fromkeys(axis.clean(value) for value in np.linspace(axis.low, axis.high, count)))
