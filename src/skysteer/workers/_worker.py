"""What a worker is, and the simplest one: the driving thread itself."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

from threadpoolctl import threadpool_limits


class Worker(Protocol):
    """Runs the calls of one servant: any object. All but `kill` are for the one thread that drives it."""

    def start(self) -> None:
        """Begin, or begin anew after `WorkerDied`, with the servant as it was at first."""
        ...

    def call(self, method: str, *args: Any) -> Any:
        """Call a method of the servant and wait for its answer.

        Raises
        ------
        WorkerDied
            If the worker ended; `start` again.
        Exception
            Whatever the servant raised.
        """
        ...

    def kill(self) -> bool:
        """Make a call that is under way end at once, from any thread; False where that cannot be done."""
        ...

    def close(self) -> None:
        """End and clean up."""
        ...


class _OneBlasThread:
    """The limit holds for the whole process: workers, which end in any order, share it, and the last takes it off."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limits = ExitStack()

    def enter(self) -> None:
        with self._lock:
            if not self._users:
                self._limits.enter_context(threadpool_limits(limits=1))
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._limits.close()


_limit = _OneBlasThread()


@contextmanager
def one_blas_thread() -> Generator[None]:
    """Compute as a recommender in a worker does: with other threads the last digits of a model are others."""
    _limit.enter()
    try:
        yield
    finally:
        _limit.leave()


class ThreadWorker:
    """In the driving thread itself: any object will do, but pure Python holds the GIL and slows the plan."""

    def __init__(self, servant: Any, name: str = "") -> None:
        self._servant = servant
        self._started = False

    def start(self) -> None:
        if not self._started:
            _limit.enter()
            self._started = True

    def call(self, method: str, *args: Any) -> Any:
        return getattr(self._servant, method)(*args)

    def kill(self) -> bool:
        return False

    def close(self) -> None:
        if self._started:
            _limit.leave()
            self._started = False
