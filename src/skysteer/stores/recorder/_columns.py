"""The streams and columns of a decision run, and how values fit into them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast
from uuid import UUID

from skysteer.model import (
    Asked,
    Checkpointed,
    Decision,
    GivenUp,
    Judged,
    Refused,
    Replaced,
    Steered,
    Suggested,
    Told,
)
from skysteer.stores.jsonl import Plain

Kind = Literal["number", "integer", "string", "boolean"]
"""The ``dtype`` of a column."""
TOLD = "told_"
"""Begins the columns of what was told."""


@dataclass(frozen=True, slots=True)
class RunNoted:
    """A measurement run of this launch was opened or closed."""

    run: str
    moment: Literal["opened", "closed"]
    scan_id: int = -1
    """-1 where it is not known."""
    exit_status: str = ""
    reason: str = ""
    num_events: int = 0
    """Of the primary stream."""
    time: float = 0.0


Note = Decision | RunNoted
"""What makes an event of a decision run."""

STREAMS: Mapping[type[Any], str] = {
    RunNoted: "runs",
    Told: "told",
    Asked: "questions",
    Suggested: "suggestions",
    Refused: "refusals",
    GivenUp: "given_up",
    Replaced: "workers",
    Checkpointed: "checkpoints",
    Judged: "verdicts",
    Steered: "steering",
}
COLUMNS: Mapping[str, Mapping[str, Kind]] = {
    "runs": {
        "run": "string",
        "moment": "string",
        "scan_id": "integer",
        "exit_status": "string",
        "reason": "string",
        "num_events": "integer",
    },
    "told": {
        "origin": "string",
        "number": "integer",
        "run": "string",
        "stream": "string",
        "seq_num": "integer",
        "measured": "number",
        "suggestion_id": "string",
        "recommender_id": "string",
        "replay": "boolean",
    },
    "questions": {
        "origin": "string",
        "question": "integer",
        "count": "integer",
        "known": "integer",
        "given_up": "integer",
        "pending": "string",
    },
    "suggestions": {
        "origin": "string",
        "question": "integer",
        "part": "integer",
        "parts": "integer",
        "count": "integer",
        "id": "string",
        "recommender_id": "string",
        "told": "integer",
        "given_up": "integer",
        "pending": "string",
        "state": "string",
        "asked": "number",
        "latency": "number",
        "suggest_seconds": "number",
        "ingest_seconds": "number",
        "reason": "string",
    },
    "refusals": {
        "origin": "string",
        "question": "integer",
        "kind": "string",
        "reason": "string",
        "told": "integer",
        "asked": "number",
        "latency": "number",
        "answer": "string",
    },
    "given_up": {"origin": "string", "suggestion_id": "string", "kind": "string", "reason": "string"},
    "workers": {"origin": "string", "during": "string", "reason": "string", "restarts": "integer"},
    "checkpoints": {
        "origin": "string",
        "told": "integer",
        "given_up": "integer",
        "state": "string",
        "seconds": "number",
        "error": "string",
    },
    "verdicts": {
        "watchdog": "string",
        "verdict": "string",
        "reason": "string",
        "run": "string",
        "stream": "string",
        "seq_num": "integer",
        "launch": "integer",
        "accepted": "boolean",
        "lag": "number",
    },
    "steering": {
        "verdict": "string",
        "reason": "string",
        "author": "string",
        "launch": "integer",
        "accepted": "boolean",
    },
}
SECONDS = frozenset(
    {"measured", "asked", "latency", "suggest_seconds", "ingest_seconds", "seconds", "lag"},
)
SOURCES = {"runs": "engine", "verdicts": "watchdog", "steering": "steering"}
MISSING: Mapping[Kind, Any] = {"number": math.nan, "integer": 0, "string": "", "boolean": False}


def text(value: Any) -> str:
    """A value as JSON text: tuples become lists, arrays of numpy too, what has no form its ``repr``."""
    if value is None:
        return "null"
    try:
        return _encode(value)
    except (TypeError, ValueError):  # keys that are no words, a mapping that holds itself
        return _encode(repr(value))


def identity(value: Any) -> Any:
    """An ``_id`` as JSON holds it; one that is no word, number or tuple of such with marks, as a line of a file has."""
    if _is_plain(value):
        return value
    if isinstance(value, UUID):
        return {"id": str(value), "exact": {"/id": "uuid"}}
    plain = Plain()
    return {**plain.of({"id": value}), "exact": plain.marks}


def _is_plain(value: Any) -> bool:
    if type(value) is tuple:
        return all(map(_is_plain, cast("tuple[Any, ...]", value)))
    return value is None or type(value) in (str, int, float, bool)


def _jsonable(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else repr(value)


_encode = json.JSONEncoder(default=_jsonable).encode


def scalar(value: Any) -> Any:
    """A scalar of numpy as Python's."""
    if type(value) in (float, int, str, bool):
        return value
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def kind_of(value: Any) -> Kind | None:
    """The column that a value fits into; ``None`` if it is no single value."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else None


def filled(data: dict[str, Any], columns: Mapping[str, Kind], values: Mapping[str, Any]) -> str:
    """Put values into their columns; the rest, as JSON text by name, null for what is not there.

    An array is a list there; under the empty name stands which ``dtype`` each of them
    has, and each number with fewer digits than Python's.
    """
    others: dict[str, Any] = {}
    dtypes: dict[str, str] = {}
    for column, kind in columns.items():
        given = values.get(column)
        value = scalar(given)
        if value is not given and (dtype := _dtype(given, most=4)) is not None:
            dtypes[column.removeprefix(TOLD)] = dtype
        if kind_of(value) == kind:
            data[column] = value
        else:
            data[column] = MISSING[kind]
            others[column.removeprefix(TOLD)] = value
    if len(values) > len(columns) or others:
        others |= {column.removeprefix(TOLD): values[column] for column in values if column not in columns}
    if others:
        dtypes |= {name: dtype for name, value in others.items() if (dtype := _dtype(value)) is not None}
    if dtypes:
        others[""] = dtypes
    return text(others) if others else "{}"


def _dtype(value: Any, most: float = math.inf) -> str | None:
    """Of numbers or words of numpy: kind and size, as numpy writes them; ``None`` beyond so many bytes."""
    dtype = getattr(value, "dtype", None)
    return dtype.str if dtype is not None and dtype.kind in "biufUS" and dtype.itemsize <= most else None
