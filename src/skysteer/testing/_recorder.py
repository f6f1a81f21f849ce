"""A recommender that keeps every call it gets."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skysteer.protocols import Recommender

from ._around import Around

__all__ = ["Call", "Recorder"]

Point = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a recommender."""

    name: str
    """The method: ``"ingest"``, ``"suggest"``, ``"set_pending"``, ..."""
    argument: Any
    """What it was called with: points (copied), or the number of points asked for."""
    answer: Any
    """What it returned; ``None`` for one that raised."""
    thread: int
    """Identifier of the thread (`threading.get_ident`)."""


class Recorder(Around):
    """Keeps every call, in order, and sees two that overlap.

    In a process worker the calls are kept there; its `space` is passed on and not recorded.
    """

    def __init__(self, inner: Recommender) -> None:
        self.calls: list[Call] = []
        """All calls that ended, in order."""
        self.overlapped = False
        """Whether a call ever began before the one before it had ended, which never may happen."""
        self._running = 0
        super().__init__(inner)

    def ingest(self, points: Sequence[Point]) -> None:
        """Tell the inner one, and keep what it was told."""
        self._record("ingest", super().ingest, [dict(point) for point in points])

    def suggest(self, num_points: int | None = None) -> Sequence[Point]:
        """Ask the inner one, and keep what it answered."""
        return self._record("suggest", super().suggest, num_points)

    def ability(self, name: str) -> Any:
        """Return the ability of the inner one, recorded."""
        method = getattr(self.inner, name)
        if not callable(method) or name == "space":
            return method

        def recorded(*arguments: Any) -> Any:
            return self._record(name, method, *arguments)

        return recorded

    @property
    def points(self) -> list[Point]:
        """All points it was told, in order."""
        return [point for call in self.calls if call.name == "ingest" for point in call.argument]

    def names(self) -> list[str]:
        """Return the methods called, in order."""
        return [call.name for call in self.calls]

    def _record(self, name: str, method: Any, *arguments: Any) -> Any:
        self.overlapped = self.overlapped or self._running > 0
        self._running += 1
        answer = None
        try:
            answer = method(*arguments)
        finally:
            self._running -= 1
            argument = arguments[0] if arguments else None
            self.calls.append(Call(name, argument, answer, threading.get_ident()))
        return answer
