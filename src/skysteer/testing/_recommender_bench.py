"""The bench on which a recommender is checked: fresh ones, what they are told, and which promises hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skysteer.protocols import Recommender

from ._recommender_subject import Answer, Lines, Make, Subject, words
from ._recommender_world import World

Point = Mapping[str, Any]
COUNTS = (1, 3, None, 2, 1, 3)
"""How many points the rounds of a story ask for."""


class Broken(Exception):
    """Raised by a check: what the recommender did instead of what it promises."""


class NotApplicable(Exception):
    """Raised by a check: why this recommender cannot be asked for this."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a recommender promises, and how it is checked."""

    says: str
    """One sentence about the recommender, which "it" is."""
    check: Callable[[Bench], None]
    """Raises `Broken` or `NotApplicable`."""
    pure_only: bool = False
    """Whether an optimizer that answers differently each time is exempt."""


class Bench:
    """Makes the recommenders of one check, and keeps the code that does it again."""

    def __init__(self, make: Make, world: World, promises: Mapping[str, Promise], *, pure: bool, process: bool) -> None:
        self.world = world
        self.pure = pure
        """Whether it is said to answer the same to those who know the same."""
        self.process = process
        """Whether processes may be started."""
        self.lines = Lines()
        self._make = make
        self._promises = promises
        self._kept: dict[str, bool] = {}
        self._story: list[list[dict[str, Any]]] | None = None

    def begin(self) -> None:
        """Begin a scenario: what was done before is not needed to see the fault again."""
        self.lines.clear()

    def fresh(self, name: str) -> Subject:
        """Make one."""
        try:
            made: Any = self._make()
        except (Exception, SystemExit) as exc:  # whatever making one may raise
            self.lines.add(f"{name} = make()", f"raised {words(exc)}", raised=True)
            raise Broken(f"make() raised {words(exc)}") from exc
        self.lines.add(f"{name} = make()")
        return self.known(name, made)

    def known(self, name: str, recommender: Recommender) -> Subject:
        """Give a name to one that was made otherwise."""
        return Subject(name, recommender, self.lines)

    def keeps(self, promise: str) -> bool:
        """Whether it keeps another promise, on which a check relies."""
        if promise not in self._kept:
            aside = Bench(self._make, self.world, self._promises, pure=self.pure, process=self.process)
            aside._kept = self._kept
            try:
                self._promises[promise].check(aside)
            except Broken:
                self._kept[promise] = False
            except NotApplicable:
                self._kept[promise] = True
            else:
                self._kept[promise] = True
        return self._kept[promise]

    def note(self, promise: str, *, kept: bool) -> None:
        """Keep in mind what was found."""
        self._kept[promise] = kept

    # -- what it is told

    @property
    def story(self) -> list[list[dict[str, Any]]]:
        """What a fresh one asked for, as it was told: one list a call of ``ingest``, enough for a model to lead."""
        if self._story is None:
            lines, self.lines = self.lines, Lines()
            try:
                self._story = self._tell_story()
            finally:
                self.lines = lines
        return [[dict(point) for point in points] for points in self._story]

    def started(self, subject: Subject, count: int | None = 1) -> Answer:
        """Ask; of one that cannot be asked because it knows nothing, after it was told three points of others."""
        answer = subject.ask(count)
        if answer.error is not None and not subject.was_told:
            subject.tell(self.world.strangers(3))
            answer = subject.ask(count)
        return answer

    def told(self, subject: Subject, story: Sequence[Sequence[Point]]) -> None:
        """Tell a story; what is raised is for other checks."""
        for points in story:
            subject.tell(points)

    def wrong(self, answer: Answer) -> str | None:
        """Return what is wrong with an answer: raised, or not of its kind where its ordinary ones are."""
        if answer.error is not None:
            return f"raised {answer.error}"
        if not self.keeps("inside"):
            return None
        return problem(answer, self.world)

    def _tell_story(self) -> list[list[dict[str, Any]]]:
        subject = self.fresh("a")
        enough = 8 + 2 * len(self.world.space)
        story = [self.world.strangers(3)] if self.keeps("strangers") else []
        self.told(subject, story)
        count = 0
        for number in range(2 * enough):
            if count >= enough:
                break
            asked = COUNTS[number % len(COUNTS)]
            points = self.started(subject, asked).points[: asked or 1]
            if not points:
                break
            told = [self.world.measured(point, count + each) for each, point in enumerate(points)]
            subject.tell(told)
            story.append([without_id(point) for point in told] if subject.gives_ids else told)
            count += len(told)
        return story


def without_id(point: Point) -> dict[str, Any]:
    """Return a point as somebody tells it who did not ask this recommender for it."""
    return {name: value for name, value in point.items() if name != "_id"}


def problem(answer: Answer, world: World) -> str | None:
    """Return why an answer cannot be measured, or ``None``."""
    if answer.malformed is not None:
        return answer.malformed
    for number, point in enumerate(answer.points):
        if problems := world.space.problems(point):
            return f"suggestion {number} of the answer {answer}: {'; '.join(problems)}"
    return None
