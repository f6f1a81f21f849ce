"""The process that sends a folder, as its starter sees it."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ._upload import Upload

__all__ = ["Uploader"]

logger = logging.getLogger(__name__)

AGAIN = (0.5, 30.0)
"""Seconds until a process that died is started again, the first time and after many."""
PROGRAM = __name__.rpartition(".")[0]
PAUSES = (0.2, 30.0)
"""Seconds until it is tried again to send, the first time and after many."""
FIELDS = {entry.name for entry in dataclasses.fields(Upload)}


class Uploader:
    """Starts the process, listens to it, starts another when it dies, and ends it.

    Parameters
    ----------
    folder
        Folder of the runs.
    url, key
        Of the server. The key goes through a pipe: it is in no file, log, argument or environment.
    """

    def __init__(self, folder: Path, url: str, key: str | None) -> None:
        self._told = {"folder": str(folder), "url": url, "key": key, "pauses": PAUSES}
        self._url = url
        self._changed = threading.Condition()
        self._status = Upload()
        self._asked = 0
        self._answered = 0
        self._closing = False
        self._process: subprocess.Popen[bytes] | None = None
        self.began: float | None = None
        """When the process was first heard of (`time.monotonic`): it is ready then."""
        self._thread = threading.Thread(target=self._watch, name="skysteer-tiled", daemon=True)
        self._thread.start()

    @property
    def status(self) -> Upload:
        """How far it has come."""
        return self._status

    @property
    def pid(self) -> int | None:
        """Process that sends now."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def drained(self, timeout: float | None, said: Callable[[Upload], None] | None = None) -> bool:
        """Wait until everything that is in the folder now was sent. False after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            self._asked += 1
            token = self._asked
            self._tell(token)
            while self._answered < token and not self._closing:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._changed.wait(min(left or 1.0, 1.0))
                if said is not None:
                    said(self._status)
            return self._answered >= token

    def end(self) -> None:
        """End the process now. What was not sent is sent by the next one."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            process = self._process
        if process is not None:
            process.kill()
        self._thread.join()
        self._status = dataclasses.replace(self._status, state="closed")

    def _tell(self, what: Any) -> None:
        process = self._process
        if process is not None and process.stdin is not None:
            try:
                process.stdin.write(json.dumps(what).encode() + b"\n")
                process.stdin.flush()
            except OSError:
                pass  # it died: the next one is told

    def _watch(self) -> None:
        pause = AGAIN[0]
        while True:
            with self._changed:
                if self._closing:
                    return
                started = time.monotonic()
                self._process = process = self._start()
                if self._asked > self._answered:
                    self._tell(self._asked)
            with process:
                self._listen(process)
            with self._changed:
                if self._closing:
                    return
                if time.monotonic() - started > AGAIN[1]:
                    pause = AGAIN[0]
                self._status = dataclasses.replace(
                    self._status, state="waiting", problem=f"the process that sends to {self._url} ended"
                )
                logger.warning(
                    "the process that sends to %s ended with %s; another is started in %.1f s",
                    self._url,
                    process.returncode,
                    pause,
                )
                self._changed.wait_for(lambda: self._closing, pause)
                pause = min(2 * pause, AGAIN[1])

    def _start(self) -> subprocess.Popen[bytes]:
        # In a session of its own Ctrl-C does not end it before what was measured last is sent.
        process = subprocess.Popen(
            [sys.executable, "-m", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            # It decides itself when to try again, and says so.
            env={**os.environ, "TILED_RETRY_ATTEMPTS": "1"},
        )
        self._process = process
        self._tell(self._told)
        return process

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said: dict[str, Any] = json.loads(line)
            if self.began is None:
                self.began = time.monotonic()
            if "log" in said:
                logger.log(said["log"], "%s", said["text"])
                continue
            with self._changed:
                if "sent_all" in said:
                    self._answered = max(self._answered, said["sent_all"])
                else:
                    self._status = Upload(**{name: value for name, value in said.items() if name in FIELDS})
                self._changed.notify_all()
