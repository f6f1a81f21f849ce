"""A device whose status fails when *abort* is set: the engine then ends whatever it waits for, at once."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

from skysteer.handoff import SRLatch

_groups = itertools.count()


class LatchStatus:
    """Open until the latch is set, which fails it, or until it is no longer needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[Any], None]] = []
        self._error: Exception | None = None
        self._done = False

    @property
    def done(self) -> bool:
        """Whether the wait for the latch is over."""
        return self._done

    @property
    def success(self) -> bool:
        """Whether it is over without the latch being set."""
        return self._done and self._error is None

    def exception(self, timeout: float | None = 0.0) -> BaseException | None:
        """What it failed with; never waits."""
        return self._error

    def add_callback(self, callback: Callable[[Any], None]) -> None:
        """Call back when it is over, at once if it is."""
        with self._lock:
            if not self._done:
                self._callbacks.append(callback)
                return
        callback(self)

    def end(self, error: Exception | None = None) -> None:
        """Be over, from any thread; again changes nothing."""
        with self._lock:
            if self._done:
                return
            self._done, self._error = True, error
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)


class AbortLatch:
    """What a plan triggers once, and names as ``watch`` in every wait that abort is to end."""

    parent = None
    name = "abort_latch"

    def __init__(self, latch: SRLatch) -> None:
        self.group = f"skysteer-abort-{next(_groups)}"
        """Group of its status."""
        self._latch = latch
        self._statuses: list[LatchStatus] = []
        self._over = False
        self._forget = latch.when_changed(self._look)

    def trigger(self) -> LatchStatus:
        """As of a device. A replay after a pause triggers it again."""
        status = LatchStatus()
        self._statuses.append(status)
        self._look()
        return status

    def threw(self, error: BaseException) -> bool:
        """Whether the engine raised this because of the latch."""
        return bool(error.args) and any(error.args[0] is status for status in self._statuses)

    @property
    def fired(self) -> bool:
        """Whether one of its statuses failed."""
        return any(status.done and not status.success for status in self._statuses)

    def close(self) -> None:
        """It is no longer needed."""
        self._over = True
        self._forget()
        for status in self._statuses:
            status.end()

    def _look(self) -> None:
        if self._latch.is_set() and not self._over:
            for status in list(self._statuses):
                status.end(RuntimeError("abort was requested"))
