"""Questions of a plan and answers of a recommender, each answer to its question."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from skysteer.errors import RecommenderError, SuggestionError
from skysteer.model import Asked, DecisionListener, Finished, Origin, Refused, Space, Suggestion

from ._listeners import Listeners

Answer = tuple[Suggestion, ...] | Finished
"""Suggestions in the order in which they are to be measured, or nothing more to ask."""
_TAKEN = "another plan has begun to ask the same queue: give each plan its own advisor"


@dataclass(frozen=True, slots=True)
class Ticket:
    """One question of a plan. Every answer names its ticket."""

    epoch: int
    """The launch it belongs to."""
    number: int
    """Counts the questions of a launch from 0."""
    count: int = field(compare=False)
    """How many suggestions are wanted at the most."""
    known: int = field(compare=False)
    """How many points had been measured when it was asked."""
    pending: tuple[Suggestion, ...] = field(default=(), compare=False)
    """What was ready or being measured when it was asked."""
    asked: float = field(default_factory=time.monotonic, compare=False)
    """When, on the monotonic clock, in seconds."""
    again: Asked | None = field(default=None, compare=False)
    """The question of a scan that was cut off, which this one asks again: to be answered as of then."""


@dataclass(slots=True)
class Dropped:
    """Answers that were not executed, since the newest launch."""

    stale: int = 0
    """They named an earlier launch."""
    late: int = 0
    """Nobody waited for them any more."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.stale + self.late


@dataclass(frozen=True, slots=True)
class Launch:
    """One plan that began to ask."""

    epoch: int
    """Counts the launches of a queue from 1."""
    uid: str
    """Unique in all scans; begins the id of every suggestion made for it."""
    space: Space
    """Where suggestions may lie: what the recommender said, or else what the motors reach."""
    known: int = 0
    """Points measured before, in a scan that goes on."""
    ready: tuple[Suggestion, ...] = ()
    """Suggestions of before that are still to be measured."""


class Respondent(Protocol):
    """Whoever answers a queue. All calls come from the plan's thread and must only hand over."""

    def launched(self, launch: Launch) -> None:
        """A plan begins to ask; what an earlier one left open is given up, but for what is `Launch.ready`."""
        ...

    def asked(self, ticket: Ticket) -> None:
        """A plan wants suggestions: call `SuggestionQueue.answer`, from any thread."""
        ...

    def failed(self, suggestion: Suggestion, reason: str) -> None:
        """A suggestion will not be measured; the reason is for people."""
        ...


class SuggestionQueue:
    """Where a plan asks and a respondent answers.

    One plan calls `launch`, `ask`, `peek`, `when_answered`, `release`,
    `withdraw` and `failed`; any thread calls `answer`.

    `peek` may be repeated: until it is released, a ticket keeps its answer, so
    that a plan that is replayed after a pause finds the same one.

    Parameters
    ----------
    origin
        Who answers, as decisions say it.
    """

    def __init__(self, origin: Origin = "recommender") -> None:
        self._origin: Origin = origin
        self._listeners = Listeners()
        self._lock = threading.Lock()
        self._launch: Launch | None = None
        self._numbers = itertools.count()
        self._open: dict[Ticket, Callable[[], None] | None] = {}
        self._answers: dict[Ticket, tuple[Answer, float]] = {}
        self._respondent: Respondent | None = None
        self.dropped = Dropped()
        """Counters of what was dropped since the newest launch."""

    def connect(self, respondent: Respondent | None) -> None:
        """Name the one who answers; ``None`` when it leaves."""
        self._respondent = respondent

    @property
    def connected(self) -> bool:
        """Whether somebody answers."""
        return self._respondent is not None

    @property
    def epoch(self) -> int:
        """Number of the newest launch; 0 before the first."""
        return 0 if self._launch is None else self._launch.epoch

    def listen(self, listener: DecisionListener) -> Callable[[], None]:
        """Have a listener told of the questions that are withdrawn unanswered; returns what ends that."""
        return self._listeners.add(listener)

    def launch(self, space: Space, uid: str, *, known: int = 0, ready: Sequence[Suggestion] = ()) -> Launch:
        """Begin a new epoch: nothing asked or answered before it counts any more.

        A plan that still waits, in another engine, is told so; it would wait for ever.

        Parameters
        ----------
        space
            Where suggestions may lie.
        uid
            Unique in all scans.
        known, ready
            Of a scan that goes on: how many points it measured, and which suggestions are still to be measured.
        """
        with self._lock:
            launch = self._launch = Launch(self.epoch + 1, uid, space, known, tuple(ready))
            self._numbers = itertools.count()
            waiting = {ticket: wake for ticket, wake in self._open.items() if wake is not None}
            self._open.clear()
            error = RecommenderError(_TAKEN)
            self._answers = {ticket: (Finished(str(error), error), 0.0) for ticket in waiting}
            self.dropped = Dropped()
        for wake in waiting.values():
            wake()
        if self._respondent is not None:
            self._respondent.launched(launch)
        return launch

    def ask(
        self,
        count: int = 1,
        *,
        known: int = 0,
        pending: Sequence[Suggestion] = (),
        epoch: int | None = None,
        again: Asked | None = None,
    ) -> Ticket:
        """Ask for suggestions, without waiting; ``again`` is the question of a scan that was cut off.

        Raises
        ------
        RecommenderError
            If ``epoch`` is given and another plan has launched since.
        """
        if count < 1:
            raise ValueError(f"count must be at least 1, found {count}")
        with self._lock:
            if epoch not in (None, self.epoch):
                raise RecommenderError(_TAKEN)
            ticket = Ticket(self.epoch, next(self._numbers), count, known, tuple(pending), again=again)
            self._open[ticket] = None
        if self._respondent is not None:
            self._respondent.asked(ticket)
        return ticket

    def answer(self, ticket: Ticket, answer: Answer) -> bool:
        """Answer a question, from any thread.

        Returns
        -------
        bool
            False if the answer was dropped and counted: the ticket is of an
            earlier launch, was withdrawn, or has an answer already.

        Raises
        ------
        SuggestionError
            If it is no answer, or lies outside the space of the launch. The
            question stays open.
        """
        if (
            self._launch is not None
            and ticket.epoch == self.epoch
            and (problems := _problems(answer, ticket, self._launch.space))
        ):
            raise SuggestionError(problems, answer=answer)
        with self._lock:
            if ticket.epoch != self.epoch:
                self.dropped.stale += 1
                return False
            if ticket not in self._open:
                self.dropped.late += 1
                return False
            wake = self._open.pop(ticket)
            self._answers[ticket] = answer, time.monotonic() - ticket.asked
        if wake is not None:
            wake()
        return True

    def is_open(self, ticket: Ticket) -> bool:
        """Whether somebody still waits for the answer."""
        return ticket in self._open

    def peek(self, ticket: Ticket) -> Answer | None:
        """The answer, if it is there. It stays until it is released."""
        found = self._answers.get(ticket)
        return None if found is None else found[0]

    def latency(self, ticket: Ticket) -> float:
        """Seconds from the question to its answer, which must be there."""
        return self._answers[ticket][1]

    def when_answered(self, ticket: Ticket, wake: Callable[[], None]) -> Callable[[], None]:
        """Have ``wake`` called once, from the answering thread, when the answer comes.

        It is called at once if the answer is there or the ticket is not open.
        Returns a function that takes the request back.
        """
        with self._lock:
            waiting = ticket in self._open
            if waiting:
                self._open[ticket] = wake

        def forget() -> None:
            with self._lock:
                if self._open.get(ticket) is wake:
                    self._open[ticket] = None

        if not waiting:
            wake()
        return forget

    def release(self, ticket: Ticket) -> None:
        """The plan has moved on: forget the answer."""
        self._answers.pop(ticket, None)

    def withdraw(self, ticket: Ticket, reason: str = "") -> None:
        """Nobody waits any more: an answer that still comes is dropped and counted.

        Listeners are told of a question that was open, where there is a reason.
        """
        with self._lock:
            was_open = ticket in self._open
            self._open.pop(ticket, None)
            self._answers.pop(ticket, None)
        if was_open and reason and self._listeners:
            waited = time.monotonic() - ticket.asked
            self._listeners.tell(
                Refused(self._origin, ticket.number, "silent", reason, ticket.known, time.time() - waited, waited)
            )

    def failed(self, suggestion: Suggestion, reason: str = "") -> None:
        """Say that a suggestion was given up, and why."""
        if self._respondent is not None:
            self._respondent.failed(suggestion, reason)


def _problems(answer: Any, ticket: Ticket, space: Space) -> list[str]:
    """What is wrong with an answer, one sentence each."""
    if isinstance(answer, Finished):
        return []
    if not isinstance(answer, tuple) or not answer:
        return [f"{answer!r} is no answer: expected a tuple of one Suggestion or more, or Finished(reason)"]
    suggestions = cast("tuple[Any, ...]", answer)
    problems = [f"{each!r} is no Suggestion" for each in suggestions if not isinstance(each, Suggestion)]
    if len(suggestions) > ticket.count:
        problems.append(f"{len(suggestions)} suggestions for a question for {ticket.count}")
    for each in suggestions:
        if isinstance(each, Suggestion):
            problems += [f"{each.id}: {problem}" for problem in space.problems(each.point, ignore=())]
    return problems
