"""A worker in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cloudpickle

from skysteer.errors import WorkerDied

from ._pickled import pickled

ONE_THREAD = {
    **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR")},
    "VECLIB_MAXIMUM_THREADS": "1",
}
"""Environment of a worker process: beside an engine, a second BLAS thread costs up to twenty times the time."""
GOODBYE = 1.0
"""Seconds an idle worker process has to end by itself before it is killed."""


class Child:
    """A process that serves one servant: what goes in and out of it is bytes. See ``_child.py``."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._lifeline: int | None = None
        self._killed = False

    def start(self, servant: bytes) -> bytes:
        """Start it and send it the pickled servant; returns its answer to that."""
        self.close()
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
        if self._killed:  # while it was being started
            self._process.kill()
        self._connection = Connection(ours.detach())
        return self.exchange(packed(sys.path, servant))

    def exchange(self, message: bytes) -> bytes:
        """Send a message and wait for the answer.

        Raises
        ------
        WorkerDied
            If it ended.
        """
        if self._connection is None or self._process is None:
            raise WorkerDied(f"the process of {self._name} was not started")
        try:
            self._connection.send_bytes(message)
            return self._connection.recv_bytes()
        except (EOFError, OSError) as exc:
            ended = f"the process {self._process.pid} of {self._name} ended ({_ending(_reap(self._process))})"
            raise WorkerDied(ended) from exc

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._process is None else self._process.pid

    def kill(self) -> None:
        """End it at once and for ever, from any thread."""
        self._killed = True
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """Let it leave, and wait until it has left."""
        if self._connection is not None:
            self._connection.close()  # it reads the end of the file and leaves
            self._connection = None
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        if self._process is not None:
            _reap(self._process)
            self._process = None


class ProcessWorker:
    """In a process of its own, which cannot slow the engine.

    The servant is sent with cloudpickle, so classes written in a notebook or
    in a script without an ``if __name__`` guard work: nothing is imported
    again but what their modules need. The process ends with this one.
    """

    def __init__(self, servant: Any, name: str = "the servant") -> None:
        self._name = name
        self._servant = servant
        self._pickled: bytes | None = None
        self._child = Child(name)

    def start(self) -> None:
        if self._pickled is None:
            self._pickled = pickled(self._servant, self._name, "a process of its own")
        unpacked(self._child.start(self._pickled))

    def call(self, method: str, *args: Any) -> Any:
        return unpacked(self._child.exchange(packed(method, args)))

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._child.pid

    def kill(self) -> bool:
        self._child.kill()
        return True

    def close(self) -> None:
        self._child.close()


def packed(*message: Any) -> bytes:
    """Pickle a message to a child."""
    return cloudpickle.dumps(message)  # pyright: ignore[reportUnknownMemberType]


def unpacked(answer: bytes) -> Any:
    """Return the value of a child's answer, or raise the exception."""
    ok, value = cloudpickle.loads(answer)
    if not ok:
        raise value
    return value


def _reap(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a process, which is near, and make it if it is not."""
    try:
        return process.wait(GOODBYE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
