"""What came of a simulation."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ._truth import Array, Goal

__all__ = ["Called", "Measured", "Simulation", "plain"]


@dataclass(frozen=True, slots=True)
class Measured:
    """One simulated measurement."""

    point: Mapping[str, Any]
    """Axis name to position."""
    true: Mapping[str, float]
    """Objective name to what a measurement without noise would read."""
    read: Mapping[str, float]
    """Objective name to what was read, and told."""
    seconds: float
    """How long the recommender took for it: telling what came before and asking,
    divided by the points of that answer."""
    distance: float | None = None
    """How far the nearest recorded point is, in ranges of the axes; of a recorded run."""


@dataclass(frozen=True, slots=True)
class Called:
    """The point that the recommender calls the best in the end."""

    point: Mapping[str, Any]
    """Axis name to position."""
    said: Mapping[str, Any]
    """Objective name to the value that the recommender says."""
    true: float
    """True value of the first objective there."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What came of `simulate`."""

    recommender: str
    """Name of its class, or what a comparison calls it."""
    truth: str
    """Name of the truth."""
    space: Mapping[str, Any]
    """The `skysteer.model.Space` it moved in."""
    objectives: tuple[str, ...]
    """What it was told. The first is judged."""
    units: Mapping[str, str]
    """Objective name to engineering units."""
    goal: Goal
    """What is wanted of the first objective."""
    seed: int
    """Of the noise."""
    points: tuple[Measured, ...]
    """In the order in which they were measured."""
    reason: str
    """Why it ended."""
    complete: bool
    """Whether it came to its end: all points measured, or nothing more was asked for."""
    reference: float | None
    """The best true value that is known, to which the regret refers; ``None`` for a map."""
    errors: Mapping[int, float]
    """For a map, number of points to its error: root mean square, in standard deviations of the truth."""
    unpredicted: tuple[int, ...]
    """Numbers of points after which the recommender could not say what it expects, so that the map was
    made by linear interpolation; its ``predict`` raised a `ValueError`."""
    best: Called | None
    """What the recommender calls the best; ``None`` where it does not say."""

    def __len__(self) -> int:
        return len(self.points)

    @property
    def objective(self) -> str:
        """What is judged."""
        return self.objectives[0]

    @property
    def true(self) -> Array:
        """(n,) true values of the objective, in order."""
        return np.array([each.true[self.objective] for each in self.points], dtype=np.float64)

    @property
    def read(self) -> Array:
        """(n,) readings of the objective, in order."""
        return np.array([each.read[self.objective] for each in self.points], dtype=np.float64)

    @property
    def regret(self) -> Array:
        """(n,) distance from `reference` of the best true value among the first 1, 2, ... n points.

        In units of the objective, never negative; empty for a map, NaN before the first finite value.
        """
        if self.reference is None:
            return np.empty(0)
        gaps = self._sign * (self.reference - self.true)
        gaps = np.maximum(np.where(np.isfinite(gaps), gaps, np.inf), 0.0)
        running = np.minimum.accumulate(gaps)
        return np.where(np.isfinite(running), running, np.nan)

    @property
    def regret_called(self) -> float | None:
        """The regret of the point that the recommender calls the best."""
        if self.reference is None or self.best is None:
            return None
        return max(self._sign * (self.reference - self.best.true), 0.0)

    @property
    def seconds_a_point(self) -> float | None:
        """Median time of the recommender for a point."""
        return statistics.median(each.seconds for each in self.points) if self.points else None

    @property
    def not_finite(self) -> int:
        """Readings that were NaN or infinite."""
        return int(np.sum(~np.isfinite(self.read)))

    @property
    def farthest(self) -> float | None:
        """The largest distance of a point from the recorded ones, in ranges of the axes."""
        distances = [each.distance for each in self.points if each.distance is not None]
        return max(distances) if distances else None

    @property
    def _sign(self) -> float:
        return -1.0 if self.goal == "minimize" else 1.0

    def __str__(self) -> str:
        unit = f" {self.units[self.objective]}" if self.units.get(self.objective) else ""
        rows = [f"{self.recommender} on {self.truth}: {len(self)} points, {self.reason}"]
        if self.goal == "map":
            rows += [f"map error after {n} points: {error:.3g} sd" for n, error in list(self.errors.items())[-1:]]
        elif len(self):
            rows.append(f"best true value {self._top:.6g}{unit}, regret {self.regret[-1]:.3g}{unit}")
        if self.best is not None:
            where = ", ".join(f"{name}={_short(value)}" for name, value in self.best.point.items())
            regret = "" if self.regret_called is None else f", regret {self.regret_called:.3g}{unit}"
            rows.append(f"called best: {where}, true value {self.best.true:.6g}{unit}{regret}")
        if self.seconds_a_point is not None:
            rows.append(f"{1000 * self.seconds_a_point:.1f} ms a point")
        if self.farthest is not None:
            rows.append(f"the nearest recorded point was up to {self.farthest:.2g} of the ranges away")
        if self.unpredicted:
            where = ", ".join(map(str, self.unpredicted))
            rows.append(f"no prediction after {where} points: the map was made by linear interpolation")
        if self.not_finite:
            rows.append(f"{self.not_finite} readings were not finite")
        return "\n".join(rows)

    @property
    def _top(self) -> float:
        true = self.true[np.isfinite(self.true)]
        return float((self._sign * true).max() * self._sign) if len(true) else math.nan

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values; numbers that are not finite are ``None``."""
        return plain(
            {
                "recommender": self.recommender, "truth": self.truth, "goal": self.goal, "seed": self.seed,
                "objectives": self.objectives, "units": self.units, "reason": self.reason, "complete": self.complete,
                "reference": self.reference, "regret": self.regret, "map_error": self.errors,
                "unpredicted": self.unpredicted,
                "best": None if self.best is None else {
                    "point": self.best.point, "said": self.best.said, "true": self.best.true,
                    "regret": self.regret_called,
                },
                "seconds_a_point": self.seconds_a_point, "farthest": self.farthest, "not_finite": self.not_finite,
                "points": [
                    {"point": p.point, "true": p.true, "read": p.read, "seconds": p.seconds, "distance": p.distance}
                    for p in self.points
                ],
            }
        )  # fmt: skip

    def to_json(self) -> str:
        """Return one JSON object."""
        return json.dumps(self.as_dict(), indent=2, allow_nan=False)

    def plot(self, to: Any, truth: Any = None) -> None:
        """Draw where it measured, and how it went.

        Parameters
        ----------
        to
            The path of a PNG, or a matplotlib figure to draw into.
        truth
            What was simulated: then the truth is drawn under the points.
        """
        from ._picture import draw_simulation  # matplotlib takes a second

        draw_simulation(Path(to) if isinstance(to, str) else to, self, truth)


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: lists, texts, finite numbers, and None for the others."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    return value  # pyright: ignore[reportUnknownVariableType]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
