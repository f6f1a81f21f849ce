"""The event loop of an engine: taken in when the engine is made, given back when it is closed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import MutableMapping
from concurrent.futures import Future
from typing import Any, cast

from bluesky import run_engine as stock

__all__ = ["EngineLoop"]


class EngineLoop:
    """An event loop and what must be undone with it: we stop what we started and close what we made.

    Parameters
    ----------
    given
        The caller's loop, or None to make one. A loop that already runs (in any
        thread but this one) is used as it is.
    """

    def __init__(self, given: asyncio.AbstractEventLoop | None) -> None:
        self._made = given is None
        self.loop = asyncio.new_event_loop() if given is None else given
        self._started = not self.loop.is_running()
        self._before = cast(asyncio.AbstractEventLoop | None, stock.get_bluesky_event_loop())
        if not self._started:
            self._make_thread_known()

    def _make_thread_known(self) -> None:
        # Bluesky looks up the thread of a running loop, and knows only those it started itself.
        threads = _threads_of_loops()
        if self.loop in threads:
            return
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self.loop:
            raise ValueError(
                "the event loop given as loop= is the one this thread runs (in a notebook: the kernel's own), so the "
                "engine would wait for itself; leave loop= out, or give a loop that another thread runs"
            )
        answer: Future[threading.Thread] = Future()
        self.loop.call_soon_threadsafe(lambda: answer.set_result(threading.current_thread()))
        threads[self.loop] = answer.result()

    def give_back(self, timeout: float) -> None:
        """Undo what was done to the loop. Does nothing the second time.

        Raises
        ------
        TimeoutError
            If something on the loop would not end within `timeout` seconds.
        """
        if self._started and self.loop.is_running():
            if self._made:
                asyncio.run_coroutine_threadsafe(_end_all_tasks(self.loop), self.loop).result(timeout)
            self.loop.call_soon_threadsafe(self.loop.stop)
            thread = _threads_of_loops()[self.loop]
            thread.join(timeout)
            if thread.is_alive():
                raise TimeoutError(
                    f"the engine's loop did not stop within {timeout} s: its thread {thread.name} is stuck"
                )
        if self._made and not self.loop.is_closed():
            self.loop.close()
        if stock.get_bluesky_event_loop() is self.loop:
            usable = self._before is not None and self._before.is_running()
            stock.set_bluesky_event_loop(self._before if usable else None)  # pyright: ignore[reportUnknownMemberType]


def _threads_of_loops() -> MutableMapping[asyncio.AbstractEventLoop, threading.Thread]:
    return cast(Any, stock)._ensure_event_loop_running.loop_to_thread


async def _end_all_tasks(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
