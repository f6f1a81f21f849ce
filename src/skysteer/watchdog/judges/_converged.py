"""A model, or the best value found, has converged."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal

from skysteer.model import Judgement, Observation, Verdict

from ._arguments import check_count, check_not_negative, check_one_of, with_units
from ._value import Reduce, Value


@dataclass(eq=False)
class Converged:
    r"""*Enough* when a quantity has changed by no more than a tolerance over the last points.

    For what carries no noise of its own: the uncertainty of a model, a fitted
    parameter, or (``best="max"`` or ``"min"``) the best value found so far. With
    the last n + 1 values v, where `best` is given the best up to each,

    .. math:: \max v - \min v \le \mathrm{tolerance}

    or, ``relative=True``, tolerance times the magnitude of the newest v. For a
    noisy value see `Plateau`. Points that are NaN or infinite are passed over.
    """

    key: str
    """What is to converge. Looked for in the objectives, the axes, the data of the observation."""
    _: KW_ONLY
    tolerance: float
    """The largest change that counts as none, in the units of the value or (`relative`) as a share."""
    points: int = 10
    """n, the points in a row without a change."""
    best: Literal["max", "min"] | None = None
    """Follow the largest or smallest value so far, instead of the value."""
    relative: bool = False
    """Whether the tolerance is a share of the newest value."""
    units: str = ""
    """Of the value, for the reason."""
    reduce: Reduce = "mean"
    """How an array becomes a number."""
    _value: Value = field(init=False, repr=False)
    _window: deque[float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._value = Value(self.key, self.reduce)
        check_not_negative("tolerance", self.tolerance)
        check_count("points", self.points)
        check_one_of("best", self.best, ("max", "min", None))
        self.reset()

    def reset(self) -> None:
        """Forget all points."""
        self._window = deque(maxlen=int(self.points) + 1)

    def __call__(self, observation: Observation, /) -> Judgement | None:
        """Judge one observation."""
        value = self._value.of(observation)
        if not math.isfinite(value):
            return None
        if self.best is not None and self._window:
            value = (max if self.best == "max" else min)(value, self._window[-1])
        self._window.append(value)
        if len(self._window) <= self.points:
            return None
        change = max(self._window) - min(self._window)
        limit = self.tolerance * abs(value) if self.relative else self.tolerance
        if not change <= limit:
            return None
        what = {"max": f"the largest {self.key}", "min": f"the smallest {self.key}", None: self.key}[self.best]
        return Judgement(
            Verdict.ENOUGH,
            f"{what} is {with_units(value, self.units)} and changed by {with_units(change, self.units)} over the last "
            f"{self.points} points, up to {with_units(limit, self.units)} counts as converged",
        )
