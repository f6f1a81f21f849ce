"""Limits of what a measurement may take: dose and time."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, field

from skysteer.model import Judgement, Observation, Verdict

from ._arguments import check_positive, check_verdict, with_units
from ._value import Reduce, Value


@dataclass(eq=False)
class DoseLimit:
    """*Enough* when the sample has had its dose.

    The dose is the sum of the values of all points; with ``rate=True`` the value
    is a dose a second, and the dose its integral over the times of the
    observations (trapezoids; none before the first). What is measured until the
    plan ends comes on top, mostly one point: leave room for it.

    A value that is NaN (or minus infinity) is passed over, and the reason tells
    how many were: what a dead monitor has let through is not known. Infinity is
    over the limit.
    """

    key: str
    """Dose (or rate) of a point. Looked for in the objectives, the axes, the data of the observation."""
    limit: float
    """The dose that is enough, in the units of the value (times seconds)."""
    _: KW_ONLY
    rate: bool = False
    """Whether the value is a dose a second."""
    verdict: Verdict = Verdict.ENOUGH
    """What it means. *Enough* waits for the end of the point, *abort* does not."""
    units: str = ""
    """Of the dose, for the reason, e.g. ``"MGy"``."""
    reduce: Reduce = "sum"
    """How an array becomes a number."""
    _value: Value = field(init=False, repr=False)
    _dose: float = field(init=False, repr=False)
    _unknown: int = field(init=False, repr=False)
    _last: tuple[float, float] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._value = Value(self.key, self.reduce)
        check_positive("limit", self.limit)
        check_verdict(self.verdict, Verdict.HOLD, Verdict.ENOUGH, Verdict.ABORT)
        self.reset()

    def reset(self) -> None:
        """Begin at no dose: a new sample."""
        self._dose, self._unknown, self._last = 0.0, 0, None

    def __call__(self, observation: Observation, /) -> Judgement | None:
        """Judge one observation."""
        value = self._value.of(observation)
        if math.isnan(value) or value == -math.inf or (self.rate and not math.isfinite(observation.time)):
            self._unknown += 1
        elif self.rate:
            time, before = observation.time, self._last
            self._last = time, value
            if before is not None and time > before[0]:  # a clock that was set back adds nothing
                self._dose += (time - before[0]) * (value / 2 + before[1] / 2)
        else:
            self._dose += value
        if not self._dose >= self.limit:
            return None
        unknown = f"; not known at {self._unknown} points" if self._unknown else ""
        return Judgement(
            self.verdict,
            f"dose by {self.key} is {with_units(self._dose, self.units)}, "
            f"the limit is {with_units(self.limit, self.units)}{unknown}",
        )


@dataclass(eq=False)
class TimeLimit:
    """*Enough* when a measurement has taken so long, by the times of its observations.

    Counted from the first observation: no clock is read, and what never
    measures is not ended. A time that is NaN or infinite is passed over.
    """

    seconds: float
    """How long, from the first observation to the newest."""
    _: KW_ONLY
    verdict: Verdict = Verdict.ENOUGH
    """What it means."""
    _start: float | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_positive("seconds", self.seconds)
        check_verdict(self.verdict, Verdict.HOLD, Verdict.ENOUGH, Verdict.ABORT)
        self.reset()

    def reset(self) -> None:
        """Count from the next observation."""
        self._start = None

    def __call__(self, observation: Observation, /) -> Judgement | None:
        """Judge one observation."""
        if not math.isfinite(observation.time):
            return None
        if self._start is None:
            self._start = observation.time
        taken = observation.time - self._start
        if not taken >= self.seconds:
            return None
        return Judgement(self.verdict, f"measured for {taken:.6g} s, the limit is {self.seconds:.6g} s")
