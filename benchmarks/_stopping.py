"""Ways to stop a plan that runs, each tried at a random moment from another thread than the engine's."""

from __future__ import annotations

import asyncio
import io
import itertools
import math
import random
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from typing import Any

from bluesky import plan_stubs as bps
from bluesky import plans as bp
from bluesky import preprocessors as bpp
from bluesky.suspenders import SuspendBoolHigh
from bluesky.utils import IllegalMessageSequence, Msg, RunEngineInterrupted

from skysteer import Action, Steering, Verdict, steered
from skysteer.plans import wait_for_actions

from ._devices import Beam

Plan = Generator[Msg, Any, Any]
POLL = 1 / 60
"""Seconds between two looks at a latch, redsun's way."""


@dataclass  # no slots: Bluesky keeps a weak reference to the method
class Noted:
    """What a plan notes while it runs; times of the monotonic clock."""

    running: threading.Event = field(default_factory=threading.Event)
    acted: float = math.inf
    """When the plan was told."""
    saved: float = -math.inf
    """When the newest event was emitted."""
    closed: float = math.inf
    """When the stop document was emitted."""

    def document(self, name: str, doc: Mapping[str, Any]) -> None:
        if name == "event":
            self.saved = time.monotonic()
        elif name == "stop":
            self.closed = time.monotonic()


@dataclass(slots=True)
class Stoppable:
    """A plan, and what stops it."""

    plan: Plan
    stop: Callable[[], object]
    after: Callable[[], object] | None = None
    """What ends a plan that was only held, and told nothing."""


Way = Callable[[Any, Beam, Noted], AbstractContextManager[Stoppable]]


@dataclass(frozen=True, slots=True)
class Stop:
    """What one try found, in milliseconds."""

    acted: float
    """Until the plan was told; infinite where it is not."""
    after_event: float
    """The same, from the end of the reading that was under way, if that was later."""
    triggered: float
    """Until the last trigger that still began; 0 if there was none."""
    closed: float
    """Until the stop document."""


# ------------------------------------------------------------ plans


def looping(beam: Beam, noted: Noted, heard: Callable[[], Plan] | None = None) -> Plan:
    """Reads the detector again and again; ``heard`` says when that is enough."""

    @bpp.run_decorator(md={})
    def inner() -> Plan:
        try:
            for number in itertools.count():
                yield from bps.checkpoint()
                yield from bps.trigger_and_read([beam.det])
                if number == 2:
                    noted.running.set()
                if heard is not None and (yield from heard()):
                    noted.acted = time.monotonic()
                    return
        except BaseException:
            noted.acted = time.monotonic()
            raise

    return (yield from inner())


def exposing(beam: Beam, noted: Noted) -> Plan:
    """One exposure, in a run."""

    def beginning(message: Msg) -> Msg:
        if message.command == "wait":
            noted.running.set()
        return message

    return bpp.msg_mutator(bp.count([beam.det]), beginning)


def waiting(noted: Noted, wait: Callable[[], Plan]) -> Plan:
    """Does nothing but wait."""
    noted.running.set()
    yield from wait()
    noted.acted = time.monotonic()


# ------------------------------------------------------------ ways to stop them


def steering(verdict: Verdict, plan: Callable[[Beam, Noted], Plan] = looping) -> Way:
    """Ours, around a plan that knows nothing of it."""

    @contextmanager
    def way(RE: Any, beam: Beam, noted: Noted):
        wheel = Steering()
        latch = wheel.abort.latch if verdict is Verdict.ABORT else wheel.enough.latch
        yield Stoppable(steered(plan(beam, noted), wheel), lambda: latch.set("benchmark"))

    return way


@contextmanager
def our_stub(RE: Any, beam: Beam, noted: Noted):
    """Our plan stub, on any engine."""
    action = Action("go")
    yield Stoppable(waiting(noted, lambda: wait_for_actions(action.event_map)), action.latch.set)


@contextmanager
def our_command(RE: Any, beam: Beam, noted: Noted):
    """Our engine's command, without the stub."""
    action = Action("go")

    def wait() -> Plan:
        while (yield Msg("wait_for_actions", None, action.event_map)) is None:
            pass

    yield Stoppable(waiting(noted, wait), action.latch.set)


class PolledLatch:
    """A flag and an `asyncio.Event`, which wakes nobody when another thread sets it."""

    def __init__(self) -> None:
        self._flag, self._event = False, asyncio.Event()

    def set(self) -> None:
        self._flag = True
        self._event.set()

    async def wait(self) -> None:
        if not self._flag:
            await self._event.wait()


async def poll_for_actions(msg: Any) -> str | None:
    """Wait for one of the latches until the timeout: the command as redsun has it."""
    tasks = {asyncio.create_task(latch.wait(), name=name) for name, latch in msg.args[0].items()}
    done, pending = await asyncio.wait(tasks, timeout=msg.kwargs["timeout"], return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    return done.pop().get_name() if done else None


def _polled(latch: PolledLatch) -> Plan:
    yield Msg("checkpoint")
    return (yield Msg("poll_for_actions", None, {"go": latch}, timeout=POLL))


@contextmanager
def poll_while_waiting(RE: Any, beam: Beam, noted: Noted):
    """Redsun's way to wait."""
    latch = PolledLatch()

    def wait() -> Plan:
        while (yield from _polled(latch)) is None:
            pass

    yield Stoppable(waiting(noted, wait), latch.set)


@contextmanager
def poll_while_reading(RE: Any, beam: Beam, noted: Noted):
    """Redsun's way to read until told: a poll after each reading."""
    latch = PolledLatch()
    yield Stoppable(looping(beam, noted, lambda: _polled(latch)), latch.set)


def engine_abort(plan: Callable[[Beam, Noted], Plan] = looping) -> Way:
    """Bluesky's way to end everything."""

    @contextmanager
    def way(RE: Any, beam: Beam, noted: Noted):
        yield Stoppable(plan(beam, noted), RE.abort)

    return way


class Flag:
    """A signal for a suspender that calls it back at once, in the thread that sets it."""

    name = "flag"

    def subscribe(self, callback: Callable[..., None], event_type: Any = None, run: bool = True) -> None:
        self._callback = callback

    def clear_sub(self, callback: Callable[..., None], event_type: Any = None) -> None:
        del self._callback

    def trip(self) -> None:
        self._callback(value=1)


@contextmanager
def suspender(RE: Any, beam: Beam, noted: Noted):
    """Bluesky's way to hold. The plan is not told."""
    flag = Flag()
    guard = SuspendBoolHigh(flag)
    RE.install_suspender(guard)
    try:
        yield Stoppable(looping(beam, noted), flag.trip, lambda: (time.sleep(0.02), RE.abort()))
    finally:
        RE.remove_suspender(guard)
        # Which says so, on the loop.
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), RE.loop).result(10)


# ------------------------------------------------------------ one try


def attempt(RE: Any, beam: Beam, way: Way, moment: random.Random) -> Stop:
    """Start a plan, stop it at some moment, and see how long that took."""
    noted = Noted()
    # The engine says on the standard output that it suspends and aborts.
    with redirect_stdout(io.StringIO()), way(RE, beam, noted) as stoppable:
        future = RE(stoppable.plan, noted.document)
        future.add_done_callback(lambda _: noted.running.set())
        if not noted.running.wait(10):
            raise TimeoutError("the plan did not begin within 10 s")
        time.sleep(moment.uniform(0.005, 0.025))
        if future.done():
            raise AssertionError("the plan came to its end by itself") from future.exception()
        asked = time.monotonic()
        stoppable.stop()
        if stoppable.after is not None:
            stoppable.after()
        # A plan that is aborted while it is suspended may not be able to drop its reading twice.
        with suppress(RunEngineInterrupted, *([IllegalMessageSequence] if stoppable.after else [])):
            future.result(30)
    if stoppable.after is not None:
        noted.acted = noted.closed = math.inf
    since = max(asked, noted.saved) if noted.saved < noted.acted else asked
    return Stop(
        acted=1e3 * (noted.acted - asked),
        after_event=1e3 * (noted.acted - since),
        triggered=1e3 * max(0.0, beam.det.triggered - asked),
        closed=1e3 * (noted.closed - asked),
    )
