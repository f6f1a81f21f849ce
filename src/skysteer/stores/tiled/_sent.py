"""What is in a server as a whole, kept beside the runs: one line a run, appended."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import orjson

from skysteer.errors import StoreError

__all__ = ["Sent"]

logger = logging.getLogger(__name__)


class Sent:
    """The runs of a folder that a server has from start to stop document.

    The file is named for the server, and locked by the one process that sends to
    it. It saves asking; nothing is lost or doubled where it is lost, because the
    rows that the server has are counted before more are sent.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.path = folder / f"sent-{hashlib.blake2b(url.encode(), digest_size=6).hexdigest()}.tiled"
        """The file."""
        self.runs: dict[str, str] = {}
        """uid of the run, by the name of its file."""
        self._noted = True
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as exc:
            self._noted = False
            logger.warning("what is sent cannot be noted in %s, so the server is asked: %s", folder, exc.strerror)
            try:
                self._file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)  # to be locked in the place of the file
            except OSError as gone:
                raise StoreError(gone.errno, f"the folder cannot be read: {gone.strerror}", str(folder)) from exc

    def lock(self) -> bool:
        """Become the one who sends; False while another does."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self._read()
        return True

    def add(self, name: str, run: str) -> None:
        """Note that a run has arrived as a whole."""
        self.runs[name] = run
        # It begins with a newline: a line that was torn does not take it along.
        self._write({"file": name, "run": run})

    def forget(self, name: str) -> None:
        """Note that the server does not have it any more."""
        if self.runs.pop(name, None) is not None:
            self._write({"file": name, "run": None})

    def close(self) -> None:
        """Let another one send."""
        os.close(self._file)

    def _write(self, line: Mapping[str, str | None]) -> None:
        if self._noted:
            os.write(self._file, b"\n" + orjson.dumps(line) + b"\n")

    def _read(self) -> None:
        self.runs.clear()
        try:
            lines = self.path.read_bytes().splitlines()
        except OSError:  # never made
            return
        for line in lines:
            try:
                said = orjson.loads(line)
                name, run = said["file"], said["run"]
            except (ValueError, KeyError, TypeError):
                continue  # empty or torn
            if run is None:
                self.runs.pop(name, None)
            else:
                self.runs[name] = run
