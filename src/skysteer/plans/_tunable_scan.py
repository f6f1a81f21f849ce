"""A scan whose step can be changed while it runs."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from bluesky.utils import FailedStatus, Msg

from skysteer.errors import PreflightError
from skysteer.handoff import Steering

from ._asking import End
from ._bluesky import stage_wrapper, trigger_and_read
from ._keeping import keeping_events
from ._moving import move, resolved
from ._points import DISTURBED, Attempt
from ._runs import run_with_reason
from ._settling import settle
from ._steered import steered
from ._tag import Interruptions
from ._waiting import Plan, run_coroutine

log = logging.getLogger(__name__)

CLOSE = 1e-9
"""Share of a step by which a point may miss the end and still be the end: rounding, not a distance."""


def tunable_scan(
    detectors: Sequence[Any],
    motor: Any,
    start: float,
    stop: float,
    step: Any,
    *,
    limits: tuple[float, float] | None = None,
    steering: Steering | None = None,
    stream_name: str = "primary",
    md: Mapping[str, Any] | None = None,
) -> Plan[str | None]:
    """Scan a motor by steps that a person or an agent may change while it runs.

    The step is read before each move. While nobody changes it, the points are
    those of `bluesky.plans.scan`. The last point is `stop` if a step leads
    there, else the last one before it: none lies beyond. Each event carries the
    step that led to it as ``<motor>_step`` (0 at the first point, which is
    `start`).

    Parameters
    ----------
    detectors
        Devices to trigger, where they can be, and to read, with the motor, into one event a point.
    motor
        What to move.
    start, stop
        First position, and the one not to go beyond, in the motor's units.
    step
        A number, or a signal that is read: an ophyd-async one, such as
        ``soft_signal_rw(float, ...)``, or a classic `ophyd.Signal`. Its sign is
        the direction from `start` to `stop`.
    limits
        Smallest and largest size of a step. A step outside is used as the
        nearest that is allowed, with a warning.
    steering
        Its launch begins and ends with the scan: *enough* ends it at the next
        event boundary, *abort* at once, *keep going* reset holds.
    stream_name
        Name of the stream.
    md
        Metadata for the start document.

    Returns
    -------
    str or None
        Uid of the run; ``None`` if it was ended before one was opened.

    Raises
    ------
    PreflightError
        If the positions, the limits or the step at the beginning cannot be;
        nothing has moved. A step that becomes impossible later (zero, not a
        finite number, away from `stop`, or too small to move at all) is not
        obeyed, with a warning: the last good one is.
    """
    opened: list[str] = []
    scan = _scan(detectors, motor, _Steps(start, stop, step, limits), stream_name, md or {}, opened)
    yield from scan if steering is None else steered(scan, steering)
    return opened[0] if opened else None


def _scan(
    detectors: Sequence[Any],
    motor: Any,
    steps: _Steps,
    stream_name: str,
    md: Mapping[str, Any],
    opened: list[str],
) -> Plan[None]:
    tag = _StepTag(motor)
    interruptions = Interruptions()

    def points() -> Plan[End]:
        yield Msg("null", interruptions)  # the engine tells every object it has seen of a pause
        position, used = steps.start, 0.0
        while True:
            yield from _move(motor, position, interruptions)
            tag.now(used)
            yield from trigger_and_read([*detectors, motor, tag], stream_name)
            # A pause while the step is read must not measure again.
            yield Msg("checkpoint")
            following = steps.after(position, (yield from steps.ask()))
            if following is None:
                return End("the scan is complete")
            position, used = following

    first = yield from steps.ask()
    steps.begin(first)
    about = {
        "plan_name": "tunable_scan",
        "detectors": [detector.name for detector in detectors],
        "motors": [motor.name],
        "plan_args": {"start": steps.start, "stop": steps.stop, "step": steps.step, "limits": steps.limits},
        "hints": {"dimensions": [(list(getattr(motor, "hints", {}).get("fields", [])) or [motor.name], stream_name)]},
        **md,
    }
    yield from stage_wrapper(run_with_reason(keeping_events(points()), about, opened.append), [*detectors, motor])


class _Steps:
    """From one position to the next."""

    def __init__(self, start: float, stop: float, source: Any, limits: tuple[float, float] | None) -> None:
        self.start, self.stop, self.limits = start, stop, limits
        self.step = 0.0
        """The step in use."""
        self._source = source
        self._warned = ""  # of which step
        self._anchor, self._taken = start, 0

    def ask(self) -> Plan[Any]:
        """What the step is to be."""
        if not hasattr(self._source, "read"):
            return self._source

        # Not a "read" message: with Python 3.11 a pause that comes while a
        # signal of ophyd-async is read, and not cached, would be lost.
        async def read() -> dict[str, Any]:
            return await resolved(self._source.read())

        reading = yield from run_coroutine(read)
        return next(iter(reading.values()))["value"]

    def begin(self, wanted: Any) -> None:
        """Take the first step, or refuse the scan."""
        problems = [
            f"{name} must be a finite number, found {value!r}"
            for name, value in (("start", self.start), ("stop", self.stop))
            if not _finite(value)
        ]
        if self.limits is not None and not _are_sizes(self.limits):
            problems.append(f"limits must be the smallest and the largest size of a step, found {self.limits!r}")
        if not problems:
            problem = self._problem(wanted, self.start)
            if problem is not None:
                problems.append(f"the step {problem}")
        if problems:
            raise PreflightError(problems)
        self.start, self.stop = float(self.start), float(self.stop)
        self._anchor = self.start
        self.step = self._limited(float(wanted))

    def after(self, position: float, wanted: Any) -> tuple[float, float] | None:
        """The next position and the step that leads there; ``None`` if it would lie beyond the end."""
        if position == self.stop:
            return None
        problem = self._problem(wanted, position)
        if problem is None:
            step = self._limited(float(wanted))
            if step != self.step:
                # Positions are counted from where the step changed, not added
                # up: the points of a long scan are those of linspace.
                self.step, self._anchor, self._taken = step, position, 0
        elif self._is_news(wanted):
            log.warning("at %g: the step %s; it stays at %g", position, problem, self.step)
        self._taken += 1
        following = self._anchor + self._taken * self.step
        beyond = (following - self.stop) * math.copysign(1.0, self.step)
        if abs(beyond) <= CLOSE * abs(self.step):
            return self.stop, self.step
        return None if beyond > 0 else (following, self.step)

    def _problem(self, wanted: Any, position: float) -> str | None:
        if not _finite(wanted):
            return f"must be a finite number, found {wanted!r}"
        if wanted == 0:
            return "must not be zero"
        way = self.stop - self.start
        if way * wanted < 0:
            return f"must lead from {self.start:g} to {self.stop:g}, found {wanted:g}"
        if position + self._limited(float(wanted), quiet=True) == position:
            return f"is too small to move from {position:g}, found {wanted:g}"
        return None

    def _limited(self, wanted: float, *, quiet: bool = False) -> float:
        if self.limits is None:
            return wanted
        low, high = self.limits
        size = min(max(abs(wanted), low), high)
        if size != abs(wanted) and not quiet and self._is_news(wanted):
            log.warning("the step %g is outside its limits [%g, %g]; it is %g", wanted, low, high, size)
        return math.copysign(size, wanted)

    def _is_news(self, wanted: Any) -> bool:
        """Whether a step that is not obeyed has yet to be warned of: once is enough while it stays."""
        news = repr(wanted) != self._warned
        self._warned = repr(wanted)
        return news


def _are_sizes(limits: Any) -> bool:
    try:
        low, high = limits
    except (TypeError, ValueError):
        return False
    return _finite(low) and _finite(high) and 0 < low <= high


def _finite(value: Any) -> bool:
    try:
        return not isinstance(value, bool | str) and math.isfinite(value)
    except (TypeError, ValueError, OverflowError):
        return False


def _move(motor: Any, position: float, interruptions: Interruptions) -> Plan[None]:
    """Move; a move that a pause broke is begun again."""
    for chances in reversed(range(DISTURBED)):
        before, attempt = interruptions.count, Attempt("save")
        try:
            yield from move({motor.name: motor}, {motor.name: position}, attempt.after)
            return
        except FailedStatus as exc:
            yield from settle([status for _, status in attempt.moved])
            if interruptions.count == before or not chances:
                raise
            log.info("the move to %g was disturbed by a pause (%s); it is begun again", position, exc)


class _StepTag:
    """Read with the detectors, so that every event names the step that led to it."""

    parent = None

    def __init__(self, motor: Any) -> None:
        self.name = f"{motor.name}_step"
        self._value = 0.0
        self._time = 0.0

    def now(self, step: float) -> None:
        """Set the step of the next event."""
        self._value, self._time = step, time.time()

    def read(self) -> dict[str, dict[str, Any]]:
        """As of a device."""
        return {self.name: {"value": self._value, "timestamp": self._time}}

    def describe(self) -> dict[str, dict[str, Any]]:
        """As of a device."""
        return {self.name: {"source": "skysteer", "dtype": "number", "shape": []}}

    def read_configuration(self) -> dict[str, Any]:
        """As of a device: nothing."""
        return {}

    def describe_configuration(self) -> dict[str, Any]:
        """As of a device: nothing."""
        return {}

    @property
    def hints(self) -> Mapping[str, Any]:
        """Nothing to plot."""
        return {"fields": []}
