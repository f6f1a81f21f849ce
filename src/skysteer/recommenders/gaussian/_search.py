"""Finds the place of the unit box that an acquisition function likes most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize as _optimize

from skysteer.model import Axis, Choice, Space
from skysteer.recommenders._matern import Array
from skysteer.recommenders._sobol import sobol_rows

from ._acquisition import Acquisition

optimize: Any = _optimize  # it has no types

TOO_NEAR = 0.005
"""A place within this part of the range, on every axis, of one to be avoided is not proposed."""


def most_wanted(
    acquisition: Acquisition,
    space: Space,
    seed: Sequence[int],
    *,
    around: Array | None,
    avoid: Array,
    candidates: int = 1024,
    starts: int = 4,
) -> Array:
    """Return the (dimensions,) row of the unit box with the largest acquisition.

    Parameters
    ----------
    acquisition, space
        What is to be large, and where. An option of a choice is taken or not,
        never half.
    seed
        The same seed gives the same row.
    around
        A (dimensions,) row in whose neighbourhood to look more closely.
    avoid
        (m, dimensions) rows that are not to be measured again.
    candidates, starts
        So many places are looked at, and the best so many of them polished by L-BFGS-B.
    """
    moving = np.concatenate([_moves(axis) for axis in space.axes])
    rows = sobol_rows(space, seed, 0, candidates)
    if around is not None:
        steps = np.random.default_rng(seed).normal(size=(candidates // 4, space.dimensions)) * moving
        steps *= np.where(np.arange(len(steps)) % 2, 0.05, 0.005)[:, None]
        rows = np.vstack([rows, np.clip(around + steps, 0.0, 1.0)])
    allowed = rows[~_near(rows, avoid)]
    rows = allowed if len(allowed) else rows
    worth = acquisition(rows)
    order = np.argsort(-worth, kind="stable")
    best, best_worth = rows[order[0]], float(worth[order[0]])

    def loss(row: Array) -> tuple[float, Array]:
        value, slope = acquisition.slope(row)
        return -value, -slope

    for start in rows[order[:starts]]:
        bounds = [(0.0, 1.0) if moves else (x, x) for x, moves in zip(start, moving, strict=True)]
        found: Any = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 50})
        row: Array = np.clip(found.x, 0.0, 1.0)
        if -found.fun > best_worth and not _near(row[None], avoid)[0]:
            best, best_worth = row, -float(found.fun)
    return best


def _moves(axis: Axis | Choice) -> NDArray[np.bool_]:
    return np.zeros(len(axis.options), bool) if isinstance(axis, Choice) else np.ones(1, bool)


def _near(rows: Array, avoid: Array) -> NDArray[np.bool_]:
    if not len(avoid):
        return np.zeros(len(rows), bool)
    return (np.abs(rows[:, None] - avoid[None]).max(axis=2) < TOO_NEAR).any(axis=1)
