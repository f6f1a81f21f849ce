"""Reads the file of a run: forwards, document by document, and backwards from its end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from skysteer.errors import RecordError, StoreError

from ._line import decode

_BLOCK = 1 << 16
_SHOWN = 60


def documents(path: str | Path, problems: list[str] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the documents of a run, in the order in which they were written, with their exact values.

    A line counts once the newline that ends it is there. What a crash or a power
    cut left at the end (half a line, zero bytes, rubbish) is left out.

    Parameters
    ----------
    path
        The file of the run. It may be written meanwhile.
    problems
        Takes a sentence about what was left out.

    Raises
    ------
    StoreError
        If the file cannot be read.
    RecordError
        If a line is bad and a good one follows.
    """
    for name, doc, _ in lines_from(path, problems=problems):
        yield name, doc


def lines_from(
    path: str | Path, offset: int = 0, *, problems: list[str] | None = None
) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Yield name and document of each complete line from a byte offset on, and the offset behind it.

    To follow a file that is being written, call again with the last offset.
    Parameters and errors as of `documents`.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            file.seek(offset)
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    _say(problems, f"{path.name}: the last line is cut off after {len(line)} bytes, and left out")
                    return
                try:
                    name, doc = decode(line)
                except (ValueError, TypeError, KeyError, IndexError) as exc:
                    bad = _bad_line(path, number, offset, line, exc)
                    if any(_is_good(later) for later in file):
                        raise RecordError(bad) from exc
                    _say(problems, f"{bad}; nothing follows it, and it is left out")
                    return
                offset += len(line)
                yield name, doc, offset
    except OSError as exc:
        raise StoreError(f"{path} cannot be read: {exc.strerror or exc}") from exc


def backwards(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the documents of a run from the last to the first. Bad lines at the end are left out.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        at = file.seek(0, os.SEEK_END)
        rest = b""  # from `at` to the end of the last line that was not yielded yet
        trimmed = False
        while at > 0:
            step = min(max(_BLOCK, len(rest)), at)  # grows with the line: a picture is read in a few steps
            at -= step
            file.seek(at)
            rest = file.read(step) + rest
            if not trimmed:
                end = rest.rfind(b"\n")
                if end < 0:
                    continue
                rest, trimmed = rest[: end + 1], True
            lines = rest.split(b"\n")[:-1]
            # The first may begin further ahead in the file.
            rest = lines.pop(0) + b"\n" if at > 0 else b""
            yield from _decoded(lines)


def _decoded(lines: list[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in reversed(lines):
        try:
            yield decode(line)
        except (ValueError, TypeError, KeyError, IndexError):
            continue


def _bad_line(path: Path, number: int, offset: int, line: bytes, exc: Exception) -> str:
    found = line[:_SHOWN] + (b"..." if len(line) > _SHOWN else b"")
    return (
        f"{path}: line {number} (at byte {offset}) is not a document: {exc}; found {found!r}, "
        'expected {"name": ..., "doc": {...}}'
    )


def _is_good(line: bytes) -> bool:
    try:
        decode(line)
    except (ValueError, TypeError, KeyError, IndexError):
        return False
    return line.endswith(b"\n")


def _say(problems: list[str] | None, sentence: str) -> None:
    if problems is not None:
        problems.append(sentence)
