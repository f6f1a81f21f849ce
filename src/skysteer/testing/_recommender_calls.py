"""What a recommender promises about single calls and their answers."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from skysteer.protocols import (
    HasBestPoints,
    KnowsPending,
    Recommender,
    SupportsStoppingCriteria,
    TrialFaultAware,
)

from ._recommender_bench import Bench, Broken, NotApplicable, problem
from ._recommender_subject import Answer, Subject
from ._recommender_world import is_hashable

MANY = 70
"""Points that somebody else measured."""
ROUNDS = 3
"""How often it is asked for eight points, to see whether it comes to an end."""


def is_made(bench: Bench) -> None:
    """Two of them, each with the two methods."""
    one = bench.fresh("a").recommender
    if not isinstance(one, Recommender):  # pyright: ignore[reportUnnecessaryIsInstance]
        missing = [name for name in ("ingest", "suggest") if not callable(getattr(one, name, None))]
        raise Broken(f"make() gave an object of {type(one).__name__}, which has no {' and no '.join(missing)}")
    if isinstance(one, type):
        raise Broken(f"make() gave the class {one.__name__} and not an object of it")
    if bench.fresh("b").recommender is one:
        raise Broken("make() gave the same object twice, expected a fresh one at each call")


def can_be_asked_cold(bench: Bench) -> None:
    """Knowing nothing."""
    _refuse_raised(bench.fresh("a").ask(1))


def learns_strangers(bench: Bench) -> None:
    """Warm start: points without ``_id``, and with one of somebody else's but where it registers them."""
    first, second = bench.world.strangers(4), bench.world.strangers(2, first=4)
    others = [{**point, "_id": f"of-another-{number}"} for number, point in enumerate(second)]
    bench.begin()
    subject = bench.fresh("a")
    for points in (first,) if subject.gives_ids else (first, others):
        if (error := subject.tell(points)) is not None:
            raise Broken(f"ingest raised {error}")
        _refuse_raised(subject.ask(1))

    bench.begin()  # more than a story has: a model may fail late
    subject = bench.fresh("a")
    if (error := subject.tell(bench.world.strangers(MANY))) is not None:
        raise Broken(f"ingest raised {error}, told {MANY} points")
    answer = subject.ask(1)
    if answer.error is not None:
        raise Broken(f"suggest raised {answer.error}, told {MANY} points")


def takes_any_mix(bench: Bench) -> None:
    """Batches, counts, answers out of order, late or never, nothing at all."""
    bench.begin()
    subject = bench.fresh("a")
    told = iter(range(100))

    def tell(points: Sequence[Mapping[str, Any]]) -> None:
        error = subject.tell([bench.world.measured(point, next(told)) for point in points])
        if error is not None:
            raise Broken(f"ingest raised {error}")

    def ask(count: int | None) -> list[dict[str, Any]]:
        answer = subject.ask(count)
        _refuse_raised(answer)
        return answer.points[: count or 1]

    answer = bench.started(subject, None)
    tell(answer.points[:1])
    three = ask(3)
    tell(three[:0:-1])  # the last first, and the first of them later
    tell([])
    waiting = ask(1)
    two = ask(2)
    tell(two)
    tell(three[:1])
    named = [point.get("_id") for point in two]
    tell([point for point in waiting if point.get("_id") not in named])
    tell(ask(None))
    ask(5)


def keeps_to_the_count(bench: Bench) -> None:
    """Never more than asked for; ``None`` is one."""
    for first in (None, 1, 2, 5):
        bench.begin()
        subject = bench.fresh("a")
        for count in (first, None, 3):
            answer = bench.started(subject, count)
            if len(answer.points) > (count or 1):
                raise Broken(f"{len(answer.points)} points for a question for {count or 1}: {answer}")
            subject.tell([bench.world.measured(point, number) for number, point in enumerate(answer.points)])


def stays_inside(bench: Bench) -> None:
    """Every answer is a list of points that have every axis, and no other, within the limits."""
    bench.begin()
    subject = bench.fresh("a")
    number = 0
    for count in (1, 4, None, 3, 2, 3, 1):
        answer = bench.started(subject, count)
        if (found := problem(answer, bench.world)) is not None:
            raise Broken(found)
        told = [bench.world.measured(point, number + each) for each, point in enumerate(answer.points)]
        number += len(told)
        subject.tell(told)


def answers_plainly(bench: Bench) -> None:
    """Values that are written to JSON and read back without a change."""
    bench.begin()
    subject = bench.fresh("a")
    for count in (1, 3, 2):
        answer = bench.started(subject, count)
        for point in answer.raw_points:
            _refuse_special(point)
        subject.tell([bench.world.measured(point, count) for point in answer.points])


def gives_new_ids(bench: Bench) -> None:
    """An ``_id`` is hashable, and names one point."""
    bench.begin()
    subject = bench.fresh("a")
    used: list[Any] = []
    seen = False
    for number in range(4):
        answer = bench.started(subject, 3)
        ids = [point["_id"] for point in answer.points if point.get("_id") is not None]
        seen = seen or bool(ids)
        for place, identity in enumerate(ids):
            if not is_hashable(identity):
                raise Broken(f"_id={identity!r} is a {type(identity).__name__}, which is not hashable")
            if identity in ids[:place]:
                raise Broken(f"_id={identity!r} is given to two points of one answer")
            if identity in used:
                raise Broken(f"_id={identity!r} is given again, after its point was measured")
        measured = answer.points[: 3 if number % 2 else 2]  # sometimes the last is never measured
        used += [point["_id"] for point in measured if point.get("_id") is not None]
        subject.tell([bench.world.measured(point, 3 * number + each) for each, point in enumerate(measured)])
    if not seen:
        raise NotApplicable("it gives no _id")


def leaves_arguments_alone(bench: Bench) -> None:
    """The mappings it is told belong to the caller."""
    bench.begin()
    subject = bench.fresh("a")
    answers = [bench.started(subject, 2), subject.ask(1)]
    asked = [point for answer in answers for point in answer.points]
    told = [bench.world.measured(point, number) for number, point in enumerate(asked)] or bench.world.strangers(2)
    if not subject.gives_ids:  # also of one that gives none itself: the plan does
        told = [{**point, "_id": point.get("_id", f"of-another-{number}")} for number, point in enumerate(told)]
    given: dict[str, list[dict[str, Any]]] = {"ingest": told}
    if isinstance(subject.recommender, KnowsPending):
        given["set_pending"] = subject.ask(2).points
    if isinstance(subject.recommender, TrialFaultAware):
        given["register_failures"] = subject.ask(2).points
    for method, points in given.items():
        before = copy.deepcopy(points)
        subject.call(method, points)
        subject.ask(1)
        if repr(points) != repr(before):
            raise Broken(f"{method} was given {before}, which is now {points}")


def ends_for_good(bench: Bench) -> None:
    """An empty answer (or NoRecommendation) says "nothing more to ask"."""
    bench.begin()
    subject = bench.fresh("a")
    count = 0
    for _ in range(ROUNDS if bench.pure else 2):
        answer = bench.started(subject, 8)
        if answer.error is not None or answer.malformed is not None:
            raise NotApplicable("it does not answer")
        if answer.ended:
            break
        subject.tell([bench.world.measured(point, count + each) for each, point in enumerate(answer.points)])
        count += len(answer.points)
    else:
        raise NotApplicable(f"it does not end within {count} points")
    for again in (1, 4):
        answer = subject.ask(again)
        if not answer.ended:
            raise Broken(f"after an empty answer, which says that there is nothing more to ask, it {_says(answer)}")


def names_the_best(bench: Bench) -> None:
    """``(_id, axes, objectives)`` of each."""
    bench.begin()
    subject = bench.fresh("a")
    if not isinstance(subject.recommender, HasBestPoints):
        raise NotApplicable("it has no get_best_points")
    if bench.pure:
        best = subject.best()
        if isinstance(best, Answer):
            raise Broken(f"get_best_points {best} before anything was told, expected an empty list")
        _refuse_best(best, bench)
    bench.told(subject, bench.story)
    best = subject.best()
    if isinstance(best, Answer):
        raise Broken(f"get_best_points {best}")
    _refuse_best(best, bench)


def says_when_to_stop(bench: Bench) -> None:
    """Whether, and why."""
    bench.begin()
    subject = bench.fresh("a")
    if not isinstance(subject.recommender, SupportsStoppingCriteria):
        raise NotApplicable("it has no should_stop")
    _refuse_stop(subject)
    bench.told(subject, bench.story)
    _refuse_stop(subject)


# -- what is refused


def _says(answer: Answer) -> str:
    return str(answer) if answer.error is not None else f"answers {answer}"


def _refuse_raised(answer: Answer) -> None:
    if answer.error is not None:
        raise Broken(f"suggest raised {answer.error}")


def _refuse_special(point: Mapping[str, Any]) -> None:
    for name, value in point.items():
        kinds = (str, int, float) if name != "_id" else (str, int, float, bool, list)  # a list is for another check
        if value is not None and type(value) not in kinds:
            found = f"{name}={value!r} is a {type(value).__module__}.{type(value).__qualname__}"
            raise Broken(f"{found.replace('builtins.', '')}, expected a plain str, int or float, as JSON has them")
        json.dumps(value)


def _refuse_best(best: Any, bench: Bench) -> None:
    expected = "expected a list of (_id, axes, objectives), one for each best point"
    if not isinstance(best, Sequence) or isinstance(best, str | bytes | Mapping):
        raise Broken(f"get_best_points gave {best!r}, {expected}")
    for entry in cast("Sequence[Any]", best):
        parts = tuple(cast("Sequence[Any]", entry)) if isinstance(entry, Sequence) else ()
        if len(parts) != 3 or not isinstance(parts[1], Mapping) or not isinstance(parts[2], Mapping):
            raise Broken(f"get_best_points gave the entry {entry!r}, {expected}")
        axes, objectives = cast("Mapping[str, Any]", parts[1]), cast("Mapping[str, Any]", parts[2])
        if set(axes) != set(bench.world.space):
            raise Broken(f"a best point has the axes {list(axes)}, expected {list(bench.world.space)}")
        if not objectives:
            raise Broken("a best point has no objectives")


def _refuse_stop(subject: Subject) -> None:
    stop = subject.stop()
    if isinstance(stop, Answer):
        raise Broken(f"should_stop {stop}")
    parts = cast("tuple[Any, ...]", stop) if isinstance(stop, tuple) else ()
    if len(parts) != 2 or not isinstance(parts[0], bool) or not isinstance(parts[1], str | None):
        raise Broken(f"should_stop gave {stop!r}, expected (whether to stop: bool, why: str or None)")
