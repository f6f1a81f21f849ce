"""The loop of every adaptive plan: the next point, its measurement, and what becomes of one that fails."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bluesky.protocols import Status
from bluesky.utils import (
    FailedPause,
    FailedStatus,
    IllegalMessageSequence,
    InvalidCommand,
    Msg,
    RunEngineControlException,
)

from skysteer.errors import FieldError, SkysteerError, TooManyFailures
from skysteer.model import AdaptiveResult, ExitStatus, Progress, Suggestion

from ._asking import Asking, End
from ._bluesky import Message
from ._options import Options
from ._settling import settle, stop_moving
from ._tag import Interruptions
from ._waiting import Plan

log = logging.getLogger(__name__)

DISTURBED = 5
"""How often a point that pauses or suspensions disturbed is begun again before its failure counts."""


@dataclass(slots=True)
class Attempt:
    """One try to measure a point."""

    recorded_by: str
    """The message after which the point is measured: ``"save"`` of its event, ``"close_run"`` of its run."""
    moved: list[tuple[Any, Status]] = field(default_factory=list[tuple[Any, Status]])
    """What was set for it, each device with its status."""
    triggered: list[Status] = field(default_factory=list[Status])
    """What was triggered for it."""
    recorded: bool = False
    """Whether it is in the documents: what fails from now on does not undo it."""
    emitting: bool = False
    """Whether a document is being handed to the subscribers."""
    beyond_devices: bool = False
    """Whether what was raised was raised by a subscriber: no device's fault."""
    records: int = 0
    """How many events of the primary stream, or successful runs, it made: one is right."""
    closed_as: str = "success"
    """How the newest run that a plan made for it was closed."""
    event: Message | None = None
    """The ``"create"`` of an event that is still open."""
    runs: list[Message] = field(default_factory=list[Message])
    """The ``"open_run"`` of each run that is still open."""

    def before(self, message: Message, *, cleaning: bool = False) -> Generator[Msg, Any, Message]:
        """Look at a message of the point before it goes."""
        self.sending(message)
        return message
        yield

    def sending(self, message: Message) -> None:
        """As `before`, for a plan that sends its messages itself."""
        self.emitting = message.command in ("open_run", "save", "close_run")
        match message.command:
            case "create":
                self.event = message
            case "save" | "drop":
                if message.command == self.recorded_by:
                    self.recorded = True
                    # What is saved without a create here is the plan's own event.
                    self.records += self.event is None or self.event.kwargs.get("name", "primary") == "primary"
                self.event = None
            case "close_run":
                self.runs = [opened for opened in self.runs if opened.run != message.run]
                self.closed_as = message.kwargs.get("exit_status") or "success"
                if message.command == self.recorded_by and self.closed_as == "success":
                    self.recorded = True
                    self.records += 1
            case _:
                pass

    def after(self, message: Message, answer: Any) -> None:
        """Look at a message of the point and its answer, None where a pause took it."""
        self.emitting = False
        if answer is None:
            return
        if message.command == "set":
            self.moved.append((message.obj, answer))
        elif message.command == "trigger":
            self.triggered.append(answer)
        elif message.command == "open_run":
            self.runs.append(message)

    def thrown(self) -> None:
        """The newest message was answered with an exception."""
        self.beyond_devices = self.emitting

    @property
    def problem(self) -> str | None:
        """What is wrong with a measurement that came to its end, or None."""
        if self.records == 1:
            return None
        if self.recorded_by == "save":
            return f"take_reading made {self.records} events of the primary stream; expected one a point"
        return f"measure made {self.records} runs that ended with success; expected one a point"

    def tidy(self, error: Exception) -> Plan[None]:
        """Close what a plan that failed left open: the next point would run into it."""
        if self.event is not None:
            with suppress(IllegalMessageSequence):  # none is open if a pause closed it
                yield Msg("drop", run=self.event.run)
        for opened in reversed(self.runs):
            reason = f"{type(error).__name__}: {error}"
            yield Msg("close_run", None, exit_status="fail", reason=reason, run=opened.run)


@dataclass(slots=True)
class Tally:
    """What a scan has come to."""

    uids: list[str]
    measured: int
    failed: int
    before: Progress
    """Of the scan that goes on."""

    @classmethod
    def of(cls, before: Progress) -> Tally:
        """What a scan has come to at its beginning."""
        return cls([*before.uids], before.measured, before.failed, before)

    def result(self, asking: Asking | None, reason: str, exit_status: ExitStatus) -> AdaptiveResult:
        """The result, but for what only the recommender knows."""
        before = self.before
        latencies = () if asking is None else asking.latencies
        return AdaptiveResult(
            reason=reason,
            exit_status=exit_status,
            uids=tuple(self.uids),
            measured=self.measured,
            failed=self.failed,
            fallen_back=before.fallen_back + (0 if asking is None else asking.fallen_back),
            stale=before.stale + (0 if asking is None else asking.dropped),
            replayed=before.replayed,
            seconds_a_suggestion=statistics.median(latencies) if latencies else None,
        )


def measure_points(
    asking: Asking,
    measure: Callable[[Suggestion, Attempt], Plan[Any]],
    recorded_by: str,
    tally: Tally,
    options: Options,
) -> Plan[End]:
    """Measure what is suggested until there is an end to it; see `Attempt` for ``recorded_by``."""
    interruptions = Interruptions()
    yield Msg("null", interruptions)  # the engine tells every object it has seen of a pause
    while tally.measured < options.max_points:
        step = yield from asking.next(options.max_points - tally.measured, tally.measured)
        if isinstance(step, End):
            return step
        error = yield from _try(step, measure, recorded_by, interruptions, 2 if options.on_failure == "retry" else 1)
        if error is None:
            tally.measured += 1
            continue
        tally.failed += 1
        reason = f"{type(error).__name__}: {error}{_cause(error)}"
        asking.failed(step, reason)
        what = f"point {dict(step.point)} failed: {reason}"
        log.warning("%s (%d failed so far)", what, tally.failed)
        if options.on_failure == "stop" or tally.failed >= options.most_failures:
            why = "on_failure='stop'" if options.on_failure == "stop" else f"max_failures={options.most_failures}"
            raise TooManyFailures(f"{why}: {what}", failed=tally.failed, last=step.point) from error
    return End(f"max_points={options.max_points} reached")


def _try(
    step: Suggestion,
    measure: Callable[[Suggestion, Attempt], Plan[Any]],
    recorded_by: str,
    interruptions: Interruptions,
    chances: int,
) -> Plan[Exception | None]:
    """Measure a point; the error of its devices, or None."""
    disturbed = 0
    while True:
        before, attempt = interruptions.count, Attempt(recorded_by)
        try:
            yield from measure(step, attempt)
            if attempt.records == 0 and attempt.closed_as != "success":  # by a plan that swallows the error
                raise RuntimeError(f"its run was closed as {attempt.closed_as!r}")
            if attempt.problem is not None:
                raise FieldError(f"point {dict(step.point)}: {attempt.problem}")
            return None
        except (RunEngineControlException, FailedPause):
            yield from stop_moving(attempt.moved)
            raise
        except (IllegalMessageSequence, InvalidCommand, SkysteerError):
            raise
        except FailedStatus as exc:
            error = exc
        except Exception as exc:
            if attempt.beyond_devices or attempt.emitting:
                raise
            error = exc
        yield from settle([status for _, status in attempt.moved] + attempt.triggered)
        yield from attempt.tidy(error)
        if attempt.recorded:
            log.warning("after point %s was measured: %s%s", dict(step.point), error, _cause(error))
            yield Msg("checkpoint")
            return None
        if interruptions.count != before and disturbed < DISTURBED:
            # A device that was stopped by a pause within a millisecond of its
            # set fails on resume; the move was not at fault.
            disturbed += 1
            log.info("point %s was disturbed by a pause (%s); it is begun again", dict(step.point), error)
            continue
        chances -= 1
        if not chances:
            return error


def _cause(error: BaseException) -> str:
    return f" ({error.__cause__})" if error.__cause__ is not None else ""
