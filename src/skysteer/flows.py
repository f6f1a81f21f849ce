"""START HERE: the few lines that join the pieces.

``adaptive_scan`` and ``adaptive_runs`` put an adapter, an advisor and a queue
around a plan::

    RunEngine ──documents──> adapter ──observations──> Advisor ──suggestions──> SuggestionQueue ──> plan ──> RunEngine
                             PerEvent                  (own worker)             (tickets)           scan_from_queue
                             PerRun                                                                 runs_from_queue

and ``watch`` puts watchdogs and a steering around any plan::

    RunEngine ──documents──> Watchdog ──judgements──> Steering ──> steered(plan) ──> RunEngine
                             (own worker)             (latches)
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar, cast, get_args
from uuid import uuid4

from bluesky.utils import Msg

from skysteer.documents import Fields, PerEvent, PerRun
from skysteer.errors import FieldError, PreflightError, SkysteerError
from skysteer.handoff import Steering, SuggestionQueue
from skysteer.model import AdaptiveResult, Axis, Observation, Patience, Space
from skysteer.plans import (
    Cleared,
    Measure,
    OnFailure,
    Options,
    Plan,
    TakeReading,
    move,
    positions,
    preflight,
    returning,
    runs_from_queue,
    scan_from_queue,
    steered,
    wait_until,
)
from skysteer.protocols import Judge, Recommender
from skysteer.recommenders import Advisor, Reduce
from skysteer.watchdog import Watchdog

__all__ = ["adaptive_runs", "adaptive_scan", "watch"]

log = logging.getLogger(__name__)
T = TypeVar("T")
Owner = TypeVar("Owner", Advisor, Watchdog)

FinallyMove = Literal["stay", "start", "best"]
"""Where the motors go when a plan is over."""

BESIDE = 0.01
"""A best point beyond a limit by less than this part of the range was measured at the limit."""
GOODBYE = 2.0
"""Seconds that a plan waits at its end for the workers it started to be gone."""


def adaptive_scan(
    detectors: Sequence[Any],
    motors: Sequence[Any],
    recommender: Recommender | Advisor,
    *,
    objectives: Sequence[str],
    max_points: int,
    initial: Sequence[Mapping[str, Any]] = (),
    batch: int = 1,
    lookahead: int = 0,
    patience: Patience | None = None,
    max_failures: int | None = None,
    on_failure: OnFailure = "skip",
    finally_move: FinallyMove = "stay",
    take_reading: TakeReading | None = None,
    reduce: Reduce | None = None,
    worker: Literal["thread", "process"] = "thread",
    md: Mapping[str, Any] | None = None,
) -> Plan[AdaptiveResult]:
    """Measure where a recommender suggests: one run, one event a suggestion.

    Before the run opens everything is checked, and every problem is in one
    `skysteer.errors.PreflightError`. The reason for the end is in the stop
    document, and every event says which suggestion it answers.

    Parameters
    ----------
    detectors
        Devices to trigger and read.
    motors
        Devices to move; their names are the axis names.
    recommender
        Two methods, ``ingest(points)`` and ``suggest(num_points=None)``; or an
        `skysteer.Advisor` that already owns one, and keeps it afterwards.
    objectives
        The values that the recommender is told: data keys of the detectors,
        names of detectors with one hinted field, or what ``reduce`` returns.
    max_points
        Points to measure. A point that fails does not count.
    initial
        Points to measure before the first question; they count in
        ``max_points`` and are marked as nobody's suggestion.
    batch
        Suggestions a question.
    lookahead
        Suggestions to keep ready, or in the making, while a point is
        measured, so that measuring and thinking overlap. The recommender must
        know what is pending (`skysteer.protocols.KnowsPending`).
    patience
        What to do when the recommender is slow, silent or raises; by default
        it is waited for as long as it takes, and an error ends the scan.
    max_failures
        Points that may fail before the scan ends; ``max_points`` by default.
    on_failure
        ``"skip"`` gives a point up whose device fails, ``"retry"`` measures it
        once more before that, ``"stop"`` ends the scan.
    finally_move
        Where the motors go when the plan is over: they ``"stay"``, go back to
        the ``"start"`` (also after an abort or an error), or to the ``"best"``
        point (only after a scan that came to its end).
    take_reading
        Plan stub that reads the devices it is given into one event of the
        primary stream, as `bluesky.plan_stubs.trigger_and_read` does.
    reduce
        Your data reduction: the data of an event (data key to value) to
        objective name to value. It runs in the worker.
    worker
        Where the recommender computes: in a ``"thread"``, which takes any
        object but lets a model in pure Python slow the plan, or in a
        ``"process"``, which cannot, and works on a copy.
    md
        Metadata for the start document.

    Returns
    -------
    AdaptiveResult

    Raises
    ------
    PreflightError
        Before anything moved.
    SkysteerError
        When the recommender or the devices end the scan; what was measured by
        then is in ``error.result``.

    Examples
    --------
    >>> from skysteer import RunEngine, adaptive_scan
    >>> from skysteer.recommenders import Sequence
    >>> from skysteer.testing import SimulatedBeamline
    >>> with RunEngine() as RE:
    ...     beam = SimulatedBeamline(RE)
    ...     points = Sequence([{"x": 0.0}, {"x": 1.0}])
    ...     future = RE(adaptive_scan([beam.det], [beam.x], points, objectives=["det"], max_points=5))
    ...     future.result(timeout=30).plan_result.reason
    'the recommender has nothing more to ask'
    """
    detectors, motors = _listed("detectors", detectors), _listed("motors", motors)
    asked = _Asked(recommender, _patience(patience), objectives, reduce, worker, finally_move)
    options = Options(max_points, initial, batch, lookahead, asked.patience, max_failures, on_failure)

    def plan(cleared: Cleared, launch: str, queues: _Queues) -> Plan[AdaptiveResult]:
        about = {"plan_name": "adaptive_scan", **_about(asked, options), **(md or {})}
        return scan_from_queue(
            detectors, motors, queues.main, options, space=cleared.space, fallback=queues.fallback,
            take_reading=take_reading, launch=launch, md=about,
        )  # fmt: skip

    return (yield from _adaptive(detectors, motors, asked, options, PerEvent, plan))


def adaptive_runs(
    detectors: Sequence[Any],
    motors: Sequence[Any],
    recommender: Recommender | Advisor,
    *,
    objectives: Sequence[str],
    max_points: int,
    initial: Sequence[Mapping[str, Any]] = (),
    batch: int = 1,
    lookahead: int = 0,
    patience: Patience | None = None,
    max_failures: int | None = None,
    on_failure: OnFailure = "skip",
    finally_move: FinallyMove = "stay",
    measure: Measure | None = None,
    reduce: Reduce | None = None,
    worker: Literal["thread", "process"] = "thread",
    md: Mapping[str, Any] | None = None,
) -> Plan[AdaptiveResult]:
    """Measure where a recommender suggests: one run a suggestion.

    As `adaptive_scan`, but for what follows. The start document of every run
    carries its suggestion under ``"skysteer"``; the reason for the end is in
    the result, as every run is closed before it is known.

    Parameters
    ----------
    measure
        Plan that makes one run with the devices it is given at the present
        position, such as `bluesky.plans.count`; by default a run of one event.
    reduce
        Your data reduction: a whole run (stream name to data key to array of
        shape (number of events, ...)) to objective name to value. Without it,
        the recommender is told the last event of the run.
    detectors, motors, recommender, objectives, max_points, initial, batch, lookahead, patience, max_failures, \
on_failure, finally_move, worker, md
        As for `adaptive_scan`; a point is a run here.
    """
    detectors, motors = _listed("detectors", detectors), _listed("motors", motors)
    asked = _Asked(recommender, _patience(patience), objectives, reduce, worker, finally_move)
    options = Options(max_points, initial, batch, lookahead, asked.patience, max_failures, on_failure)

    def plan(cleared: Cleared, launch: str, queues: _Queues) -> Plan[AdaptiveResult]:
        about = {"plan_name": "adaptive_runs", **_about(asked, options), **(md or {})}
        return runs_from_queue(
            detectors, motors, queues.main, options, space=cleared.space, fallback=queues.fallback,
            measure=measure, launch=launch, md=about,
        )  # fmt: skip

    return (yield from _adaptive(detectors, motors, asked, options, PerRun, plan))


def watch(
    plan: Plan[T],
    judges: Judge | Sequence[Judge] | Mapping[str, Judge],
    *,
    objectives: Sequence[str] = (),
    stream: str = "primary",
    steering: Steering | None = None,
    every: Literal["event", "latest"] = "event",
    worker: Literal["thread", "process"] = "thread",
    on_error: Literal["ignore", "abort"] = "ignore",
    silent_after: float = 10.0,
) -> Plan[T | None]:
    """Let judges end, hold or abort a plan that knows nothing of them.

    Parameters
    ----------
    plan
        Any plan.
    judges
        One, several, or by name (the author in the stop document): see
        `skysteer.watchdog` and `skysteer.protocols.Judge`. Each has a worker of its own.
    objectives
        Data keys that the judges are shown; by default all data of an event, arrays too.
    stream
        The stream they are shown. A judge that is to release a plan it holds needs one that
        goes on meanwhile: a monitored signal's (``"<signal>_monitor"``).
    steering
        The latches, for those who want to steer by hand too.
    every, worker, on_error, silent_after
        As for `skysteer.Watchdog`.

    Returns
    -------
    Any
        What the plan returns; ``None`` if it was ended early. The stop document says why.
    """
    wheel = Steering() if steering is None else steering
    fields = Fields({}, {key: key for key in objectives}, stream, reduced=not objectives)
    named: list[tuple[str, Judge]]
    if isinstance(judges, Mapping):
        named = list(judges.items())
    else:
        named = _named(judges if isinstance(judges, Sequence) else [judges])
    dogs = [
        Watchdog(
            judge, wheel, fields, every=every, worker=worker, on_error=on_error, name=name, silent_after=silent_after
        )
        for name, judge in named
    ]
    try:
        value = yield from steered(plan, wheel, watch=dogs)
    except GeneratorExit:
        _close(dogs)
        raise
    except BaseException:
        yield from _gone(_close(dogs))
        raise
    yield from _gone(_close(dogs))
    return value


def _named(judges: Sequence[Judge]) -> list[tuple[str, Judge]]:
    """Each judge with a name of its own, as keep going ends the hold of the same author only."""
    named: dict[str, Judge] = {}
    for judge in judges:
        name = first = getattr(judge, "__name__", type(judge).__name__)
        number = 1
        while name in named:
            number += 1
            name = f"{first} {number}"
        named[name] = judge
    return list(named.items())


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a flow was asked for beside devices and options."""

    recommender: Recommender | Advisor
    patience: Patience
    objectives: Sequence[str]
    reduce: Reduce | None
    worker: Literal["thread", "process"]
    finally_move: FinallyMove


@dataclass(frozen=True, slots=True)
class _Queues:
    main: SuggestionQueue
    fallback: SuggestionQueue | None


def _adaptive(
    detectors: Sequence[Any],
    motors: Sequence[Any],
    asked: _Asked,
    options: Options,
    adapter: type[PerEvent] | type[PerRun],
    plan: Callable[[Cleared, str, _Queues], Plan[AdaptiveResult]],
) -> Plan[AdaptiveResult]:
    launch = uuid4().hex
    advisor, owned = _advisor(asked)
    fallback = _fallback(asked, advisor)
    mine = [each for each in ([advisor] if owned else []) + [fallback] if each is not None]
    told = [each for each in (advisor, fallback) if each is not None]

    def tell(observation: Observation) -> None:
        for each in told:
            each.tell(observation)

    def steps() -> Plan[AdaptiveResult]:
        cleared = yield from preflight(
            detectors, motors, options, space=advisor.space, objectives=asked.objectives,
            reduced=advisor.reduces, found=_problems(advisor, fallback, asked, options),
        )  # fmt: skip
        for each in told:
            yield from _started(each)
        home = (yield from positions(_by_name(motors))) if asked.finally_move == "start" else None
        fields = Fields(cleared.axes, cleared.objectives, reduced=advisor.reduces)
        token = yield Msg("subscribe", None, adapter(fields, tell, launch=launch), "all")
        replayed = advisor.replayed
        queues = _Queues(advisor.queue, None if fallback is None else fallback.queue)
        measuring = plan(cleared, launch, queues)
        measuring = measuring if home is None else returning(measuring, _by_name(motors), home)
        result = yield from _heard(measuring, token)
        best = yield from _best(advisor, asked.patience, result)
        if asked.finally_move == "best" and best is not None:
            there = _destination(cleared.space, best)
            if problems := cleared.space.problems(there):
                log.warning("the motors stay where they are, the best point is no place to go: %s", "; ".join(problems))
            else:
                yield from move(_by_name(motors), cleared.space.clean(there))
        return replace(result, best=best, replayed=advisor.replayed - replayed)

    try:
        result = yield from steps()
    except GeneratorExit:
        _close(mine)
        raise
    except BaseException:
        yield from _gone(_close(mine))
        raise
    yield from _gone(_close(mine))
    return result


def _heard(plan: Plan[T], token: Any) -> Plan[T]:
    """Unsubscribe when a plan is over, however it ended: an outer plan may go on for days."""
    try:
        result = yield from plan
    except GeneratorExit:
        raise
    except BaseException:
        yield Msg("unsubscribe", None, token)
        raise
    yield Msg("unsubscribe", None, token)
    return result


def _listed(what: str, devices: Any) -> list[Any]:
    if isinstance(devices, str) or not isinstance(devices, Iterable):
        name = getattr(devices, "name", "device")
        raise PreflightError([f"{what} must be a sequence of devices, found {devices!r}: give [{name}]"])
    return list(cast("Iterable[Any]", devices))


def _patience(patience: Patience | None) -> Patience:
    if patience is None:
        return Patience()
    if not isinstance(patience, Patience):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise PreflightError([f"patience must be a Patience, found {patience!r}: give Patience(timeout=...)"])
    return patience


def _advisor(asked: _Asked) -> tuple[Advisor, bool]:
    """The advisor, and whether it is ours to close."""
    if isinstance(asked.recommender, Advisor):
        return asked.recommender, False
    return Advisor(asked.recommender, worker=asked.worker, objectives=asked.objectives, reduce=asked.reduce), True


def _fallback(asked: _Asked, advisor: Advisor) -> Advisor | None:
    if asked.patience.fallback is None:
        return None
    return Advisor(asked.patience.fallback, objectives=asked.objectives, reduce=asked.reduce, origin="fallback")


def _problems(advisor: Advisor, fallback: Advisor | None, asked: _Asked, options: Options) -> list[str]:
    """What is wrong between the recommender and what is asked of it."""
    problems: list[str] = []
    if options.lookahead and not advisor.knows_pending:
        problems.append(
            f"lookahead={options.lookahead} needs a recommender that knows what is pending "
            f"(the method set_pending of skysteer.protocols.KnowsPending); {advisor.name} does not"
        )
    if asked.finally_move not in get_args(FinallyMove):
        problems.append(f"finally_move must be 'stay', 'start' or 'best', found {asked.finally_move!r}")
    if asked.finally_move == "best" and not advisor.knows_best:
        problems.append(
            "finally_move='best' needs a recommender that says which point is best "
            f"(the method get_best_points of skysteer.protocols.HasBestPoints); {advisor.name} does not"
        )
    if isinstance(asked.recommender, Advisor):
        if asked.reduce is not None:
            problems.append("reduce is given to the Advisor, not to the scan that uses it")
        if advisor.closed.done():
            problems.append(f"{advisor!r} is closed")
    if asked.patience.fallback is asked.recommender:
        problems.append("the fallback is the recommender itself: give another one, it is called by another thread")
    spaces = [each.space for each in (advisor, fallback) if each is not None and each.space is not None]
    if len(spaces) == 2 and spaces[0] != spaces[1]:
        problems.append(f"the fallback's space {spaces[1]} is not the recommender's {spaces[0]}")
    return problems


def _about(asked: _Asked, options: Options) -> dict[str, Any]:
    """What the start document says of the scan."""
    name = asked.recommender.name if isinstance(asked.recommender, Advisor) else type(asked.recommender).__name__
    return {
        "objectives": list(asked.objectives),
        "recommender": name,
        "batch": options.batch,
        "lookahead": options.lookahead,
    }


def _started(advisor: Advisor) -> Plan[None]:
    """Wait until the worker is up; a recommender that cannot be sent to it is a problem of the preflight."""
    try:
        yield from _wait(advisor.start())
    except SkysteerError as exc:
        raise PreflightError([str(exc)]) from exc


def _best(advisor: Advisor, patience: Patience, result: AdaptiveResult) -> Plan[Mapping[str, Any] | None]:
    """The best point, once every measured point was told. None if the recommender is silent or fails."""
    future = advisor.best(known=result.measured)
    forever = patience.timeout is None or patience.on_timeout == "wait"
    deadline = None if forever else time.monotonic() + (patience.timeout or 0.0)
    try:
        return (yield from _wait(future, deadline))
    except FieldError as exc:
        exc.result = replace(result, reason=str(exc), exit_status="fail")
        raise
    except (TimeoutError, SkysteerError) as exc:
        if advisor.knows_best or not isinstance(exc, TimeoutError):
            log.warning("the recommender does not say which point is best: %s", exc)
        return None


def _destination(space: Space, best: Mapping[str, Any]) -> dict[str, Any]:
    """Where the motors are to go for a best point, unchecked. A readback may lie a little outside the space."""
    there = {name: best[name] for name in space if name in best}
    for axis in space.axes:
        value = there.get(axis.name)
        if isinstance(axis, Axis) and axis.bounded and isinstance(value, float):
            inside = axis.clean(value)
            there[axis.name] = inside if abs(inside - value) <= BESIDE * (axis.high - axis.low) else value
    return there


def _wait(future: Future[T], deadline: float | None = None) -> Plan[T]:
    def watch(wake: Callable[[], None]) -> Callable[[], None]:
        future.add_done_callback(lambda _: wake())
        return lambda: None

    if not (yield from wait_until(future.done, watch, deadline)):
        raise TimeoutError("no answer in time")
    return future.result()


def _close(owners: Sequence[Owner]) -> list[Owner]:
    """Close them; those that end at once."""
    return [each for each in owners if each.close()]


def _gone(owners: Sequence[Advisor] | Sequence[Watchdog]) -> Plan[None]:
    """Wait, a little, until the workers have ended."""
    deadline = time.monotonic() + GOODBYE
    for each in owners:
        try:
            yield from _wait(each.closed, deadline)
        except TimeoutError:
            log.warning("%r has not ended within %.0f s", each, GOODBYE)


def _by_name(motors: Sequence[Any]) -> dict[str, Any]:
    return {motor.name: motor for motor in motors}
