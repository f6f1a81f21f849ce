"""What a search has measured so far, taken from its documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    """All points of a search, in order, over all runs that it took."""

    readings: list[Reading] = field(default_factory=list[Reading])
    """In the order in which they were measured."""
    best: Reading | None = None
    """The highest reading."""
    before: int = 0
    """How many of them the runs before this one measured."""

    @classmethod
    def of(cls, points: Iterable[Mapping[str, Any]]) -> Course:
        """Return the course of a search that was cut off after these points, and goes on."""
        course = cls()
        for point in points:
            course._note(point)
        course.before = len(course.readings)
        return course

    def take(self, name: str, doc: Mapping[str, Any]) -> None:
        """Note the point, if the document is an event. The same event again, after a pause, changes nothing."""
        if name == "event" and self.before + doc["seq_num"] > len(self.readings):
            self._note(doc["data"])

    def _note(self, point: Mapping[str, Any]) -> None:
        number = len(self.readings) + 1
        reading = Reading(number, float(point["x"]), float(point["y"]), float(point["det"]))
        self.readings.append(reading)
        if self.best is None or reading.counts > self.best.counts:
            self.best = reading
