"""A worker in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import cloudpickle

from skysteer.errors import RecommenderError, WorkerDied

ONE_THREAD = {
    **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR")},
    "VECLIB_MAXIMUM_THREADS": "1",
}
"""Environment of a worker process: beside an engine, a second BLAS thread costs up to twenty times the time."""
GOODBYE = 1.0
"""Seconds an idle worker process has to end by itself before it is killed."""


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
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._lifeline: int | None = None
        self._killed = False

    def start(self) -> None:
        self.close()
        if self._pickled is None:
            self._pickled = _pickle(self._servant, self._name)
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
        self._exchange(sys.path, self._pickled)

    def call(self, method: str, *args: Any) -> Any:
        return self._exchange(method, args)

    def _exchange(self, *message: Any) -> Any:
        if self._connection is None or self._process is None:
            raise WorkerDied(f"the process of {self._name} was not started")
        try:
            self._connection.send_bytes(cloudpickle.dumps(message))  # pyright: ignore[reportUnknownMemberType]
            ok, value = cloudpickle.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as exc:
            ended = f"the process {self._process.pid} of {self._name} ended ({_ending(_reap(self._process))})"
            raise WorkerDied(ended) from exc
        if not ok:
            raise value
        return value

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._process is None else self._process.pid

    def kill(self) -> bool:
        self._killed = True
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


def _pickle(servant: Any, name: str) -> bytes:
    try:
        with ExitStack() as stack:
            for module in _not_importable(servant):
                cast(Any, cloudpickle).register_pickle_by_value(module)
                stack.callback(cast(Any, cloudpickle).unregister_pickle_by_value, module)
            return cloudpickle.dumps(servant)  # pyright: ignore[reportUnknownMemberType]
    except Exception as exc:
        raise RecommenderError(
            f"{name} cannot be sent to a process of its own ({exc}); make it picklable, or use worker='thread'"
        ) from exc


def _not_importable(servant: Any) -> set[ModuleType]:
    """Modules of what a servant holds that were loaded from a file by path: the process could not import them."""
    held: list[Any] = [servant, *getattr(servant, "__dict__", {}).values()]
    names: set[Any] = {getattr(each, "__module__", None) for each in [*held, *map(type, held)]}
    loaded = {sys.modules[name] for name in names if name in sys.modules and name != "__main__"}
    return {module for module in loaded if not _found(module.__name__.partition(".")[0])}


def _found(package: str) -> bool:
    """Whether a fresh interpreter would find a package or module by its name."""
    try:
        return any(finder.find_spec(package, None) for finder in sys.meta_path)
    except Exception:  # a finder of somebody's own
        return True


def _reap(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a process, which is near, and make it if it is not."""
    try:
        return process.wait(GOODBYE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
