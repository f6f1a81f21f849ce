"""Lists the runs in a folder, and finds one of them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from skysteer.errors import RecordError, StoreError

from ._entry import RunEntry
from ._index_file import NAME, append, lines_in
from ._known import Index

_LEAST = 4
"""Letters of a uid that are enough to find it by."""
_LISTED = 12


def runs(folder: str | Path) -> list[RunEntry]:
    """Return the runs in a folder, in the order in which they were begun.

    A run that the index did not know (it was lost, or a file was copied here) has its place by the time of its start.

    Raises
    ------
    StoreError
        If there is no such folder, or it cannot be read.
    """
    folder = Path(folder).expanduser().absolute()
    found = _files(folder)
    index = Index(folder)
    for line in lines_in(folder):
        index.take(line)
    missing = [
        *index.unknown(found),
        *index.unfinished(found),
    ]
    if missing:
        append(folder, missing)
    return index.entries(found)


def find(folder: str | Path, run: str) -> RunEntry:
    """Return the run with this uid.

    Parameters
    ----------
    folder
        A folder of runs.
    run
        Its uid, or how it begins (4 letters or more, if no other begins so), the
        name or path of its file, or ``"last"``: the one that was begun last.

    Raises
    ------
    RecordError
        If there is none, or more than one.
    StoreError
        If the folder cannot be read.
    """
    try:
        as_path = Path(run).expanduser()
        if as_path.is_file():
            folder = as_path.absolute().parent
    except (OSError, RuntimeError):  # too long for a path; the home of nobody
        as_path = Path()
    entries = runs(folder)
    if not entries:
        raise RecordError(f"there is no run in {folder}{below(folder)}")
    if run == "last":
        return entries[-1]
    matching = [entry for entry in entries if run in (entry.uid, entry.path.name) or as_path.absolute() == entry.path]
    if not matching and len(run) >= _LEAST:
        matching = [entry for entry in entries if entry.uid.startswith(run)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise RecordError(f"{len(matching)} runs begin with {run!r}: {_listed(matching)}; give more of the uid")
    short = f" (a uid needs its first {_LEAST} letters at least)" if len(run) < _LEAST else ""
    raise RecordError(f"there is no run {run!r} in {folder}{short}; the newest are {_listed(entries)}")


def below(folder: str | Path) -> str:
    """Say which folders in this one have runs: a demo's are one below the one that it is given."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(each.path for each in entries if each.is_dir() and Path(each.path, NAME).is_file())
    except OSError:
        return ""
    return f": they are in {' and in '.join(found)}" if found else ""


def _files(folder: Path) -> dict[str, int]:
    """Return the files of runs in the folder, with their sizes in bytes."""
    found: dict[str, int] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".jsonl") and entry.name != NAME:
                    try:
                        found[entry.name] = entry.stat().st_size
                    except OSError:  # removed in this moment, or a link to nothing
                        continue
    except OSError as exc:
        raise StoreError(f"{folder} is no folder of runs that can be read: {exc.strerror or exc}") from exc
    return found


def _listed(entries: Sequence[RunEntry]) -> str:
    newest = entries[-1 : -_LISTED - 1 : -1]
    words = [
        f"{entry.uid[:8]} ({entry.kind}, {time.strftime('%Y-%m-%d %H:%M', time.localtime(entry.time))})"
        for entry in newest
    ]
    return ", ".join(words) + (", ..." if len(entries) > len(newest) else "")
