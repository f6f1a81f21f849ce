"""A signal is flat or dead."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import KW_ONLY, dataclass, field

from skysteer.model import Judgement, Observation, Verdict

from ._arguments import check_count, check_not_negative, check_verdict, with_units
from ._value import Reduce, Value


@dataclass(eq=False)
class FlatSignal:
    """*Abort* when a signal that ought to vary does not: a dead channel, a frozen reading, a closed shutter.

    Flat are n points in a row of which those that are finite (two or more) differ by
    no more than `tolerance` (zeros too), or of which none is finite. Here NaN and
    infinities are points: a detector that gives nothing else is dead. A counter
    that rightly counts nothing for n points looks dead: take more of them. An image with masked (NaN) pixels
    needs ``reduce=numpy.nansum``: its plain sum is NaN.
    """

    key: str
    """The signal. Looked for in the objectives, the axes, the data of the observation."""
    _: KW_ONLY
    points: int = 10
    """n; 2 at the least."""
    tolerance: float = 0.0
    """The largest difference that counts as none, in the units of the signal."""
    verdict: Verdict = Verdict.ABORT
    """What it means."""
    units: str = ""
    """Of the signal, for the reason."""
    reduce: Reduce = "sum"
    """How an array becomes a number."""
    _value: Value = field(init=False, repr=False)
    _window: deque[float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._value = Value(self.key, self.reduce)
        check_count("points", self.points, 2)
        check_not_negative("tolerance", self.tolerance)
        check_verdict(self.verdict, Verdict.HOLD, Verdict.ENOUGH, Verdict.ABORT)
        self.reset()

    def reset(self) -> None:
        """Forget all points."""
        self._window = deque(maxlen=int(self.points))

    def __call__(self, observation: Observation, /) -> Judgement | None:
        """Judge one observation."""
        self._window.append(self._value.of(observation))
        if len(self._window) < self.points:
            return None
        finite = [value for value in self._window if math.isfinite(value)]
        if not finite:
            return Judgement(self.verdict, f"{self.key} is dead: NaN or infinite at the last {self.points} points")
        low, high = min(finite), max(finite)
        if len(finite) < 2 or not high - low <= self.tolerance:
            return None
        missing = len(self._window) - len(finite)
        also = f", {missing} of them NaN or infinite" if missing else ""
        if low == high == 0:
            return Judgement(
                self.verdict, f"{self.key} is dead: {with_units(0, self.units)} at the last {self.points} points{also}"
            )
        return Judgement(
            self.verdict,
            f"{self.key} is flat: {with_units(low, self.units)} to {with_units(high, self.units)} at the last "
            f"{self.points} points{also}; up to {with_units(self.tolerance, self.units)} counts as no difference",
        )
