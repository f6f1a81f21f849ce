"""The life of a recommender as its record tells it: what it was asked, and what it knew at each question."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from skysteer.errors import RecordError
from skysteer.model import Origin, Suggested, Suggestion, Told

from ._record import Record

__all__ = ["Life", "Question", "life_of"]


@dataclass(frozen=True, slots=True)
class Question:
    """One question that was answered with suggestions."""

    run: str
    """Uid of the decision run that has it on record."""
    suggested: Suggested
    """The answer."""
    points: int
    """How many points of its `Life` it knew."""
    given_up: int
    """How many given-up suggestions of its `Life` it knew."""
    pending: tuple[tuple[Suggestion, bool], ...]
    """What was on its way, in the order in which it was told, each with whether it had asked for it itself."""
    numbers: tuple[int | None, ...]
    """Of each suggestion of the answer: number of the point that it became, from 1; ``None``: never measured."""


@dataclass(slots=True)
class Life:
    """All that one recommender was told and asked, over all runs of a scan, in order."""

    questions: list[Question] = field(default_factory=list[Question])
    points: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """As they were told, without ``_id``."""
    ids: list[Any] = field(default_factory=list[Any])
    """The ``_id`` of each point, ``None`` for nobody's."""
    given_up: list[Suggestion] = field(default_factory=list[Suggestion])
    notes: list[str] = field(default_factory=list[str])
    """What is not on record of it; a sentence each."""

    def point(self, number: int, *, ids: bool) -> dict[str, Any]:
        """Return a point as it was told; without its ``_id`` for somebody who never gave it."""
        identity = self.ids[number] if ids else None
        return dict(self.points[number]) if identity is None else {**self.points[number], "_id": identity}


def life_of(record: Record, origin: Origin = "recommender") -> Life:
    """Return what a recommender was told and asked in a run, and in those that it resumes.

    Raises
    ------
    RecordError
        If a question knew points that are not on record.
    """
    reader = _Reader(Life(), origin)
    for each in (*record.chain, record):
        reader.read(each)
    return reader.end()


class _Reader:
    """Reads one record of a chain after the other, oldest first."""

    def __init__(self, life: Life, origin: Origin) -> None:
        self.life = life
        self._origin: Origin = origin
        self._before = 0
        """How many points it knew before the first of the records."""
        self._suggestions: dict[str, Suggestion] = {}
        self._number_of: dict[str, int] = {}
        self._given_up_before = 0
        self._seen: set[tuple[str, str, int]] = set()
        self._earlier: list[Record] = []

    def read(self, record: Record) -> None:
        told = {each.number: each for each in record.told if each.origin == self._origin and not each.replay}
        answers = [each for each in record.suggested if each.origin == self._origin]
        self._know_suggestions(record)
        lowest = min([*told, *(each.told for each in answers)], default=self._before + len(self.life.points))
        if not self._earlier:
            self._begin(lowest, answers)
        self._fill(lowest - self._before, record)
        for number in sorted(told):
            self._append(told[number], number - self._before, record)
        given_up = [each for each in record.given_up if each.origin == self._origin]
        self.life.given_up += [self._suggestions[e.suggestion] for e in given_up if e.suggestion in self._suggestions]
        for answer in answers:
            self._fill(answer.told - self._before, record)
            pending = [self._suggestions[name] for name in answer.pending if name in self._suggestions]
            self.life.questions.append(
                Question(
                    record.entry.uid, answer, answer.told - self._before, answer.given_up - self._given_up_before,
                    tuple((each, each.origin == self._origin) for each in pending), (),
                )
            )  # fmt: skip
        self._earlier.append(record)

    def end(self) -> Life:
        """What was suggested in one run may have been measured in the next: now the numbers are known."""
        self.life.questions = [
            replace(each, numbers=tuple(self._number_of.get(one.id) for one in each.suggested.suggestions))
            for each in self.life.questions
        ]
        return self.life

    def _begin(self, lowest: int, answers: list[Suggested]) -> None:
        self._before = lowest
        self._given_up_before = answers[0].given_up if answers else 0  # nothing is given up that was not suggested
        if lowest:
            self.life.notes.append(
                f"it knew {lowest} points from before this run, which are not on record here: "
                "give a recommender that was told them"
            )

    def _know_suggestions(self, record: Record) -> None:
        for answer in record.suggested:
            self._suggestions.update((each.id, each) for each in answer.suggestions)
        options: dict[str, Any] = record.about.get("options") or {}
        initial: list[dict[str, Any]] = options.get("initial") or []
        for number, point in enumerate(initial):
            name = f"{record.launch[:12]}-i{number}"
            cleaned = point if record.space is None else record.space.clean(point)  # as the plan asked for it
            self._suggestions[name] = Suggestion(name, cleaned, "initial")

    def _append(self, told: Told, place: int, record: Record) -> None:
        self._fill(place, record)
        self._put({**told.axes, **told.objectives}, told.recommender_id, told.suggestion, place)
        self._seen.add((told.run, told.stream, told.seq_num))

    def _put(self, point: dict[str, Any], identity: Any, suggestion: str | None, place: int) -> None:
        points, ids = self.life.points, self.life.ids
        if place < len(points):  # measured, told, and lost from the disk with the machine
            if points[place] != point:
                self.life.notes.append(
                    f"point {place + 1} was lost when the run was cut off, and measured again: "
                    "what was asked in between knew the first"
                )
            points[place], ids[place] = point, identity
        else:
            points.append(point)
            ids.append(identity)
        if suggestion is not None:
            self._number_of[suggestion] = place + 1

    def _fill(self, wanted: int, record: Record) -> None:
        """Take what was measured before and told only when the scan went on."""
        if len(self.life.points) >= wanted:
            return
        for earlier in self._earlier:
            for each in earlier.observations:
                if each.identity in self._seen or len(self.life.points) >= wanted:
                    continue
                self._seen.add(each.identity)
                mine = self._suggestions.get(each.suggestion or "")
                identity = mine.recommender_id if mine is not None and mine.origin == self._origin else None
                self._put(each.point(), identity, each.suggestion, len(self.life.points))
        if len(self.life.points) < wanted:
            raise RecordError(
                f"the record of run {record.entry.uid} is not whole: {wanted} points were known to the {self._origin} "
                f"at a question, {len(self.life.points)} are on record"
            )
