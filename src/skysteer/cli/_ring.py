"""A simulated storage ring, which loses its beam when it is told to, and a faint sample in its light."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

import numpy as np
from ophyd_async.core import SignalR, soft_signal_r_and_setter

__all__ = ["BACKGROUND", "FAINTEST", "FULL", "Ring", "brightness"]

FULL = 300.0
"""Ring current, in mA."""
BACKGROUND = 5.0
"""Counts a point without a sample, at full current."""
FAINTEST, BRIGHTEST = 6.0, 24.0
"""Counts a point of a sample, above the background, at full current."""


class Ring:
    """A ring current that everybody can read and monitor.

    Parameters
    ----------
    lost_after
        Exposures (from 1) after which the beam is lost, in the middle of the next one; ``None`` keeps it.
    exposure
        Seconds of one.
    outage
        Seconds until the beam is back; infinity for never.
    """

    def __init__(self, lost_after: int | None, *, exposure: float, outage: float = math.inf) -> None:
        self.current: SignalR[float]
        """Of the ring, in mA."""
        self.current, self._tell = soft_signal_r_and_setter(float, FULL, units="mA", name="ring_current")
        self.history: list[tuple[float, float]] = []
        """Its changes: seconds since the epoch, and mA."""
        self._lost_after = lost_after
        self._exposure = exposure
        self._outage = outage
        self._exposures = 0
        self._now = FULL

    def lighting(self, counts: float) -> Callable[[float, float], float]:
        """Return the truth of a detector that sees a sample; it is called at the end of every exposure."""

        def truth(_x: float, _y: float) -> float:
            self._exposures += 1
            if self._exposures == self._lost_after:
                loop = asyncio.get_running_loop()
                loop.call_later(self._exposure / 2, self._change, 0.0)
                if math.isfinite(self._outage):
                    loop.call_later(self._exposure / 2 + self._outage, self._change, FULL)
            return counts * self._now / FULL

        return truth

    def at(self, moment: float) -> float:
        """What the current was, or if nothing changes any more will be, in mA."""
        before = [current for when, current in self.history if when <= moment]
        return before[-1] if before else FULL

    def _change(self, current: float) -> None:
        self._now = current
        self.history.append((time.time(), current))
        self._tell(current)


def brightness(seed: int) -> float:
    """How bright a sample is, in counts a point above the background: not known before."""
    generator = np.random.default_rng([seed, 12])
    return float(FAINTEST * (BRIGHTEST / FAINTEST) ** generator.uniform())
