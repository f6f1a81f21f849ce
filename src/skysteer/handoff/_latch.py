"""A set-reset latch that any thread may throw and that wakes its waiters at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

State = Literal["set", "reset"]


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of a latch."""

    state: State
    cause: str
    """Who or what changed it, in the words given to `SRLatch.set` or `SRLatch.reset`."""
    time: float
    """Seconds since the epoch."""


class SRLatch:
    """A set-reset latch; it starts reset.

    Every method may be called from any thread. Setting a latch that is set, or
    resetting one that is reset, changes nothing and wakes nobody.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = Transition("reset", "", time.time())
        self._waiters: dict[asyncio.Future[Transition], tuple[State, asyncio.AbstractEventLoop]] = {}
        self._watchers: dict[object, Callable[[], None]] = {}
        self._listeners: dict[object, Callable[[Transition], object]] = {}

    def set(self, cause: str = "") -> None:
        """Set the latch and wake, at once, whoever waits for it to be set."""
        self._change("set", cause)

    def reset(self, cause: str = "") -> None:
        """Reset the latch and wake, at once, whoever waits for it to be reset."""
        self._change("reset", cause)

    def is_set(self) -> bool:
        """Whether the latch is set now."""
        return self._last.state == "set"

    @property
    def last(self) -> Transition:
        """The newest transition; before the first one, the start as reset."""
        return self._last

    async def wait_for_set(self) -> Transition:
        """Wait until the latch is set.

        Returns
        -------
        Transition
            The one that ended the wait, also if the latch was reset again
            before this coroutine ran: a short pulse is never lost. A latch
            that is set already returns its newest transition at once.
        """
        return await self._wait("set")

    async def wait_for_reset(self) -> Transition:
        """Wait until the latch is reset; otherwise as `wait_for_set`."""
        return await self._wait("reset")

    def when_changed(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have ``wake`` called at every change, from the changing thread: it must only hand over.

        Returns a function that takes the request back.
        """
        key = object()
        with self._lock:
            self._watchers[key] = wake

        def forget() -> None:
            with self._lock:
                self._watchers.pop(key, None)

        return forget

    def listen(self, hear: Callable[[Transition], object]) -> Callable[[], None]:
        """Have ``hear`` told the newest transition now, and every later one, in order: none is lost.

        It is called under the latch's lock, by the thread that changes the
        latch: it must only put away what it hears, and not touch the latch.
        Returns a function that takes the request back.
        """
        key = object()
        with self._lock:
            hear(self._last)
            self._listeners[key] = hear

        def forget() -> None:
            with self._lock:
                self._listeners.pop(key, None)

        return forget

    async def _wait(self, state: State) -> Transition:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Transition] = loop.create_future()
        with self._lock:
            if self._last.state == state:
                return self._last
            self._waiters[waiter] = state, loop
        try:
            return await waiter
        finally:
            with self._lock:
                self._waiters.pop(waiter, None)

    def _change(self, state: State, cause: str) -> None:
        with self._lock:
            if self._last.state == state:
                return
            transition = self._last = Transition(state, cause, time.time())
            woken = [(waiter, loop) for waiter, (wanted, loop) in self._waiters.items() if wanted == state]
            # The waiter leaves the list with the transition that woke it: a
            # later one must neither replace that answer nor set it twice.
            for waiter, _ in woken:
                del self._waiters[waiter]
            for hear in self._listeners.values():
                hear(transition)
            watchers = list(self._watchers.values())
        for waiter, loop in woken:
            with suppress(RuntimeError):  # the loop was closed: nobody waits there any more
                loop.call_soon_threadsafe(_hand_over, waiter, transition)
        for wake in watchers:
            wake()

    def __repr__(self) -> str:
        return f"<SRLatch {self._last.state}{f' by {self._last.cause}' if self._last.cause else ''}>"


def _hand_over(waiter: asyncio.Future[Transition], transition: Transition) -> None:
    if not waiter.done():
        waiter.set_result(transition)
