"""How far an earlier run of a scan came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ._decisions import Asked
from ._point import Observation, Suggestion


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a scan goes on that was cut off: what the plan must know of it. Counts are of points."""

    uids: tuple[str, ...] = ()
    """Uids of the runs it made, in order."""
    measured: int = 0
    """They count in ``max_points``."""
    failed: int = 0
    """Given up because a device failed; they count in ``max_failures``."""
    fallen_back: int = 0
    """Points that the fallback suggested."""
    stale: int = 0
    """Answers that were dropped."""
    replayed: int = 0
    """Events measured again after a pause."""
    initial_done: frozenset[int] = frozenset()
    """Which of the ``initial=`` points, by number, were measured or given up."""
    ready: tuple[Suggestion, ...] = ()
    """Suggested, and neither measured nor given up: measured first, in this order, under their ids."""
    short: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many fewer suggestions an answer has than were asked for, by the id of its first: the plan learns of it when
    it comes to that, and asks no further ahead before."""
    asked: tuple[Asked, ...] = ()
    """Questions asked ahead, in order, that were not answered: asked again, and answered as of then."""


@dataclass(frozen=True, slots=True)
class History:
    """What a recommender had been told and had asked for: enough to teach it again, in the same order."""

    suggestions: tuple[Suggestion, ...] = ()
    """All that it made, but those that were dropped before anybody saw them."""
    observations: tuple[Observation, ...] = ()
    """All that were measured, in order, each once. With `objectives`, also where they were reduced."""
    given_up: tuple[str, ...] = ()
    """`Suggestion.id` of those that will not be measured, in order."""
    ready: tuple[Suggestion, ...] = field(default=())
    """As in `Progress`: still to be measured."""
    asked: tuple[Asked, ...] = ()
    """As in `Progress`, of this recommender: it is told what came after them when they are answered."""
    restarts: int = 0
    """How often its process was replaced."""
    replayed: int = 0
    """As in `Progress`."""
