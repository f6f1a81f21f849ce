"""What was asked of somebody else's agent and is not answered yet: it is asked for once, and kept until then."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from skysteer.recommenders._turns import Turns

Point = Mapping[str, Any]


class Questions:
    """The open questions of an agent that forgets what it asked for.

    The same question again gets the same points while they are open, so that
    `suggest` stays a question although the agent is asked only once for each.
    """

    def __init__(self, kind: str, made_of: object) -> None:
        self._turns = Turns(kind, made_of)
        self._count = 0
        self._open: dict[Hashable, dict[str, Any]] = {}
        self._ended: set[Hashable] = set()
        self._pending: set[Hashable] = set()
        self._newest: list[Hashable] = []
        self._unsaid: list[Hashable] = []  # what the agent answered last, until it has said why
        self._why: dict[Hashable, str] = {}

    def take(self, num_points: int | None, ask: Callable[[int], Sequence[Point]]) -> list[dict[str, Any]]:
        """Return open points that are not on their way, and ask for as many as are missing.

        Points that `ask` returns beyond what it was asked for wait for the next question.
        """
        wanted = 1 if num_points is None else num_points
        free = [name for name in self._open if name not in self._pending]
        if len(free) < wanted:
            points = ask(wanted - len(free))
            self._unsaid = []
            for point in points:
                name: Any = point.get("_id")
                if name is None:
                    name = self._turns.id(self._count)
                    self._count += 1
                self._open[name] = {**point, "_id": name}
                free.append(name)
                self._unsaid.append(name)
        self._newest = free[:wanted]
        self._why = {name: why for name, why in self._why.items() if name in self._open}
        return [dict(self._open[name]) for name in self._newest]

    def why(self, say: Callable[[], Sequence[str]]) -> list[str]:
        """Return why each point of the newest answer is asked for: `say` gives it of all that `ask` returned last."""
        if self._unsaid:
            said = say()
            sentences = [] if isinstance(said, str) else list(said)
            if len(sentences) != len(self._unsaid):
                raise TypeError(f"expected a sentence for each of {len(self._unsaid)} points, found {said!r}")
            self._why |= dict(zip(self._unsaid, sentences, strict=True))
            self._unsaid = []
        return [self._why.get(name, "") for name in self._newest]

    def end(self, point: Point) -> dict[str, Any] | None:
        """Close the question that a point answers; return what was asked for, or ``None`` if nobody asked here."""
        name = point.get("_id")
        if name is None:
            return None
        self._ended.add(name)
        if self._turns.owns(name):  # of an earlier life, perhaps: its number is taken
            self._count = max(self._count, int(name.rpartition("-")[2]) + 1)
        return self._open.pop(name, None)

    def open(self, point: Point) -> dict[str, Any]:
        """Return what was asked for where a point answers an open question; empty where not."""
        name = point.get("_id")
        return self._open.get(name, {}) if name is not None else {}

    def knows(self, point: Point) -> bool:
        """Whether a point of this ``_id`` was measured or failed."""
        name = point.get("_id")
        return name is not None and name in self._ended

    def wait_for(self, points: Iterable[Point]) -> None:
        """Be told which points are on their way: these, and no others."""
        self._pending = {point["_id"] for point in points if point.get("_id") is not None}
