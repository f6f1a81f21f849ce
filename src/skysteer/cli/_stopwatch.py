"""How long a recommender takes, while it runs."""

from __future__ import annotations

import statistics
import time
from collections import deque

from skysteer.handoff import Answer, SuggestionQueue, Ticket

__all__ = ["TimedQueue"]

LAST = 15
"""Over so many answers the median is taken."""


class TimedQueue(SuggestionQueue):
    """A queue that says how long the last answers took."""

    def __init__(self) -> None:
        super().__init__()
        self._took: deque[float] = deque(maxlen=LAST)

    def answer(self, ticket: Ticket, answer: Answer) -> bool:
        """Answer a question, and note how long it was open."""
        took = time.monotonic() - ticket.asked
        accepted = super().answer(ticket, answer)
        if accepted:
            self._took.append(took)
        return accepted

    @property
    def seconds(self) -> float | None:
        """Median seconds of the last answers, from any thread."""
        took = list(self._took)
        return statistics.median(took) if took else None
