"""Where it is known to be safe, and the best place there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skysteer.model import Axis, Space
from skysteer.recommenders._matern import Array

from ._acquisition import Acquisition, LogDoubt, Together
from ._constraints import Restraint
from ._reasons import Why, believed
from ._steps import Steps

SIGMAS = 2.0
"""By so many standard deviations the limit must be kept."""
REACHES = (0.01, 0.03, 0.1, 0.3)
"""How far from a safe point to look, as parts of the range."""
MOST_CENTRES = 32
"""From so many safe points at the most, the last ones."""


class SafeRegion:
    """The places where every limit is kept by `SIGMAS` standard deviations, as far as is known.

    In the manner of SafeOpt (Sui, Gotovos, Burdick and Krause 2015). Only what
    was measured counts, not what is expected of points on their way.
    """

    def __init__(self, restraints: Sequence[Restraint]) -> None:
        self._restraints = [(restraint, restraint.surrogate.posterior()) for restraint in restraints]

    def __call__(self, rows: Array) -> NDArray[np.bool_]:
        """Whether each of (m, dimensions) rows is known to be safe."""
        return self.room(rows) >= 0.0

    def room(self, rows: Array) -> Array:
        """Return (m,) distances of the worst case from the nearest limit, in widths of its outcome."""
        rooms = [restraint.room(posterior, rows, SIGMAS) for restraint, posterior in self._restraints]
        return np.min(rooms, axis=0)

    def least_known(self, avoid: Array) -> tuple[Acquisition, Why]:
        """Return the doubt about the limits when readings at rows `avoid` come out as expected, and what that is."""
        why = Why("to widen what is safe, known least", tuple(believed(each, avoid) for each, _ in self._restraints))
        return Together(*(LogDoubt(posterior.believing(avoid)) for _, posterior in self._restraints)), why

    @property
    def text(self) -> str:
        """For people: ``"dose <= 5"``."""
        return ", ".join(str(restraint.limit) for restraint, _ in self._restraints)


def safest_wanted(
    worth: Acquisition,
    region: SafeRegion,
    centres: Array,
    space: Space,
    steps: Steps,
    seed: Sequence[int],
    *,
    avoid: Array,
    never: Array,
    candidates: int = 1024,
) -> Array | None:
    """Return the safe row with the largest acquisition, or ``None`` where no row is safe.

    Parameters
    ----------
    worth, region
        What is to be large, and where it is safe.
    centres
        (m, dimensions) rows around which to look: what is safe is near to them.
    space, steps, seed
        As for `most_wanted`.
    avoid
        (m, dimensions) rows not to be asked for as long as there are others.
    never
        (m, dimensions) rows not to be asked for.
    candidates
        How many rows are looked at.
    """
    centres = np.clip(centres[-MOST_CENTRES:], 0.0, 1.0)
    if not len(centres):
        return None
    rng = np.random.default_rng(seed)
    reach = np.resize(REACHES, candidates)[:, None]
    rows = _around(np.resize(centres, (candidates, space.dimensions)), reach, space, rng)
    rows = steps.snap(np.vstack([rows, centres]))
    best = _best(rows, worth, region, steps, avoid, never)
    if best is None:
        return None
    for reach in (0.02, 0.005, 0.002):
        nearer = _around(np.repeat(best[None], candidates // 8, axis=0), reach, space, rng)
        best = _best(steps.snap(np.vstack([best, nearer])), worth, region, steps, avoid, never)
        assert best is not None  # the last one is among them
    return best


def _best(
    rows: Array, worth: Acquisition, region: SafeRegion, steps: Steps, avoid: Array, never: Array
) -> Array | None:
    rows = rows[region(rows) & ~steps.same(rows, never)]
    if not len(rows):
        return None
    taken = steps.same(rows, avoid)
    rows = rows if taken.all() else rows[~taken]
    return rows[int(np.argmax(worth(rows)))]


def _around(rows: Array, reach: Array | float, space: Space, rng: np.random.Generator) -> Array:
    """Rows a random step away; one in eight also takes another option of a choice."""
    away = rows + rng.normal(size=rows.shape) * reach
    column = 0
    for axis in space.axes:
        if isinstance(axis, Axis):
            column += 1
            continue
        options = slice(column, column + len(axis.options))
        taken = np.argmax(rows[:, options], axis=1)
        other = rng.integers(len(axis.options), size=len(rows))
        taken = np.where(rng.random(len(rows)) < 0.125, other, taken)
        away[:, options] = np.eye(len(axis.options))[taken]
        column += len(axis.options)
    return np.clip(away, 0.0, 1.0)
