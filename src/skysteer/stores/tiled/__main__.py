"""The process that sends: it reads files and speaks to the server, so that the engine's process does neither."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

from ._sending import Sender


class _Said(logging.Handler):
    """Logs of this process, said by the other one."""

    def __init__(self, channel: _Channel) -> None:
        super().__init__(logging.INFO)
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        # Errors of the plugins are raised as well, and said then.
        if record.name.startswith("skysteer.") or record.levelno == logging.WARNING:
            self._channel.say({"log": record.levelno, "text": record.getMessage()})


class _Channel:
    """One line of JSON for each thing said."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._lock = threading.Lock()
        self._last: dict[str, Any] = {}

    def say(self, what: dict[str, Any]) -> None:
        """Say it, unless it was said before."""
        if "state" in what:
            if what == self._last:
                return
            self._last = json.loads(json.dumps(what))
        line = json.dumps(what).encode() + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._number, line) :]


def main() -> None:
    """Send what the first line says."""
    told = json.loads(sys.stdin.buffer.readline())
    channel = _Channel(os.dup(1))
    os.dup2(2, 1)  # whatever a library prints
    os.nice(5)
    for name in ("skysteer", "bluesky_tiled_plugins"):
        logging.getLogger(name).addHandler(_Said(channel))
        logging.getLogger(name).propagate = False
    warnings.simplefilter("ignore")  # of event-model, about errors that are raised as well
    sender = Sender(Path(told["folder"]), told["url"], told["key"], channel.say, pauses=tuple(told["pauses"]))

    def listen() -> None:
        for line in sys.stdin.buffer:
            word = json.loads(line)
            if word == "finish":
                sender.finish()
            elif word == "wake":
                sender.wake()
            else:
                sender.ask(word)
        os._exit(0)  # who started this process is gone; the next one sends the rest

    threading.Thread(target=listen, name="skysteer-tiled-listen", daemon=True).start()
    sender.run()
    sender.close()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
