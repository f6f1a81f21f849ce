"""A real Tiled server in a process of its own, a wire to it that can be cut, and a process that forks senders."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

KEY = "akeyforthetests"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class TiledServer:
    """A server with its data in a folder, on the same port whenever it is started."""

    def __init__(self, folder: Path, *, readable: Path, key: str = KEY) -> None:
        self.folder = folder
        self.key = key
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._readable = readable
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def launch(self) -> None:
        """Start the process, and do not wait until it answers."""
        with (self.folder.parent / "server.log").open("ab") as said:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(self.folder), str(self.port), str(self._readable), self.key],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                start_new_session=True,
            )

    def ready(self) -> None:
        """Wait until it answers."""
        assert self._process is not None
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith("ready"), "the server ended while it was started"

    def start(self) -> None:
        self.launch()
        self.ready()

    def kill(self) -> None:
        """As a power switch does it."""
        assert self._process is not None
        self._process.kill()
        with self._process:
            pass

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
            thread.join(5)

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


FORKS = """
    import os, sys
    from pathlib import Path
    from skysteer.stores.tiled._sending import Sender

    for line in sys.stdin:
        folder, url, key = line.split()
        pid = os.fork()
        if pid == 0:
            sender = Sender(Path(folder), url, key, lambda said: None)
            sender.finish()
            sender.run()
            sender.close()
            os._exit(0)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
"""


class Senders:
    """Starts processes that send a folder and end when it is sent; they are forked, so the next one starts at once."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(FORKS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TILED_RETRY_ATTEMPTS": "1"},
        )

    def start(self, folder: Path, url: str, key: str = KEY) -> int:
        """Return the pid of one that sends `folder`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{folder} {url} {key}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def ended(self) -> int:
        """Wait until it has ended, and return how."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()


def main(folder: str, port: str, readable: str, key: str) -> None:
    from tiled.server import SimpleTiledServer

    with SimpleTiledServer(folder, api_key=key, port=int(port), readable_storage=[readable]):
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
