"""What a search has measured so far, taken from its documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Course", "Reading"]


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured point."""

    number: int
    """Counts the points from 1."""
    x: float
    """Readback, in mm."""
    y: float
    """Readback, in mm."""
    counts: float
    """What the detector counted."""


@dataclass(slots=True)
class Course:
    """All points of a search, in order."""

    readings: list[Reading] = field(default_factory=list[Reading])
    """In the order in which they were measured."""
    best: Reading | None = None
    """The highest reading."""

    def take(self, name: str, doc: Mapping[str, Any]) -> None:
        """Note the point, if the document is an event. The same event again, after a pause, changes nothing."""
        if name != "event" or doc["seq_num"] <= len(self.readings):
            return
        data = doc["data"]
        reading = Reading(int(doc["seq_num"]), float(data["x"]), float(data["y"]), float(data["det"]))
        self.readings.append(reading)
        if self.best is None or reading.counts > self.best.counts:
            self.best = reading
