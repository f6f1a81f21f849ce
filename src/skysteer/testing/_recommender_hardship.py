"""What a recommender promises when the data are bad, points fail, or are still on their way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import count as counting
from itertools import cycle, islice
from typing import Any

from skysteer.protocols import KnowsPending, TrialFaultAware

from ._recommender_bench import Bench, Broken, NotApplicable
from ._recommender_subject import Answer, Subject

Point = Mapping[str, Any]
FAILURES = 12
"""Points in a row that fail."""
MEASURED = 8
"""Points in a row that are measured with an unusual outcome."""
BATCH = 4
"""Points that are asked for at once."""


def survives_not_finite(bench: Bench) -> None:
    """NaN and infinite outcomes, now and then, and always."""
    bad = (math.nan, math.inf, -math.inf)
    for values in ((None, math.nan, None, math.inf, None, -math.inf), *((value,) for value in bad)):
        _measure(bench, cycle(values))


def survives_constant(bench: Bench) -> None:
    """Outcomes that are all the same."""
    for value in (7.0, 0.0):
        _measure(bench, cycle((value,)))


def survives_duplicates(bench: Bench) -> None:
    """The same place measured many times, with the same outcome and with others."""
    for step in (0.0, 0.01):
        bench.begin()
        subject = bench.fresh("a")
        place: Point | None = None
        level = counting(50.0, step)
        for _ in range(MEASURED):
            answer = bench.started(subject, 1)
            _refuse_wrong(bench, answer)
            for asked in answer.points[:1]:
                told = bench.world.measured(asked)
                if place is not None:  # wherever it was sent, the motor is where it was
                    told |= {**place, **bench.world.as_outcome(next(level))}
                else:
                    place = {name: told[name] for name in bench.world.space}
                _tell(subject, [told])
        _refuse_wrong(bench, subject.ask(1))


def leaves_failures(bench: Bench) -> None:
    """A place that fails again and again, before and after anything was learnt."""
    for story in ([], bench.story):
        bench.begin()
        subject = bench.fresh("a")
        aware = isinstance(subject.recommender, TrialFaultAware)
        bench.told(subject, story)
        failed: list[Point] = []
        for number in range(FAILURES if aware else 3):
            answer = bench.started(subject, 1) if not story else subject.ask(1)
            if answer.error is not None:
                if number and story == []:
                    raise Broken(f"after {number} failed points and nothing measured, suggest raised {answer.error}")
                if number:
                    raise Broken(f"after {number} failed points suggest raised {answer.error}")
                break  # it cannot be asked at all: another check says so
            if not answer.points:
                break
            failed.append(answer.points[0])
            if aware and (error := subject.fail(answer.points[:1])) is not None:
                raise Broken(f"register_failures raised {error}")
        if aware:
            _refuse_stubborn(bench, failed)
    if not aware:
        raise NotApplicable("it has no register_failures; asked again as before, it does not raise")


def knows_pending(bench: Bench) -> None:
    """Points that are being measured do not come again, nor twice in one answer."""
    if not isinstance(bench.fresh("a").recommender, KnowsPending):
        raise NotApplicable("it has no set_pending")
    if bench.world.places() < 5 * BATCH:
        raise NotApplicable(f"the space has {bench.world.places():.0f} places only")
    for story in ([], bench.story):
        bench.begin()
        subject = bench.fresh("a")
        bench.told(subject, story)
        first = bench.started(subject, BATCH)
        _refuse_same_places(bench, first.points, [], "is given twice in one answer")
        second = subject.ask(BATCH, pending=first.points)
        if second.error is not None and first.error is None:
            raise Broken(f"with {len(first.points)} points pending it raised {second.error}")
        _refuse_same_places(bench, second.points, first.points, "is given again while it is pending")
        pending = [*first.points, *second.points]
        third = subject.ask(1, pending=pending)
        _refuse_same_places(bench, third.points, pending, "is given again while it is pending")


# -- measuring what is asked for


def _measure(bench: Bench, values: Iterator[float | None]) -> None:
    """Ask for one point after the other; ``None`` is the usual outcome."""
    bench.begin()
    subject = bench.fresh("a")
    numbers = counting()
    for value in islice(values, MEASURED):
        answer = bench.started(subject, 1)
        _refuse_wrong(bench, answer)
        changes = {} if value is None else bench.world.as_outcome(value)
        _tell(subject, [bench.world.measured(point, next(numbers), **changes) for point in answer.points])
    _refuse_wrong(bench, subject.ask(1))


def _tell(subject: Subject, told: Sequence[Point]) -> None:
    if (error := subject.tell(told)) is not None:
        raise Broken(f"ingest raised {error}")


def _refuse_wrong(bench: Bench, answer: Answer) -> None:
    if (found := bench.wrong(answer)) is not None:
        raise Broken(f"suggest: {found}")


def _refuse_stubborn(bench: Bench, failed: Sequence[Point]) -> None:
    for point in failed:
        again = sum(bench.world.is_same_place(point, other) for other in failed)
        if again > FAILURES / 2:
            raise Broken(
                f"of {len(failed)} suggestions, all of which failed, {again} are for {bench.world.tidy(point)}"
            )


def _refuse_same_places(bench: Bench, points: Sequence[Point], others: Sequence[Point], how: str) -> None:
    for number, point in enumerate(points):
        for other in [*others, *points[:number]]:
            if bench.world.is_same_place(point, other):
                raise Broken(f"{bench.world.tidy(point)} {how}")
