"""One thread that keeps the time for all statuses."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Timer", "Timers"]

_log = logging.getLogger("skysteer.engine")

_LINGER = 0.1
"""Seconds the thread stays without timers: a scan of short moves must not start a thread for each."""

_LONGEST_WAIT = 3600.0
"""Seconds; a condition cannot wait for ever-so-long times, so it wakes up and waits again."""


@dataclass(order=True, slots=True)
class Timer:
    """Something to do at a time."""

    when: float
    """On the clock of `time.monotonic`, in seconds."""
    number: int
    """Timers of the same time go off in the order they were made."""
    action: Callable[[], object] | None = field(compare=False)
    """Called in the timers' thread; None once it was called or cancelled."""


class Timers:
    """Any number of timers on a single daemon thread, which lives only while there are any.

    The thread is started by the first timer and ends by itself shortly after the
    last has gone off or was cancelled. All methods may be called from any thread.
    An action must be short: the other timers wait for it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = threading.Condition(threading.Lock())
        self._heap: list[Timer] = []
        self._cancelled = 0
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    def start(self, delay: float, action: Callable[[], object]) -> Timer:
        """Call `action` in `delay` seconds."""
        timer = Timer(time.monotonic() + delay, next(self._numbers), action)
        with self._changed:
            heapq.heappush(self._heap, timer)
            # Not alive without having said so: we are the child of a fork.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, daemon=True, name=self._name)
                self._thread.start()
            elif self._heap[0] is timer:
                self._changed.notify()
        return timer

    def cancel(self, timer: Timer) -> None:
        """Do not call the timer's action any more. Does nothing if it was called, or is being called."""
        with self._changed:
            if timer.action is None:
                return
            timer.action = None
            self._cancelled += 1
            # Cancelled timers stay until they are the majority: a long time limit
            # on many short moves must neither fill the memory nor keep the thread.
            if 2 * self._cancelled > len(self._heap):
                self._heap = [each for each in self._heap if each.action is not None]
                heapq.heapify(self._heap)
                self._cancelled = 0
                self._changed.notify()

    def _run(self) -> None:
        while (action := self._next_action()) is not None:
            try:
                action()
            except Exception:
                _log.exception("a timer's action %r failed", action)

    def _next_action(self) -> Callable[[], object] | None:
        """Wait for the next action. None: there was nothing to wait for, and the thread must end."""
        with self._changed:
            while True:
                while self._heap and self._heap[0].action is None:
                    heapq.heappop(self._heap)
                    self._cancelled -= 1
                if not self._heap:
                    if self._changed.wait_for(lambda: self._heap, _LINGER):
                        continue
                    self._thread = None  # under the lock: the next timer starts another one
                    return None
                delay = self._heap[0].when - time.monotonic()
                if delay > 0:
                    self._changed.wait(min(delay, _LONGEST_WAIT))
                    continue
                timer = heapq.heappop(self._heap)
                action, timer.action = timer.action, None
                return action
