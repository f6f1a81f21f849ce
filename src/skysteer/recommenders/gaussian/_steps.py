"""Axes that go in steps: the model is asked of the places that can be set, not of those between."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from skysteer.model import Axis, Choice, Space
from skysteer.recommenders._matern import Array

from ._acquisition import Acquisition
from ._search import TOO_NEAR

FORBIDDEN = -1e30
"""The worth of a place that is not to be asked for."""


class Steps:
    """Which columns of the unit box go in steps, and the nearest place on them."""

    def __init__(self, space: Space) -> None:
        widths: list[float] = []
        most: list[float] = []
        counts: list[float] = []
        for axis in space.axes:
            if isinstance(axis, Choice):
                widths += [math.nan] * len(axis.options)
                most += [math.nan] * len(axis.options)
                counts.append(len(axis.options))
            elif axis.step is None:
                widths.append(math.nan)
                most.append(math.nan)
                counts.append(math.inf)
            else:
                steps = math.floor((axis.high - axis.low) / axis.step + 1e-6)
                widths.append(axis.step / (axis.high - axis.low))
                most.append(float(steps))
                counts.append(steps + 1.0)
        self._widths, self._most = np.array(widths), np.array(most)
        widths_of = [len(axis.options) if isinstance(axis, Choice) else 1 for axis in space.axes]
        self.numbers: NDArray[np.bool_] = np.repeat([isinstance(axis, Axis) for axis in space.axes], widths_of)
        """(dimensions,) which columns are positions on an axis, not options of a choice."""
        self.columns: NDArray[np.bool_] = np.isfinite(self._widths)
        """(dimensions,) which columns go in steps."""
        self.near: Array = np.where(self.columns, np.fmax(0.5 * self._widths, TOO_NEAR), TOO_NEAR)
        """(dimensions,) within this part of the range, on every axis, two places are one."""
        self.places = math.prod(counts)
        """How many places there are; ``inf`` with an axis that takes every position."""

    @property
    def matter(self) -> bool:
        """Whether a place of the unit box may be none that can be set."""
        return bool(self.columns.any()) or math.isfinite(self.places)

    def snap(self, rows: Array) -> Array:
        """Return (m, dimensions) rows on the nearest steps."""
        on = rows.copy()
        columns = self.columns
        steps = np.minimum(np.round(np.clip(rows[:, columns], 0.0, 1.0) / self._widths[columns]), self._most[columns])
        on[:, columns] = steps * self._widths[columns]
        return on

    def same(self, rows: Array, others: Array) -> NDArray[np.bool_]:
        """Whether each of (m, dimensions) rows is the place of one of the others."""
        if not len(others):
            return np.zeros(len(rows), bool)
        return np.any(np.all(np.abs(rows[:, None] - others[None]) < self.near, axis=2), axis=1)

    def beside(self, row: Array) -> Array:
        """Return the places one and two steps from a (dimensions,) row, on one axis each; (m, dimensions)."""
        found: list[Array] = []
        for column in np.flatnonzero(self.columns):
            for steps in (-2, -1, 1, 2):
                place = row.copy()
                place[column] += steps * self._widths[column]
                if -1e-9 <= place[column] <= self._most[column] * self._widths[column] + 1e-9:
                    found.append(place)
        return np.array(found).reshape(-1, len(row))


class OnSteps:
    """An acquisition at the nearest place that can be set, so that none is preferred for what lies beside it.

    (Garrido-Merchan and Hernandez-Lobato 2020, arXiv:1805.03463.)

    Parameters
    ----------
    acquisition, steps
        What is wanted, and where it can be had.
    avoid
        (m, dimensions) rows that are not to be asked for: they are worth `FORBIDDEN`.
    """

    def __init__(self, acquisition: Acquisition, steps: Steps, avoid: Array) -> None:
        self._acquisition, self._steps = acquisition, steps
        self._avoid = steps.snap(avoid) if len(avoid) else avoid

    def __call__(self, rows: Array) -> Array:
        rows = self._steps.snap(rows)
        return np.where(self._steps.same(rows, self._avoid), FORBIDDEN, self._acquisition(rows))

    def slope(self, row: Array) -> tuple[float, Array]:
        on = self._steps.snap(row[None])
        if self._steps.same(on, self._avoid)[0]:
            return FORBIDDEN, np.zeros(len(row))
        value, slope = self._acquisition.slope(on[0])
        return value, np.where(self._steps.columns, 0.0, slope)

    def climbed(self, row: Array) -> Array:
        """Return the (dimensions,) row from where no step on one axis leads higher."""
        best = self._steps.snap(row[None])
        worth = self(best)[0]
        for _ in range(50):
            beside = self._steps.beside(best[0])
            if not len(beside) or (there := self(beside)).max() <= worth:
                break
            best, worth = beside[[int(np.argmax(there))]], there.max()
        return best[0]
