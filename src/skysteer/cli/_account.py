"""The account of a recorded run: its points in order, each with why, and what else was decided in between."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from skysteer.model import Axis, Space, Suggested, Suggestion
from skysteer.stores import Record, RunEntry

from ._runs import FOLDER
from ._wording import decimals_of

__all__ = ["Account", "Kind", "Measured", "Remark", "known_by", "part"]

Kind = Literal["refused", "given up", "worker", "checkpoint", "verdict", "steering", "again", "resumed", "run", "end"]


@dataclass(frozen=True, slots=True)
class Measured:
    """One point."""

    number: int
    """From 1, over all runs of the scan."""
    time: float
    """When it was measured, in seconds since the epoch."""
    run: str
    """Uid of the run."""
    seq_num: int
    axes: Mapping[str, Any]
    """Where, axis name to readback."""
    objectives: Mapping[str, Any]
    """What was read there, reduced where there was a reduction."""
    why: str
    """Who asked for it, knowing what."""
    suggestion: Suggestion | None = None
    """What it answers."""
    answer: Suggested | None = None
    """The answer that the suggestion is of."""

    @property
    def reason(self) -> str:
        """What the one who suggested it said of why; ``""`` where it said nothing."""
        if self.answer is None or self.suggestion is None or not self.answer.reasons:
            return ""
        return self.answer.reasons[self.answer.suggestions.index(self.suggestion)]

    def value(self, objective: str) -> float | None:
        """Return what was read, where that is one number that can be drawn."""
        value = self.objectives.get(objective)
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Remark:
    """What was decided between two points."""

    time: float
    """In seconds since the epoch."""
    kind: Kind
    text: str


@dataclass
class Account:
    """What happened, in order."""

    entry: RunEntry
    """The run that was asked for: the decision run, or a measurement without one."""
    records: tuple[Record, ...] = ()
    """The launches, oldest first: that of `entry` is the last one."""
    entries: tuple[RunEntry, ...] = ()
    """The measurement runs, oldest first."""
    timeline: list[Measured | Remark] = field(default_factory=list["Measured | Remark"])
    space: Space | None = None
    units: dict[str, str] = field(default_factory=dict[str, str])
    """Of axes and objectives, by name."""
    suggestions: dict[str, Suggestion] = field(default_factory=dict[str, Suggestion])
    """All that are on record, by their ids."""
    before: int = 0
    """How many points the recommender knew from before the first launch."""
    problems: list[str] = field(default_factory=list[str])
    """What is to be known of the record, one sentence each."""

    @property
    def about(self) -> Mapping[str, Any]:
        """What the start document of the newest decision run says under ``"skysteer"``."""
        return self.records[-1].about if self.records else {}

    @property
    def uid(self) -> str:
        """Of the run that it is known by: the measurement, where there is one."""
        return known_by(self.records[-1]) if self.records else self.entry.uid

    @property
    def named(self) -> str:
        """How a command names it: the beginning of its uid, and the folder where that has to be said."""
        folder = self.entry.path.parent
        here = folder.absolute() == FOLDER.absolute()
        return self.uid[:8] + ("" if here else f" --folder {folder}")

    @property
    def points(self) -> list[Measured]:
        """The points in order."""
        return [each for each in self.timeline if isinstance(each, Measured)]

    @property
    def remarks(self) -> list[Remark]:
        """All that is no point, in order."""
        return [each for each in self.timeline if isinstance(each, Remark)]

    @property
    def began(self) -> float:
        """In seconds since the epoch."""
        return self.records[0].entry.time if self.records else self.entry.time

    @property
    def goal(self) -> tuple[int, str] | None:
        """1 for the highest or -1 for the lowest, and of which objective; ``None`` where the record does not say."""
        settings = part(part(self.about, "recommender"), "settings")
        for name, sign in (("maximize", 1), ("minimize", -1)):
            if isinstance(objective := settings.get(name), str):
                return sign, objective
        found = re.match(r"Goal\('one', \{'([^']+)': (-?)", str(settings.get("goal", "")))
        return None if found is None else (-1 if found[2] else 1, found[1])

    @property
    def objective(self) -> str:
        """The one that is looked for, or else the first of which a number was read; ``""`` where none was."""
        if self.goal is not None:
            return self.goal[1]
        return next((name for each in self.points for name in each.objectives if each.value(name) is not None), "")

    def best(self, among: Sequence[Measured] | None = None) -> Measured | None:
        """Return the best point, by its reading; ``None`` where nobody said what is looked for."""
        if self.goal is None:
            return None
        sign, objective = self.goal
        able = [
            each
            for each in (self.points if among is None else among)
            if isinstance(value := each.objectives.get(objective), int | float) and value == value
        ]
        return max(able, key=lambda each: sign * each.objectives[objective], default=None)

    @property
    def decimals(self) -> dict[str, int]:
        """How many decimals the positions on each axis need, by name."""
        found: dict[str, int] = {}
        for axis in () if self.space is None else self.space.axes:
            if isinstance(axis, Axis):
                values = [float(v) for each in self.points if isinstance(v := each.axes.get(axis.name), int | float)]
                found[axis.name] = decimals_of(_extent(axis, values))
        return found


def known_by(record: Record) -> str:
    """Return the uid of the measurement, where it is one run; else of the decision run."""
    return record.measurements[0].uid if len(record.measurements) == 1 else record.entry.uid


def part(about: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a mapping in a description, empty where it is not there."""
    return about.get(key) or {}


def _extent(axis: Axis, values: Sequence[float]) -> float:
    """How far positions on an axis lie apart: its range where it has limits."""
    if axis.bounded:
        return axis.high - axis.low
    return max(values) - min(values) if values else 0.0
