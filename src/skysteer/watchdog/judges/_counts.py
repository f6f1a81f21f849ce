"""Enough statistics."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, field

from skysteer.model import Judgement, Observation, Verdict

from ._arguments import check_positive
from ._value import Reduce, Value


@dataclass(eq=False)
class CountsReached:
    r"""*Enough* when so many counts have been collected in all points together.

    N counts are known to the share :math:`1 / \sqrt N` (Poisson; G. F. Knoll,
    Radiation Detection and Measurement, 4th ed., chapter 3): 10 000 to 1 %.
    Points that are NaN or infinite are passed over.
    """

    key: str
    """The counts of a point. Looked for in the objectives, the axes, the data of the observation."""
    counts: float
    """Wanted sum of all points."""
    _: KW_ONLY
    reduce: Reduce = "sum"
    """How an array becomes a number."""
    _value: Value = field(init=False, repr=False)
    _total: float = field(init=False, repr=False)
    _points: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._value = Value(self.key, self.reduce)
        check_positive("counts", self.counts)
        self.reset()

    def reset(self) -> None:
        """Forget all counts."""
        self._total, self._points = 0.0, 0

    def __call__(self, observation: Observation, /) -> Judgement | None:
        """Judge one observation."""
        value = self._value.of(observation)
        if not math.isfinite(value):
            return None
        self._total += value
        self._points += 1
        if not self._total >= self.counts:
            return None
        return Judgement(
            Verdict.ENOUGH,
            f"{self.key} has collected {self._total:.6g} counts in {self._points} points "
            f"(statistical error {1 / math.sqrt(self._total):.2%}), {self.counts:.6g} wanted",
        )
