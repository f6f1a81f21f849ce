"""One append-only file of lines, locked while it is written, and never left with half a line by a failed write."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import threading
import time
import weakref
from pathlib import Path

logger = logging.getLogger(__name__)

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP}
"""What a file system answers that cannot lock."""
_COPIED_AT_ONCE = 1 << 20
LOOK_EVERY = 0.25
"""Seconds after which writing looks again whether the file is still where it was."""


class RunFile:
    """The file of one run, made by this process, which holds its lock until `close` or until it dies.

    One thread appends; any other may `sync`. A process forked meanwhile does
    not inherit it.

    Parameters
    ----------
    path
        Where it is made. It must not be there yet.

    Raises
    ------
    OSError
        If it cannot be made: `FileExistsError` where another has the name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        """Bytes of complete lines."""
        self.synced = 0
        """How many of them are known to be on the disk."""
        self.made_again = False
        """Whether it vanished, and was made again, since this was last set back."""
        self._torn = False
        self._look = 0.0
        self._writing = threading.Lock()
        self._syncing = threading.Lock()
        self._file = _made(path)
        _open_files.add(self)

    @classmethod
    def taken_over(cls, path: Path, file: int, size: int) -> RunFile:
        """Return the file of a run that another process left, opened and locked by the caller."""
        run_file = cls.__new__(cls)
        run_file.path, run_file._file, run_file.size, run_file.synced = path, file, size, 0
        run_file._torn = True  # whatever is behind the last complete line is cut off before anything is written
        run_file.made_again = False
        run_file._look = 0.0
        run_file._writing, run_file._syncing = threading.Lock(), threading.Lock()
        _open_files.add(run_file)
        return run_file

    @property
    def closed(self) -> bool:
        """Whether it takes no more lines."""
        return self._file < 0

    def append(self, lines: bytes) -> None:
        """Hand complete lines to the operating system, in one write.

        Raises
        ------
        OSError
            If they cannot be written. The file then ends with the last line that was written whole, and
            `size` says where that is: the caller may try again with the rest.
        """
        now = time.monotonic()
        gone = False
        looking = now >= self._look  # to look costs more than to write; `sync` looks each time, and loses nothing
        if looking:
            with self._writing:
                gone = self._is_gone()
        if gone:
            with self._syncing, self._writing:  # always in this order
                if self._is_gone():  # no other thread was quicker
                    self._make_again()
        if looking:  # not before: while it cannot be made again, nothing goes into what no path leads to
            self._look = now + LOOK_EVERY
        with self._writing:
            if self._torn:
                self._cut()
            done, end = 0, len(lines)
            view = memoryview(lines)
            try:
                while done < end:
                    done += os.write(self._file, view[done:])
            except OSError:
                self.size += lines.rfind(b"\n", 0, done) + 1
                self._torn = True
                self._cut()
                raise
            self.size += end

    def sync(self) -> None:
        """Return when everything appended so far is on the disk. Appending goes on meanwhile.

        A file that vanished is made again here, with everything that was in it.

        Raises
        ------
        OSError
            If the disk failed, or the file cannot be made again.
        """
        with self._syncing:
            if self._file < 0:
                return
            with self._writing:
                if self._is_gone():
                    self._make_again()
                size = self.size
            if size != self.synced:
                os.fsync(self._file)
                self.synced = size

    def close(self) -> None:
        """Give the lock back. Call `sync` before."""
        with self._syncing, self._writing:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1
                _open_files.discard(self)

    def _cut(self) -> None:
        os.ftruncate(self._file, self.size)
        self._torn = False

    def _is_gone(self) -> bool:
        """Whether the path leads elsewhere: the file or its folder was removed, renamed or replaced."""
        if self._file < 0:
            raise OSError(errno.EBADF, "the file was closed, or made by another process", str(self.path))
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            return True
        here = os.fstat(self._file)
        return (there.st_ino, there.st_dev) != (here.st_ino, here.st_dev)

    def _make_again(self) -> None:
        """Write everything into a new file at the same place, or beside what lies there now."""
        made_folder = False
        try:
            self.path.parent.mkdir()
            made_folder = True
        except FileExistsError:
            pass
        path, file = _made_beside(self.path)
        try:
            at = 0
            while at < self.size:
                # The old descriptor still holds what no path leads to any more.
                part = os.pread(self._file, min(_COPIED_AT_ONCE, self.size - at), at)
                if not part:
                    raise OSError(errno.EIO, "the rest of the removed file cannot be read", str(self.path))
                while part:
                    written = os.write(file, part)
                    at += written
                    part = part[written:]
            os.fsync(file)
        except BaseException:
            os.close(file)
            path.unlink(missing_ok=True)
            if made_folder:
                path.parent.rmdir()
            raise
        os.close(self._file)
        logger.warning("%s vanished while it was written; it was made again as %s, complete", self.path, path)
        self._file, self.path, self.synced, self._torn = file, path, self.size, False
        self.made_again = True


def numbered(path: Path, number: int) -> Path:
    """Return the path with a number before its suffixes, for the second file of one name and on."""
    stem, dot, suffixes = path.name.partition(".")
    return path if number < 2 else path.with_name(f"{stem}-{number}{dot}{suffixes}")


def locked(file: int, *, shared: bool = False, patience: float = 0.0) -> bool:
    """Lock an open file; return False if another process, or another descriptor of this one, holds it.

    Parameters
    ----------
    file
        Its descriptor.
    shared
        Only ask, beside others that ask.
    patience
        Seconds to go on trying: whoever only asks holds it for microseconds.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.002)
        except OSError as exc:
            if exc.errno not in _NO_LOCKS:
                raise
            logger.warning("this file system cannot lock files: whether a run is still running cannot be told")
            return True
        else:
            return True


def _made(path: Path) -> int:
    # Python's descriptors are not inherited by a program that is started; see below for one that is forked.
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o666)
    if not locked(file, patience=1.0):
        os.close(file)
        path.unlink()
        raise OSError(errno.EAGAIN, "another process locked the file as soon as it was there", str(path))
    return file


def _made_beside(path: Path) -> tuple[Path, int]:
    number = 1
    while True:
        try:
            return numbered(path, number), _made(numbered(path, number))
        except FileExistsError:
            number += 1


def made_beside(path: Path) -> RunFile:
    """Make the file of a run, with a number in its name where another has that name."""
    number = 1
    while True:
        try:
            return RunFile(numbered(path, number))
        except FileExistsError:
            number += 1


_open_files: weakref.WeakSet[RunFile] = weakref.WeakSet()


def _not_inherited() -> None:
    # A lock lasts as long as any copy of its descriptor: a worker that outlives us must not hold it.
    for run_file in list(_open_files):
        os.close(run_file._file)  # pyright: ignore[reportPrivateUsage]
        run_file._file = -1  # pyright: ignore[reportPrivateUsage]
    _open_files.clear()


os.register_at_fork(after_in_child=_not_inherited)
