"""The simplest recommender there is: a list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["Fixed"]

Point = Mapping[str, Any]


class Fixed:
    """Suggests the given points, each once and in order, and then nothing.

    Nothing is checked, so that it can suggest nonsense; an ``_id`` is added
    where a point has none. It also keeps what it was told. A copy of it that is
    told its points again, as a replaced worker is, goes on behind them.

    Parameters
    ----------
    points
        What to suggest.
    """

    def __init__(self, points: Iterable[Point]) -> None:
        self.points = [{"_id": f"fixed-{number}", **point} for number, point in enumerate(points)]
        """What it suggests, with an ``_id`` each."""
        self.told: list[dict[str, Any]] = []
        """What it was told, in order."""
        self.failures: list[dict[str, Any]] = []
        """What it was told to have failed, in order."""
        self.pending: list[dict[str, Any]] = []
        """What it was last told to be on its way."""
        self._next = 0

    def ingest(self, points: Sequence[Point]) -> None:
        """Keep them."""
        self.told += [dict(point) for point in points]
        self._skip(points)

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Return the next points of the list."""
        first = self._next
        self._next += 1 if num_points is None else num_points
        return [dict(point) for point in self.points[first : self._next]]

    def set_pending(self, points: Sequence[Point]) -> None:
        """Keep them; the order of the list does not change."""
        self.pending = [dict(point) for point in points]
        self._skip(points)

    def register_failures(self, suggestions: Sequence[Point]) -> None:
        """Keep them; a point that failed is not suggested again."""
        self.failures += [dict(point) for point in suggestions]
        self._skip(suggestions)

    def _skip(self, points: Sequence[Point]) -> None:
        known = {point.get("_id") for point in points}
        behind = [number + 1 for number, point in enumerate(self.points) if point["_id"] in known]
        self._next = max([self._next, *behind])
