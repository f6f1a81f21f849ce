"""Steer a plan that knows nothing of it: hold, end it when it is good enough, or abort it at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bluesky.protocols import Status
from bluesky.run_engine import WaitForTimeoutError
from bluesky.utils import (
    FailedStatus,
    IllegalMessageSequence,
    Msg,
    RequestAbort,
    RequestStop,
    RunEngineControlException,
)

from skysteer.errors import SteeringBusy
from skysteer.handoff import Steering
from skysteer.model import Verdict

from ._abort_latch import AbortLatch
from ._bluesky import Message, ensure_generator
from ._settling import settle_within, stop_moving, tolerant
from ._tag import Interruptions
from ._waiting import Plan, T, run_coroutine, wait_until

log = logging.getLogger(__name__)

WINDOW = 1.0
"""Seconds within which what was under way at an abort may still fail, unheard."""
THROWS = 20
"""How often a plan that swallows the end is told again before it is closed."""

_WATCHING = "cancel_status_task_if_error"
"""Name of Bluesky's callback of a watched wait, as asyncio reports it."""
_SPECIAL = ("wait", "sleep", "wait_for", "close_run")
"""Messages that are not just passed on."""
_BEGINNING = ("trigger", "create", "open_run", "kickoff", "stage", "monitor", "prepare")
"""Messages by which a plan that was ended would begin to measure anew."""


class SteeredAbort(RequestAbort):
    """Thrown into a plan that is to end now. Its text is the reason."""


class SteeredEnough(RequestStop):
    """Thrown into a plan that is good enough. Its text is the reason."""


def steered(plan: Plan[T], steering: Steering, *, watch: Sequence[Callable[[str, Any], Any]] = ()) -> Plan[T | None]:
    """Let a steering end or hold a plan that knows nothing of it.

    *Enough* acts at the next event boundary: a reading under way is finished,
    nothing new is begun, and the run closes with ``success``. *Abort* acts at
    once, also in the middle of a long exposure, move or sleep, and the run
    closes with ``abort``. Either way what still moves is stopped, and the
    plan's own clean-up runs.
    *Keep going* reset holds between two events. The stop document carries the
    reason and who said it. Only this plan ends; an outer one goes on.

    Parameters
    ----------
    plan
        Any plan, of Bluesky's or anybody's, also one that is steered inside.
    steering
        Its launch begins when this plan begins, and ends with it.
    watch
        Callbacks that are to see the documents meanwhile, such as a
        `skysteer.watchdog.Watchdog`.

    Returns
    -------
    Any
        What the plan returns; ``None`` if it was ended early
        (`skysteer.handoff.Steering.requests` says why).

    Raises
    ------
    SteeringBusy
        If the steering steers another plan, perhaps one around this.

    Notes
    -----
    As a preprocessor: ``RE.preprocessors.append(partial(steered, steering=steering))``.
    It yields stock messages only. Staging, unstaging, reading and collecting
    are not interrupted. A device that cannot stop is ended by its unstage;
    what then still fails within `WINDOW` seconds is not passed on.
    """
    return _Helm(plan, steering, watch).course()


def _mute_cancelled_watches() -> Callable[[], None]:
    """Keep asyncio from logging an error at the end of every watched wait.

    Bluesky 1.15 cancels the task that watches, whose callback then asks the
    cancelled task for its exception, which raises. Returns what takes it back.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # a simulator runs the plan: there is no loop
        return lambda: None
    before = loop.get_exception_handler()

    def handler(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if isinstance(context.get("exception"), asyncio.CancelledError) and _WATCHING in context.get("message", ""):
            return
        if before is None:
            loop.default_exception_handler(context)
        else:
            before(loop, context)

    loop.set_exception_handler(handler)
    return lambda: loop.set_exception_handler(before)


@dataclass(slots=True)
class _Helm:
    """Forwards the messages of a plan, and ends it when that is wanted."""

    given: Any
    steering: Steering
    watch: Sequence[Callable[[str, Any], Any]]
    latch: AbortLatch = field(init=False)
    plan: Any = None
    tokens: list[Any] = field(default_factory=list[Any])
    interruptions: Interruptions = field(default_factory=Interruptions)
    ending: SteeredAbort | SteeredEnough | None = None
    leaving: bool = False
    reading: bool = False
    stream: str = ""
    measuring: set[str] = field(default_factory=set[str])
    saved: set[str] = field(default_factory=set[str])
    throws: int = 0
    runs: dict[Any, None] = field(default_factory=dict[Any, None])
    staged: dict[Any, None] = field(default_factory=dict[Any, None])
    exposed: set[Any] = field(default_factory=set[Any])
    under_way: list[tuple[Any, Status | None, Any]] = field(default_factory=list[tuple[Any, Status | None, Any]])
    pauses: int = 0

    def course(self) -> Plan[Any]:
        """The steered plan, in one frame: Bluesky's stubs look at every frame above them, for each message."""
        if self.steering.running:
            raise SteeringBusy(
                f"{self.steering!r} steers a plan already, which would obey it no more: "
                "give each plan a Steering of its own"
            )
        unmute = _mute_cancelled_watches()
        launch = self.steering.launch()
        self.latch = AbortLatch(self.steering.abort.latch)
        value = None
        try:
            yield from self._begin()
            if self._wants_end():  # before anything of it was done
                self.plan.close()
                raise StopIteration  # caught below
            message = next(self.plan)
            while True:
                wanted = None if self.leaving else self.steering.wanted
                if wanted is not None and not (self.reading and wanted[0] is not Verdict.ABORT):
                    if wanted[0] is Verdict.HOLD:
                        try:
                            yield from self._hold()
                        except GeneratorExit:
                            self.plan.close()
                            raise
                        except BaseException as exc:  # the plan is to clean up also when it is ended in a hold
                            message = self._throw(exc)
                    else:
                        message = yield from self._end(*wanted)
                    continue
                if self.ending is not None and self._begins(message):
                    message = self._throw_again()
                    continue
                try:
                    if self.leaving or message.command in _SPECIAL:
                        answer = yield from self._forward(message)
                    else:
                        answer = yield message
                except GeneratorExit:
                    self.plan.close()
                    raise
                except BaseException as exc:
                    if self.latch.threw(exc):
                        self._note(message, None)
                        if not self.leaving:
                            message = yield from self._end(*self._abort())
                            continue
                        answer = None
                    elif self.ending is not None and isinstance(exc, FailedStatus):
                        self._note(message, None)
                        answer = None  # of what we stopped: it is not the plan's to hear
                    elif self.leaving and message.command == "drop" and isinstance(exc, IllegalMessageSequence):
                        answer = None  # a pause had dropped it already
                    else:
                        message = self._throw(exc)
                        continue
                else:
                    if answer is None and message.command == "wait_for" and not self.leaving:
                        continue  # it was cut short: its answer would be wrong
                    self._note(message, answer)
                message = self.plan.send(answer)
        except GeneratorExit:
            raise
        except StopIteration as stop:
            value = stop.value if self.ending is None else None
        except BaseException as exc:
            if exc is not self.ending:
                if self.ending is not None or isinstance(exc, SteeredAbort | SteeredEnough):  # an outer steering's
                    yield from self._close()
                yield from self._over()
                raise
        finally:
            # However the plan ends: nothing is accepted from here on.
            self.latch.close()
            self.steering.end(launch)
            unmute()
        if self.ending is not None:
            yield from self._close()
        yield from self._over()
        return value

    def _begin(self) -> Plan[None]:
        for callback in self.watch:
            token = yield Msg("subscribe", None, callback, "all")
            self.tokens.append(token)
        self.plan = ensure_generator(self.given)
        yield Msg("null", self.interruptions)  # the engine tells every object it has seen of a pause
        yield from tolerant(Msg("trigger", self.latch, group=self.latch.group))  # abort may be set already

    def _over(self) -> Plan[None]:
        """Leave nothing behind: no status in a group, no failure for the next plan, no subscription."""
        fired = self.latch.fired
        self.latch.close()
        yield from tolerant(Msg("wait", None, group=self.latch.group))
        if fired:  # a callback on the loop reports it: it is there after two more messages
            for _ in range(2):
                yield from tolerant(Msg("null"))
        for token in self.tokens:
            yield Msg("unsubscribe", None, token)

    # ------------------------------------------------------------ forwarding

    def _forward(self, message: Message) -> Plan[Any]:
        if self.leaving:
            if message.command == "close_run" and self.ending is not None and not self.reading:
                yield from tolerant(Msg("checkpoint"))
            return (yield self._with_reason(message))
        match message.command:
            case "wait":
                return (yield self._watched(message))
            case "sleep":
                deadline = time.monotonic() + message.args[0]
                yield from wait_until(self._wants_end, self.steering.when_changed, deadline)
                return None
            case "wait_for":
                return (yield from self._raced(message))
            case "close_run" if not self.reading:
                # Bluesky's plans have none here: a pause at the end of the run
                # would replay the last reading into a run that is closed.
                yield Msg("checkpoint")
                return (yield message)
            case _:
                return (yield message)

    def _watched(self, message: Message) -> Message:
        """A wait that abort ends, where there is anything to wait for."""
        group = message.args[0] if message.args else message.kwargs["group"]
        mine = [status for _, status, in_group in self.under_way if in_group == group]
        if self.pauses == self.interruptions.count and all(status is not None and status.done for status in mine):
            return message
        watch = (*(message.kwargs.get("watch") or ()), self.latch.group)
        return message._replace(kwargs={**message.kwargs, "watch": watch})

    def _raced(self, message: Message) -> Plan[Any]:
        """A ``wait_for`` that enough and abort end: the engine would not be woken by them."""
        (factories,) = message.args

        async def race() -> Any:
            futures = [asyncio.ensure_future(factory()) for factory in factories]
            loop = asyncio.get_running_loop()
            changed = asyncio.Event()

            def wake() -> None:
                with suppress(RuntimeError):  # the loop was closed
                    loop.call_soon_threadsafe(changed.set)

            forget = self.steering.when_changed(wake)
            waiting = asyncio.ensure_future(asyncio.wait(futures, **message.kwargs))
            try:
                while not waiting.done() and not self._wants_end():
                    changed.clear()
                    change = asyncio.ensure_future(changed.wait())
                    try:
                        await asyncio.wait([waiting, change], return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        change.cancel()
                if not waiting.done():
                    return None
                if waiting.result()[1]:
                    raise WaitForTimeoutError("Plan failed to complete in the specified time")
                return futures
            finally:
                forget()
                waiting.cancel()
                for future in futures:
                    future.cancel()

        return (yield from run_coroutine(race))

    def _wants_end(self) -> bool:
        wanted = self.steering.wanted
        return wanted is not None and (wanted[0] is Verdict.ABORT or (wanted[0] is Verdict.ENOUGH and not self.reading))

    def _with_reason(self, message: Message) -> Message:
        if self.ending is None or message.command != "close_run":
            return message
        words = {"exit_status": self.ending.exit_status, "reason": str(self.ending)}
        return message._replace(kwargs={**message.kwargs, **words})

    # ------------------------------------------------------------ what is going on

    def _note(self, message: Message, answer: Any) -> None:
        """Keep track of a message that was processed; its answer is None where it was lost."""
        match message.command:
            case "trigger" | "kickoff" if not isinstance(message.obj, AbortLatch):
                self.reading = True
                self.exposed.add(message.obj)
            case "create":
                self.stream = message.kwargs.get("name", "")
                if self.reading or self.stream in self.saved:  # exposed for it, or read again
                    self.measuring.add(self.stream)
                self.reading = True
            case "save":
                self.saved.add(self.stream)
                self.reading = False
            case "drop" | "collect" | "checkpoint":
                self.reading = False
            case "open_run":
                self.runs[message.run] = None
            case "close_run":
                self.reading = False
                self.runs.pop(message.run, None)
            case "stage":
                self.staged[message.obj] = None
            case "unstage":
                self.staged.pop(message.obj, None)
            case "wait" if answer:
                group = message.args[0] if message.args else message.kwargs["group"]
                self.under_way = [
                    each for each in self.under_way if each[2] != group and not (each[1] is not None and each[1].done)
                ]
                if not self.under_way:
                    self.pauses = self.interruptions.count
            case _:
                pass
        moving = message.command in ("set", "trigger", "kickoff", "complete", "prepare")
        if moving and not isinstance(message.obj, AbortLatch):
            # Where a pause or an abort took the answer, it moves all the same.
            self.under_way.append((message.obj, answer, message.kwargs.get("group")))

    def _begins(self, message: Message) -> bool:
        """Whether a plan that was ended is about to measure anew, rather than clean up.

        The last reading of a baseline is not: nothing was exposed for it, and it was read once.
        """
        match message.command:
            case "trigger":
                return message.obj in self.exposed
            case "create":
                return message.kwargs.get("name", "") in self.measuring
            case command:
                return command in _BEGINNING

    # ------------------------------------------------------------ holding and ending

    def _hold(self) -> Plan[None]:
        def over() -> bool:
            wanted = self.steering.wanted
            return wanted is None or wanted[0] is not Verdict.HOLD

        yield from tolerant_of(self.latch, wait_until(over, self.steering.when_changed))

    def _abort(self) -> tuple[Verdict, str]:
        """What the latch said; it may have been reset since."""
        wanted = self.steering.wanted
        return wanted if wanted is not None and wanted[0] is Verdict.ABORT else (Verdict.ABORT, "abort")

    def _end(self, verdict: Verdict, reason: str) -> Plan[Any]:
        """Throw the end into the plan; its next message."""
        self.ending = SteeredAbort(reason) if verdict is Verdict.ABORT else SteeredEnough(reason)
        self.leaving = True
        log.info("%s: %s", verdict.value, reason)
        disturbed = self.pauses != self.interruptions.count
        try:
            yield from stop_moving([(device, status) for device, status, _ in self.under_way], unsure=disturbed)
        except GeneratorExit:
            self.plan.close()
            raise
        except BaseException as exc:  # the engine or an outer steering ends it too: it is to clean up all the same
            return self._throw(exc)
        return self.plan.throw(self.ending)

    def _throw(self, exc: BaseException) -> Any:
        """Let the plan hear what the engine raised; its next message."""
        self.leaving = self.leaving or isinstance(exc, RequestAbort | RequestStop)
        return self.plan.throw(exc)

    def _throw_again(self) -> Any:
        assert self.ending is not None, "only a plan that was ended is told again"
        self.throws += 1
        if self.throws > THROWS:
            log.warning("the plan goes on measuring although it was ended %d times; it is closed", self.throws)
            with suppress(RuntimeError):  # it swallows that, too
                self.plan.close()
            raise self.ending
        return self.plan.throw(self.ending)

    def _close(self) -> Plan[None]:
        """Close and unstage what the plan left open, and hear out what was under way."""
        ending = self.ending
        status = "abort" if ending is None else ending.exit_status
        reason = None if ending is None else str(ending)
        for run in list(self.runs):
            with suppress(IllegalMessageSequence):
                yield from tolerant(Msg("close_run", None, run=run, exit_status=status, reason=reason))
        for device in list(self.staged):
            try:
                yield from tolerant(Msg("unstage", device))
            except RunEngineControlException:
                raise
            except Exception:
                log.exception("%s could not be unstaged", getattr(device, "name", device))
        yield from settle_within([status for _, status, _ in self.under_way if status is not None], WINDOW)


def tolerant_of(latch: AbortLatch, plan: Plan[Any]) -> Plan[None]:
    """Run a plan; what the latch throws into it only ends it."""
    try:
        yield from plan
    except FailedStatus as exc:
        if not latch.threw(exc):
            raise
