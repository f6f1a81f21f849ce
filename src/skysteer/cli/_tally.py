"""What one watched measurement has brought so far, taken from its documents and from what was asked of it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from skysteer.handoff import Request, Steering

from ._ring import BACKGROUND, FULL

__all__ = ["DOSE_RATE", "ENOUGH", "Point", "Tally"]

ENOUGH = 30.0
"""Signal to noise that is wanted."""
DOSE_RATE = 20.0
"""Dose a second at full current, in kGy."""


@dataclass(frozen=True, slots=True)
class Point:
    """One event."""

    time: float
    """Seconds since the epoch."""
    current: float
    """Ring current at its end, in mA."""
    ratio: float
    """Signal to noise of all points up to this one; NaN before the first count."""
    dose: float
    """Of all points up to this one, in kGy."""


@dataclass(slots=True)
class Tally:
    """All points of a measurement, in order, and what was asked of it; also its words of progress."""

    total: int
    """Points of the fixed-length measurement."""
    exposure: float
    """Seconds a point."""
    steering: Steering
    """By which it is ended or held."""
    points: list[Point] = field(default_factory=list[Point])
    """In the order in which they were measured."""
    start: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The start document."""
    stop: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The stop document."""
    requests: list[Request] = field(default_factory=list[Request])
    """What was asked for and counted, without what was only said again."""
    _began: float = field(default_factory=time.monotonic)
    _counts: float = 0.0
    _primary: set[str] = field(default_factory=set[str])

    def take(self, name: str, doc: Mapping[str, Any]) -> list[Request]:
        """Note a document (the same event again, after a pause, changes nothing); what was asked meanwhile."""
        match name:
            case "start":
                self.start = doc
            case "descriptor" if doc["name"] == "primary":
                self._primary.add(doc["uid"])
            case "event" if doc["descriptor"] in self._primary and doc["seq_num"] > len(self.points):
                self._measured(doc)
            case "stop":
                self.stop = doc
            case _:
                pass
        return self._asked()

    def _measured(self, event: Mapping[str, Any]) -> None:
        self._counts += event["data"]["det"]
        current = float(event["data"]["ring_current"])
        before = self.points[-1].dose if self.points else 0.0
        number = len(self.points) + 1
        ratio = (self._counts - number * BACKGROUND) / math.sqrt(self._counts) if self._counts > 0 else math.nan
        dose = before + DOSE_RATE * self.exposure * current / FULL
        self.points.append(Point(float(event["time"]), current, ratio, dose))

    def _asked(self) -> list[Request]:
        new: list[Request] = []
        last = self.requests[-1] if self.requests else None
        for request in self.steering.requests:
            if request.accepted and (last is None or request.time > last.time) and not _same(last, request):
                new.append(request)
                last = request
        self.requests += new
        return new

    # ------------------------------------------------------------ words of progress

    @property
    def count(self) -> int:
        """Points measured."""
        return len(self.points)

    def progress(self) -> str:
        """How far."""
        return f"{self.count:>{len(str(self.total))}}/{self.total} points"

    def standing(self) -> str:
        """How good."""
        if not self.points:
            return "nothing measured yet"
        newest = self.points[-1]
        return f"S/N {newest.ratio:.1f} of {ENOUGH:.0f}, dose {newest.dose:.1f} kGy, ring {newest.current:.0f} mA"

    def pace(self) -> str:
        """How long."""
        return f"{time.monotonic() - self._began:.1f} s"


def _same(one: Request | None, other: Request) -> bool:
    return one is not None and (one.verdict, one.author) == (other.verdict, other.author)
