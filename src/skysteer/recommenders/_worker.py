"""Where a recommender computes: this process, or one of its own."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import cloudpickle
from threadpoolctl import threadpool_limits

from skysteer.errors import RecommenderError, WorkerDied

from ._session import Session

log = logging.getLogger(__name__)

ONE_THREAD = {
    **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR")},
    "VECLIB_MAXIMUM_THREADS": "1",
}
"""Environment of a worker process: beside an engine, a second BLAS thread costs up to twenty times the time."""
GOODBYE = 1.0
"""Seconds an idle worker process has to end by itself before it is killed."""


class Worker(Protocol):
    """Runs the calls of one `Session`. All but `kill` are for the one thread that drives it."""

    def start(self) -> None:
        """Begin, or begin anew after `WorkerDied`, with the recommender as it was at first."""
        ...

    def call(self, method: str, *args: Any) -> Any:
        """Call a method of the session and wait for its answer.

        Raises
        ------
        WorkerDied
            If the worker ended; `start` again.
        Exception
            Whatever the recommender raised.
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


class ThreadWorker:
    """In the driving thread itself: any object will do, but pure Python holds the GIL and slows the plan."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._started = False

    def start(self) -> None:
        if not self._started:
            _limit.enter()
            self._started = True

    def call(self, method: str, *args: Any) -> Any:
        return getattr(self._session, method)(*args)

    def kill(self) -> bool:
        return False

    def close(self) -> None:
        if self._started:
            _limit.leave()
            self._started = False


class ProcessWorker:
    """In a process of its own, which cannot slow the engine.

    The session is sent with cloudpickle, so classes written in a notebook or
    in a script without an ``if __name__`` guard work: nothing is imported
    again but what their modules need. The process ends with this one.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pickled: bytes | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._lifeline: int | None = None

    def start(self) -> None:
        self.close()
        if self._pickled is None:
            self._pickled = _pickle(self._session)
        ours, theirs = socket.socketpair()
        reading, self._lifeline = os.pipe()
        try:
            self._process = subprocess.Popen(
                # -P: the folder of this file must not become the first place to import from.
                [sys.executable, "-P", str(Path(__file__).with_name("_child.py")), str(theirs.fileno()), str(reading)],
                pass_fds=(theirs.fileno(), reading),
                stdin=subprocess.DEVNULL,
                env={**os.environ, **ONE_THREAD},
            )
        finally:
            theirs.close()
            os.close(reading)
        self._connection = Connection(ours.detach())
        self._exchange(sys.path, self._pickled)

    def call(self, method: str, *args: Any) -> Any:
        return self._exchange(method, args)

    def _exchange(self, *message: Any) -> Any:
        if self._connection is None or self._process is None:
            raise WorkerDied("the recommender's process was not started")
        try:
            self._connection.send_bytes(cloudpickle.dumps(message))  # pyright: ignore[reportUnknownMemberType]
            ok, value = cloudpickle.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as exc:
            ended = f"the recommender's process {self._process.pid} ended ({_ending(_reap(self._process))})"
            raise WorkerDied(ended) from exc
        if not ok:
            raise value
        return value

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._process is None else self._process.pid

    def kill(self) -> bool:
        process = self._process
        if process is not None:
            process.kill()
        return True

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()  # it reads the end of the file and leaves
            self._connection = None
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        if self._process is not None:
            _reap(self._process)
            self._process = None


def _pickle(session: Session) -> bytes:
    try:
        return cloudpickle.dumps(session)  # pyright: ignore[reportUnknownMemberType]
    except Exception as exc:
        raise RecommenderError(
            f"the recommender cannot be sent to a process of its own ({exc}); make it picklable, or use worker='thread'"
        ) from exc


def _reap(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a process, which is near, and make it if it is not."""
    try:
        return process.wait(GOODBYE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
