"""One recommender and its reduction, called by one worker: in a thread, a process or on another machine."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from skysteer.errors import NoRecommendation, PointError
from skysteer.model import Finished
from skysteer.protocols import (
    CanRegisterSuggestions,
    Checkpointable,
    HasBestPoints,
    HasReasons,
    KnowsPending,
    Recommender,
    Restorable,
    SupportsStoppingCriteria,
    TrialFaultAware,
)

Reduce = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""The scientist's data reduction: the data of an event (data key to value) or of
a run (stream to data key to array) to objective name to value."""
Point = dict[str, Any]
LONGEST = 500
"""Characters of a reason that are kept."""
UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, of which a terminal does something, and halves of a character, which no file takes."""


class Session:
    """Every call that a worker makes, with the optional abilities looked up once."""

    def __init__(self, recommender: Recommender, reduce: Reduce | None = None) -> None:
        self._recommender = recommender
        self._reduce = reduce
        self._faults = recommender if isinstance(recommender, TrialFaultAware) else None
        self._pending = recommender if isinstance(recommender, KnowsPending) else None
        self._stopping = recommender if isinstance(recommender, SupportsStoppingCriteria) else None
        self._registers = recommender if isinstance(recommender, CanRegisterSuggestions) else None
        self._best = recommender if isinstance(recommender, HasBestPoints) else None
        self._reasons = recommender if isinstance(recommender, HasReasons) else None
        self._kept = recommender if isinstance(recommender, Checkpointable) else None
        self._restorable = recommender if isinstance(recommender, Restorable) else None

    def reduce(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Run the scientist's reduction on the data of one observation."""
        assert self._reduce is not None, "the caller asks only where there is a reduction"
        objectives: Any = self._reduce(data)
        if not isinstance(objectives, Mapping):
            raise PointError(
                f"reduce must return a mapping of objective name to value, found {type(objectives).__name__}"
            )
        return dict(objectives)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]

    def ingest(self, points: Sequence[Point]) -> None:
        """Tell measured points."""
        self._recommender.ingest(points)

    def give_up(self, suggestions: Sequence[Point]) -> None:
        """Tell suggestions that will not be measured, to a recommender that wants to know."""
        if self._registers is not None:  # what has no id was asked for by an earlier life of it
            suggestions = [suggestion for suggestion in suggestions if "_id" in suggestion]
        if suggestions and self._faults is not None:
            self._faults.register_failures(suggestions)

    def suggest(self, count: int, pending: Sequence[Point]) -> Any:
        """Ask for suggestions: what the recommender answers, unchecked, or `Finished`."""
        if self._stopping is not None:
            stop, reason = self._stopping.should_stop()
            if stop:
                return Finished(reason or "the recommender's stopping criterion is met")
        if self._pending is not None:
            self._pending.set_pending(pending)
        try:
            answer: Any = self._recommender.suggest(count)
        except NoRecommendation as exc:
            return Finished(str(exc) or "the recommender has nothing more to ask")
        if isinstance(answer, Sequence) and not isinstance(answer, str) and not answer:
            return Finished("the recommender has nothing more to ask")
        if self._registers is not None and _lacks_ids(answer):
            answer = self._registers.register_suggestions(answer)  # pyright: ignore[reportUnknownArgumentType]
        return answer  # pyright: ignore[reportUnknownVariableType]

    def explained(self, count: int, pending: Sequence[Point]) -> tuple[Any, tuple[str, ...]]:
        """As `suggest`, with why each point is asked for: nothing where the recommender does not say."""
        answer = self.suggest(count, pending)
        many = points_in(answer)
        if self._reasons is None or not many:
            return answer, ()
        try:
            return answer, _sentences(self._reasons.get_reasons(), many)
        except KeyboardInterrupt:  # of somebody who replays a record
            raise
        except BaseException as exc:  # no point is lost because nobody can say why
            return answer, (
                _line(f"no reason is known, get_reasons failed with {type(exc).__name__}: {words_of(exc)}"),
            ) * many

    def best(self) -> Point | None:
        """Axes and objectives of the best point, where the recommender says which it is."""
        if self._best is None:
            return None
        points = self._best.get_best_points()
        if not points:
            return None
        _, axes, objectives = points[0]
        return {**axes, **objectives}

    def checkpoint(self) -> None:
        """Have it write its state."""
        if self._kept is not None:
            self._kept.checkpoint()

    def restore(self, points: Sequence[Point]) -> int:
        """Have it read its newest checkpoint; of how many of the points that was made, 0 where there is none."""
        if self._restorable is None:
            return 0
        count: Any = self._restorable.restore(points)
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= len(points):
            raise ValueError(
                f"restore must return how many of the {len(points)} points the checkpoint was made of, found {count!r}"
            )
        return count


def points_in(answer: Any) -> int:
    """How many points an unchecked answer has; 0 where it is none."""
    return len(cast("Sequence[Any]", answer)) if isinstance(answer, Sequence) else 0


def _sentences(reasons: Any, many: int) -> tuple[str, ...]:
    """Reasons of so many points, each in one line that is not too long."""
    found = cast("Sequence[Any]", reasons if isinstance(reasons, Sequence) and not isinstance(reasons, str) else ())
    if len(found) != many or not all(isinstance(each, str) for each in found):
        words = "a list of one sentence" if many == 1 else f"one sentence for each of {many} points"
        raise TypeError(
            f"it must return {words}, found {reprlib.repr(cast('object', reasons))}"
        )  # not all of what is long
    return tuple(map(_line, found))


def _line(text: str) -> str:
    """A text in one line that is not too long, of letters that every file and every terminal can take."""
    line = " ".join(text.split())
    return UNSHOWABLE.sub("\N{REPLACEMENT CHARACTER}", line if len(line) <= LONGEST else line[:LONGEST] + "...")


def words_of(exc: BaseException) -> str:
    """What an error says."""
    try:
        return str(exc)
    except Exception as why:
        return f"(it cannot say what it is: {type(why).__name__})"


def _lacks_ids(answer: Any) -> bool:
    return isinstance(answer, Sequence) and any(isinstance(p, Mapping) and "_id" not in p for p in answer)  # pyright: ignore[reportUnknownVariableType]
