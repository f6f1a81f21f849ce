"""What a simulated experiment would measure without noise: a peak, and an absorption edge."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["Edge", "Peak"]


@dataclass(frozen=True, slots=True)
class Peak:
    """A narrow two-dimensional Gaussian peak on a flat background.

    >>> peak = Peak(x=1.0, y=-2.0)
    >>> peak(1.0, -2.0) == peak.height
    True
    """

    x: float
    """Position of the top, in mm."""
    y: float
    """Position of the top, in mm."""
    amplitude: float = 1000.0
    """Counts at the top, above the background."""
    sigma: tuple[float, float] = (0.5, 0.25)
    """Standard deviations along the long and the short axis of the spot, in mm. With the
    defaults the spot stands clear of the background in 2.5 % of a 10 mm x 10 mm box."""
    tilt: float = 0.0
    """Angle from x to the long axis of the spot, in radians."""
    background: float = 20.0
    """Counts far from the peak."""

    def __post_init__(self) -> None:
        if not (min(self.sigma) > 0 and self.amplitude >= 0 and self.background >= 0):
            raise ValueError(
                "a peak needs a positive sigma and no negative counts, found "
                f"sigma={self.sigma}, amplitude={self.amplitude}, background={self.background}"
            )

    @classmethod
    def random(cls, seed: int, *, within: float = 4.0) -> Peak:
        """Make a peak somewhere in [-within, within] mm on both axes, of any tilt, told by the seed alone."""
        generator = np.random.default_rng([seed, 0])
        x, y = (float(value) for value in generator.uniform(-within, within, 2))
        return cls(x=x, y=y, tilt=float(generator.uniform(0, math.pi)))

    @property
    def position(self) -> dict[str, float]:
        """The top as a point: ``{"x": ..., "y": ...}``, in mm."""
        return {"x": self.x, "y": self.y}

    @property
    def height(self) -> float:
        """Counts at the top, background included."""
        return self.amplitude + self.background

    def __call__(self, x: float, y: float) -> float:
        """Mean counts at a position in mm."""
        cos, sin = math.cos(self.tilt), math.sin(self.tilt)
        along = (cos * (x - self.x) + sin * (y - self.y)) / self.sigma[0]
        across = (cos * (y - self.y) - sin * (x - self.x)) / self.sigma[1]
        return self.background + self.amplitude * math.exp(-(along**2 + across**2) / 2)


@dataclass(frozen=True, slots=True)
class Edge:
    """An absorption edge: an arctangent step with a white line, as iron's K edge has."""

    energy: float = 7112.0
    """Energy of the step, in eV."""
    width: float = 1.5
    """Half width of the step, in eV."""
    before: float = 0.1
    """Absorbance far below the edge."""
    step: float = 1.0
    """Absorbance above the edge, more than before it."""
    white_line: float = 0.4
    """Absorbance of the white line, 6 eV above the step and 3 eV (sigma) wide."""

    def __call__(self, energy: float) -> float:
        """Absorbance (dimensionless) at an energy in eV."""
        offset = energy - self.energy
        rise = 0.5 + math.atan(offset / self.width) / math.pi
        return self.before + self.step * rise + self.white_line * math.exp(-(((offset - 6.0) / 3.0) ** 2) / 2)
