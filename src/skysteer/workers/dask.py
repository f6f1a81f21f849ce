"""A worker on another machine: a process beside a Dask worker, reached through the client and its scheduler.

A Dask worker cannot end a call that is under way, and a model in pure Python
would hold up its heartbeat. So the servant is not in the Dask worker but in a
process that this one owns (the same as for ``worker="process"``). An actor,
which Dask neither moves nor retires, stands for it and keeps it alive::

    DaskWorker ──client──> scheduler ──> Dask worker: Host (actor) ──pipe──> the servant's process
"""

from __future__ import annotations

import asyncio
import logging
import platform
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from importlib.metadata import version
from typing import Any, TypeVar, cast
from uuid import uuid4
from weakref import WeakValueDictionary

from distributed import Client

from skysteer.errors import RecommenderError, WorkerDied

from ._pickled import pickled
from ._process import GOODBYE, Child, packed, unpacked

log = logging.getLogger(__name__)
T = TypeVar("T")

WATCH = 2.0
"""Seconds of a call between two looks whether the client is still open, and the Dask worker still there."""
COMPLAIN = 10.0
"""Seconds without a Dask worker that takes the servant between two warnings."""


class DaskWorker:
    """On a worker of a Dask cluster, which may be another machine.

    The client stays open and is used by others meanwhile; nothing of ours
    stays on the cluster when this is closed.

    A Dask worker that dies is noticed by the broken connection; one that falls
    silent when the scheduler gives it up. A scheduler that is gone is an error
    when the client has given it up (its ``timeout``, 30 s by default).
    """

    def __init__(self, client: Client, servant: Any, name: str = "the servant") -> None:
        if client.asynchronous:
            raise ValueError("worker is an asynchronous Dask client; give one made without asynchronous=True")
        self._client = client
        self._name = name
        self._servant = servant
        self._pickled: bytes | None = None
        self._token = ""
        self._actor: Any = None
        self._address: str | None = None
        self._pending: Future[Any] | None = None
        self._killed = False

    def start(self) -> None:
        """As `Worker.start`; it waits until a Dask worker takes the servant.

        Raises
        ------
        RecommenderError
            If the servant cannot travel, the cluster cannot take it, or the client is closed.
        """
        self.close()
        if self._pickled is None:
            self._pickled = pickled(self._servant, self._name, "a Dask worker")
        self._place()
        unpacked(self._exchange("start", self._pickled))

    def call(self, method: str, *args: Any) -> Any:
        """As `Worker.call`."""
        return unpacked(self._exchange("exchange", packed(method, args)))

    @property
    def address(self) -> str | None:
        """Address of the Dask worker while the servant is there."""
        return self._address

    def kill(self) -> bool:
        """As `Worker.kill`: here the call ends at once, there `close` ends it."""
        self._killed = True
        pending = self._pending
        if pending is not None:
            pending.cancel()
        return True

    def close(self) -> None:
        """As `Worker.close`: ends the process there, and lets go of the actor."""
        actor, self._actor = self._actor, None
        address, self._address = self._address, None
        if actor is None or self._client.status in ("closing", "closed"):
            return  # the scheduler lets go of what a client held
        if address is not None:
            goodbye = self._send(lambda: self._run(_end, address))
            if wait([goodbye], GOODBYE).not_done or goodbye.cancelled() or goodbye.exception() is not None:
                goodbye.cancel()
                log.info("the Dask worker %s did not answer when %s was ended", address, self._name)
        actor.release()

    def _place(self) -> None:
        """Have an actor made, somewhere, and see whether its Python can take the servant."""
        self._check_client()
        self._token = uuid4().hex
        self._actor = cast(Any, self._client).submit(
            Host, self._token, self._name, actor=True, key=f"skysteer-{self._name}-{self._token}"
        )
        error = self._wait(self._actor.exception)
        if error is not None:
            raise RecommenderError(
                f"no Dask worker can take {self._name}: {_line(error)}; "
                "skysteer must be installed on the workers and on the scheduler, as it is here"
            ) from error
        found = self._wait(self._whereabouts)
        if not found:
            raise WorkerDied(f"the Dask worker of {self._name} ended while it was being started")
        self._address = found[0]
        theirs, ours = self._wait(lambda: self._run(_versions, found[0])), _versions(self._token)
        if theirs != ours:
            raise RecommenderError(
                f"the Dask worker {self._address} has {_words(theirs)}, here it is {_words(ours)}: "
                "a servant travels between equal versions only"
            )

    def _exchange(self, method: str, message: bytes) -> bytes:
        address = self._address
        if address is None:
            raise WorkerDied(f"{self._name} has no Dask worker")
        answer = self._wait(lambda: self._run(_exchange, address, method, message))
        if isinstance(answer, bytes):
            return answer
        if answer is None:
            answer = f"it does not know {self._name} any more"
            self._address = None
        raise WorkerDied(f"Dask worker {address}: {answer}")

    # ------------------------------------------------------------ on the client's loop

    async def _run(self, function: Callable[..., Any], address: str, *args: Any) -> Any:
        """Call a function in the Dask worker, beside its tasks."""
        call = asyncio.ensure_future(cast(Any, self._client).run(function, self._token, *args, workers=[address]))
        try:
            # The scheduler would try for half a minute to reach a worker that died just before it was called.
            while not (await asyncio.wait([call], timeout=WATCH))[0]:
                if address not in await self._whereabouts():
                    raise ConnectionError("the scheduler has given it up")
        except BaseException:
            call.cancel()
            raise
        return call.result()[address]

    async def _whereabouts(self) -> list[str]:
        found: Mapping[str, list[str]] = await cast(Any, self._client).who_has([self._actor])
        return [address for addresses in found.values() for address in addresses]

    # ------------------------------------------------------------ in the driving thread

    def _send(self, function: Callable[[], Awaitable[T]]) -> Future[T]:
        async def run() -> T:
            return await function()

        going = run()
        try:
            return asyncio.run_coroutine_threadsafe(going, cast(Any, self._client).loop.asyncio_loop)
        except RuntimeError:  # it was closed meanwhile
            going.close()
            raise self._gone() from None

    def _wait(self, function: Callable[[], Awaitable[T]]) -> T:
        """Wait for something on the client's loop, as long as there is anything to wait for."""
        pending = self._pending = self._send(function)
        if self._killed:  # before there was anything to cancel
            pending.cancel()
        began = time.monotonic()
        complained = 1
        while wait([pending], min(WATCH, COMPLAIN)).not_done:
            try:
                self._check_client()
            except RecommenderError:
                pending.cancel()
                raise
            if self._address is None and time.monotonic() - began > complained * COMPLAIN:
                log.warning("no Dask worker has taken %s for %.0f s", self._name, time.monotonic() - began)
                complained += 1
        self._pending = None
        try:
            return pending.result()
        except CancelledError as exc:
            if not self._killed:
                self._check_client()
            raise WorkerDied(f"{self._name} was {'closed' if self._killed else 'cancelled by Dask'}") from exc
        except OSError as exc:  # a connection that broke
            address, self._address = self._address, None
            raise WorkerDied(f"the Dask worker {address} of {self._name} is gone ({_line(exc)})") from exc
        except Exception as exc:
            raise RecommenderError(f"{self._name} cannot be reached through Dask: {_line(exc)}") from exc

    def _check_client(self) -> None:
        if self._client.status in ("closing", "closed"):
            raise self._gone()

    def _gone(self) -> RecommenderError:
        return RecommenderError(f"{self._name} cannot be reached: the Dask client is closed, or its scheduler is gone")


class Host:
    """Stands in a Dask worker for the servant's process, and ends it when nobody holds the actor any more."""

    def __init__(self, token: str, name: str) -> None:
        self.child = Child(name)
        self.lane = ThreadPoolExecutor(1, "skysteer-host")
        _hosts[token] = self

    def __del__(self) -> None:
        self.child.kill()
        self.lane.shutdown(wait=False)
        self.child.close()


_hosts: WeakValueDictionary[str, Host] = WeakValueDictionary()
"""Of this Dask worker."""


async def _exchange(token: str, method: str, message: bytes) -> bytes | str | None:
    """Pass a message on to the servant's process: its answer, or how it ended, or None where there is none."""
    host = _hosts.get(token)
    if host is None:
        return None
    call, lane = getattr(host.child, method), host.lane
    del host  # else a call would keep alive what ends it
    try:
        return await asyncio.get_running_loop().run_in_executor(lane, call, message)
    except WorkerDied as exc:
        return str(exc)


async def _end(token: str) -> None:
    host = _hosts.get(token)
    if host is not None:
        host.child.kill()


def _versions(token: str) -> dict[str, str]:
    """What must be equal here and there."""
    return {"Python": ".".join(platform.python_version_tuple()[:2]), "skysteer": version("skysteer")}


def _words(versions: Mapping[str, str]) -> str:
    return " and ".join(f"{name} {number}" for name, number in versions.items())


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]
