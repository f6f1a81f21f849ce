"""The beam is lost, and comes back."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, field

from skysteer.model import Judgement, Observation, Verdict

from ._arguments import check_number, check_verdict, with_units
from ._value import Reduce, Value


@dataclass(eq=False)
class BeamLost:
    """*Hold* while the beam is lost, *keep going* when it is back.

    It is lost when the value falls under `below`, and back when it reaches
    `above`; in between it is what it was (hysteresis), and at first it is there.
    *Hold* is said at every observation while it is lost, *keep going* once,
    when it is back: so a person's own hold is not ended later on.

    NaN changes nothing and is no opinion; infinities are as large as they say.
    A held plan measures nothing: feed the watchdog with a monitored signal, or
    it will not see the beam come back.
    """

    key: str
    """Ring current, flux, ... Looked for in the objectives, the axes, the data of the observation."""
    below: float
    """Lost under this, in the units of the value."""
    above: float | None = None
    """Back from this on; `below` by default, and not under it."""
    _: KW_ONLY
    verdict: Verdict = Verdict.HOLD
    """What a lost beam means. Only a hold is followed by *keep going*."""
    units: str = ""
    """Of the value, for the reason."""
    reduce: Reduce = "mean"
    """How an array becomes a number."""
    _value: Value = field(init=False, repr=False)
    _lost: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._value = Value(self.key, self.reduce)
        check_number("below", self.below)
        if self.above is not None:
            check_number("above", self.above)
            if self.above < self.below:
                raise ValueError(
                    f"above must not be under below, found above={self.above!r} and below={self.below!r}: "
                    "the beam is lost under below and back from above on"
                )
        check_verdict(self.verdict, Verdict.HOLD, Verdict.ENOUGH, Verdict.ABORT)
        self.reset()

    def reset(self) -> None:
        """The beam is there."""
        self._lost = False

    def __call__(self, observation: Observation, /) -> Judgement | None:
        """Judge one observation."""
        value = self._value.of(observation)
        if math.isnan(value):
            return None
        was_lost, back_from = self._lost, self.below if self.above is None else self.above
        self._lost = value < (back_from if was_lost else self.below)
        found = f"{self.key} is {with_units(value, self.units)}"
        if self._lost:
            return Judgement(
                self.verdict,
                f"beam lost: {found}, lost under {with_units(self.below, self.units)} "
                f"and back from {with_units(back_from, self.units)} on",
            )
        if was_lost and self.verdict is Verdict.HOLD:
            return Judgement(
                Verdict.KEEP_GOING, f"beam back: {found}, back from {with_units(back_from, self.units)} on"
            )
        return None
