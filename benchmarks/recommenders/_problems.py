"""Functions to find the best point of: a box, the truth in it, and how a measurement of it comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysteer.model import Axis, Space

Array = NDArray[np.float64]

OBJECTIVE = "f"
TOLERANCE = 1e-6
"""How far outside its box a suggestion may lie, in parts of the box: rounding."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A box, a true function on it, and how a measurement of it is drawn."""

    name: str
    bounds: dict[str, tuple[float, float]]
    """Axis name to (low, high)."""
    true: Callable[[Array], Array]
    """(n, d) positions to (n,) true values."""
    optimum: float
    """The best true value in the box."""
    minimise: bool = True
    draw: Callable[[Array, np.random.Generator], Array] | None = None
    """True values to measured ones; ``None`` when there is no noise."""
    scale: float = 1.0
    """Regret is given in units of this."""
    noise: float | None = None
    """Standard deviation of a reading, where it is the same everywhere."""

    @property
    def low(self) -> Array:
        return np.array([low for low, _ in self.bounds.values()])

    @property
    def high(self) -> Array:
        return np.array([high for _, high in self.bounds.values()])

    @property
    def space(self) -> Space:
        """The box, as our recommenders take it."""
        return Space(*[Axis(name, low, high) for name, (low, high) in self.bounds.items()])

    @property
    def counts(self) -> bool:
        """Whether a measurement is a number of counts."""
        return self.name == "beamline_peak"

    def array(self, point: Mapping[str, Any]) -> Array:
        """Where a point is, as a (1, d) array."""
        return np.array([[float(point[name]) for name in self.bounds]])

    def point(self, unit: Array) -> dict[str, float]:
        """The point at a (d,) place of the unit box."""
        places = self.low + unit * (self.high - self.low)
        return dict(zip(self.bounds, map(float, places), strict=True))

    def regret(self, value: float) -> float:
        """How far a true value is from the best, never negative."""
        gap = value - self.optimum if self.minimise else self.optimum - value
        return max(float(gap), 0.0) / self.scale

    def measure(self, point: Mapping[str, Any], rng: np.random.Generator) -> tuple[float, float]:
        """The true and the measured value of a suggestion."""
        x, margin = self.array(point), TOLERANCE * (self.high - self.low)
        if not ((self.low - margin <= x) & (x <= self.high + margin)).all():
            raise ValueError(f"{dict(point)} was suggested, outside {self.bounds}")
        true = self.true(x)
        seen = true if self.draw is None else self.draw(true, rng)
        return float(true[0]), float(seen[0])


def branin(_seed: int, noise: float | None = None) -> Problem:
    """Three equal minima in a valley, 2-D."""

    def true(x: Array) -> Array:
        a, b = x.T
        valley = b - 5.1 / (4 * np.pi**2) * a**2 + 5 / np.pi * a - 6
        return valley**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(a) + 10

    return _with_noise("branin", _box([-5, 0], [10, 15]), true, 0.39788735773, noise)


def himmelblau(_seed: int, noise: float | None = None) -> Problem:
    """Four equal minima, 2-D."""

    def true(x: Array) -> Array:
        a, b = x.T
        return (a**2 + b - 11) ** 2 + (a + b**2 - 7) ** 2

    return _with_noise("himmelblau", _box([-5, -5], [5, 5]), true, 0.0, noise)


_H6_SLOPES = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_H6_CENTRES = 1e-4 * np.array([
    [1312, 1696, 5569, 124, 8283, 5886],
    [2329, 4135, 8307, 3736, 1004, 9991],
    [2348, 1451, 3522, 2883, 3047, 6650],
    [4047, 8828, 8732, 5743, 1091, 381],
])  # fmt: skip
_H6_DEPTHS = np.array([1.0, 1.2, 3.0, 3.2])


def hartmann6(_seed: int, noise: float | None = None) -> Problem:
    """Four wells in 6-D; the second is 0.119 above the deepest."""

    def true(x: Array) -> Array:
        squares = (_H6_SLOPES * (x[:, None, :] - _H6_CENTRES) ** 2).sum(-1)
        return -(_H6_DEPTHS * np.exp(-squares)).sum(-1)

    return _with_noise("hartmann6", _box([0] * 6, [1] * 6), true, -3.322368011, noise)


def ackley5(seed: int, noise: float | None = None) -> Problem:
    """One funnel under many ripples, 5-D. The box is moved by the seed: the optimum is not its centre."""
    shift = np.random.default_rng(10_000 + seed).uniform(-15, 15, 5)

    def true(x: Array) -> Array:
        funnel = -20 * np.exp(-0.2 * np.sqrt((x**2).mean(1)))
        return funnel - np.exp(np.cos(2 * np.pi * x).mean(1)) + 20 + np.e

    return _with_noise("ackley5", _box(shift - 32.768, shift + 32.768), true, 0.0, noise)


def beamline_peak(seed: int) -> Problem:
    """Counts of a tilted narrow spot (sigma 1.0 x 0.5 mm) somewhere in a box of 20 mm x 20 mm.

    1000 counts at the top over a background of 20, with Poisson noise. The
    region in which the spot stands clear of the background (2.5 sigma) is
    2.45 % of the box. Its position changes with the seed. Regret is a fraction
    of the 1000 counts.
    """
    rng = np.random.default_rng(20_000 + seed)
    centre = rng.uniform(-8, 8, 2)
    tilt = rng.uniform(0, np.pi)
    turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])

    def true(x: Array) -> Array:
        u = (x - centre) @ turn.T / np.array([1.0, 0.5])
        return 20 + 1000 * np.exp(-0.5 * (u**2).sum(1))

    def draw(values: Array, rng: np.random.Generator) -> Array:
        return rng.poisson(values).astype(float)

    return Problem("beamline_peak", _box([-10, -10], [10, 10]), true, 1020.0, minimise=False, draw=draw, scale=1000.0)


# Noise of about 10 % (Branin) and 25 % (Hartmann6) of the standard deviation of the function over its box.
PROBLEMS: dict[str, Callable[[int], Problem]] = {
    "branin": branin,
    "himmelblau": himmelblau,
    "hartmann6": hartmann6,
    "ackley5": ackley5,
    "branin_noisy": lambda seed: branin(seed, 5.0),
    "hartmann6_noisy": lambda seed: hartmann6(seed, 0.1),
    "beamline_peak": beamline_peak,
}


def _with_noise(
    name: str,
    bounds: dict[str, tuple[float, float]],
    true: Callable[[Array], Array],
    optimum: float,
    noise: float | None,
) -> Problem:
    if noise is None:
        return Problem(name, bounds, true, optimum)

    def draw(values: Array, rng: np.random.Generator) -> Array:
        return values + rng.normal(0, noise, len(values))

    return Problem(f"{name}_noisy", bounds, true, optimum, draw=draw, noise=noise)


def _box(low: Any, high: Any) -> dict[str, tuple[float, float]]:
    return {f"x{i}": (float(a), float(b)) for i, (a, b) in enumerate(zip(low, high, strict=True))}
