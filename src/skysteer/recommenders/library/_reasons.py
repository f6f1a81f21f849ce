"""Why a sample is to be measured, from what was known when the library was asked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from skysteer.recommenders._wording import expected, written

Goal = Literal["maximize", "minimize", "map", "edges", "cover"]


@dataclass(frozen=True, slots=True)
class Pick:
    """A sample that was chosen, and what the choice rested on."""

    number: int
    """Of the sample."""
    by: Literal["distance", "sequence", "model", "doubt"]
    """Doubt: of those that were left out for want of memory, the least known."""
    gap: float = math.inf
    """How far it is from all that were taken, in parts of the features' ranges; infinite where nothing was."""
    mean: float = math.nan
    """What is expected of it, in the units of the readings."""
    sd: float = math.nan
    """Standard deviation of that, others on their way being taken to come out as expected."""
    beside: int = 0
    """How many others are on their way, with those of the same answer before it."""
    best: float | None = None
    """The best expectation of those that were measured or are on their way, in the units of the readings."""
    level: float | None = None
    """Where an edge is looked for, in the units of the readings."""
    steep: bool = True
    """Whether the objective changes there, as far as is known."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was known when a library was asked, and what it answered."""

    goal: Goal
    objective: str
    picks: tuple[Pick, ...]
    """In the order of the answer."""
    tried: tuple[tuple[int, int], ...]
    """How often each was measured and how often it failed, before."""
    begun: int
    """How many readings there were, with those on their way."""
    first: int
    """With how many readings the model begins to lead."""

    def reasons(self) -> list[str]:
        """Say why each sample was suggested."""
        return [
            f"{self._reason(pick, self.begun + place)}{_again(measured, failed)}"
            for place, (pick, (measured, failed)) in enumerate(zip(self.picks, self.tried, strict=True), 1)
        ]

    def _reason(self, pick: Pick, number: int) -> str:
        if pick.by == "sequence":
            many = f"{number} of {self.first}" if number <= self.first else f"from {self.first} readings on"
            return f"even cover before the model leads, {many}"
        if pick.by == "distance":
            if math.isinf(pick.gap):
                return "the first of an even cover, nothing is taken yet"
            return f"farthest from all that were taken, by {pick.gap:.3g} of the features' range"
        value = expected(self.objective, pick.mean, pick.sd)
        if pick.by == "doubt":
            return f"no other is left; least known of those left out for memory: {value}"
        beside = f" beside {pick.beside} on their way" if pick.beside else ""
        if self.goal == "map":
            return f"known least{beside}: {value}"
        if self.goal == "edges":
            sought = "" if pick.level is None else f", edge sought at {written(pick.level, pick.sd)}"
            criterion = "largest slope times doubt" if pick.steep else "no slope is seen, known least"
            return f"{criterion}{beside}: {value}{sought}"
        best = "" if pick.best is None else f", best expected so far {written(pick.best, pick.sd)}"
        return f"largest expected improvement{beside}: {value}{best}"


def _again(measured: int, failed: int) -> str:
    """What became of a sample that was tried before."""
    reading = f"; reading {measured + 1} of this sample" if measured else ""
    failures = f"; tried again after {failed} {'failure' if failed == 1 else 'failures'}" if failed else ""
    return reading + failures
