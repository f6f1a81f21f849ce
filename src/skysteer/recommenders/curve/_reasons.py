"""Why a curve is measured at a place, from what was known when it was asked."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from adaptive.learner import learner1D

from skysteer.model import Axis

from ._model import Array

LENGTH = 0.02
"""How much python-adaptive's curvature loss counts lengths, beside the bend."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was known when a curve was asked, and what came of it."""

    axis: Axis
    loss: str
    """``"curvature"``, ``"distance"``, ``"uniform"``, or the name of a function."""
    low: float
    """The lower end of what can be reached, in the units of the axis."""
    high: float
    """The upper end."""
    x: Array
    """(n,) places that were measured, ascending."""
    y: Array
    """(n,) the curve there, in the units of the objective."""
    smoothed: bool
    """Whether it is a smoothed curve."""
    taken: tuple[float, ...]
    """Places that count as measured: on their way, failed, or ends that cannot be reached."""
    wanted: tuple[float, ...]
    """Which places divide the axis best."""
    positions: tuple[float, ...]
    """What was suggested for the first of them."""
    free: int
    """How many of those are not repeats."""

    def reasons(self) -> list[str]:
        """Say why each position was suggested."""
        known = np.unique(np.clip([self.low, self.high, *self.x, *self.taken], self.low, self.high))
        right: list[int] = np.clip(np.searchsorted(known, self.wanted), 1, len(known) - 1).tolist()
        inside = Counter(n for n, x in zip(right, self.wanted, strict=True) if self.low < x < self.high)
        return [
            self._reason(number, float(known[right[number] - 1]), float(known[right[number]]), inside[right[number]])
            for number in range(len(self.positions))
        ]

    def _reason(self, number: int, left: float, right: float, together: int) -> str:
        x, at = self.wanted[number], self.positions[number]
        if x in (self.low, self.high):
            sentence = f"the {'lower' if x == self.low else 'upper'} end of {self.axis.name}, before what lies between"
        else:
            within = f"{_range(left, right, self.axis.units)}{self._where(left, right)}"
            share = f"one of {together} to divide" if together > 1 else "divides"
            if number >= self.free:
                return f"no step is left, so again beside {within}"
            sentence = f"{share} {within}"
        if self.axis.step is not None and abs(at - x) > 0.5001 * self.axis.step:
            return f"{sentence}; the nearest free step"
        return sentence

    def _where(self, left: float, right: float) -> str:
        """What is special about an interval."""
        curve = "the smoothed curve" if self.smoothed else "the curve"
        if not len(self.x) or left < self.x[0] or right > self.x[-1]:
            return ": even steps where no readings are yet"
        if self.loss == "uniform":
            return ", the longest gap"
        if self.loss == "distance":
            return f", where points lie farthest apart on {curve}"
        if self.loss != "curvature":
            return f", of the largest loss ({self.loss})"
        if len(self.x) < 3:
            return ": too few readings to see a bend"
        if self._bends(left, right):
            return f", where {curve} bends most"
        return f", where points lie farthest apart: {curve} has no larger bend"

    def _bends(self, left: float, right: float) -> bool:
        """Whether the bend, and not its length, is why an interval counts."""
        n = int(np.searchsorted(self.x, 0.5 * (left + right)))
        width, height = self.high - self.low, float(np.ptp(self.y)) or 1.0
        around = [n - 2, n - 1, n, n + 1]
        inside = [0 <= m < len(self.x) for m in around]
        xs = tuple(float(self.x[m]) / width if there else None for m, there in zip(around, inside, strict=True))
        ys = tuple(float(self.y[m]) / height if there else None for m, there in zip(around, inside, strict=True))
        adaptive = cast("Any", learner1D)
        bend = adaptive.triangle_loss(xs, ys) ** 0.5
        return bool(bend > LENGTH * (adaptive.default_loss(xs[1:3], ys[1:3]) + adaptive.uniform_loss(xs[1:3], ys[1:3])))


def _range(left: float, right: float, units: str) -> str:
    """Two positions with as many digits as it takes to tell them apart."""
    ratio = max(abs(left), abs(right)) / (right - left)
    digits = min(max(math.ceil(math.log10(ratio)) + 2, 4), 15) if ratio > 0 else 4
    return " ".join(part for part in (f"{left:.{digits}g} to {right:.{digits}g}", units) if part)
