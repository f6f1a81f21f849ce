"""Even cover without end, the n-th point never far from a good cover of n. An example to copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysteer.model import Choice, Space

from ._bounded import bounded
from ._reasons import Reasons
from ._turns import Point, Turns


class Sobol:
    """Suggests the points of a scrambled Sobol sequence, without end.

    Parameters
    ----------
    space
        Where the points lie. Options of a choice come equally often.
    seed
        Another seed, other points.

    Raises
    ------
    SpaceError
        If an axis has no limits.

    Examples
    --------
    >>> from skysteer.model import Axis
    >>> sobol = Sobol(Space(Axis("x", -5, 5)), seed=1)
    >>> len(sobol.suggest(8))
    8
    """

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        self._space = bounded(space, "Sobol")
        self._seed = seed
        self._turns = Turns("sobol", (space, seed))
        self._reasons = Reasons()

    @property
    def space(self) -> Space:
        """Where it suggests."""
        return self._space

    def ingest(self, points: Sequence[Point]) -> None:
        """Cross off the points that were measured."""
        self._turns.end(points)

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Return the next points that are left; there always are."""
        numbers = self._turns.next(num_points)
        self._reasons = Reasons(f"Sobol sequence, number {number + 1}" for number in numbers)
        return [
            {**self._space.from_unit(sobol_rows(self._space, self._seed, number))[0], "_id": self._turns.id(number)}
            for number in numbers
        ]

    def get_reasons(self) -> list[str]:
        """Say which point of the sequence each of the newest answer is."""
        return self._reasons.sentences()

    def set_pending(self, points: Sequence[Point]) -> None:
        """Be told which suggestions are being measured: they are not asked for again."""
        self._turns.wait_for(points)

    def register_failures(self, suggestions: Sequence[Point]) -> None:
        """Cross off the points that failed."""
        self._turns.end(suggestions)


def sobol_rows(space: Space, seed: int | Sequence[int], first: int = 0, count: int = 1) -> NDArray[np.float64]:
    """Scrambled Sobol points number `first` to `first + count - 1` in the unit box.

    Returns
    -------
    (count, dimensions) array
        As `Space.from_unit` takes it. The sequence spends one dimension on a
        choice, however many options it has. Points of any `first` and `count`
        are those of one sequence.
    """
    # Here, because importing it takes half a second.
    from scipy.stats.qmc import Sobol as Engine  # pyright: ignore[reportMissingTypeStubs]

    engine = Engine(len(space), rng=np.random.default_rng(seed))
    if first > 0:  # SciPy fails on 0
        engine.fast_forward(first)
    # SciPy warns of any other first draw than a power of two.
    cube: NDArray[np.float64] = engine.random(1 << (count - 1).bit_length())[:count]
    columns: list[NDArray[np.float64]] = []
    for axis, column in zip(space.axes, cube.T, strict=True):
        if isinstance(axis, Choice):
            columns.append(np.eye(len(axis.options))[(column * len(axis.options)).astype(int)])
        else:
            columns.append(column[:, None])
    return np.hstack(columns)
