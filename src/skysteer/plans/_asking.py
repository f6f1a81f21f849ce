"""What a plan does to learn which point is next: ask ahead, wait with patience, fall back."""

from __future__ import annotations

import logging
import time
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from bluesky.utils import Msg, RunEngineControlException

from skysteer.errors import RecommenderError, RequestPause, SilentRecommender
from skysteer.handoff import Answer, SuggestionQueue, Ticket
from skysteer.model import Asked, ExitStatus, Finished, Patience, Suggestion

from ._waiting import Plan, wait_until

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class End:
    """Why there is no next point."""

    reason: str
    exit_status: ExitStatus = "success"


class Asking:
    """The questions of one launch.

    ``lookahead`` questions are kept open or answered while a point is
    measured; with none, a question is asked when nothing is ready any more.

    Parameters
    ----------
    queue, batch, lookahead, patience, fallback
        As for the plan.
    initial
        What is measured before anybody is asked, in this order.
    again
        Questions of a scan that was cut off, not answered yet: asked first.
    short
        As `Progress.short`.
    """

    def __init__(
        self,
        queue: SuggestionQueue,
        *,
        batch: int,
        lookahead: int,
        patience: Patience,
        fallback: SuggestionQueue | None,
        initial: Sequence[Suggestion],
        again: Sequence[Asked] = (),
        short: Mapping[str, int] | None = None,
    ) -> None:
        self._queue = queue
        self._fallback = fallback
        self._batch = batch
        self._lookahead = lookahead
        self._patience = patience
        self._epoch = queue.epoch
        self._ready: deque[Suggestion] = deque(initial)
        self._tickets: deque[Ticket] = deque(
            queue.ask(each.count, known=each.known, pending=each.pending, epoch=self._epoch, again=each)
            for each in again
        )
        self._short = dict(short or {})
        self.fallen_back = 0
        """Suggestions taken from the fallback."""
        self.latencies = array("d")
        """Seconds from each question to its answer."""

    def next(self, remaining: int, known: int) -> Plan[Suggestion | End]:
        """Wait for the next point to measure.

        Parameters
        ----------
        remaining
            How many points may still be measured, this one included.
        known
            How many were measured so far.
        """
        while not self._ready:
            if not self._tickets:
                self._ask(min(self._batch, remaining), known, [])
            answer = yield from self._wait(self._tickets[0], known)
            self._tickets.popleft()
            if isinstance(answer, End):
                return answer
            self._ready.extend(answer)
        suggestion = self._ready.popleft()
        self._short.pop(suggestion.id, None)
        self._ask_ahead(suggestion, remaining, known)
        return suggestion

    def failed(self, suggestion: Suggestion, reason: str) -> None:
        """Say that a point was given up, and why, so that it is not asked for again."""
        self._queue.failed(suggestion, reason)
        if self._fallback is not None:
            self._fallback.failed(suggestion, reason)

    def close(self) -> None:
        """Nobody waits any more."""
        for ticket in self._tickets:
            self._queue.withdraw(ticket)
        self._tickets.clear()

    @property
    def dropped(self) -> int:
        """Answers that were not executed."""
        return self._queue.dropped.total + (self._fallback.dropped.total if self._fallback is not None else 0)

    def _ask(self, count: int, known: int, pending: Sequence[Suggestion]) -> None:
        self._tickets.append(self._queue.ask(count, known=known, pending=pending, epoch=self._epoch))

    def _ask_ahead(self, current: Suggestion, remaining: int, known: int) -> None:
        while (ahead := self._ahead) < self._lookahead:
            planned = 1 + ahead
            if planned >= remaining:
                return
            self._ask(min(self._batch, remaining - planned), known, [current, *self._ready])

    @property
    def _ahead(self) -> int:
        """How many suggestions are there, or to come as far as is known."""
        return len(self._ready) + sum(ticket.count for ticket in self._tickets) + sum(self._short.values())

    def _wait(self, ticket: Ticket, known: int) -> Plan[tuple[Suggestion, ...] | End]:
        answer = yield from self._answer(self._queue, ticket)
        while isinstance(answer, Finished) and answer.error is not None:
            request = answer.error.__cause__
            if isinstance(request, RunEngineControlException):  # its own request to stop or to abort
                raise request
            if not isinstance(request, RequestPause):
                break
            log.warning("the recommender asks for a pause: %s", request)
            yield Msg("pause")
            self._tickets[0] = ticket = self._queue.ask(
                ticket.count, known=known, pending=ticket.pending, epoch=self._epoch, again=ticket.again
            )
            answer = yield from self._answer(self._queue, ticket)
        if isinstance(answer, tuple):
            return answer
        if answer is None:
            error = SilentRecommender(f"the recommender did not answer within {self._patience.timeout:g} s")
        elif answer.error is None:
            return End(answer.reason)
        else:
            error = answer.error
        return (yield from self._give_up(error, known))

    def _answer(self, queue: SuggestionQueue, ticket: Ticket) -> Plan[Answer | None]:
        """The answer, or None if it took longer than the patience lasts."""
        deadline = None if self._patience.timeout is None else ticket.asked + self._patience.timeout
        while True:
            yield from wait_until(
                lambda: queue.peek(ticket) is not None, partial(queue.when_answered, ticket), deadline
            )
            answer = queue.peek(ticket)
            if answer is not None:
                self.latencies.append(queue.latency(ticket))
                queue.release(ticket)
                return answer
            if self._patience.on_timeout != "wait":
                queue.withdraw(ticket, f"no answer within {self._patience.timeout:g} s")
                return None
            now = time.monotonic()
            log.warning("no answer from the recommender for %.1f s; waiting on", now - ticket.asked)
            deadline = now + (self._patience.timeout or 0.0)

    def _give_up(self, error: BaseException, known: int) -> Plan[tuple[Suggestion, ...] | End]:
        match self._patience.on_timeout:
            case "finish":
                return End(str(error))
            case "abort":
                return End(str(error), "abort")
            case "fallback":
                assert self._fallback is not None, "Patience sees to it that there is one"
                log.warning("%s; the fallback is asked", error)
                # What was pending when the recommender was asked has been measured by now.
                question = self._fallback.ask(1, known=known)
                answer = yield from self._answer(self._fallback, question)
                if isinstance(answer, tuple):
                    self.fallen_back += len(answer)
                    return answer
                if answer is None:
                    raise SilentRecommender(
                        f"{error}; and the fallback did not answer within {self._patience.timeout:g} s"
                    ) from error
                if answer.error is not None:
                    raise RecommenderError(f"{error}; and the fallback failed: {answer.reason}") from answer.error
                return End(f"{error}; and the fallback has ended: {answer.reason}")
            case "wait":
                raise error
