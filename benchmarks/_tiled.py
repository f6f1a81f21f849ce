"""A Tiled server in a process of its own, on this machine. ``python -m benchmarks._tiled FOLDER`` is it."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KEY = "TILED_API_KEY"


@dataclass(frozen=True, slots=True)
class Server:
    """Where it is, and what lets in."""

    url: str
    key: str
    pid: int

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Have it answer nobody: it is there and takes connections, but does nothing."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Start a server that keeps its data in a folder; it takes ten to twenty seconds."""
    key = secrets.token_hex(8)
    command = [sys.executable, "-m", "benchmarks._tiled", str(folder)]
    environment = {**os.environ, KEY: key}
    root = Path(__file__).parents[1]
    with subprocess.Popen(
        command, cwd=root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise RuntimeError("the Tiled server did not start")
            yield Server(url, key, process.pid)
        finally:
            process.kill()


def main(folder: str) -> None:
    """Serve until the standard input ends."""
    from tiled.server import SimpleTiledServer

    def gone() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=gone, daemon=True).start()
    server = SimpleTiledServer(folder, api_key=os.environ[KEY])
    print(f"http://127.0.0.1:{server.port}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1])
