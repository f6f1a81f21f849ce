"""Enough signal to noise."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal

from skysteer.model import Judgement, Observation, Verdict

from ._arguments import check_count, check_number, check_one_of, check_positive
from ._value import Reduce, Value


@dataclass(eq=False)
class SignalToNoise:
    r"""*Enough* when the mean of a repeated measurement is known well enough.

    With n points of mean :math:`\bar x`, sample standard deviation s and sum N:

    - ``noise="scatter"``: :math:`|\bar x - b| / (s / \sqrt n)`, the mean over its
      standard error. s is accumulated as Welford does (Technometrics 4, 419,
      1962). While nothing scatters (s = 0) it is not known: no opinion.
    - ``noise="poisson"``, for counts: :math:`(N - n b) / \sqrt N` (G. F. Knoll,
      Radiation Detection and Measurement, 4th ed., chapter 3).

    Points that are NaN or infinite are passed over. No opinion before `points`
    points; few points know their own scatter badly and end early by chance.
    """

    key: str
    """The signal. Looked for in the objectives, the axes, the data of the observation."""
    enough: float
    """Wanted signal to noise (dimensionless)."""
    _: KW_ONLY
    noise: Literal["scatter", "poisson"] = "scatter"
    """Where the noise is taken from: the scatter of the points, or the statistics of their counts."""
    background: float = 0.0
    """b, what a point has without signal, taken as exactly known; in the units of the signal."""
    points: int = 5
    """The least number of points; 2 at the least for scatter."""
    reduce: Reduce = "sum"
    """How an array becomes a number."""
    _value: Value = field(init=False, repr=False)
    _count: int = field(init=False, repr=False)
    _mean: float = field(init=False, repr=False)
    _squares: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._value = Value(self.key, self.reduce)
        check_positive("enough", self.enough)
        check_one_of("noise", self.noise, ("scatter", "poisson"))
        check_number("background", self.background)
        check_count("points", self.points, 2 if self.noise == "scatter" else 1)
        self.reset()

    def reset(self) -> None:
        """Forget all points."""
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def __call__(self, observation: Observation, /) -> Judgement | None:
        """Judge one observation."""
        value = self._value.of(observation)
        if not math.isfinite(value):
            return None
        self._count += 1
        delta = value - self._mean
        self._mean += delta / self._count
        self._squares += delta * (value - self._mean)
        ratio = self._ratio()
        if self._count < self.points or not ratio >= self.enough:  # NaN is not enough
            return None
        noise = "their scatter" if self.noise == "scatter" else "counting statistics"
        return Judgement(
            Verdict.ENOUGH,
            f"signal to noise of {self.key} is {ratio:.4g} after {self._count} points (noise from {noise}), "
            f"{self.enough:g} wanted",
        )

    def _ratio(self) -> float:
        signal = self._mean - self.background
        if self.noise == "poisson":
            total = self._mean * self._count
            return signal * self._count / math.sqrt(total) if total > 0 else math.nan
        if not self._squares > 0:  # the first point has none
            return math.nan
        return abs(signal) / math.sqrt(self._squares / (self._count - 1) / self._count)
