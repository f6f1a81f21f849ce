"""A curve and a map to be known everywhere, and the judge of how well they are after so many points."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.interpolate import LinearNDInterpolator, NearestNDInterpolator

from ._problems import Array

LOW, HIGH = 7100.0, 7200.0
"""Energies of the edge, in eV."""
FINE = np.linspace(LOW, HIGH, 4001)
LINE = np.linspace(0, 1, 101)
MESH = np.stack(np.meshgrid(LINE, LINE, indexing="ij"), -1).reshape(-1, 2)
"""(10201, 2) places of the unit square: where a map is judged, and the candidates of those who choose from a list."""


def edge(energies: Array, seed: int) -> Array:
    """Absorption in edge steps: an edge near 7125 eV with pre-edge peak, white line and oscillations."""
    e = energies - 7125 - np.random.default_rng(seed).uniform(-6, 6)

    def peak(centre: float, width: float, height: float) -> Array:
        return height * np.exp(-0.5 * ((e - centre) / width) ** 2)

    step = 0.5 + np.arctan(e / 0.8) / np.pi
    k = np.sqrt(np.maximum(e, 0) * 0.2625)
    onset = (e > 12) * (1 - np.exp(-np.maximum(e - 12, 0) / 5))
    wiggle = 0.12 * np.sin(4 * k + 1.0) * np.exp(-k / 3.0) * onset
    return step + peak(-9, 0.7, 0.12) + peak(4.5, 1.6, 0.7) + peak(14, 3.0, 0.15) + wiggle


def phases(places: Array, seed: int) -> Array:
    """0 in one phase and 1 in the other, across a wavy boundary 0.02 wide."""
    rng = np.random.default_rng(100 + seed)
    height, turn, slope = rng.uniform(0.1, 0.2), rng.uniform(0, 2 * np.pi), rng.uniform(-0.3, 0.3)
    x, y = places.T
    boundary = 0.5 + slope * (x - 0.5) + height * np.sin(2 * np.pi * x + turn)
    return 0.5 + 0.5 * np.tanh((y - boundary) / 0.02)


CHECKPOINTS = {"edge": (20, 40, 60, 120), "edge_noisy": (20, 40, 60, 120), "phases": (50, 100, 200, 400)}
"""Case, and after how many points it is judged."""

Own = Callable[[Array], Array]
"""Places (n,) or (n, 2) to what a method itself expects there."""


class Scene:
    """Measures, and judges at the checkpoints."""

    def __init__(self, case: str, seed: int, budget: int) -> None:
        self.case, self.seed, self.budget = case, seed, budget
        self.flat = case == "phases"
        self.noise = 0.01 if case == "edge_noisy" else 0.0
        self.rng = np.random.default_rng(900 + seed)
        self.truth = phases(MESH, seed) if self.flat else edge(FINE, seed)
        self.checkpoints = [n for n in CHECKPOINTS[case] if n <= budget] or [budget]
        self.x: list[Any] = []
        self.y: list[float] = []
        self.seconds = 0.0
        """CPU time of whoever chooses, which he adds himself."""
        self.judged: dict[str, dict[str, float]] = {}

    @property
    def bounds(self) -> Array:
        """(dimensions, 2) limits."""
        return np.array([[0.0, 1.0]] * 2) if self.flat else np.array([[LOW, HIGH]])

    @property
    def done(self) -> bool:
        return len(self.y) >= self.budget

    def measure(self, place: Any) -> float:
        """The reading at a place: a number, or two in the unit square."""
        place = np.atleast_1d(np.asarray(place, float))
        true = phases(place[None], self.seed)[0] if self.flat else edge(place, self.seed)[0]
        reading = float(true + (self.rng.normal(0, self.noise) if self.noise else 0.0))
        self.x.append(place if self.flat else float(place[0]))
        self.y.append(reading)
        return reading

    def judge(self, own: Own | None = None, *, at: int | None = None) -> None:
        """If this is a checkpoint, keep the errors of straight lines between the points and of the method's own idea.

        `at`: for a design made anew for every number of points.
        """
        n = len(self.y) if at is None else at
        if n not in self.checkpoints:
            return
        errors = {"lines": self._rmse(lines := self._lines())}
        if self.flat:
            errors["wrong"] = float(np.mean((lines > 0.5) != (self.truth > 0.5)))
        if own is not None:
            errors["own"] = self._rmse(own(MESH if self.flat else FINE))
        self.judged[str(n)] = errors

    def each(self, design: Callable[[int], Sequence[Any]]) -> None:
        """Judge a design that is made anew for every number of points."""
        for n in self.checkpoints:
            self.x, self.y = [], []
            for place in design(n):
                self.measure(place)
            self.judge(at=n)

    def even(self, n: int) -> Sequence[Any]:
        """An even scan of n points, or of the next square number below."""
        if not self.flat:
            return list(np.linspace(LOW, HIGH, n))
        return list(np.stack(np.meshgrid(*[np.linspace(0, 1, math.isqrt(n))] * 2), -1).reshape(-1, 2))

    def _lines(self) -> Array:
        if not self.flat:
            x, first = np.unique(np.array(self.x), return_index=True)
            return np.interp(FINE, x, np.array(self.y)[first])
        x, y = np.array(self.x), np.array(self.y)
        inside = LinearNDInterpolator(x, y)(MESH)
        return np.where(np.isnan(inside), NearestNDInterpolator(x, y)(MESH), inside)

    def _rmse(self, guess: Array) -> float:
        return float(np.sqrt(np.mean((np.asarray(guess).ravel() - self.truth) ** 2)))
