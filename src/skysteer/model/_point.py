"""Points on their way: asked for, measured, or nothing more to ask."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Origin = Literal["recommender", "fallback", "initial"]
"""Who asked for a point: the recommender, the fallback of `Patience`, or the caller's ``initial=``."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A point that is to be measured."""

    id: str
    """Unique in all runs; every event and every run that answers it carries it."""
    point: Mapping[str, Any]
    """Axis name to requested position, in the units of the axis."""
    origin: Origin = "recommender"
    recommender_id: Hashable | None = None
    """The recommender's own ``_id`` of it."""

    def told(self) -> dict[str, Any]:
        """The point as a recommender sees it: with ``_id`` where it gave one."""
        if self.recommender_id is None:
            return dict(self.point)
        return {**self.point, "_id": self.recommender_id}


@dataclass(frozen=True, slots=True)
class Observation:
    """What was measured at one point: one event, or one whole run."""

    run: str
    """Uid of the run."""
    stream: str
    seq_num: int
    """Number of the event in its stream. (run, stream, seq_num) is the identity of an
    observation: an event replayed after a pause has a new uid and the same number."""
    time: float
    """Seconds since the epoch, as in the event."""
    axes: Mapping[str, Any]
    """Axis name to readback, in the units of the axis."""
    objectives: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Objective name to measured value; empty where `data` is still to be reduced."""
    data: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    """What the scientist's ``reduce`` is given: data key to value (an event), or
    stream to data key to array (a run). Empty where nothing is to be reduced."""
    suggestion: str | None = None
    """`Suggestion.id` of the suggestion it answers."""

    @property
    def identity(self) -> tuple[str, str, int]:
        """(run, stream, seq_num)."""
        return self.run, self.stream, self.seq_num

    def point(self) -> dict[str, Any]:
        """Axes and objectives in one mapping, as a recommender is told."""
        return {**self.axes, **self.objectives}


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer of a recommender that has nothing to suggest."""

    reason: str
    error: BaseException | None = None
    """What it raised, where it did not end by itself."""
