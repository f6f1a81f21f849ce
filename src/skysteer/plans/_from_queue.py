"""The adaptive plans: measure what a queue suggests, one event or one run a suggestion."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from bluesky.utils import Msg

from skysteer.errors import PreflightError, SkysteerError
from skysteer.handoff import SuggestionQueue
from skysteer.model import METADATA_KEY, AdaptiveResult, Space, Suggestion

from ._asking import Asking, End
from ._bluesky import Message, stage_wrapper
from ._moving import move
from ._options import Options
from ._points import Attempt, Tally, measure_points
from ._reading import Measure, TakeReading, one_run, read_event
from ._runs import forward, run_with_reason
from ._tag import SuggestionTag
from ._waiting import Plan


def scan_from_queue(
    detectors: Sequence[Any],
    motors: Sequence[Any],
    queue: SuggestionQueue,
    options: Options,
    *,
    space: Space,
    fallback: SuggestionQueue | None = None,
    take_reading: TakeReading | None = None,
    launch: str | None = None,
    md: Mapping[str, Any] | None = None,
) -> Plan[AdaptiveResult]:
    """Make one run with an event for each suggestion of a queue.

    Every event carries ``suggestion_id``, ``suggestion_origin`` and the
    requested positions beside the readings. There is a checkpoint after every
    point: a pause, a suspension or a resume measures no point twice but the
    one in flight.

    Parameters
    ----------
    detectors, motors
        Devices. Each axis of the space is moved by the motor of its name.
    queue
        Asked for suggestions; somebody must answer it.
    options
        How many points, how they are asked for, and what happens when something fails.
    space
        Where suggestions lie. Preflight has seen to it that the motors reach it.
    fallback
        Asked where the patience ends, if it says so.
    take_reading
        Plan stub that reads the devices it is given into one event of the
        primary stream; by default trigger and read.
    launch
        Uid of this scan; made here if not given.
    md
        Metadata for the start document.

    Raises
    ------
    SkysteerError
        With the result so far as ``error.result``. The run is closed first, with the reason.
    """
    uid = launch or uuid4().hex
    axes = _axes(motors, space)
    tag = SuggestionTag(space)
    devices: list[Any] = [*detectors, *motors, tag]

    def measure(suggestion: Suggestion, attempt: Attempt) -> Plan[None]:
        yield from move(axes, suggestion.point, attempt.after)
        if options.hold is not None:
            yield from options.hold()
        tag.now(suggestion)
        if take_reading is None:
            yield from read_event(devices, attempt)
        else:
            yield from forward(take_reading(devices), attempt)
        # A pause while the next suggestion is awaited must not replay the
        # reading: the point would be measured twice.
        yield Msg("checkpoint")

    start = {
        "plan_name": "scan_from_queue",
        "detectors": [detector.name for detector in detectors],
        "motors": [motor.name for motor in motors],
        "num_points": options.max_points - options.progress.measured,
        "hints": {"dimensions": [(_hinted(axes[name]), "primary") for name in space]},
        **_metadata(md, launch=uid),
    }
    tally = Tally.of(options.progress)

    def run(points: Plan[End]) -> Plan[End]:
        return stage_wrapper(run_with_reason(points, start, tally.uids.append), [*detectors, *motors])

    return (yield from _launch(queue, fallback, uid, space, options, measure, "save", tally, run))


def runs_from_queue(
    detectors: Sequence[Any],
    motors: Sequence[Any],
    queue: SuggestionQueue,
    options: Options,
    *,
    space: Space,
    fallback: SuggestionQueue | None = None,
    measure: Measure | None = None,
    launch: str | None = None,
    md: Mapping[str, Any] | None = None,
) -> Plan[AdaptiveResult]:
    """Make a run of its own for each suggestion of a queue.

    The start document of every run carries the suggestion under
    ``"skysteer"``. A run that fails is closed as failed and its point given
    up, as told.

    Parameters
    ----------
    measure
        Plan that makes one run with the devices it is given at the present
        position, such as `bluesky.plans.count`; by default a run of one event.
    detectors, motors, queue, options, space, fallback, launch
        As for `scan_from_queue`; a point is a run here.
    md
        Metadata for every start document.
    """
    uid = launch or uuid4().hex
    axes = _axes(motors, space)
    devices = [*detectors, *motors]
    tally = Tally.of(options.progress)
    about_all = _metadata(md, launch=uid)

    def measure_run(suggestion: Suggestion, attempt: Attempt) -> Plan[None]:
        about = {"id": suggestion.id, "origin": suggestion.origin, "point": dict(suggestion.point)}
        watcher = _OwnRun(attempt, _metadata(about_all, suggestion=about), tally.uids.append)
        yield from move(axes, suggestion.point, attempt.after)
        if options.hold is not None:
            yield from options.hold()
        yield from forward((measure or one_run)(devices), watcher)
        yield Msg("checkpoint")

    return (
        yield from _launch(queue, fallback, uid, space, options, measure_run, "close_run", tally, lambda points: points)
    )


def _launch(
    queue: SuggestionQueue,
    fallback: SuggestionQueue | None,
    uid: str,
    space: Space,
    options: Options,
    measure: Callable[[Suggestion, Attempt], Plan[None]],
    recorded_by: str,
    tally: Tally,
    run: Callable[[Plan[End]], Plan[End]],
) -> Plan[AdaptiveResult]:
    """Open a new epoch on the queues, measure, and say how it came out."""
    if options.problems:
        raise PreflightError(options.problems)
    if not queue.connected:
        raise PreflightError(["nobody answers the queue: connect a respondent, such as an Advisor"])
    before = options.progress
    if before.measured >= options.max_points:  # a scan that was complete: no run is opened
        return tally.result(None, f"max_points={options.max_points} reached", "success")
    for each in (queue, fallback):
        if each is not None:
            each.launch(space, uid, known=before.measured, ready=before.ready)
    initial = [
        Suggestion(f"{uid[:12]}-i{number}", space.clean(point), "initial")
        for number, point in enumerate(options.initial)
        if number not in before.initial_done
    ]
    asking = Asking(
        queue,
        batch=options.batch,
        lookahead=options.lookahead,
        patience=options.patience,
        fallback=fallback,
        initial=[*initial, *before.ready],
        again=before.asked,
        short=before.short,
    )
    try:
        end = yield from run(measure_points(asking, measure, recorded_by, tally, options))
    except SkysteerError as exc:
        exc.result = tally.result(asking, str(exc), "fail")
        raise
    finally:
        asking.close()
    return tally.result(asking, end.reason, end.exit_status)


@dataclass(slots=True)
class _OwnRun:
    """Watches a plan that makes a run for a suggestion, and writes the suggestion into its start document."""

    attempt: Attempt
    about: Mapping[str, Any]
    opened: Callable[[str], None]

    def before(self, message: Message, *, cleaning: bool) -> Generator[Msg, Any, Message]:
        if message.command == "open_run":
            message = message._replace(kwargs={**message.kwargs, **self.about})
        elif message.command == "close_run" and not cleaning:
            # A pause at the end of the run must not replay the reading into a
            # run that is closed.
            yield Msg("checkpoint")
        self.attempt.sending(message)
        return message

    def after(self, message: Message, answer: Any) -> None:
        self.attempt.after(message, answer)
        if message.command == "open_run" and answer is not None:
            self.opened(answer)

    def thrown(self) -> None:
        self.attempt.thrown()


def _axes(motors: Sequence[Any], space: Space) -> dict[str, Any]:
    by_name = {motor.name: motor for motor in motors}
    return {name: by_name[name] for name in space}


def _hinted(motor: Any) -> list[str]:
    return list(getattr(motor, "hints", {}).get("fields", [])) or [motor.name]


def _metadata(md: Mapping[str, Any] | None, **ours: Any) -> dict[str, Any]:
    given = dict(md or {})
    beside = given.get(METADATA_KEY, {})
    if not isinstance(beside, Mapping):
        raise PreflightError([f"md[{METADATA_KEY!r}] is where skysteer writes: expected a mapping, found {beside!r}"])
    return {**given, METADATA_KEY: {**beside, **ours}}
