"""Limits that an outcome has to keep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from skysteer.recommenders._matern import Array

from ._acquisition import Belief, special
from ._surrogate import Surrogate


@dataclass(frozen=True, slots=True)
class Limit:
    """What one outcome must not exceed, or not fall below."""

    outcome: str
    """Name of what is measured."""
    sense: Literal["<=", ">="]
    """On which side of `bound` it has to stay."""
    bound: float
    """In the units of the outcome."""

    def __str__(self) -> str:
        return f"{self.outcome} {self.sense} {self.bound:.15g}"

    @property
    def sign(self) -> float:
        """1 where larger is better, -1 where smaller is."""
        return 1.0 if self.sense == ">=" else -1.0


def limits(given: Mapping[str, Any] | None, argument: str) -> list[Limit]:
    """Return the limits of ``{"temperature": ("<=", 350.0)}``.

    Raises
    ------
    ValueError
        If one is not a pair of ``"<="`` or ``">="`` and a finite number.
    """
    found: list[Limit] = []
    for name, limit in (given or {}).items():
        pair = cast("Sequence[Any]", limit) if isinstance(limit, Sequence) and len(limit) == 2 else ("", None)  # pyright: ignore[reportUnknownArgumentType]
        sense, bound = pair
        if sense not in ("<=", ">=") or not isinstance(bound, int | float) or not math.isfinite(bound):
            raise ValueError(f"{argument}[{name!r}] is {limit!r}, expected a pair like ('<=', 350.0)")
        found.append(Limit(name, sense, float(bound)))
    return found


class Restraint:
    """A limit and what is believed of its outcome."""

    def __init__(self, limit: Limit, surrogate: Surrogate) -> None:
        self.limit, self.surrogate = limit, surrogate

    def room(self, belief: Belief, rows: Array, sigmas: float = 0.0) -> Array:
        """Return (m,) distances of the mean, `sigmas` to the bad side, from the limit; below 0 is beyond it."""
        mean, sd = belief(rows)
        return self.limit.sign * (mean - self.surrogate.standard(self.limit.bound)) - sigmas * sd

    def kept(self, rows: Array) -> NDArray[np.bool_]:
        """Whether the limit is expected to be kept, at each of (m, dimensions) rows."""
        return self.room(self.surrogate.posterior(), rows) >= 0.0

    def feasibility(self, belief: Belief) -> LogFeasibility:
        """Return how probably the limit is kept."""
        return LogFeasibility(belief, self.surrogate.standard(self.limit.bound), self.limit.sign)


class LogFeasibility:
    """The logarithm of the probability that a limit is kept (Gardner et al. 2014)."""

    def __init__(self, belief: Belief, bound: float, sign: float) -> None:
        self._belief, self._bound, self._sign = belief, bound, sign

    def __call__(self, rows: Array) -> Array:
        mean, sd = self._belief(rows)
        return special.log_ndtr(self._sign * (mean - self._bound) / sd)

    def slope(self, row: Array) -> tuple[float, Array]:
        mean, sd, mean_slope, sd_slope = self._belief.slopes(row)
        z = self._sign * (mean - self._bound) / sd
        value = float(special.log_ndtr(z))
        rise = np.exp(min(-0.5 * z * z - 0.5 * np.log(2.0 * np.pi) - value, 50.0))  # d log_ndtr / dz
        return value, rise * (self._sign * mean_slope - z * sd_slope) / sd
