"""What came of re-deciding a recorded run: each question, what is on record and what is suggested now."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skysteer.model import Axis, Origin, Space, Suggestion

__all__ = ["Replay", "ReplayStep"]

Point = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """One question of a recorded run, asked again."""

    run: str
    """Uid of the decision run that has it on record."""
    question: int
    """Number of the question in its launch."""
    origin: Origin
    """Who was asked."""
    told: int
    """How many points it knew."""
    recorded: tuple[Suggestion, ...]
    """What is on record."""
    numbers: tuple[int | None, ...]
    """Of each of `recorded`: number of the point that it became, from 1; ``None`` if it was never measured."""
    replayed: tuple[Point, ...]
    """What is suggested now, axis name to position."""
    differences: Mapping[str, float]
    """Axis name to the largest distance of a suggestion from that on record, in the units of the
    axis; of a choice 0 or 1, for another option."""
    shares: Mapping[str, float]
    """The same as shares of the range of the axis."""
    same: bool
    """Whether as many points are suggested, and no axis differs by more than the tolerance."""
    recorded_seconds: float
    """Seconds in ``suggest`` on record."""
    seconds: float
    """Seconds in ``suggest`` now."""
    error: str = ""
    """Why there is no suggestion now."""
    state_same: bool = False
    """Whether the recommender is what it was, and was told the same: see `skysteer.Advisor.state`."""
    recorded_reasons: tuple[str, ...] = ()
    """Why each of `recorded` was asked for, in the words of the one who did; empty where it did not say."""
    reasons: tuple[str, ...] = ()
    """Why each of `replayed` is asked for now."""

    @property
    def distance(self) -> float:
        """How far apart the points are, as a share of the ranges of the axes: the root of the sum of squares."""
        return math.hypot(*self.shares.values()) if self.replayed else math.nan

    @property
    def place(self) -> str:
        """Where in the run it is, for people."""
        number = next((number for number in self.numbers if number is not None), None)
        if number is None:
            return f"question {self.question} after point {self.told} (never measured)"
        return f"point {number}"


@dataclass(frozen=True, slots=True)
class Replay:
    """A recorded run, decided again question by question: see `skysteer.stores.replay`."""

    run: str
    """Uid of the decision run."""
    recorded: str
    """Name of the recommender on record."""
    recommender: str
    """Name of the one that was asked now."""
    again: bool
    """Whether they are of one class: then the suggestions are expected to be the same."""
    space: Space
    """Where suggestions may lie."""
    steps: tuple[ReplayStep, ...]
    """All questions that were answered, in order."""
    tolerance: float = 0.0
    """Shares of the range of an axis up to which two positions are the same."""
    differing: tuple[str, ...] = ()
    """What the recommender is that it was not then: class, version, seed, settings; a sentence each."""
    notes: tuple[str, ...] = ()
    """What is to be known of the comparison; a sentence each."""
    interrupted: bool = field(default=False)
    """Whether it ended before the last question."""

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def suggestions(self) -> int:
        """How many suggestions on record were compared."""
        return sum(len(step.recorded) for step in self.steps)

    @property
    def same(self) -> bool:
        """Whether every question has the same answer."""
        return all(step.same for step in self.steps)

    @property
    def same_suggestions(self) -> int:
        """How many suggestions are the same."""
        return sum(
            self._equal(one.point, other)
            for step in self.steps
            for one, other in zip(step.recorded, step.replayed, strict=False)
        )

    @property
    def same_share(self) -> str:
        """How many suggestions are the same, of how many; for people."""
        all_, same = self.suggestions, self.same_suggestions
        return f"{same} of {all_} suggestion{'s' * (all_ != 1)} {'is' if same == 1 else 'are'} the same"

    @property
    def first_difference(self) -> ReplayStep | None:
        """The first question with another answer."""
        return next((step for step in self.steps if not step.same), None)

    @property
    def seconds_a_suggestion(self) -> float | None:
        """Median time of ``suggest`` now, in seconds."""
        return statistics.median(step.seconds for step in self.steps) if self.steps else None

    @property
    def recorded_seconds_a_suggestion(self) -> float | None:
        """Median time of ``suggest`` on record, in seconds."""
        return statistics.median(step.recorded_seconds for step in self.steps) if self.steps else None

    def __str__(self) -> str:
        lines = [self._headline()]
        first = self.first_difference
        if first is not None and self.again:
            lines.append(f"the first difference is at {first.place}: {self._difference(first)}")
            said = {"then": first.recorded_reasons, "now": first.reasons}
            if first.recorded_reasons != first.reasons:
                lines += [f"{when} it said: {'; '.join(why)}" for when, why in said.items() if any(why)]
            if first.state_same:
                lines.append(
                    "it was the same and knew the same then: the same question has not always the same answer, "
                    "or a package that it uses has changed"
                )
        if not self.again and (apart := [step.distance for step in self.steps if step.replayed]):
            lines.append(f"half of them are within {_percent(statistics.median(apart))} of the range of what was asked")
        failed = [step for step in self.steps if step.error]
        if failed and (first is None or first.error != failed[0].error or not self.again):
            lines.append(
                f"{len(failed)} questions have no answer now, the first at {failed[0].place}: {failed[0].error}"
            )
        lines += [f"not as then: {each}" for each in self.differing]
        lines += [f"note: {each}" for each in self.notes]
        now, then = self.seconds_a_suggestion, self.recorded_seconds_a_suggestion
        if now is not None and then is not None:
            lines.append(f"time of a suggestion: {_time(then)} then, {_time(now)} now (median)")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Everything, as plain values of JSON. Positions are in the units of the axes, times in seconds."""
        first = self.first_difference
        return {
            "run": self.run,
            "recorded": self.recorded,
            "recommender": self.recommender,
            "same": self.same,
            "suggestions": self.suggestions,
            "same_suggestions": self.same_suggestions,
            "first_difference": None if first is None else self.steps.index(first),
            "tolerance": self.tolerance,
            "differing": list(self.differing),
            "notes": list(self.notes),
            "interrupted": self.interrupted,
            "seconds_a_suggestion": self.seconds_a_suggestion,
            "recorded_seconds_a_suggestion": self.recorded_seconds_a_suggestion,
            "units": {axis.name: axis.units for axis in self.space.axes},
            "steps": [
                {
                    "run": step.run,
                    "question": step.question,
                    "origin": step.origin,
                    "told": step.told,
                    "points": list(step.numbers),
                    "recorded": [dict(each.point) for each in step.recorded],
                    "recorded_reasons": list(step.recorded_reasons),
                    "replayed": [dict(each) for each in step.replayed],
                    "reasons": list(step.reasons),
                    "same": step.same,
                    "state_same": step.state_same,
                    "differences": dict(step.differences),
                    "shares": dict(step.shares),
                    "recorded_seconds": step.recorded_seconds,
                    "seconds": step.seconds,
                    "error": step.error,
                }
                for step in self.steps
            ],
        }

    def to_json(self) -> str:
        """`as_dict` as text."""
        return json.dumps(self.as_dict(), indent=2, allow_nan=False, default=str)

    def draw(self, to: Any) -> None:
        """Draw what was asked then and what is asked now.

        Parameters
        ----------
        to
            Path of a picture (PNG), or a figure of matplotlib to draw into.
        """
        from ._replay_picture import draw_replay  # matplotlib takes a second

        draw_replay(Path(to) if isinstance(to, str) else to, self)

    # ------------------------------------------------------------ words

    def _headline(self) -> str:
        of = self.same_share if self.again else f"{self.recommender} in place of {self.recorded}: {self.same_share}"
        if not self.suggestions:
            of = "nothing was suggested in this run: there is nothing to compare"
        return of + (" (interrupted)" if self.interrupted else "")

    def _difference(self, step: ReplayStep) -> str:
        if step.error:
            return f"recorded {self._points(step.recorded)}, now {step.error}"
        if len(step.recorded) != len(step.replayed):
            return f"recorded {len(step.recorded)} suggestions, replayed {len(step.replayed)}"
        for one, other in zip(step.recorded, step.replayed, strict=True):
            if not self._equal(one.point, other):
                names = [name for name in self.space if not self._equal(one.point, other, [name])]
                return f"recorded {self._shown(one.point, names)}, replayed {self._shown(other, names)}"
        return "none"

    def _points(self, suggestions: Sequence[Suggestion]) -> str:
        return "; ".join(self._shown(each.point, list(self.space)) for each in suggestions)

    def _shown(self, point: Point, names: Sequence[str]) -> str:
        return ", ".join(_position(self.space[name], point[name]) for name in names)

    def _equal(self, one: Point, other: Point, names: Sequence[str] | None = None) -> bool:
        differences, shares = apart(self.space, one, other)
        chosen = list(self.space) if names is None else names
        return all(differences[name] == 0 or shares[name] <= self.tolerance for name in chosen)


def apart(space: Space, one: Point, other: Point) -> tuple[dict[str, float], dict[str, float]]:
    """How far two points are apart on each axis: in its units, and as a share of its range.

    A share of an axis without limits is one of the larger of the two positions.
    """
    differences: dict[str, float] = {}
    shares: dict[str, float] = {}
    for axis in space.axes:
        here, there = one[axis.name], other[axis.name]
        if isinstance(axis, Axis):
            away = abs(float(here) - float(there))
            length = axis.high - axis.low if axis.bounded else max(abs(float(here)), abs(float(there)))
            differences[axis.name], shares[axis.name] = away, away / length if away else 0.0
        else:
            differences[axis.name] = shares[axis.name] = float(here != there)
    return differences, shares


def _position(axis: Any, value: Any) -> str:
    shown = f"{value:.12g}" if isinstance(value, float) else str(value)
    return f"{axis.name} = {shown}" + (f" {axis.units}" if axis.units else "")


def _time(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
