"""Nothing changes any more, beyond the noise."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import KW_ONLY, dataclass, field

from skysteer.model import Judgement, Observation, Verdict

from ._arguments import check_count, check_not_negative, check_positive, with_units
from ._value import Reduce, Value


@dataclass(eq=False)
class Plateau:
    r"""*Enough* when a value has stopped changing: a reaction that is over, a temperature that is reached.

    A straight line is fitted to the last n points, numbered i = 0 ... n - 1, by
    least squares (Press et al., Numerical Recipes, 3rd ed., section 15.2). Its
    change over them is D = slope (n - 1), with the standard error

    .. math:: \sigma_D = (n - 1) \sqrt{\frac{\sum r_i^2 / (n - 2)}{\sum (i - \bar i)^2}}

    from its residuals r. It is a plateau where :math:`|D| \le` `sigmas`
    :math:`\sigma_D` and, where given, :math:`|D| \le` `tolerance`.

    Points that are NaN or infinite are passed over. A dead signal is a plateau
    too: see `FlatSignal`. Asked at every point, chance will say yes sometimes:
    take more points, or `debounced`.
    """

    key: str
    """What is to stop changing. Looked for in the objectives, the axes, the data of the observation."""
    points: int
    """n, the newest points that are looked at; 3 at the least."""
    _: KW_ONLY
    sigmas: float | None = None
    """How many standard errors of the change are still noise; 2, unless `tolerance` is given."""
    tolerance: float | None = None
    """The largest change that counts as none, in the units of the value."""
    units: str = ""
    """Of the value, for the reason."""
    reduce: Reduce = "sum"
    """How an array becomes a number."""
    _value: Value = field(init=False, repr=False)
    _window: deque[float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._value = Value(self.key, self.reduce)
        check_count("points", self.points, 3)
        if self.sigmas is not None:
            check_positive("sigmas", self.sigmas)
        if self.tolerance is not None:
            check_not_negative("tolerance", self.tolerance)
        self.reset()

    def reset(self) -> None:
        """Forget all points."""
        self._window = deque(maxlen=int(self.points))

    def __call__(self, observation: Observation, /) -> Judgement | None:
        """Judge one observation."""
        value = self._value.of(observation)
        if not math.isfinite(value):
            return None
        self._window.append(value)
        if len(self._window) < self.points:
            return None
        change, error = self._change()
        sigmas = 2.0 if self.sigmas is None and self.tolerance is None else self.sigmas
        limits = [] if sigmas is None else [sigmas * error]
        limits += [] if self.tolerance is None else [self.tolerance]
        if not math.isfinite(error) or not all(abs(change) <= limit for limit in limits):
            return None
        return Judgement(
            Verdict.ENOUGH,
            f"{self.key} changed by {with_units(change, self.units)} over the last {self.points} points, "
            f"with a standard error of {with_units(error, self.units)}; "
            f"up to {with_units(min(limits), self.units)} counts as no change",
        )

    def _change(self) -> tuple[float, float]:
        """D and its standard error; NaN where the numbers are too large."""
        count = len(self._window)
        first = self._window[0]
        heights = [value - first for value in self._window]  # of a constant exactly zero
        mean = sum(heights) / count
        middle = (count - 1) / 2
        spread = count * (count * count - 1) / 12
        slope = sum((i - middle) * height for i, height in enumerate(heights)) / spread
        residuals = [height - mean - slope * (i - middle) for i, height in enumerate(heights)]
        variance = sum(r * r for r in residuals) / (count - 2) / spread
        return slope * (count - 1), math.sqrt(variance) * (count - 1)
