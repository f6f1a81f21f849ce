"""A real Tiled server in a process of its own, a wire to it that can be cut, and a process that forks senders."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

KEY = "akeyforthetests"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Forks:
    """A process that has imported what servers and senders need: those that it forks start at once."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "TILED_RETRY_ATTEMPTS": "1"},
        )

    def serve(self, folder: Path, port: int, readable: Path, key: str) -> int:
        """Return the pid of a server that answers."""
        self._tell("serve", folder, port, readable, key)
        return self.ended()

    def send(self, folder: Path, url: str, key: str = KEY) -> int:
        """Return the pid of a process that sends `folder`."""
        self._tell("send", folder, url, key)
        return self.ended()

    def ended(self) -> int:
        """Wait until the process that sends has ended, and return how."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()

    def _tell(self, *words: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()


class TiledServer:
    """A server with its data in a folder, on the same port whenever it is started."""

    def __init__(self, forks: Forks, folder: Path, *, readable: Path, key: str = KEY) -> None:
        self.folder = folder
        self.key = key
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.pid = 0
        self._readable = readable
        self._forks = forks

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.pid = self._forks.serve(self.folder, self.port, self._readable, self.key)

    def kill(self) -> None:
        """As a power switch does it."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
                os.kill(self.pid, signal.SIGKILL)
                psutil.Process(self.pid).wait(30)
            self.pid = 0

    def wipe(self) -> None:
        """Forget everything; the server must not run."""
        shutil.rmtree(self.folder)
        self.folder.mkdir()

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """It is there and does nothing."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


class Wire:
    """A TCP connection to the server through which bytes go, slowly, or up to a certain one."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.delay = 0.0
        self.carried = 0
        """Bytes that went through, both ways."""
        self.cut_at: int | None = None
        """After so many the connection ends, whatever is being said."""
        self.cuts = 0
        self._next: Callable[[], int | None] = lambda: None
        self._threads: list[threading.Thread] = []
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._start(self._accept)

    def cut(self, each: Callable[[], int | None]) -> None:
        """Cut after `each()` more bytes, and again, until it says None."""
        with self._lock:
            self._next = each
            self._again()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for each in (self._listening, *self._sockets):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
        for thread in self._threads:
            thread.join(30)

    def _again(self) -> None:
        more = self._next()
        self.cut_at = None if more is None else self.carried + more

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, name="wire", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target), timeout=5)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            with self._lock:
                if self._closed:
                    near.close()
                    far.close()
                    return
                self._sockets |= {near, far}
            self._start(self._carry, near, far)
            self._start(self._carry, far, near)

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.delay:
                    time.sleep(self.delay)
                with self._lock:
                    left = None if self.cut_at is None else self.cut_at - self.carried
                    is_cut = left is not None and left <= len(data)
                    if is_cut:
                        data = data[: max(left, 0)]
                        self.cuts += 1
                    self.carried += len(data)
                    if is_cut:
                        self._again()
                sink.sendall(data)
                if is_cut:
                    break
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
            with self._lock:
                self._sockets.discard(each)


def serve(said: int, ends: int, folder: str, port: str, readable: str, key: str) -> None:
    from tiled.server import SimpleTiledServer

    with SimpleTiledServer(folder, api_key=key, port=int(port), readable_storage=[readable]):
        os.write(said, f"{os.getpid()}\n".encode())
        os.read(ends, 1)  # nothing, when who forked it is gone


def send(folder: str, url: str, key: str) -> None:
    from skysteer.stores.tiled._sending import Sender

    sender = Sender(Path(folder), url, key, lambda said: None, pauses=(0.02, 0.1))
    sender.finish()
    sender.run()
    sender.close()


def main() -> None:
    import tiled.catalog
    import tiled.server.app
    import tiled.server.simple  # noqa: F401

    import skysteer.stores.tiled._sending  # noqa: F401

    ends, held = os.pipe()
    for line in sys.stdin:
        what, *words = line.split()
        pid = os.fork()
        if pid == 0:
            os.close(held)
            if what == "send":
                send(*words)
            elif os.fork() == 0:  # nobody's child: nobody waits for it
                serve(1, ends, *words)
            os._exit(0)
        if what == "send":
            print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        if what == "send":
            print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
