"""Given points, one after the other. An example to copy."""

from __future__ import annotations

from collections import abc
from typing import Any

from skysteer.errors import PointError
from skysteer.model import Space

from ._reasons import Reasons
from ._turns import Point, Turns


class Sequence:
    """Suggests the given points in order, then nothing.

    Parameters
    ----------
    points
        One mapping of axis name to position for each point.
    space
        Where the points must lie. Without it there is no `space` to ask for.

    Raises
    ------
    PointError
        If a point does not lie in `space`.

    Examples
    --------
    >>> recommender = Sequence([{"x": 1.0}, {"x": 2.0}])
    >>> [point["x"] for point in recommender.suggest(5)]
    [1.0, 2.0]
    """

    space: Space
    """Where the points lie; only there when it was given."""

    def __init__(self, points: abc.Iterable[Point], *, space: Space | None = None) -> None:
        self._points = [dict(point) for point in points]
        self._turns = Turns("sequence", self._points)
        self._reasons = Reasons()
        if space is not None:
            self.space = space
            for number, point in enumerate(self._points):
                if problems := space.problems(point):
                    raise PointError(f"point {number} of the sequence: {'; '.join(problems)}")

    def ingest(self, points: abc.Sequence[Point]) -> None:
        """Cross off the points that were measured."""
        self._turns.end(points)

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Return the next points that are left, or an empty list at the end."""
        numbers = self._turns.next(num_points, len(self._points))
        self._reasons = Reasons(f"point {number + 1} of the {len(self._points)} given" for number in numbers)
        return [{**self._points[number], "_id": self._turns.id(number)} for number in numbers]

    def get_reasons(self) -> list[str]:
        """Say which of the given points each of the newest answer is."""
        return self._reasons.sentences()

    def set_pending(self, points: abc.Sequence[Point]) -> None:
        """Be told which suggestions are being measured: they are not asked for again."""
        self._turns.wait_for(points)

    def register_failures(self, suggestions: abc.Sequence[Point]) -> None:
        """Cross off the points that failed."""
        self._turns.end(suggestions)
