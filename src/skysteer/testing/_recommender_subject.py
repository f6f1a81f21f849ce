"""A recommender under check: every call is kept as a line of code, and an error is an answer."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from skysteer.errors import NoRecommendation
from skysteer.protocols import CanRegisterSuggestions, KnowsPending, Recommender, SupportsStoppingCriteria

from ._recommender_world import SAME, World, is_hashable, plain

Point = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question."""

    raw: Any = None
    """What was returned, as it was at that moment."""
    error: str | None = None
    """What was raised: type and words. `NoRecommendation` is no error."""

    @property
    def malformed(self) -> str | None:
        """Why it is no list of points, or ``None``."""
        if self.error is not None:
            return None
        raw = cast("object", self.raw)
        if isinstance(raw, Mapping):
            return "the answer is a single mapping, expected a sequence of mappings (put it into a list)"
        if not isinstance(raw, Sequence) or isinstance(raw, str | bytes):
            return f"the answer is a {type(raw).__name__}, expected a sequence of mappings"
        for number, point in enumerate(cast("Sequence[Any]", raw)):
            if not isinstance(point, Mapping):
                return f"suggestion {number} is a {type(point).__name__}, expected a mapping of axis to position"
        return None

    @property
    def raw_points(self) -> list[Point]:
        """The points, as they are; none where there is no list of points."""
        return [] if self.error is not None or self.malformed is not None else list(self.raw)

    @property
    def points(self) -> list[dict[str, Any]]:
        """The points, in plain values."""
        return [{name: plain(value) for name, value in point.items()} for point in self.raw_points]

    @property
    def ended(self) -> bool:
        """Whether it means "nothing more to ask"."""
        return self.error is None and self.malformed is None and not self.points

    def __str__(self) -> str:
        if self.error is not None:
            return f"raised {self.error}"
        return repr(self.points if self.malformed is None else self.raw)


IMPORTS = {
    r"\bsuppress\(": "from contextlib import suppress",
    r"\b(inf|nan)\b": "from math import inf, nan",
    r"\bcloudpickle\.": "import cloudpickle",
    r"\bProcessWorker\(": "from skysteer.workers import ProcessWorker",
}
"""What in the code needs which import."""


class Lines:
    """The code that does again what was done."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._raising: set[int] = set()

    def add(self, line: str, comment: object = "", *, raised: bool = False) -> None:
        """Keep one call, and what came of it."""
        if raised:
            self._raising.add(len(self._lines))
        words = " ".join(str(comment).split())
        if len(words) > 400:
            words = words[:400] + " ..."
        self._lines.append(f"{line}  # {words}" if words else line)

    def clear(self) -> None:
        """Begin anew."""
        self._lines.clear()
        self._raising.clear()

    def __str__(self) -> str:
        last = len(self._lines) - 1
        code = "\n".join(
            f"with suppress(Exception, SystemExit): {line}" if number in self._raising and number < last else line
            for number, line in enumerate(self._lines)
        )
        needed = [line for name, line in IMPORTS.items() if re.search(name, code)]
        return "\n".join([*needed, code])


class Subject:
    """One recommender, called by a name."""

    def __init__(self, name: str, recommender: Recommender, lines: Lines) -> None:
        self.name = name
        self.recommender = recommender
        self.was_told = False
        """Whether it knows anything."""
        self._lines = lines

    @property
    def gives_ids(self) -> bool:
        """Whether it numbers its points itself: then no other one knows an ``_id`` of it."""
        return isinstance(self.recommender, CanRegisterSuggestions)

    def ask(self, count: int | None = None, *, pending: Sequence[Point] | None = None) -> Answer:
        """Ask as a worker does: with what is pending, and an end that it may call itself."""
        if pending is not None and isinstance(self.recommender, KnowsPending):
            error = self._call("set_pending", copy.deepcopy(list(pending)))
            if error is not None:
                return Answer(error=error)
        if self.says_stop():
            return Answer([])
        arguments = () if count is None else (count,)
        call = f"{self.name}.suggest({'' if count is None else count})"
        try:
            raw: Any = _copied(self.recommender.suggest(*arguments))
            answer = Answer(raw)
            if isinstance(self.recommender, CanRegisterSuggestions) and any("_id" not in p for p in answer.points):
                call = f"{self.name}.register_suggestions({call})"
                answer = Answer(_copied(self.recommender.register_suggestions(raw)))
        except NoRecommendation as exc:
            answer = Answer([])
            self._lines.add(call, f"raised {words(exc)}", raised=True)
            return answer
        except (Exception, SystemExit) as exc:  # whatever a recommender may raise
            answer = Answer(error=words(exc))
        self._lines.add(call, answer, raised=answer.error is not None)
        return answer

    def tell(self, points: Sequence[Point]) -> str | None:
        """Tell measured points; return what was raised."""
        self.was_told = True
        return self._call("ingest", copy.deepcopy(list(points)))

    def fail(self, points: Sequence[Point]) -> str | None:
        """Tell suggestions that will never be measured; return what was raised."""
        return self._call("register_failures", copy.deepcopy(list(points)))

    def says_stop(self) -> bool:
        """Whether it calls the scan finished."""
        if not isinstance(self.recommender, SupportsStoppingCriteria):
            return False
        try:
            stop: Any = self.recommender.should_stop()
            return isinstance(stop, tuple) and bool(cast("tuple[Any, ...]", stop)[0])
        except (Exception, SystemExit):  # its own check says so
            return False

    def stop(self) -> Any:
        """Return what ``should_stop`` says, or what was raised, as an `Answer`."""
        try:
            stop = cast(SupportsStoppingCriteria, self.recommender).should_stop()
        except (Exception, SystemExit) as exc:  # whatever a recommender may raise
            stop: Any = Answer(error=words(exc))
        self._lines.add(f"{self.name}.should_stop()", stop, raised=isinstance(stop, Answer))
        return stop

    def best(self) -> Any:
        """Return the best points, or what was raised, as an `Answer`."""
        try:
            best = _copied(cast(Any, self.recommender).get_best_points())
        except (Exception, SystemExit) as exc:  # whatever a recommender may raise
            best = Answer(error=words(exc))
        self._lines.add(f"{self.name}.get_best_points()", best, raised=isinstance(best, Answer))
        return best

    def reasons(self) -> Any:
        """Return why it asked for the points of its newest answer, or what was raised, as an `Answer`."""
        try:
            reasons = _copied(cast(Any, self.recommender).get_reasons())
        except (Exception, SystemExit) as exc:  # whatever a recommender may raise
            reasons = Answer(error=words(exc))
        self._lines.add(f"{self.name}.get_reasons()", reasons, raised=isinstance(reasons, Answer))
        return reasons

    def call(self, method: str, *arguments: Any) -> str | None:
        """Call a method with the very arguments; return what was raised."""
        return self._call(method, *arguments)

    def _call(self, method: str, *arguments: Any) -> str | None:
        error = None
        shown = ", ".join(map(repr, arguments))
        try:
            getattr(self.recommender, method)(*arguments)
        except (Exception, SystemExit) as exc:  # whatever a recommender may raise
            error = words(exc)
        self._lines.add(f"{self.name}.{method}({shown})", f"raised {error}" if error else "", raised=error is not None)
        return error


Make = Callable[[], Recommender]


def _copied(value: Any) -> Any:
    """Return it as it is at this moment; what cannot be copied, such as a generator, is no list of points either."""
    try:
        return copy.deepcopy(value)
    except Exception:
        return value


def words(error: BaseException) -> str:
    """Return an error as one line."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")


def difference(one: Answer, other: Answer, world: World, *, exact: bool = False) -> str | None:
    """Return how two answers differ, in words that follow "it", or ``None``."""
    if one.error is not None and other.error is not None:  # that it raises is for another check
        return None
    if one.error == other.error and one.malformed == other.malformed and len(one.points) == len(other.points):
        pairs = zip(one.points, other.points, strict=True)
        if all(_alike(here, there, world, exact=exact) for here, there in pairs):
            return None
    return f"answers {other}, and not {one}"


def _alike(one: Point, other: Point, world: World, *, exact: bool) -> bool:
    if set(one) != set(other) or not _same(one.get("_id"), other.get("_id")):
        return False
    unknown = [name for name in one if name != "_id" and name not in world.space]
    if exact or any(not _same(one[name], other[name]) for name in unknown):
        return all(_same(one[name], other[name]) for name in one)
    return all(
        _same(one[name], other[name]) or _close(one[name], other[name], world.width(name))
        for name in one
        if name != "_id"
    )


def _same(one: Any, other: Any) -> bool:
    if is_hashable(one) and is_hashable(other) and one == other:
        return True
    return repr(one) == repr(other)  # NaN is not NaN


def _close(one: Any, other: Any, width: float | None) -> bool:
    return width is not None and _is_number(one) and _is_number(other) and abs(one - other) <= SAME * width


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
