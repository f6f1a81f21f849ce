"""What stands beside every recommender in a comparison: random points, and the even grid of as many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skysteer.model import Choice, Space
from skysteer.recommenders import Grid
from skysteer.recommenders._bounded import bounded
from skysteer.recommenders._turns import Turns

from ._truth import Point

__all__ = ["Random", "even_grid"]


class Random:
    """Suggests points drawn evenly and independently, without end: what every recommender must beat.

    Parameters
    ----------
    space
        Where the points lie.
    seed
        Another seed, other points.

    Raises
    ------
    SpaceError
        If an axis has no limits.
    """

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        self._space = bounded(space, "Random")
        self._seed = seed
        self._turns = Turns("random", (space, seed))

    @property
    def space(self) -> Space:
        """Where it suggests."""
        return self._space

    def ingest(self, points: Sequence[Point]) -> None:
        """Cross off the points that were measured."""
        self._turns.end(points)

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Return the next points that are left; there always are."""
        return [{**self._point(number), "_id": self._turns.id(number)} for number in self._turns.next(num_points)]

    def set_pending(self, points: Sequence[Point]) -> None:
        """Be told which suggestions are being measured: they are not asked for again."""
        self._turns.wait_for(points)

    def register_failures(self, suggestions: Sequence[Point]) -> None:
        """Cross off the points that failed."""
        self._turns.end(suggestions)

    def _point(self, number: int) -> dict[str, Any]:
        generator = np.random.default_rng([self._seed, number])
        return self._space.from_unit(generator.uniform(size=(1, self._space.dimensions)))[0]


def even_grid(space: Space, most: int) -> Grid | None:
    """Return the even grid with the most points of at most `most`; ``None`` where the choices alone have more."""
    counts = {axis.name: 1 for axis in space.axes if not isinstance(axis, Choice)}
    while len(Grid(space, counts)) <= most:
        best = dict(counts)
        # One more on an axis with the fewest: 2 x 2, 3 x 2, 3 x 3, ...
        longer = sorted(counts, key=lambda name: counts[name])
        fitting = [name for name in longer if len(Grid(space, {**counts, name: counts[name] + 1})) <= most]
        if not fitting or counts[fitting[0]] > counts[longer[0]]:
            return Grid(space, best)
        counts[fitting[0]] += 1
    return None
