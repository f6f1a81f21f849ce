"""What a recommender promises about what it knows: the same knowledge, however it came by it, the same answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cloudpickle  # pyright: ignore[reportMissingTypeStubs]

from skysteer.protocols import Checkpointable, HasBestPoints, KnowsPending
from skysteer.workers import ProcessWorker

from ._recommender_bench import Bench, Broken, NotApplicable
from ._recommender_subject import Answer, Subject, difference, words

MANY = 70
"""Points that are told in pieces, beside all at once."""
DIFFERS = "what it answers differs between two that know the same"


def answers_the_same(bench: Bench) -> None:
    """Asked twice, asked before, another one, two at a time, after pending points came and went."""
    story = bench.story
    bench.begin()
    cold = bench.fresh("a").ask(2)
    _compare(bench, "another one that knows nothing", cold, bench.fresh("b").ask(2))

    bench.begin()
    quiet, talking = bench.fresh("a"), bench.fresh("b")
    for points in story:
        quiet.tell(points)
        talking.ask(1)
        talking.tell(points)
        talking.ask(3)
    expected = quiet.ask(2)
    _compare(bench, "asked a second time, it", expected, quiet.ask(2), exact=True)
    quiet.ask(1)
    _compare(bench, "asked for another number in between, it", expected, quiet.ask(2), exact=True)
    _compare(bench, "one that was told the same and asked in between", expected, talking.ask(2))
    if isinstance(quiet.recommender, KnowsPending):
        expected = quiet.ask(2, pending=[])
        quiet.ask(2, pending=expected.points)
        again = quiet.ask(2, pending=[])
        _compare(bench, "after points were pending and are no more, it", expected, again, exact=True)

    bench.begin()
    taught = bench.fresh("a")
    bench.told(taught, story)
    taught.ask(1)
    _compare(bench, "one that knows nothing, made after another has learnt,", cold, bench.fresh("b").ask(2))


def ignores_repeats(bench: Bench) -> None:
    """Points whose ``_id`` it has seen."""
    _need_same(bench)
    story = [points for points in bench.story if all("_id" in point for point in points)]
    if not any(story):
        raise NotApplicable("it gives no _id")
    bench.begin()
    once, again = bench.fresh("a"), bench.fresh("b")
    seen: list[Mapping[str, Any]] = []
    for points in story:  # the same number of calls
        once.tell(points)
        again.tell([*seen, *points, *points[:1]])
        seen += points
    _compare_all(bench, "one that was told the points again", once, again)


def learns_at_once(bench: Bench) -> None:
    """One call, or one for each point."""
    _need_same(bench)
    story = bench.story
    points = [point for each in story for point in each]
    bench.begin()
    one, many = bench.fresh("a"), bench.fresh("b")
    one.tell(points)
    for point in points:
        many.tell([point])
    _compare_all(bench, "one that was told the points one by one", one, many)

    bench.begin()
    one, some = bench.fresh("a"), bench.fresh("b")
    one.tell(points)
    for each in story:
        some.ask(2)
        some.tell(each)
    _compare_all(bench, "one that was told as it asked", one, some)

    if not bench.keeps("strangers"):
        return
    bench.begin()  # far enough to meet the schedule on which a model is fitted anew
    points = bench.world.strangers(MANY)
    one, some = bench.fresh("a"), bench.fresh("b")
    one.tell(points)
    first = 0
    for count in (1, 2, 4, 8, 16, MANY):
        some.ask(1)
        some.tell(points[first : first + count])
        first += count
    _compare_all(bench, f"one that was told {MANY} points in pieces, and asked in between,", one, some)


def can_be_pickled(bench: Bench) -> None:
    """With cloudpickle, at any time; what comes out goes on, and so does what went in."""
    story = bench.story
    for cut in (0, len(story) // 2, len(story)):
        bench.begin()
        always, sent = bench.fresh("a"), bench.fresh("b")
        bench.told(always, story)
        bench.told(sent, story[:cut])
        when = f"after {sum(map(len, story[:cut]))} points"
        line = "c = cloudpickle.loads(cloudpickle.dumps(b))"
        try:
            travelled: Any = cloudpickle.loads(cloudpickle.dumps(sent.recommender))  # pyright: ignore[reportUnknownMemberType]
        except Exception as exc:  # whatever a pickled class may raise
            bench.lines.add(line, f"raised {words(exc)}", raised=True)
            raise Broken(f"cloudpickle raised {words(exc)} {when}") from exc
        bench.lines.add(line)
        came = bench.known("c", travelled)
        bench.told(came, story[cut:])
        bench.told(sent, story[cut:])
        _go_on(bench, always, came, f"what was unpickled {when}")
        _go_on(bench, always, sent, f"what was pickled {when}")


def works_in_a_process(bench: Bench) -> None:
    """As ``worker="process"`` does it."""
    if not bench.process:
        raise NotApplicable("process=False was given")
    if not bench.keeps("pickles"):
        raise NotApplicable("it cannot be pickled")
    story = bench.story
    bench.begin()
    here, sent = bench.fresh("a"), bench.fresh("b")
    worker = ProcessWorker(sent.recommender, "b")
    bench.lines.add('worker = ProcessWorker(b, "b"); worker.start()')
    try:
        worker.start()
        for points in story:
            here.tell(points)
            bench.lines.add(f"worker.call('ingest', {points!r})")
            worker.call("ingest", points)
        expected = here.ask(2)
        found = Answer(worker.call("suggest", 2))
        bench.lines.add("worker.call('suggest', 2)", found)
    except (Exception, SystemExit) as exc:  # whatever a recommender may raise there
        if here.ask(2).error is not None:
            raise NotApplicable("it raises here too") from exc
        raise Broken(f"in a process of its own: {words(exc)}") from exc
    finally:
        worker.close()
    if bench.pure and bench.keeps("same"):
        _compare(bench, "the one in a process of its own", expected, found)


def restores_a_checkpoint(bench: Bench) -> None:
    """``make()`` after ``checkpoint()`` gives an equal one."""
    story = bench.story
    bench.begin()
    written = bench.fresh("a")
    if not isinstance(written.recommender, Checkpointable):
        raise NotApplicable("it has no checkpoint")
    _need_same(bench)
    bench.told(written, story)
    error = written.call("checkpoint")
    if error is not None:
        raise Broken(f"checkpoint raised {error}")
    restored = bench.fresh("b")
    _compare_all(bench, "what make() gives after checkpoint()", written, restored)
    after = [[bench.world.measured(point, 77 + number)] for number, point in enumerate(written.ask(2).points)]
    for subject in (written, restored):
        bench.told(subject, after)
    _compare_all(bench, "what make() gave after checkpoint(), told two points more,", written, restored)


# -- comparing


def _need_same(bench: Bench) -> None:
    if not bench.pure:
        raise NotApplicable("pure=False was given")
    if not bench.keeps("same"):
        raise NotApplicable(DIFFERS)


def _compare(bench: Bench, who: str, expected: Answer, found: Answer, *, exact: bool = False) -> None:
    if (found_difference := difference(expected, found, bench.world, exact=exact)) is not None:
        raise Broken(f"{who} {found_difference}")


def _compare_all(bench: Bench, who: str, one: Subject, other: Subject) -> None:
    _compare(bench, who, one.ask(1), other.ask(1))
    _compare(bench, who, one.ask(3), other.ask(3))
    if isinstance(one.recommender, HasBestPoints) and bench.keeps("best"):
        here, there = one.best(), other.best()
        if not _alike_best(here, there, bench):
            raise Broken(f"{who} has the best points {there}, and not {here}")


def _alike_best(one: Any, other: Any, bench: Bench) -> bool:
    if isinstance(one, Answer) or isinstance(other, Answer):
        return isinstance(one, Answer) and isinstance(other, Answer)
    here, there = (Answer([dict(axes) for _, axes, _ in best]) for best in (one, other))
    return difference(here, there, bench.world) is None


def _go_on(bench: Bench, always: Subject, other: Subject, who: str) -> None:
    if not bench.pure or not bench.keeps("same"):
        answer = other.ask(2)
        if answer.error is not None and always.ask(2).error is None:
            raise Broken(f"{who} raised {answer.error}")
        return
    _compare(bench, who, always.ask(2), other.ask(2))
