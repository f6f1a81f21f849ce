"""Says what an advisor decides, to those who listen. Without one of them nothing is even made a value."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping

from skysteer.errors import SuggestionError
from skysteer.handoff import Listeners, Ticket
from skysteer.model import (
    Asked,
    Checkpointed,
    DecisionListener,
    Finished,
    GivenUp,
    GivenUpKind,
    Observation,
    Origin,
    RefusalKind,
    Refused,
    Replaced,
    Suggested,
    Suggestion,
    Told,
)

SHOWN = 500
"""Characters of an answer that was refused, on record."""


class Voice:
    """Speaks for one recommender.

    Parameters
    ----------
    origin
        Which one.
    """

    def __init__(self, origin: Origin) -> None:
        self._origin: Origin = origin
        self._listeners = Listeners()

    @property
    def heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def listen(self, listener: DecisionListener) -> Callable[[], None]:
        """Have a listener told; returns what ends that."""
        return self._listeners.add(listener)

    def told(
        self,
        observation: Observation,
        number: int,
        objectives: Mapping[str, object],
        identity: Hashable | None = None,
        *,
        replay: bool = False,
    ) -> None:
        if self._listeners:
            self._listeners.tell(
                Told(
                    self._origin, number, observation.run, observation.stream, observation.seq_num, observation.time,
                    observation.axes, objectives, observation.suggestion, identity, replay,
                )
            )  # fmt: skip

    def asked_ahead(self, ticket: Ticket, given_up: int) -> None:
        if self._listeners:
            self._listeners.tell(
                Asked(self._origin, ticket.number, ticket.count, ticket.known, given_up, ticket.pending)
            )

    def suggested(
        self,
        ticket: Ticket,
        suggestions: tuple[Suggestion, ...],
        reasons: tuple[str, ...],
        *,
        told: int,
        given_up: int,
        pending: Callable[[], tuple[str, ...]],
        state: object,
        suggest_seconds: float,
        ingest_seconds: float,
    ) -> None:
        if self._listeners:
            latency, now = time.monotonic() - ticket.asked, time.time()
            self._listeners.tell(
                Suggested(
                    self._origin, ticket.number, suggestions, told, given_up, pending(), ticket.count, str(state),
                    now - latency, latency, suggest_seconds, ingest_seconds, reasons, now,
                )
            )  # fmt: skip

    def refused(self, ticket: Ticket, answer: Finished, told: int) -> None:
        """Nothing was suggested."""
        if self._listeners:
            self._refused(ticket, told, *_refusal(answer))

    def unwanted(self, ticket: Ticket, told: int, *, stale: bool) -> None:
        """Nobody waited for the answer any more."""
        if self._listeners:
            reason = "it answers an earlier launch" if stale else "nobody waited for it any more"
            self._refused(ticket, told, "stale" if stale else "late", reason, "")

    def given_up(self, suggestion: Suggestion, kind: GivenUpKind, reason: str) -> None:
        if self._listeners:
            self._listeners.tell(GivenUp(suggestion.origin, suggestion.id, kind, reason))

    def replaced(self, during: str, reason: str, restarts: int) -> None:
        if self._listeners:
            self._listeners.tell(Replaced(self._origin, during, reason, restarts))

    def checkpointed(self, told: int, given_up: int, state: object, seconds: float, error: str) -> None:
        if self._listeners:
            self._listeners.tell(Checkpointed(self._origin, told, given_up, str(state), seconds, error))

    def _refused(self, ticket: Ticket, told: int, kind: RefusalKind, reason: str, answer: str) -> None:
        latency, now = time.monotonic() - ticket.asked, time.time()
        self._listeners.tell(
            Refused(self._origin, ticket.number, kind, reason, told, now - latency, latency, answer, now)
        )


def _refusal(answer: Finished) -> tuple[RefusalKind, str, str]:
    """Its kind, its reason, and what was answered where that was refused."""
    if answer.error is None:
        return "finished", answer.reason, ""
    if not isinstance(answer.error, SuggestionError):
        return "failed", answer.reason, ""
    try:
        found = repr(answer.error.answer)
    except Exception as exc:  # whatever somebody else's object does when it is looked at
        found = f"<{type(answer.error.answer).__name__}, whose repr raises {type(exc).__name__}>"
    return "refused", answer.reason, found if len(found) <= SHOWN else f"{found[:SHOWN]}... ({len(found)} characters)"
