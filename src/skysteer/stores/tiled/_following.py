"""Reading the files of a folder of runs while they grow."""

from __future__ import annotations

import math
import os
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

import orjson

from skysteer.errors import RecordError
from skysteer.stores.jsonl import decode

__all__ = ["RunFile", "new_files"]

SUFFIX = ".jsonl"
INDEX = "index.jsonl"
AT_ONCE = 8 * 2**20
"""Bytes that are read before what they say is sent."""


class RunFile:
    """The file of one run, from where it was read last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.uid = ""
        """Of the run; empty until its first line is complete."""
        self.offset = 0
        """Bytes that were read."""
        self.whole = False
        """Its stop document was read."""
        self._torn = (0, 0)

    def left(self) -> int:
        """Bytes that were not read; 0 where the file is gone, or ends as it did, in the middle of a line."""
        try:
            state = os.stat(self.path)
        except OSError:
            return 0
        left = state.st_size - self.offset
        return left if left > 0 and (state.st_size, state.st_mtime_ns) != self._torn else 0

    def rewind(self) -> None:
        """Read from the first document again."""
        self.offset = 0
        self.whole = False
        self._torn = (0, 0)

    def read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the documents that are complete and were not read yet, some megabytes of them."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            taken = 0
            while taken < AT_ONCE:
                line = file.readline()
                if not line.endswith(b"\n"):
                    if line:  # not complete yet, or never
                        state = os.fstat(file.fileno())
                        torn = self.offset + len(line) == state.st_size
                        self._torn = (state.st_size, state.st_mtime_ns) if torn else (0, 0)
                    return
                name, doc = self._document(line)
                taken += len(line)
                self.offset += len(line)
                if name == "start":
                    self.uid = doc["uid"]
                elif name == "stop":
                    self.whole = True
                yield name, doc

    def _document(self, line: bytes) -> tuple[str, dict[str, Any]]:
        try:
            plain = orjson.loads(line)
            name, doc = plain["name"], plain["doc"]
            # Metadata stays strict JSON; of events the exact values are sent: NaN, arrays.
            return decode(line) if name in {"event", "event_page"} and "exact" in plain else (name, doc)
        except (ValueError, KeyError, TypeError) as exc:
            raise RecordError(f"{self.path} has at byte {self.offset} no document: {line[:80]!r} ({exc})") from exc


def new_files(folder: Path, known: Container[str]) -> list[RunFile]:
    """Files of runs in a folder but for the known ones, in the order in which the runs began."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.endswith(SUFFIX) and entry.name not in known]
    found = [RunFile(folder / name) for name in names if name != INDEX]
    # A file's name has the second only.
    return sorted(found, key=lambda file: (_begun(file.path), file.path.name))


def _begun(path: Path) -> float:
    try:
        with path.open("rb") as file:
            return float(orjson.loads(file.readline())["doc"]["time"])
    except (OSError, ValueError, KeyError, TypeError):
        return math.inf  # its first line is not there yet
