"""Answers the questions of our plan with what somebody puts into a queue."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from queue import Empty

from skysteer.errors import NoRecommendation, RecommenderError, SkysteerError, SuggestionError
from skysteer.handoff import Launch, SuggestionQueue, Ticket
from skysteer.model import Finished, Suggestion

from ._adapted import QueueLike, chosen

LOOK = 0.2
"""Seconds after which a thread that waits at the queue sees that nobody waits for it any more."""


class FromQueue:
    """Takes one item for each question, in a thread that lives as long as the question is open."""

    def __init__(self, source: QueueLike, axes: Sequence[str]) -> None:
        self._source = source
        self._axes = list(axes)
        self._numbers = itertools.count()
        self._launch: Launch | None = None
        self.queue = SuggestionQueue()
        """Where the plan asks."""
        self.queue.connect(self)

    def launched(self, launch: Launch) -> None:
        """A plan begins."""
        self._launch = launch

    def asked(self, ticket: Ticket) -> None:
        """A plan waits for the next item."""
        threading.Thread(target=self._answer, args=(ticket,), name="skysteer-queue", daemon=True).start()

    def failed(self, suggestion: Suggestion, reason: str) -> None:
        """Nobody is there to be told."""

    def _answer(self, ticket: Ticket) -> None:
        while self.queue.is_open(ticket):
            try:
                item = self._source.get(timeout=LOOK)
            except Empty:
                continue
            self.queue.answer(ticket, self._read(item))
            return

    def _read(self, item: object) -> tuple[Suggestion, ...] | Finished:
        launch = self._launch
        assert launch is not None, "a queue launches before it asks"
        try:
            point = chosen(item, self._axes)
            if problems := launch.space.problems(point, ignore=()):
                raise SuggestionError(problems, recommender="the queue", answer=item)
        except NoRecommendation as exc:
            return Finished(str(exc) or "the recommender has nothing more to ask")
        except SkysteerError as exc:
            return Finished(str(exc), exc)
        except BaseException as exc:
            error = RecommenderError(f"the queue held {type(exc).__name__}: {exc}")
            error.__cause__ = exc
            return Finished(str(error), error)
        name = f"{launch.uid[:12]}-r{next(self._numbers)}"
        return (Suggestion(name, launch.space.clean(point)),)
