"""Finds again the values that JSON alone would have lost, by the marks that `_plain` made."""

from __future__ import annotations

import datetime as dt
import io
import math
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import numpy as np

_NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def restored(doc: Any, marks: Mapping[str, Any]) -> Any:
    """Return the document that was written as `doc` with these marks; `doc` itself is changed."""
    holder = {"": doc}
    # What lies deeper first: an object array is made of elements that are whole.
    for pointer in sorted(marks, key=lambda pointer: pointer.count("/"), reverse=True):
        parent: Any = holder
        key: Any = ""
        for step in pointer.split("/")[1:]:
            parent = parent[key]
            key = _step(parent, step)
        parent[key] = _value(parent[key], marks[pointer])
    return holder[""]


def _step(parent: object, step: str) -> int | str:
    return int(step) if isinstance(parent, list) else step.replace("~1", "/").replace("~0", "~")


def _value(plain: Any, mark: Any) -> Any:
    match mark:
        case "nan" | "inf" | "-inf":
            return _NON_FINITE[mark]
        case "int":
            return int(plain)
        case "bytes":
            return b64decode(plain)
        case "complex":
            return complex(*plain)
        case "datetime":
            return dt.datetime.fromisoformat(plain)
        case "date":
            return dt.date.fromisoformat(plain)
        case "time":
            return dt.time.fromisoformat(plain)
        case "timedelta":
            return dt.timedelta(*plain)
        case "uuid":
            return UUID(plain)
        case "path":
            return Path(plain)
        case "set":
            return set(map(_hashable, plain))
        case "frozenset":
            return frozenset(map(_hashable, plain))
        case {"text": lossless}:
            return b64decode(lossless).decode("utf-8", "surrogatepass")
        case {"path": lossless}:
            return Path(b64decode(lossless).decode("utf-8", "surrogatepass"))
        case {"keys": keys}:
            return dict(zip(map(_key_of, keys), plain.values(), strict=True))
        case {"npy": npy}:
            array = np.load(io.BytesIO(b64decode(npy)), allow_pickle=False)
            if "mask" in mark:
                return np.ma.MaskedArray(array, mask=np.load(io.BytesIO(b64decode(mark["mask"]))))
            return array[()] if mark.get("scalar") else array
        case {"numpy": dtype, "shape": shape}:
            return _array_of(plain, np.dtype(dtype), shape, mark)
        case {"numpy": dtype}:
            return np.dtype(dtype).type(_NON_FINITE[mark["value"]] if "value" in mark else plain)
        case _:  # a repr; or a mark of a later version: what can be read is left as it is
            return plain


def _array_of(plain: Any, dtype: np.dtype[Any], shape: list[int], mark: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    if dtype.kind == "O":
        array = np.empty(len(plain), dtype=object)
        for n, item in enumerate(plain):
            array[n] = item
        return array.reshape(shape)
    if dtype.kind == "f":
        array = np.array(plain, dtype=np.float64).reshape(shape)  # None is read as nan
        for name, number in _NON_FINITE.items():
            if name in mark and name != "nan":
                array.reshape(-1)[mark[name]] = number
        return array.astype(dtype, copy=False)
    return np.array(plain, dtype=dtype).reshape(shape)


def _key_of(written: list[Any]) -> Any:
    kind, key = written
    match kind:
        case "int" | "float":
            return (int if kind == "int" else float)(key)
        case "text":
            return b64decode(key).decode("utf-8", "surrogatepass")
        case "tuple":
            return tuple(map(_key_of, key))
        case _:
            return key


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, cast("list[Any]", value))) if isinstance(value, list) else value
