"""What a device returns from ``set`` and ``trigger``."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from functools import partial
from typing import cast

from skysteer.engine._timers import Timer, Timers
from skysteer.errors import SkysteerError

__all__ = ["InvalidState", "Status", "StatusTimeoutError", "WaitTimeoutError"]

_log = logging.getLogger("skysteer.engine")

_timers = Timers("skysteer-status-timers")


class InvalidState(SkysteerError, RuntimeError):
    """A status was finished twice."""


class StatusTimeoutError(SkysteerError, TimeoutError):
    """The action took longer than the status's own timeout."""


class WaitTimeoutError(SkysteerError, TimeoutError):
    """The wait was too short; the action goes on."""


class Status:
    """The progress of a move, an exposure or any action that takes time.

    The device that made it calls `set_finished` or `set_exception`, once; who
    received it waits or adds callbacks. It behaves as `ophyd.status.Status` and
    satisfies `bluesky.protocols.Status`, but costs no thread: the time limits and
    settle times of all statuses are kept by one thread, which lives while there are
    any. (The engine's loop could keep them too, but then a status would need an
    engine, and would not time out while a plan blocks the loop.)

    All methods may be called from any thread. Callbacks run in the thread that
    finishes the status, or in the shared one if a timeout or a settle time does:
    they must be short.

    Parameters
    ----------
    timeout
        Seconds the action may take; then the status fails with
        `StatusTimeoutError`. The settle time comes on top. None: for ever.
    settle_time
        Seconds from `set_finished` until the status is done.
    """

    def __init__(self, *, timeout: float | None = None, settle_time: float | None = 0) -> None:
        self._timeout = None if timeout is None else float(timeout)
        self._settle_time = float(settle_time or 0)
        for name, value in (("timeout", self._timeout), ("settle_time", self._settle_time)):
            if value is not None and math.isnan(value):
                raise ValueError(f"{name} of a status is NaN, a number of seconds is needed")
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._told = False  # set_finished or set_exception was called
        self._exception: Exception | None = None
        self._callbacks: list[Callable[[Status], object]] = []
        self._settling: Timer | None = None
        self._limit: Timer | None = None
        if self._timeout is not None and self._timeout < math.inf:
            self._limit = _timers.start(self._timeout + self._settle_time, self._expire)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(done={self.done}, success={self.success}, "
            f"timeout={self.timeout}, settle_time={self.settle_time})"
        )

    @property
    def timeout(self) -> float | None:
        """Seconds the action may take, without the settle time; None for ever."""
        return self._timeout

    @property
    def settle_time(self) -> float:
        """Seconds from `set_finished` until the status is done."""
        return self._settle_time

    @property
    def done(self) -> bool:
        """Whether the action is over, well or not. Once True, it stays so."""
        return self._done.is_set()

    @property
    def success(self) -> bool:
        """Whether the action is over and went well."""
        return self.done and self._exception is None

    @property
    def callbacks(self) -> tuple[Callable[[Status], object], ...]:
        """The callbacks that have yet to be called."""
        with self._lock:
            return tuple(self._callbacks)

    def set_finished(self) -> None:
        """Say that the action went well; for the device only.

        Ignored if the status has timed out.

        Raises
        ------
        InvalidState
            If this or `set_exception` was called before.
        """
        self._tell()
        if self._settle_time > 0:
            with self._lock:
                if not self._done.is_set():
                    self._settling = _timers.start(self._settle_time, partial(self._end, None))
        else:
            self._end(None)

    def set_exception(self, exc: Exception | type[Exception]) -> None:
        """Say that the action failed, and why; for the device only. There is no settle time then.

        Ignored if the status has timed out.

        Raises
        ------
        InvalidState
            If this or `set_finished` was called before.
        ValueError
            If `exc` is no exception, or is one of the two that only the status
            itself may raise (take a plain `TimeoutError` instead).
        """
        kind: type = exc if isinstance(exc, type) else type(exc)
        if not issubclass(kind, Exception):
            raise ValueError(f"set_exception takes an Exception, got {exc!r}")
        if issubclass(kind, StatusTimeoutError | WaitTimeoutError):
            raise ValueError(
                f"{kind.__name__} is for the status itself to raise, and cannot be set; take a plain TimeoutError"
            )
        self._tell()
        self._end(cast(Exception, exc))  # a class is kept as it is, as ophyd does: it can be raised as well

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait until the action is over; what it failed with, or None if it went well.

        Parameters
        ----------
        timeout
            Seconds to wait, from now; None for ever.

        Raises
        ------
        WaitTimeoutError
            If the action is not over by then.
        """
        if not self._done.wait(timeout):
            raise WaitTimeoutError(f"{self!r} is not done after waiting for {timeout} s")
        return self._exception

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the action is over, and raise what it failed with.

        Parameters
        ----------
        timeout
            Seconds to wait, from now; None for ever.

        Raises
        ------
        WaitTimeoutError
            If the action is not over by then.
        StatusTimeoutError
            If it took longer than the status's own timeout.
        """
        exc = self.exception(timeout)
        if exc is not None:
            raise exc

    def add_callback(self, callback: Callable[[Status], object]) -> None:
        """Call ``callback(status)`` once when the action is over, well or not; at once if it is already.

        What a callback raises is logged, never raised.
        """
        with self._lock:
            if not self._done.is_set():
                self._callbacks.append(callback)
                return
        self._call(callback)

    def _tell(self) -> None:
        with self._lock:
            if self._told:
                raise InvalidState(f"set_finished() or set_exception() was called before on {self!r}")
            self._told = True

    def _expire(self) -> None:
        seconds = f"{self._timeout} s" + (f" and {self._settle_time} s to settle" if self._settle_time else "")
        if self._end(StatusTimeoutError(f"the action was not over within {seconds}: {self!r}")):
            _log.warning("%r has timed out", self)

    def _end(self, exc: Exception | None) -> bool:
        """Be done. False if it was already."""
        with self._lock:
            if self._done.is_set():
                return False
            self._exception = exc
            callbacks, self._callbacks = self._callbacks, []
            timers, self._limit, self._settling = (self._limit, self._settling), None, None
            self._done.set()
        for timer in timers:
            if timer is not None:
                _timers.cancel(timer)
        for callback in callbacks:
            self._call(callback)
        return True

    def _call(self, callback: Callable[[Status], object]) -> None:
        try:
            callback(self)
        except Exception:
            _log.exception("the callback %r of %r failed", callback, self)
