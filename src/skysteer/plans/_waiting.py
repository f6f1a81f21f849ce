"""Waiting for another thread, or for a coroutine, in a plan: stock messages, pausable anywhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from typing import Any, TypeVar

from bluesky.utils import Msg

T = TypeVar("T")
Plan = Generator[Msg, Any, T]
"""A plan that returns a T."""
Watch = Callable[[Callable[[], None]], Callable[[], None]]
"""Asks for a call, once, from any thread, when something happens; returns what takes the request back."""


def wait_until(ready: Callable[[], bool], watch: Watch, deadline: float | None = None) -> Plan[bool]:
    """Wait until something is so, without a poll.

    The answer of the engine is never trusted: after a pause it may be None,
    and the wait may have been replayed. `ready` is looked at again instead.

    Parameters
    ----------
    ready
        Whether there is anything to wait for.
    watch
        Has the plan woken when `ready` may have changed.
    deadline
        On the monotonic clock, in seconds; ``None`` waits for ever.

    Returns
    -------
    bool
        What `ready` says at the end: False if the deadline came first.
    """
    armed: list[asyncio.Future[None]] = []

    def factory() -> asyncio.Future[None]:
        waiting = _wakeable(ready, watch, deadline)
        armed.append(waiting)
        return waiting

    try:
        while not ready() and (deadline is None or time.monotonic() < deadline):
            yield Msg("wait_for", None, [factory])
            if not armed:
                break  # nobody waits: a simulator runs the plan
            _cancel(armed)
    finally:
        # A pause or an abort leaves the future of an interrupted wait behind.
        _cancel(armed)
    return ready()


def run_coroutine(function: Callable[[], Awaitable[T]]) -> Plan[T]:
    """Await a coroutine function on the engine's loop; after a pause it is called again.

    Raises
    ------
    Exception
        What the coroutine raised.
    """
    results: list[asyncio.Future[T]] = []
    tasks: list[asyncio.Future[T]] = []

    def factory() -> asyncio.Future[T]:
        if results:  # it ended during a pause, and the wait is replayed
            return results[0]
        task = asyncio.ensure_future(function())
        tasks.append(task)
        task.add_done_callback(lambda done: None if done.cancelled() else results.append(done))
        return task

    try:
        while not results:
            yield Msg("wait_for", None, [factory])
    finally:
        _cancel([task for task in tasks if not task.done()])
        for done in results:
            done.exception()  # looked at, also where another attempt answered first
    return results[0].result()


def _wakeable(ready: Callable[[], bool], watch: Watch, deadline: float | None) -> asyncio.Future[None]:
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[None] = loop.create_future()

    def resolve() -> None:
        if not waiting.done():
            waiting.set_result(None)

    def wake() -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits there any more
            loop.call_soon_threadsafe(resolve)

    forget = watch(wake)
    waiting.add_done_callback(lambda _: forget())
    # Between the look and the watch, or during a pause, it may have happened.
    if ready():
        resolve()
    if deadline is not None:
        timer = loop.call_later(max(0.0, deadline - time.monotonic()), resolve)
        waiting.add_done_callback(lambda _: timer.cancel())
    return waiting


def _cancel(futures: list[Any]) -> None:
    for future in futures:
        future.cancel()
    futures.clear()
