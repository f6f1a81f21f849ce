"""The thread that puts on the disk what was written, and keeps the index, so that neither delays writing."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ._index_file import append
from ._runfile import RunFile

logger = logging.getLogger(__name__)


class Flusher:
    """Flushes the files of a folder, by a thread that starts with the first file.

    Parameters
    ----------
    folder
        Where the files and the index are.
    every
        Longest time in seconds from writing to the disk.
    """

    def __init__(self, folder: Path, every: float) -> None:
        self._folder = folder
        self._every = every
        self._thread: threading.Thread | None = None
        self._due = threading.Event()
        """Something was written."""
        self._now = threading.Event()
        """A run began or ended, or the store closes: do not wait."""
        self._closing = False
        self._flushing = threading.Lock()
        self._open: dict[RunFile, bool] = {}
        """To whether it comes first."""
        self._ended: deque[tuple[RunFile, Callable[[], Mapping[str, Any]]]] = deque()
        # What the index lacks is read from the files: that it cannot be written is not worth more.
        self._lines: deque[Mapping[str, Any]] = deque(maxlen=10_000)
        self._names_changed = False
        self._failing = False

    @property
    def behind(self) -> int:
        """How many files are complete and not yet on the disk."""
        return len(self._ended)

    def add(self, file: RunFile, *, first: bool) -> None:
        """Care for a new file; `first`: flush it before the others."""
        self._open[file] = first
        self._names_changed = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="skysteer-flusher", daemon=True)
            self._thread.start()

    def note(self, line: Mapping[str, Any]) -> None:
        """Add a line to the index, soon."""
        self._lines.append(line)
        self._now.set()

    def finish(self, file: RunFile, line: Callable[[], Mapping[str, Any]]) -> None:
        """Flush and close a file that is complete, then add the line that says so to the index, soon."""
        self._ended.append((file, line))
        self._now.set()

    def due(self) -> None:
        """Say that something was written."""
        if not self._due.is_set():
            self._due.set()

    def flush(self) -> None:
        """Return when what was written is on the disk. Any thread.

        Raises
        ------
        OSError
            The first that happened; the other files are flushed all the same.
        """
        with self._flushing:
            ended = [self._ended.popleft() for _ in range(len(self._ended))]
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            failed: OSError | None = None
            for file in sorted([*self._open], key=self._comes_second):
                try:
                    file.sync()
                except OSError as exc:
                    failed = failed or exc
                if file.made_again:
                    file.made_again = False
                    self._names_changed = True
            for file, first in [*self._open.items()]:  # the writer may add one meanwhile
                if first and file.synced < file.size:
                    # Of the others more may be on the disk by now than when these were synced.
                    with suppress(OSError):  # next time
                        file.sync()
            for one in ended:
                file, line = one
                if file.closed or file.synced == file.size:
                    self._open.pop(file, None)
                    file.close()
                    lines.append(line())
                else:
                    self._ended.append(one)  # the disk failed: again next time
            if self._names_changed and failed is None:
                self._names_changed = False
                try:
                    _sync_folder(self._folder)
                except FileNotFoundError:
                    pass  # gone, and no file is open that would be lost with it
                except OSError as exc:
                    self._names_changed = True
                    failed = exc
            if lines and not append(self._folder, lines):
                self._lines.extendleft(reversed(lines))
            if failed is not None:
                raise failed

    def _comes_second(self, file: RunFile) -> bool:
        return not self._open[file]

    def close(self) -> None:
        """End the thread, flush and close every file.

        Raises
        ------
        OSError
            As `flush`.
        """
        self._closing = True
        self._now.set()
        self._due.set()
        if self._thread is not None:
            self._thread.join()
        try:
            self.flush()
        finally:
            for file in list(self._open):
                file.close()
            self._open.clear()

    def _work(self) -> None:
        while not self._closing:
            self._due.wait()
            self._now.wait(self._every)
            # Cleared first: what is written while the disk works is flushed next time.
            self._due.clear()
            self._now.clear()
            if self._closing:
                return
            try:
                self.flush()
            except Exception as exc:  # whatever it was: without this thread nothing more is put on the disk
                if not self._failing:
                    logger.warning("%s cannot be flushed to the disk (%s); trying again", self._folder, exc)
                self._failing = True
                self._due.set()
            else:
                if self._failing:
                    logger.warning("%s can be flushed to the disk again", self._folder)
                self._failing = False
            if self._ended:
                self._due.set()


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
