"""JSONLines: a folder with one append-only file of JSON lines a run. It is the record; it needs no server."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from skysteer.errors import StoreError

from ._entry import entry_of
from ._flusher import Flusher
from ._index_file import append, line_of_start, line_of_stop
from ._line import encode
from ._routing import Homes, OpenRun
from ._runfile import made_beside

logger = logging.getLogger(__name__)

_WAITING = 100
"""Complete files that may wait for the disk."""
_PROBED = 1 << 16
"""Bytes that must fit on the disk at the start."""


class JSONLines:
    """A folder with one file of JSON lines a run, and an index.

    **What is durable when.** `write` hands each document to the operating
    system before it returns: nothing of it is lost when this process is killed,
    by whatever signal. A thread of its own puts on the disk (fsync) what was
    written, at most `flush_every` seconds later, and at once when a run begins
    or ends; decision runs before measurements. A power cut loses at most the
    last `flush_every` seconds.

    Parameters
    ----------
    folder
        Where the files are. It is made if it is not there; the folder it lies in must be.
    flush_every
        Longest time in seconds from `write` to the disk.

    Raises
    ------
    StoreError
        If the folder cannot be made or written, or has no space left.
    """

    def __init__(self, folder: str | Path, *, flush_every: float = 1.0) -> None:
        if not flush_every > 0:
            raise ValueError(f"flush_every is {flush_every!r}; it must be a time in seconds above 0")
        self.folder: Path = Path(folder).expanduser().absolute()
        """Where the files are."""
        self.flush_every = flush_every
        self.written = 0
        """How many documents of the last `write` were written; after a `StoreError`, the rest is to be tried again."""
        self._homes = Homes()
        self._writing = threading.Lock()
        self._closed = False
        self._strangers = False
        _check(self.folder)
        self._flusher = Flusher(self.folder, flush_every)

    def write(self, documents: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Append documents to the files of their runs, in order, and return when the operating system has them.

        One thread at a time. A document whose start document was never seen is left out, with a warning.

        Raises
        ------
        StoreError
            If a document cannot be written. `written` says how many were: call again with the others.
        """
        with self._writing:
            self.written = 0
            if self._closed:
                raise StoreError(f"{self.folder}: this store was closed; open another for the same folder")
            run: OpenRun | None = None
            lines: list[bytes] = []
            numbers: list[int] = []
            try:
                for number, (name, doc) in enumerate(documents):
                    # What waits for one file is one write, in the order of the documents over all files.
                    home = self._home_of(name, doc)
                    if lines and (home is not run or name == "start"):
                        self._append(run, lines, numbers)
                        lines, numbers = [], []
                        self.written = number
                    if name == "start":
                        home = self._begin(doc)
                    if home is None:
                        self._leave_out(name, doc)
                    else:
                        run = home
                        lines.append(encode(name, doc))
                        numbers.append(number)
                        self._note(run, name, doc)
                        if name == "stop":
                            self._append(run, lines, numbers)
                            lines, numbers = [], []
                            self._end(run, doc)
                    if not lines:
                        self.written = number + 1
                if lines:
                    self._append(run, lines, numbers)
                self.written = len(documents)
            except OSError as exc:
                error = StoreError(_what_to_do(self.folder, exc))
                error.errno = exc.errno
                raise error from exc
            finally:
                self._flusher.due()

    def flush(self) -> None:
        """Put on the disk what was written, decision runs first, and return when it is there.

        Raises
        ------
        StoreError
            If the disk failed, or a file that vanished cannot be made again.
        """
        try:
            self._flusher.flush()
        except OSError as exc:
            raise StoreError(_what_to_do(self.folder, exc)) from exc

    def close(self) -> None:
        """Flush, and close every file. A run without its stop document can then be taken over. Again: nothing.

        Raises
        ------
        StoreError
            As `flush`; everything is closed all the same.
        """
        with self._writing:
            if self._closed:
                return
            self._closed = True
        try:
            self._flusher.close()
        except OSError as exc:
            raise StoreError(_what_to_do(self.folder, exc)) from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _home_of(self, name: str, doc: Mapping[str, Any]) -> OpenRun | None:
        try:
            return self._homes.of(name, doc) if name != "start" else None
        except (KeyError, TypeError):  # no document of Bluesky's
            return None

    def _begin(self, start: Mapping[str, Any]) -> OpenRun | None:
        uid = start.get("uid")
        if not isinstance(uid, str):
            return None
        known = self._homes.runs.get(uid)
        if known is not None:
            # Its first line may be what could not be written.
            return known if known.file.size == 0 else None
        if self._flusher.behind > _WAITING:
            self._flusher.flush()  # runs end more quickly than the disk takes them: not too many open files
        path = self.folder / _name_of_file(start)
        try:
            file = made_beside(path)
        except FileNotFoundError:
            self.folder.mkdir(exist_ok=True)
            file = made_beside(path)
        run = OpenRun(start, file)
        self._homes.add(uid, run)
        self._flusher.add(file, first=run.entry.kind == "decisions")
        return run

    def _append(self, run: OpenRun | None, lines: list[bytes], numbers: list[int]) -> None:
        assert run is not None
        before = run.file.size
        try:
            run.file.append(b"".join(lines) if len(lines) > 1 else lines[0])
        except OSError:
            kept = run.file.size - before
            for line, number in zip(lines, numbers, strict=True):
                if kept < len(line):
                    self.written = number
                    break
                kept -= len(line)
            raise
        if not before:
            # At once: of a process that is killed now, the index must know which run was begun last.
            line = line_of_start(run.entry)
            if not append(self.folder, [line]):
                self._flusher.note(line)

    def _note(self, run: OpenRun, name: str, doc: Mapping[str, Any]) -> None:
        try:
            opened = run.counted.note(name, doc)
        except (KeyError, TypeError, ValueError):  # nothing to count in it; it is recorded all the same
            return
        if opened is not None:
            self._flusher.note({"link": run.entry.uid, "run": opened})

    def _end(self, run: OpenRun, stop: Mapping[str, Any]) -> None:
        self._homes.remove(run.entry.uid)
        self._flusher.finish(run.file, lambda: line_of_stop(run.file.path, run.file.size, stop, run.counted.num_points))

    def _leave_out(self, name: str, doc: Mapping[str, Any]) -> None:
        if not self._strangers:
            self._strangers = True
            logger.warning(
                "%s: a document %r (uid %s) is not recorded: its run's start was not seen, or came twice; said once",
                self.folder,
                name,
                doc.get("uid"),
            )


def _name_of_file(start: Mapping[str, Any]) -> str:
    short = "".join(letter for letter in str(start["uid"])[:8] if letter.isascii() and letter.isalnum()) or "run"
    decisions = entry_of(start, Path()).kind == "decisions"
    return f"{_began(start)}-{short}{'.decisions' if decisions else ''}.jsonl"


def _began(start: Mapping[str, Any]) -> str:
    try:
        began = datetime.fromtimestamp(float(start["time"]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        began = datetime.now(UTC)
    return began.strftime("%Y-%m-%dT%H-%M-%S")


def _check(folder: Path) -> None:
    """Make the folder, and write something into it: before anything moves, not when the first point is measured."""
    parent = folder.parent
    if not parent.is_dir():
        what = "is a file" if parent.exists() else "is not there; make it, or give another"
        raise StoreError(f"{folder} cannot be made: the folder it would lie in, {parent}, {what}")
    try:
        folder.mkdir(exist_ok=True)
    except FileExistsError as exc:
        what = f"a link to {folder.readlink()}, which is not there" if folder.is_symlink() else "a file, not a folder"
        raise StoreError(f"{folder} is {what}; give the folder that the runs are to be kept in") from exc
    except OSError as exc:
        raise StoreError(_what_to_do(folder, exc)) from exc
    probe = folder / f".probe-{os.getpid()}-{threading.get_ident()}"
    try:
        file = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            left = _PROBED
            while left > 0:
                left -= os.write(file, bytes(left))
        finally:
            os.close(file)
            probe.unlink()
    except OSError as exc:
        raise StoreError(_what_to_do(folder, exc)) from exc


_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.EFBIG: "the file would become larger than this process or file system may make one",
    errno.EROFS: "the file system is read-only: give a folder that can be written",
    errno.EACCES: "this user may not write there: give a folder that can be written",
    errno.EPERM: "this user may not write there: give a folder that can be written",
    errno.ENOENT: "the folder it lies in is gone: make it again",
    errno.ENOTDIR: "something on its path is a file: give another folder",
    errno.EEXIST: "a file has taken its place: move that away",
    errno.EIO: "the disk failed",
    errno.EMFILE: "this process has too many files open",
    errno.ENFILE: "this computer has too many files open",
}


def _what_to_do(folder: Path, exc: OSError) -> str:
    remedy = _REMEDIES.get(exc.errno or 0, "")
    found = os.strerror(exc.errno) if exc.errno else str(exc)
    return f"{folder} cannot be written ({found})" + (f": {remedy}" if remedy else "")
