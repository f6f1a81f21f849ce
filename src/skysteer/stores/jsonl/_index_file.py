"""The file that is the index of a folder of runs, and its lines.

``index.jsonl`` has one short line when a run begins, one when it ends, one when
a decision run names a measurement, one when a run is taken over. It is a
convenience: what it does not know, or knows wrongly, is read from the files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from ._entry import RunEntry, words
from ._plain import Plain
from ._runfile import locked

NAME = "index.jsonl"
_NUMBER = (int, float)
FIELDS: Mapping[str, type[Any] | tuple[type[Any], ...]] = {
    "time": _NUMBER,
    "kind": str,
    "plan_name": str,
    "scan_id": (int, type(None)),
    "launch": str,
    "decisions": str,
    "flow": str,
    "recommender": str,
    "resumes": str,
    "max_points": (int, type(None)),
}
OF_STOP: Mapping[str, type[Any] | tuple[type[Any], ...]] = {
    "size": int,
    "exit_status": str,
    "reason": str,
    "stopped": (*_NUMBER, type(None)),
    "num_points": int,
}


def line_of_start(entry: RunEntry) -> dict[str, Any]:
    """Return what the index keeps of a run that began."""
    return {"run": entry.uid, "file": entry.path.name} | {name: getattr(entry, name) for name in FIELDS}


def line_of_stop(path: Path, size: int, stop: Mapping[str, Any], num_points: int) -> dict[str, Any]:
    """Return what the index keeps of a run that ended; it holds for a file of this `size` only."""
    return {
        "stop": path.name,
        "size": size,
        "exit_status": words(str(stop.get("exit_status", ""))),
        "reason": words(str(stop.get("reason") or "")),
        "stopped": float(stopped) if isinstance(stopped := stop.get("time"), _NUMBER) else None,
        "num_points": int(num_points),
    }


def append(folder: Path, lines: Sequence[Mapping[str, Any]]) -> bool:
    """Add lines to the index in one write; return whether that worked. It is never waited for long."""
    text = b"".join(map(_text_of, lines))
    try:
        file = os.open(folder / NAME, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    except OSError:
        return False
    try:
        if not locked(file, patience=0.1):
            return False
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            text = b"\n" + text  # behind half a line
        if os.write(file, text) != len(text):
            os.ftruncate(file, size)
            return False
    except OSError:
        return False
    finally:
        os.close(file)
    return True


def _text_of(line: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # an uid that is no Unicode, and such
        return orjson.dumps(Plain().of(line), option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)


def lines_in(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what the index says; what cannot be read says nothing."""
    try:
        content = (folder / NAME).read_bytes()
    except OSError:
        return
    for line in content.split(b"\n"):
        try:
            read = orjson.loads(line)
        except ValueError:
            continue
        if isinstance(read, dict):
            yield read


def fits(line: Mapping[str, Any], kinds: Mapping[str, Any]) -> bool:
    """Return whether what a line says is of the right kind: somebody may have edited it."""
    return all(isinstance(line[field], kind) for field, kind in kinds.items() if field in line) and line.get(
        "kind", "measurement"
    ) in {"measurement", "decisions"}
