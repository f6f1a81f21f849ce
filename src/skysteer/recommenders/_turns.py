"""Whose turn it is: the bookkeeping of a recommender that numbers its points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import index
from typing import Any, TypeGuard
from zlib import crc32

Point = Mapping[str, Any]


class Turns:
    """Which of a recommender's own points come next: the lowest numbers neither done nor on their way.

    Points without an ``_id`` of this recommender do not count. The ``_id``
    depends on what the recommender was made of, so a recommender made again
    after a restart knows its own points, and one made otherwise does not.

    >>> turns = Turns("grid", "what it is made of")
    >>> turns.end([{"x": 1.0, "_id": turns.id(0)}])
    >>> turns.next(2)
    [1, 2]
    """

    def __init__(self, kind: str, made_of: object) -> None:
        self._prefix = f"{kind}-{crc32(repr(made_of).encode()):08x}-"
        self._low = 0  # every number below is done
        self._done: set[int] = set()
        self._pending: set[int] = set()

    def __repr__(self) -> str:
        """What it was made of; not whose turn it is."""
        return f"Turns({self._prefix.rstrip('-')})"

    def id(self, number: int) -> str:
        """Return the ``_id`` of a point, e.g. ``"grid-9f0c21aa-3"``."""
        return f"{self._prefix}{number}"

    def owns(self, name: object) -> TypeGuard[str]:
        """Whether an ``_id`` is one of this recommender."""
        return isinstance(name, str) and name.startswith(self._prefix)

    def end(self, points: Iterable[Point]) -> None:
        """Cross off points that were measured, or failed: they do not come again."""
        self._done |= self._own(points)
        while self._low in self._done:
            self._done.remove(self._low)
            self._low += 1

    def wait_for(self, points: Iterable[Point]) -> None:
        """Hold back the points that are on their way: these, and no others."""
        self._pending = self._own(points)

    def next(self, num_points: int | None, total: int | None = None) -> list[int]:
        """Return up to `num_points` (``None`` is one) numbers below `total` whose turn it is.

        Raises
        ------
        ValueError
            If `num_points` is not a whole number, or below 0.
        """
        wanted = 1 if num_points is None else _count(num_points)
        numbers: list[int] = []
        number = self._low
        while len(numbers) < wanted and (total is None or number < total):
            if number not in self._done and number not in self._pending:
                numbers.append(number)
            number += 1
        return numbers

    def _own(self, points: Iterable[Point]) -> set[int]:
        ids = (point.get("_id") for point in points)
        numbers = (int(name[len(self._prefix) :]) for name in ids if self.owns(name))
        return {number for number in numbers if number >= self._low}


def _count(num_points: object) -> int:
    try:
        count = index(num_points)  # pyright: ignore[reportArgumentType]  that is the question
    except TypeError:
        count = -1
    if count < 0:
        raise ValueError(f"num_points must be a whole number, 0 or more, or None, found {num_points!r}")
    return count
