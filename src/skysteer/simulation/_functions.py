"""Truths by name: test functions of the literature, and what a beamline meets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from skysteer.model import Axis, Space

from ._truth import OBJECTIVE, Array, Goal, Noise, Point, Truth, Varying

__all__ = ["TRUTHS", "named"]


def named(name: str) -> Varying:
    """Return a truth by its name.

    Raises
    ------
    ValueError
        If there is none.
    """
    if name not in TRUTHS:
        raise ValueError(f"there is no truth named {name!r}; known are {', '.join(TRUTHS)}")
    return TRUTHS[name]


def branin(_seed: int) -> Truth:
    """Three equal minima in a curved valley (Branin 1972)."""

    def function(rows: Array) -> Array:
        x, y = rows.T
        valley = (y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6) ** 2
        return valley + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10

    return _of_rows(
        "branin", function, Space(Axis("x", -5, 10), Axis("y", 0, 15)), "minimize", best=0.39788735772973816
    )


def himmelblau(_seed: int) -> Truth:
    """Four equal minima (Himmelblau 1972)."""

    def function(rows: Array) -> Array:
        x, y = rows.T
        return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2

    return _of_rows("himmelblau", function, Space(Axis("x", -5, 5), Axis("y", -5, 5)), "minimize", best=0.0)


_SHARPNESS = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_WELLS = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)
_DEPTHS = np.array([1.0, 1.2, 3.0, 3.2])


def hartmann6(_seed: int) -> Truth:
    """Four wells in six dimensions, the second nearly as deep as the first (Hartmann 1973)."""

    def function(rows: Array) -> Array:
        squares = (_SHARPNESS * (rows[:, None, :] - _WELLS) ** 2).sum(axis=-1)
        return -(_DEPTHS * np.exp(-squares)).sum(axis=-1)

    space = Space(*(Axis(f"x{number}", 0, 1) for number in range(1, 7)))
    return _of_rows("hartmann6", function, space, "minimize", best=-3.322368011415512)


def peak(seed: int) -> Truth:
    """A narrow tilted spot somewhere in a field of 10 mm x 10 mm, counted.

    1000 counts at the top over a background of 20, standard deviations 0.5 mm
    and 0.25 mm: it stands clear of the background in 2.5 % of the field.
    """
    generator = np.random.default_rng([seed, 20_000])
    centre = generator.uniform(-4, 4, 2)
    tilt = generator.uniform(0, np.pi)
    turned = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])

    def function(rows: Array) -> Array:
        along = (rows - centre) @ turned.T / np.array([0.5, 0.25])
        return 20.0 + 1000.0 * np.exp(-0.5 * (along**2).sum(axis=1))

    space = Space(Axis("x", -5, 5, units="mm"), Axis("y", -5, 5, units="mm"))
    return _of_rows("peak", function, space, "maximize", best=1020.0, noise="counts", units="counts")


def edge(seed: int) -> Truth:
    """An absorption edge somewhere near 7125 eV, in units of its step, read with a noise of 1 %.

    Pre-edge peak, arctangent step, white line, and oscillations that fade away.
    """
    energy_0 = 7125 + np.random.default_rng([seed, 30_000]).uniform(-6, 6)

    def function(rows: Array) -> Array:
        offset = rows[:, 0] - energy_0
        lines = sum(
            height * np.exp(-0.5 * ((offset - place) / width) ** 2)
            for place, width, height in ((-9, 0.7, 0.12), (4.5, 1.6, 0.7), (14, 3.0, 0.15))
        )
        wave = np.sqrt(0.2625 * np.maximum(offset, 0))  # 1/angstrom
        begins = np.where(offset > 12, 1 - np.exp(-np.maximum(offset - 12, 0) / 5), 0)
        fading = 0.12 * np.sin(4 * wave + 1) * np.exp(-wave / 3) * begins
        return 0.5 + np.arctan(offset / 0.8) / np.pi + lines + fading

    space = Space(Axis("energy", 7100, 7200, units="eV"))
    return _of_rows("edge", function, space, "map", noise=0.01, units="edge steps")


def phases(seed: int) -> Truth:
    """Two phases on a wafer of 100 mm x 100 mm, 0 and 1, with a wavy boundary about 4 mm wide."""
    generator = np.random.default_rng([seed, 40_000])
    wave, phase, slope = generator.uniform(0.1, 0.2), generator.uniform(0, 2 * np.pi), generator.uniform(-0.3, 0.3)

    def function(rows: Array) -> Array:
        x, y = rows.T / 100
        boundary = 0.5 + slope * (x - 0.5) + wave * np.sin(2 * np.pi * x + phase)
        return 0.5 + 0.5 * np.tanh((y - boundary) / 0.02)

    space = Space(Axis("x", 0, 100, units="mm"), Axis("y", 0, 100, units="mm"))
    return _of_rows("phases", function, space, "map")


TRUTHS: Mapping[str, Varying] = MappingProxyType(
    {
        function.__name__: Varying(function.__name__, function)
        for function in (branin, himmelblau, hartmann6, peak, edge, phases)
    }
)
"""Truths by name. The last three are others for every seed."""


def _of_rows(
    name: str, function: Callable[[Array], Array], space: Space, goal: Goal, *,
    best: float | None = None, noise: Noise = 0.0, units: str = "",
) -> Truth:  # fmt: skip
    def at(points: Sequence[Point]) -> Array:
        return function(np.array([[float(point[axis]) for axis in space] for point in points]))

    def one(point: Point) -> Any:
        return float(at([point])[0])

    def many(points: Sequence[Point]) -> dict[str, Array]:
        return {OBJECTIVE: at(points)}

    return Truth(
        name, one, space=space, goal=goal, best=best, noise=noise, units={OBJECTIVE: units} if units else {}, many=many
    )
