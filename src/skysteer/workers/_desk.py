"""A thread with a mailbox and a worker: where an advisor and a watchdog do their work."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, Literal, Protocol, TypeVar, cast

from skysteer.errors import WorkerDied
from skysteer.handoff import Mailbox

from ._process import ProcessWorker
from ._worker import ThreadWorker, Worker

log = logging.getLogger(__name__)

Item = TypeVar("Item")


class DaskClient(Protocol):
    """A `distributed.Client`: told by its name, as Dask need not be installed."""

    @property
    def asynchronous(self) -> bool:
        """Whether its methods must be awaited."""
        ...

    def who_has(self, futures: Any = None) -> Any:
        """Which workers of the cluster have what."""
        ...


WorkerKind = Literal["thread", "process"] | DaskClient
"""Where a servant computes: here in a thread, in a process of its own, or on a worker of a Dask cluster."""


class Desk(Generic[Item]):
    """Takes items from any thread, in order, and handles them in one thread of its own.

    Parameters
    ----------
    what
        What is done here: the thread is called ``skysteer-<what>-<name>``.
    name
        Whose calls they are, for errors and the thread's name.
    kind
        Where the calls of the servant compute: in this thread, in a process,
        or (a `distributed.Client`) on a worker of a Dask cluster.
    servant
        The object whose methods are called; pickled where it is not for this thread.
    handle
        Called in the thread with all items that wait, in order.
    """

    def __init__(
        self, what: str, name: str, kind: WorkerKind, servant: Any, handle: Callable[[list[Item]], None]
    ) -> None:
        self._worker, self.where = _made(kind, servant, name)
        self.name = name
        self._title = f"skysteer-{what}-{name}"
        self.closed: Future[None] = Future()
        """Done when the thread and the process have ended."""
        self.closed.set_running_or_notify_cancel()  # nobody who waits for it can cancel it
        self.ready = False
        """Whether the worker was started."""
        self._handle = handle
        self._mailbox: Mailbox[Item] = Mailbox()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._busy: tuple[str, float] | None = None

    # ------------------------------------------------------------ from any thread

    def post(self, item: Item) -> bool:
        """Hand an item over without waiting; False once the desk is closed."""
        if self._thread is None:
            with self._starting:
                if self._thread is None and not self._mailbox.closed:
                    self._thread = threading.Thread(target=self._serve, name=self._title, daemon=True)
                    self._thread.start()
        return self._mailbox.put(item)

    @property
    def waiting(self) -> int:
        """How many items wait."""
        return len(self._mailbox)

    @property
    def closing(self) -> bool:
        """Whether `close` was called."""
        return self._mailbox.closed

    @property
    def busy(self) -> tuple[str, float] | None:
        """What the servant is doing and since how many seconds, or ``None``."""
        busy = self._busy
        return None if busy is None else (busy[0], time.monotonic() - busy[1])

    def close(self) -> bool:
        """End the worker; `closed` tells when that is done.

        Returns
        -------
        bool
            False for a thread that is busy in the servant's code, which
            cannot be ended: a warning was logged.
        """
        with self._starting:
            self._mailbox.close()
            if self._thread is None and not self.closed.done():
                self.closed.set_result(None)
        if (busy := self.busy) is None or self._worker.kill():
            return True
        log.warning(
            "%s is in %s for %.1f s: its thread %r ends when that returns",
            self.name, busy[0], busy[1], self._title,
        )  # fmt: skip
        return False

    # ------------------------------------------------------------ in its own thread

    def start(self) -> None:
        """Start the worker, if it was not."""
        if not self.ready:
            self._doing("starting", self._worker.start)
            self.ready = True

    def call(self, what: str, method: str, *args: Any) -> Any:
        """Call the servant and wait; raises what it raises, or `skysteer.errors.WorkerDied`."""
        self.start()
        return self._doing(what, lambda: self._worker.call(method, *args))

    def restart(self) -> None:
        """Forget a worker that died: the next call begins anew, with the servant as it was at first."""
        self._worker.close()
        self.ready = False

    def _doing(self, what: str, function: Callable[[], Any]) -> Any:
        self._busy = what, time.monotonic()
        try:
            # Looked at after we are busy, as `close` looks whether we are after
            # it has closed the mailbox: one of the two sees the other.
            if self.closing and self.where != "thread":
                raise WorkerDied(f"{self.name} was closed")
            return function()
        finally:
            self._busy = None

    def _serve(self) -> None:
        try:
            while (items := self._mailbox.take()) is not None:
                self._handle(items)
        finally:
            self._worker.close()
            self.closed.set_result(None)


def _made(kind: Any, servant: Any, name: str) -> tuple[Worker, Literal["thread", "process", "dask"]]:
    """The worker, and in a word where it is."""
    if isinstance(kind, str) and kind == "thread":
        return ThreadWorker(servant, name), "thread"
    if isinstance(kind, str) and kind == "process":
        return ProcessWorker(servant, name), "process"
    if any(each.__name__ == "Client" and each.__module__.startswith("distributed.") for each in type(kind).__mro__):
        from .dask import DaskWorker  # a leaf: Dask is there, as its client is

        return DaskWorker(cast(Any, kind), servant, name), "dask"
    raise ValueError(f"worker must be 'thread', 'process' or a distributed.Client, found {kind!r}")
