"""What an adaptive plan is told beside its devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from skysteer.model import Patience, Progress

from ._waiting import Plan

OnFailure = Literal["skip", "retry", "stop"]
"""What becomes of a point whose device failed: given up; measured once more and then given up; the end of the scan."""


@dataclass(frozen=True, slots=True)
class Options:
    """How many points, how they are asked for, and what happens when something fails."""

    max_points: int
    """Points to measure: events, or runs."""
    initial: Sequence[Mapping[str, Any]] = ()
    """Points to measure before the first question; they count in `max_points`."""
    batch: int = 1
    """Suggestions a question."""
    lookahead: int = 0
    """Suggestions to keep ready, or in the making, while a point is measured."""
    patience: Patience = field(default_factory=Patience)
    """What to do when no answer comes."""
    max_failures: int | None = None
    """Points that may fail before the scan ends; ``None`` is `max_points`."""
    on_failure: OnFailure = "skip"
    """What becomes of a point whose device failed."""
    progress: Progress = field(default_factory=Progress)
    """Where a scan goes on that was cut off; the other numbers are those of the whole scan."""
    hold: Callable[[], Plan[None]] | None = None
    """A plan stub run before each measurement, when the motors are there: it may hold the scan. What the point before
    left to do was mostly done while they moved."""

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong with these options, one sentence each."""
        least = {"max_points": 1, "batch": 1, "lookahead": 0, "max_failures": 1}
        values = {name: getattr(self, name) for name in least}
        found = [
            f"{name} must be a whole number of at least {least[name]}, found {value!r}"
            for name, value in values.items()
            if not (name == "max_failures" and value is None)
            and (isinstance(value, bool) or not isinstance(value, int) or value < least[name])
        ]
        if self.on_failure not in get_args(OnFailure):
            found.append(f"on_failure must be 'skip', 'retry' or 'stop', found {self.on_failure!r}")
        if not isinstance(self.initial, Sequence) or isinstance(self.initial, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            found.append(f"initial must be a sequence of points, found {self.initial!r}")
        if not found and len(self.initial) > self.max_points:
            found.append(f"{len(self.initial)} initial points do not fit into max_points={self.max_points}")
        return found

    @property
    def most_failures(self) -> int:
        """`max_failures`, or its default."""
        return self.max_points if self.max_failures is None else self.max_failures
