"""Values that JSON alone would lose: what is written in their place, and the marks that say what they were.

A document is written as plain JSON that any consumer can read. Where that says
less than the value did, a *mark* beside it says what the value was::

    {"name": "event", "doc": {"data": {"det": null, "image": [[1, 2], [3, 4]]}, ...},
     "exact": {"/data/det": "nan", "/data/image": {"numpy": "<u2", "shape": [2, 2]}}}

The keys of ``exact`` are JSON pointers (RFC 6901) into ``doc``. Not marked:
a tuple becomes a list, a member of an enumeration its value, a UUID its text.
"""

from __future__ import annotations

import datetime as dt
import enum
import io
import logging
import math
import uuid
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping, Set
from pathlib import PurePath
from typing import Any, cast

import numpy as np
import orjson

logger = logging.getLogger(__name__)

DEEPEST = 200
"""Levels of nesting that are kept; orjson writes no more than 254."""
AT_ONCE = 1 << 16
"""Elements of an array that are written at once: the engine's loop stands still so long (some milliseconds)."""

_PLAIN_KINDS = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8)}
"""Kinds of numpy numbers and their sizes in bytes that JSON holds without loss."""


class Plain:
    """Makes plain JSON of a document and collects the marks.

    `marks` is empty where plain JSON says it all.
    """

    __slots__ = ("marks",)

    def __init__(self) -> None:
        self.marks: dict[str, Any] = {}

    def of(self, value: Any, at: str = "", depth: int = 0) -> Any:
        """Return `value` as what orjson writes, numpy arrays of plain numbers as they are.

        Parameters
        ----------
        value
            Anything.
        at
            JSON pointer of where it lies in the document.
        depth
            How deep that is.
        """
        kind = type(value)  # pyright: ignore[reportUnknownVariableType]
        if kind is str:
            return value if value.isascii() else self._text(value, at)
        if kind is float:
            return value if math.isfinite(value) else self._mark(at, _name_of(value), None)
        if kind is int:
            return value if -(2**63) <= value < 2**64 else self._mark(at, "int", str(value))
        if kind is bool or value is None:
            return value
        if depth > DEEPEST:
            return self._lost(value, at, "it is nested too deeply")
        if kind is dict:
            return self._mapping(value, at, depth)
        if kind is list or kind is tuple:
            return [self.of(item, f"{at}/{n}", depth + 1) for n, item in enumerate(value)]
        try:
            return self._unusual(value, at, depth)
        except Exception as exc:  # a value of somebody's own class must not stop a scan
            return self._lost(value, at, f"{type(exc).__name__}: {exc}")

    def _mark(self, at: str, mark: Any, value: Any) -> Any:
        self.marks[at] = mark
        return value

    def _text(self, value: str, at: str) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:  # half of a surrogate pair: text that is no Unicode
            lossless = b64encode(value.encode("utf-8", "surrogatepass")).decode()
            return self._mark(at, {"text": lossless}, value.encode("utf-8", "replace").decode())
        return value

    def _mapping(self, value: Mapping[Any, Any], at: str, depth: int) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        for key, item in value.items():
            if type(key) is not str or not (key.isascii() or _is_unicode(key)):
                return self._keyed(value, at, depth)
            pointer = f"{at}/{key.replace('~', '~0').replace('/', '~1') if '~' in key or '/' in key else key}"
            plain[key] = self.of(item, pointer, depth + 1)
        return plain

    def _keyed(self, value: Mapping[Any, Any], at: str, depth: int) -> dict[str, Any]:
        """Write a mapping some keys of which are no text: under names, with a mark that lists the keys."""
        named: dict[str, Any] = {}
        taken = {key for key in value if type(key) is str}
        for key, item in value.items():
            kept = type(key) is str and _is_unicode(key)
            named[key if kept else _name_of_key(key, taken)] = item
        # Marks made before the first such key was met are made again, the same.
        plain = self._mapping(named, at, depth)
        self.marks[at] = {"keys": [self._key(key, at) for key in value]}
        return plain

    def _key(self, value: Any, at: str) -> list[Any]:
        key: Any = cast("Any", value).item() if isinstance(value, np.generic) else value
        match key:
            case enum.Enum():
                return self._key(key.value, at)
            case str():
                key = str(key)
                if _is_unicode(key):
                    return ["str", key]
                return ["text", b64encode(key.encode("utf-8", "surrogatepass")).decode()]
            case bool() | None:
                return ["json", key]
            case int() | float():
                return [type(key).__name__, repr(key)]
            case tuple():
                return ["tuple", [self._key(item, at) for item in cast("tuple[Any, ...]", key)]]
            case _:
                return ["str", self._lost(key, f"{at} (a key)", "no key can be it", mark=False)]

    def _unusual(self, value: Any, at: str, depth: int) -> Any:
        if isinstance(value, enum.Enum):
            return self.of(value.value, at, depth + 1)
        if isinstance(value, np.generic):
            return self._scalar(cast("np.generic[Any]", value), at)
        if isinstance(value, np.ndarray):
            return self._array(cast("np.ndarray[Any, Any]", value), at, depth)
        for accepted, write in _WRITERS:
            if isinstance(value, accepted):
                return write(self, value, at, depth)
        return self._lost(value, at, "JSON has no such value")

    def _scalar(self, value: np.generic[Any], at: str) -> Any:
        kind = value.dtype.kind
        if value.dtype.itemsize in _PLAIN_KINDS.get(kind, ()):
            item = value.item()
            if kind == "f" and not math.isfinite(item):
                return self._mark(at, {"numpy": value.dtype.str, "value": _name_of(item)}, None)
            return self._mark(at, {"numpy": value.dtype.str}, item)
        if isinstance(value, np.str_):
            return self._text(str(value), at)
        return self._mark(at, {"npy": _npy(np.asarray(value)), "scalar": True}, repr(value.item()))

    def _array(self, value: np.ndarray[Any, Any], at: str, depth: int) -> Any:
        if isinstance(value, np.ma.MaskedArray):
            masked = cast("Any", value)
            mask = np.ma.getmaskarray(masked)
            mark = {"npy": _npy(np.asarray(masked.data)), "mask": _npy(mask)}
            return self._mark(at, mark, self._nested(np.asarray(masked.data), None))
        if type(value) is not np.ndarray:
            self._warn(type(value), at, "it is kept as a plain array")
            value = np.asarray(value)
        mark: dict[str, Any] = {"numpy": value.dtype.str, "shape": list(value.shape)}
        kind = value.dtype.kind
        if value.dtype.hasobject:
            if value.dtype.kind != "O":
                raise TypeError("records that hold objects")
            # The elements are marked each for itself, with pointers that count in the flat list.
            plain = self.of(value.ravel().tolist(), at, depth + 1)
            return self._mark(at, mark | {"flat": True}, plain)
        if value.dtype.itemsize in _PLAIN_KINDS.get(kind, ()):
            return self._mark(at, mark, self._nested(value, mark))
        if kind == "U" and all(map(_is_unicode, value.ravel().tolist())):
            return self._mark(at, mark, value.tolist())
        readable = np.vectorize(repr, otypes=[object])(value).tolist() if value.size else value.tolist()
        return self._mark(at, {"npy": _npy(value)}, readable)

    def _nested(self, value: np.ndarray[Any, Any], mark: dict[str, Any] | None) -> Any:
        """Return an array that orjson writes as it is, and note in `mark` where it is not finite."""
        if value.dtype.kind == "f":
            # Also float32: its own short digits, read as float64, would be another number.
            value = value.astype(np.float64, copy=False)
            if mark is not None and not np.isfinite(value).all():
                flat = value.ravel()
                for name, where in (("nan", np.isnan(flat)), ("inf", flat == np.inf), ("-inf", flat == -np.inf)):
                    if where.any():
                        mark[name] = np.flatnonzero(where).tolist()
        elif value.dtype.kind not in _PLAIN_KINDS:
            return np.vectorize(repr, otypes=[object])(value).tolist()
        if value.ndim == 0:
            item = value.item()
            return None if isinstance(item, float) and not math.isfinite(item) else item
        whole = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("="))
        return whole if whole.size <= AT_ONCE else orjson.Fragment(_in_parts(whole))

    def _lost(self, value: Any, at: str, why: str, *, mark: bool = True) -> str:
        self._warn(cast("type[Any]", type(value)), at, f"it is kept as its repr ({why})")
        try:
            words = self._text(repr(value), at)
        except Exception:
            words = f"<{type(value).__module__}.{type(value).__qualname__}>"
        if mark:
            self.marks[at] = {"repr": f"{type(value).__module__}.{type(value).__qualname__}"}
        return words[:10_000]

    def _warn(self, kind: type[Any], at: str, how: str) -> None:
        if kind not in _warned:
            _warned.add(kind)
            logger.warning(
                "a document holds a %s.%s at %s: %s; said once", kind.__module__, kind.__qualname__, at or "/", how
            )

    def _bytes(self, value: bytes | bytearray | memoryview, at: str, depth: int) -> str:
        return self._mark(at, "bytes", b64encode(value).decode())

    def _complex(self, value: complex, at: str, depth: int) -> list[Any]:
        return self._mark(at, "complex", [self.of(value.real, f"{at}/0"), self.of(value.imag, f"{at}/1")])

    def _number(self, value: float, at: str, depth: int) -> Any:  # a subclass of int or float
        return self.of(int(value) if isinstance(value, int) else float(value), at, depth + 1)

    def _words(self, value: str, at: str, depth: int) -> str:
        return self._text(str.__str__(value), at)

    def _dated(self, value: dt.datetime | dt.date | dt.time, at: str, depth: int) -> str:
        kind = "time" if isinstance(value, dt.time) else "datetime" if isinstance(value, dt.datetime) else "date"
        return self._mark(at, kind, value.isoformat())

    def _lasting(self, value: dt.timedelta, at: str, depth: int) -> list[int]:
        return self._mark(at, "timedelta", [value.days, value.seconds, value.microseconds])

    def _path(self, value: PurePath, at: str, depth: int) -> str:
        words = self._text(str(value), at)
        return self._mark(at, {"path": self.marks.get(at, {}).get("text")} if at in self.marks else "path", words)

    def _uuid(self, value: uuid.UUID, at: str, depth: int) -> str:
        return str(value)

    def _set(self, value: Set[Any], at: str, depth: int) -> list[Any]:
        plain = self.of(sorted(value, key=repr), at, depth + 1)
        return self._mark(at, "frozenset" if isinstance(value, frozenset) else "set", plain)

    def _other_mapping(self, value: Mapping[Any, Any], at: str, depth: int) -> dict[str, Any]:
        return self._mapping(value, at, depth)

    def _sequence(self, value: Any, at: str, depth: int) -> list[Any]:
        return self.of(list(value), at, depth + 1)


_warned: set[type] = set()
_WRITERS: tuple[tuple[Any, Callable[[Plain, Any, str, int], Any]], ...] = (
    (str, Plain._words),  # pyright: ignore[reportPrivateUsage]
    ((int, float), Plain._number),  # pyright: ignore[reportPrivateUsage]
    (complex, Plain._complex),  # pyright: ignore[reportPrivateUsage]
    ((bytes, bytearray, memoryview), Plain._bytes),  # pyright: ignore[reportPrivateUsage]
    ((dt.date, dt.time), Plain._dated),  # pyright: ignore[reportPrivateUsage]
    (dt.timedelta, Plain._lasting),  # pyright: ignore[reportPrivateUsage]
    (PurePath, Plain._path),  # pyright: ignore[reportPrivateUsage]
    (uuid.UUID, Plain._uuid),  # pyright: ignore[reportPrivateUsage]
    (Set, Plain._set),  # pyright: ignore[reportPrivateUsage]
    (Mapping, Plain._other_mapping),  # pyright: ignore[reportPrivateUsage]
    ((list, tuple, range, deque), Plain._sequence),  # pyright: ignore[reportPrivateUsage]
)


def _name_of(value: float) -> str:
    return "nan" if value != value else "inf" if value > 0 else "-inf"


def _name_of_key(key: Any, taken: set[str]) -> str:
    try:
        name = str(key).encode("utf-8", "replace").decode()
    except Exception:
        name = f"<{type(key).__qualname__}>"
    while name in taken:
        name += "'"
    taken.add(name)
    return name


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _in_parts(array: np.ndarray[Any, Any]) -> bytes:
    """Return the JSON of a large array, as orjson writes it in one piece."""
    row = math.prod(array.shape[1:])
    if row > AT_ONCE:
        return b"[" + b",".join(map(_in_parts, array)) + b"]"
    step = max(1, AT_ONCE // row)
    parts = (array[first : first + step] for first in range(0, len(array), step))
    return b"[" + b",".join(orjson.dumps(part, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] for part in parts) + b"]"


def _npy(array: np.ndarray[Any, Any]) -> str:
    written = io.BytesIO()
    np.save(written, array, allow_pickle=False)
    return b64encode(written.getvalue()).decode()
