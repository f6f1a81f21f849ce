"""The process of a worker: run as a file, so that nothing of the parent's main script is imported.

Started as ``python -P _child.py SOCKET LIFELINE`` (file descriptors). First
message: ``(sys.path, pickled servant)``; then ``(method, args)`` until the end
of the file. Every message is answered with ``(True, value)`` or ``(False, exception)``.
"""

import os
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any

import cloudpickle


def main(socket: int, lifeline: int) -> None:
    """Serve until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the parent to handle
    threading.Thread(target=_follow, args=(lifeline,), daemon=True).start()
    connection = Connection(socket)
    # A forked child of the servant must not keep the socket open: when
    # this process dies, the parent is to notice.
    os.register_at_fork(after_in_child=connection.close)
    servant: Any = None
    while True:
        try:
            message = connection.recv_bytes()
        except (EOFError, OSError):
            return
        try:
            first, second = cloudpickle.loads(message)
            if servant is None:
                sys.path[:] = first
                servant = cloudpickle.loads(second)
                answer = True, None
            else:
                answer = True, getattr(servant, first)(*second)
        except BaseException as exc:  # a servant that exits is one that raises, as in a thread
            answer = False, _portable(exc)
        try:
            connection.send_bytes(_dumps(answer))
        except OSError:
            return


def _follow(lifeline: int) -> None:
    """End with the parent, also in the middle of a computation."""
    os.read(lifeline, 1)
    os._exit(0)


def _dumps(answer: tuple[bool, Any]) -> bytes:
    try:
        return cloudpickle.dumps(answer)  # pyright: ignore[reportUnknownMemberType]
    except Exception as exc:
        return cloudpickle.dumps((False, RuntimeError(f"the answer cannot be sent: {exc}")))  # pyright: ignore[reportUnknownMemberType]


def _portable(exc: BaseException) -> BaseException:
    """The exception itself where it survives the journey, with its traceback as a note."""
    trace = "".join(traceback.format_exception(exc))
    try:
        copy = cloudpickle.loads(cloudpickle.dumps(exc))  # pyright: ignore[reportUnknownMemberType]
    except Exception:
        copy = RuntimeError(f"{type(exc).__name__}: {exc}")
    copy.add_note(f"In the worker's process:\n{trace}")
    return copy


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
