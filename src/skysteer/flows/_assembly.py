"""An adapter, an advisor and a queue around an adaptive plan."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast, get_args
from uuid import uuid4

from bluesky.utils import Msg

from skysteer.documents import Fields, PerEvent, PerRun
from skysteer.errors import FieldError, PointError, PreflightError, SkysteerError
from skysteer.handoff import SuggestionQueue
from skysteer.model import AdaptiveResult, Choice, Observation, Patience, Space
from skysteer.plans import Cleared, Options, Plan, move, positions, preflight, returning
from skysteer.recommenders import Advisor

from ._asked import Asked, FinallyMove, about, decision_about, with_link
from ._owners import closing, result_of
from ._recording import Recording, Speaker
from ._resuming import GoingOn, going_on, where

log = logging.getLogger(__name__)
T = TypeVar("T")

BESIDE = 0.01
"""A best point beyond a limit by less than this part of the range was measured at the limit."""


@dataclass(frozen=True, slots=True)
class Queues:
    main: SuggestionQueue
    fallback: SuggestionQueue | None


def adaptive(
    detectors: Sequence[Any],
    motors: Sequence[Any],
    asked: Asked,
    options: Options,
    adapter: type[PerEvent] | type[PerRun],
    plan: Callable[[Cleared, str, Queues, Options, Mapping[str, Any]], Plan[AdaptiveResult]],
    flow: str,
) -> Plan[AdaptiveResult]:
    launch = uuid4().hex
    record, folder = where(asked.resume, asked.record)
    recording = Recording(record)
    advisor, owned = _advisor(asked)
    fallback = _fallback(asked)
    mine = [each for each in ([advisor] if owned else []) + [fallback] if each is not None]
    told = [each for each in (advisor, fallback) if each is not None]

    def tell(observation: Observation) -> None:
        for each in told:
            each.tell(observation)

    def steps() -> Plan[AdaptiveResult]:
        cleared = yield from preflight(
            detectors, motors, options, space=advisor.space, objectives=asked.objectives,
            reduced=advisor.reduces, found=[*_problems(advisor, fallback, asked, options), *recording.open()],
        )  # fmt: skip
        for each in told:
            yield from _started(each)
        home = (yield from positions(_by_name(motors))) if asked.finally_move == "start" else None
        fields = Fields(cleared.axes, cleared.objectives, reduced=advisor.reduces)
        decided = {} if not recording.on else decision_about(
            flow, launch, cleared, fields, options, asked, advisor, fallback
        )  # fmt: skip
        queues = Queues(advisor.queue, None if fallback is None else fallback.queue)
        speakers = [*told, *(each.queue for each in told)]
        if asked.resume is None or folder is None:
            before = None
            yield from recording.begin(decided, speakers)
        else:
            before = yield from going_on(asked.resume, folder, decided)
            yield from _begun_again(before, recording, decided, speakers, told)
        # After the recording: an event is put on record before those who are told of it decide.
        token = yield Msg("subscribe", None, adapter(fields, tell, launch=launch), "all")
        replayed = advisor.replayed
        held = replace(options, hold=recording.hold) if recording.on else options
        held = held if before is None else replace(held, progress=before.resumption.progress)
        resumes = None if before is None else before.resumption.uid
        start = {"plan_name": flow, **about(asked, options), **with_link(asked.md, recording.uid, resumes)}
        measuring = plan(cleared, launch, queues, held, start)
        measuring = measuring if home is None else returning(measuring, _by_name(motors), home)
        result = yield from _heard(measuring, token)
        # Of a scan that was cut off behind its last point nothing is measured, and nobody was asked.
        known = result.measured if held.progress.measured < held.max_points else 0
        best = yield from _best(advisor, asked.patience, result, known)
        yield from _states_kept(told, asked.patience)
        if asked.finally_move == "best" and best is not None:
            there = _destination(cleared.space, best)
            if problems := cleared.space.problems(there):
                log.warning("the motors stay where they are, the best point is no place to go: %s", "; ".join(problems))
            else:
                yield from move(_by_name(motors), cleared.space.clean(there))
        return replace(result, best=best, replayed=result.replayed + advisor.replayed - replayed)

    keeping = recording.keeping(closing(steps(), mine), lambda result: (result.exit_status, result.reason))
    return (yield from keeping)


def _begun_again(
    before: GoingOn,
    recording: Recording,
    decided: Mapping[str, Any],
    speakers: Sequence[Speaker],
    told: Sequence[Advisor],
) -> Plan[None]:
    """Begin the decision run of a scan that goes on; the runs before it stay locked until it is on record.

    What was not told any more may be reduced now: that is put on record too.
    """
    try:
        goes_on = {"resumes": before.resumption.uid, "warnings": list(before.resumption.warnings)}
        yield from recording.begin({**decided, **goes_on}, speakers)
        yield from recording.everything()
        before.released(by=recording.uid or "")
    finally:
        before.close()
    yield from before.taught(told)


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


def listed(what: str, devices: Any) -> list[Any]:
    if isinstance(devices, str) or not isinstance(devices, Iterable):
        name = getattr(devices, "name", "device")
        raise PreflightError([f"{what} must be a sequence of devices, found {devices!r}: give [{name}]"])
    return list(cast("Iterable[Any]", devices))


def patience_of(patience: Patience | None) -> Patience:
    if patience is None:
        return Patience()
    if not isinstance(patience, Patience):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise PreflightError([f"patience must be a Patience, found {patience!r}: give Patience(timeout=...)"])
    return patience


def _advisor(asked: Asked) -> tuple[Advisor, bool]:
    """The advisor, and whether it is ours to close."""
    if isinstance(asked.recommender, Advisor):
        return asked.recommender, False
    return Advisor(asked.recommender, worker=asked.worker, objectives=asked.objectives, reduce=asked.reduce), True


def _fallback(asked: Asked) -> Advisor | None:
    if asked.patience.fallback is None:
        return None
    return Advisor(asked.patience.fallback, objectives=asked.objectives, reduce=asked.reduce, origin="fallback")


def _problems(advisor: Advisor, fallback: Advisor | None, asked: Asked, options: Options) -> list[str]:
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


def _started(advisor: Advisor) -> Plan[None]:
    """Wait until the worker is up; a recommender that cannot be sent to it is a problem of the preflight."""
    try:
        yield from result_of(advisor.start())
    except SkysteerError as exc:
        raise PreflightError([str(exc)]) from exc


def _best(advisor: Advisor, patience: Patience, result: AdaptiveResult, known: int) -> Plan[Mapping[str, Any] | None]:
    """The best point, once every measured point was told. None if the recommender is silent or fails."""
    future = advisor.best(known=known)
    deadline = _deadline(patience)
    try:
        return (yield from result_of(future, deadline))
    except FieldError as exc:
        exc.result = replace(result, reason=str(exc), exit_status="fail")
        raise
    except (TimeoutError, SkysteerError) as exc:
        if advisor.knows_best or not isinstance(exc, TimeoutError):
            log.warning("the recommender does not say which point is best: %s", exc)
        return None


def _states_kept(advisors: Sequence[Advisor], patience: Patience) -> Plan[None]:
    """Have the recommenders write their states, those that can: a scan that asks for more goes on from there."""
    deadline = _deadline(patience)
    for written in [advisor.checkpoint() for advisor in advisors]:
        with suppress(TimeoutError):
            yield from result_of(written, deadline)


def _deadline(patience: Patience) -> float | None:
    """How long to wait for a recommender when all is measured, on the monotonic clock."""
    if patience.timeout is None or patience.on_timeout == "wait":
        return None
    return time.monotonic() + patience.timeout


def _destination(space: Space, best: Mapping[str, Any]) -> dict[str, Any]:
    """Where the motors are to go for a best point, unchecked.

    A readback may lie a little outside the space, or beside a numbered option.
    """
    there = {name: best[name] for name in space if name in best}
    for axis in space.axes:
        value = there.get(axis.name)
        if not isinstance(value, float):
            continue
        if isinstance(axis, Choice):
            with suppress(PointError):  # it means none of the options: left for the check
                there[axis.name] = axis.options[axis.number_of(value)]
        elif axis.bounded:
            inside = axis.clean(value)
            there[axis.name] = inside if abs(inside - value) <= BESIDE * (axis.high - axis.low) else value
    return there


def _by_name(motors: Sequence[Any]) -> dict[str, Any]:
    return {motor.name: motor for motor in motors}
