"""Recommenders that know nothing and keep nothing: what remains is what steering costs.

Imports no engine, as it is imported in the recommender's process too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skysteer.model import Axis, Space

LOW, HIGH = -3.0, 3.0
Point = Mapping[str, Any]
Work = Callable[[float], object]


def position(number: int, n: int) -> float:
    """Where point ``number`` of ``n`` is."""
    return LOW + (HIGH - LOW) * number / max(1, n - 1)


def positions(n: int) -> list[float]:
    """Where all of them are."""
    return [position(number, n) for number in range(n)]


class Line:
    """Suggests the points of a line one by one. Keeps two numbers, and nothing of what it is told."""

    space = Space(Axis("motor", LOW, HIGH))

    def __init__(self, n: int) -> None:
        self.n = n
        self.told = 0
        self.pending = 0

    def ingest(self, points: Sequence[Point]) -> None:
        self.told += len(points)

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        first = self.told + self.pending
        last = min(self.n, first + (num_points or 1))
        return [{"motor": position(number, self.n)} for number in range(first, last)]


class ThinkingLine(Line):
    """Works for a while over every suggestion, and writes down from when to when.

    Parameters
    ----------
    diary
        A file: ``begin T`` and ``end T`` a line, T of the system's monotonic
        clock, which all processes of a machine share.
    """

    def __init__(self, n: int, work: Work, seconds: float, diary: Path | None = None) -> None:
        super().__init__(n)
        self._work, self._seconds, self._diary = work, seconds, diary

    def set_pending(self, points: Sequence[Point]) -> None:
        self.pending = len(points)

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        self._note("begin")
        self._work(self._seconds)
        self._note("end")
        return super().suggest(num_points)

    def _note(self, what: str) -> None:
        if self._diary is not None:
            with self._diary.open("a") as diary:
                diary.write(f"{what} {time.monotonic()!r}\n")


def pure_python(seconds: float) -> float:
    """Compute in the interpreter, which holds its lock."""
    end, total = time.monotonic() + seconds, 0.0
    while time.monotonic() < end:
        for i in range(500):
            total += (i * i) % 7
    return total


_MATRIX = np.random.default_rng(0).standard_normal((384, 384))


def numpy_products(seconds: float) -> float:
    """Multiply matrices, which frees the interpreter's lock most of the time."""
    end, product = time.monotonic() + seconds, _MATRIX
    while time.monotonic() < end:
        product = _MATRIX @ product
        product /= np.abs(product).max()
    return float(product[0, 0])


WORK: dict[str, Work] = {"pure Python": pure_python, "numpy": numpy_products}
