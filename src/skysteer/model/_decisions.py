"""What is put on record of a decision: who was told what, who asked for what, and why.

Whoever decides (an Advisor, a queue, a watchdog) hands one of these to its
listener, which must only hand it on. `skysteer.stores` makes documents of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ._point import Origin, Suggestion
from ._verdict import Verdict

RefusalKind = Literal["finished", "refused", "failed", "silent", "late", "stale"]
"""Why a question led to no point: nothing more to ask; an answer that cannot be measured; the recommender
raised or its worker is gone; no answer in time; an answer that nobody waited for any more; an answer to an
earlier launch."""
GivenUpKind = Literal["device", "dropped", "abandoned"]
"""Why a suggestion will not be measured: a device failed; nobody waited for the answer any more; a plan ended
before it came to it."""


@dataclass(frozen=True, slots=True)
class Told:
    """A measured point became part of what a recommender is told."""

    origin: Origin
    """Who was told: ``"recommender"`` or ``"fallback"``."""
    number: int
    """Counts the points told from 0; of a replay, the number that the next point will have."""
    run: str
    stream: str
    seq_num: int
    """(run, stream, seq_num) is the identity of the event."""
    measured: float
    """When the event was made, in seconds since the epoch."""
    axes: Mapping[str, Any]
    """Axis name to readback."""
    objectives: Mapping[str, Any]
    """Objective name to value, reduced where there is a reduction."""
    suggestion: str | None = None
    """`Suggestion.id` of the suggestion that it answers."""
    recommender_id: Any = None
    """The recommender's own ``_id`` of it, as it is told."""
    replay: bool = False
    """Whether it was told before: measured again after a pause, counted and not told."""
    time: float = field(default_factory=time.time)
    """In seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A plan asked ahead, while points were being measured: the answer is to know no more than it would have then.

    A question asked while nothing is measured is not put on record: asked again, it has the same answer.
    """

    origin: Origin
    question: int
    """Number of the ticket in its launch."""
    count: int
    """How many suggestions are wanted."""
    known: int
    """How many points of the scan had been measured."""
    given_up: int
    """How many of its suggestions had been given up."""
    pending: tuple[Suggestion, ...]
    """What was ready or being measured, whoever had asked for it."""
    time: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Suggested:
    """A recommender answered a question with points to measure."""

    origin: Origin
    question: int
    """Number of the ticket in its launch."""
    suggestions: tuple[Suggestion, ...]
    told: int
    """How many points it had been told."""
    given_up: int
    """How many given-up suggestions it had been told."""
    pending: tuple[str, ...]
    """Ids of the suggestions that were on their way, in the order in which it was told of them."""
    count: int
    """How many were asked for."""
    state: str
    """Hash of what determines the state of the recommender: see `skysteer.recommenders.Advisor.state`."""
    asked: float
    """When it was asked, in seconds since the epoch."""
    latency: float
    """Seconds from the question to the answer."""
    suggest_seconds: float
    """Seconds in ``suggest``."""
    ingest_seconds: float
    """Seconds in ``ingest`` since the answer before."""
    reasons: tuple[str, ...] = ()
    """Why each of the points is asked for, where the recommender says so: see `skysteer.protocols.HasReasons`."""
    time: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Refused:
    """A question led to no point, or to points that nobody will measure."""

    origin: Origin
    question: int
    kind: RefusalKind
    reason: str
    """For people."""
    told: int
    """How many points the one asked had been told."""
    asked: float
    """When it was asked, in seconds since the epoch."""
    latency: float
    """Seconds since the question."""
    answer: str = ""
    """What was answered, where it was refused."""
    time: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A suggestion will not be measured; a recommender that wants to know is told."""

    origin: Origin
    """Who had asked for it."""
    suggestion: str
    """`Suggestion.id`."""
    kind: GivenUpKind
    reason: str
    time: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Replaced:
    """A worker process died; another was started and taught again."""

    origin: Origin
    during: str
    """The call in which it died."""
    reason: str
    restarts: int
    """How many there were so far."""
    time: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Checkpointed:
    """A recommender wrote its state to where it keeps it, or said why it cannot."""

    origin: Origin
    told: int
    """How many points the state holds."""
    given_up: int
    """How many given-up suggestions."""
    state: str
    """As in `Suggested`."""
    seconds: float
    """How long it took."""
    error: str = ""
    """What went wrong; ``""`` where it was written."""
    time: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Judged:
    """A watchdog's judge gave a verdict on an observation, or failed."""

    watchdog: str
    verdict: Verdict | None
    """``None``: the judge failed, and `reason` says how."""
    reason: str
    run: str
    stream: str
    seq_num: int
    """(run, stream, seq_num) is the identity of the event that was judged; 0 where it was none."""
    launch: int
    """The launch of the steering it was meant for."""
    accepted: bool
    """Whether it had any effect: it may come too late, and *keep going* ends only a hold of the same watchdog."""
    lag: float
    """Seconds from the event to the verdict."""
    time: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Steered:
    """Somebody steered a measurement: a person, a piece of code, or a watchdog."""

    verdict: Verdict
    reason: str
    author: str
    """Who; ``""`` where nobody said, as when a latch is thrown directly."""
    launch: int
    accepted: bool
    """False if it came too early or too late, and was ignored."""
    time: float = field(default_factory=time.time)


Decision = Told | Asked | Suggested | Refused | GivenUp | Replaced | Checkpointed | Judged | Steered
"""Everything that is put on record."""
DecisionListener = Callable[[Decision], object]
"""Takes a decision without waiting; called in the thread of whoever decides."""
