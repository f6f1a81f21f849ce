"""One call of an engine: the thread that waits for it and the future that tells how it ended."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

__all__ = ["Call"]

_numbers = itertools.count(1)


class Call:
    """A plan handed over, or resumed, and not yet told of. The engine makes one for each future."""

    def __init__(self) -> None:
        self.future: Future[Any] = Future()
        self.future.set_running_or_notify_cancel()  # from now on cancel() answers False
        self.begun = threading.Event()
        """Set when the plan runs, or when it is known that it never will."""
        self.over = threading.Event()
        """Set when the engine is done with this call, just before the future is."""
        self.thread: threading.Thread | None = None

    def start(self, work: Callable[[], Any], finish: Callable[[], None]) -> None:
        """Run `work` in a thread of its own, then `finish`, then give the future its answer."""

        def run() -> None:
            answer: Any = None
            failure: BaseException | None = None
            try:
                answer = work()
            except BaseException as exc:  # all of it is the future's, as it would be the caller's
                failure = exc
            try:
                finish()
                self.begun.set()
                self.over.set()
                if failure is None:
                    self.future.set_result(answer)
                else:
                    self.future.set_exception(failure)
            finally:
                failure = None  # its traceback holds this frame

        # Daemon: an interpreter that exits in mid-plan must not wait for the plan.
        self.thread = threading.Thread(target=run, daemon=True, name=f"skysteer-engine-{next(_numbers)}")
        self.thread.start()
