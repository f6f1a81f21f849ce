"""Values as a text that is the same in every process, to be compared and hashed."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Any, cast

import numpy as np

from skysteer.model import Space

LONGEST = 200
"""Characters of a text beyond which its hash stands for it."""


def canonical(value: Any) -> str | None:
    """A text that is the same for equal values, in every process; ``None`` where there is no such text.

    Numbers of NumPy are those of Python, an array is told by its hash, a set and a mapping are sorted.

    >>> canonical({"b": (1.0, "two"), "a": None})
    "{'a': None, 'b': (1.0, 'two')}"
    >>> canonical(object()) is None
    True
    """
    match value:
        case None | bool() | str() | bytes() | complex() if type(value).__module__ == "builtins":
            return repr(value)
        case enum.Enum() if isinstance(value, str | int | float):  # a record has what it is, not what it is called
            return canonical(value.value)
        case enum.Enum():
            return str(value)
        case Space():  # the order of its axes matters, as that of a mapping does not
            return f"Space{canonical(value.axes)}"
        case int():
            return repr(int(value))
        case float():
            return repr(float(value))
        case np.generic():
            return canonical(value.item()) if not isinstance(value.item(), np.generic) else None
        case np.ndarray():
            return _array(cast("np.ndarray[Any, Any]", value))
        case list() | tuple():
            items = _all(list(cast("list[Any]", value)))
            left, right = "[]" if isinstance(value, list) else "()"
            return None if items is None else f"{left}{', '.join(items)}{right}"
        case Mapping():
            given = cast("Mapping[Any, Any]", value)
            keys, values = _all(list(given)), _all(list(given.values()))
            if keys is None or values is None:
                return None
            return "{" + ", ".join(sorted(f"{k}: {v}" for k, v in zip(keys, values, strict=True))) + "}"
        case Set():
            items = _all(list(cast("Set[Any]", value)))
            return None if items is None else "{" + ", ".join(sorted(items)) + "}"
        case PurePath():
            return repr(str(value))
        case _:
            return _described(value)


def shortened(text: str) -> str:
    """The text, or what stands for one that is too long."""
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]}... ({len(text)} characters, blake2b {digest(text)})"


def digest(text: str) -> str:
    """Hash of a text, 32 hexadecimal digits."""
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _all(values: list[Any]) -> list[str] | None:
    texts = [canonical(each) for each in values]
    return None if None in texts else cast("list[str]", texts)


def _array(array: np.ndarray[Any, Any]) -> str | None:
    if array.dtype.hasobject:
        items = _all(array.ravel().tolist())
        return None if items is None else f"array(object, {array.shape}, {digest(', '.join(items))})"
    contents = hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=16).hexdigest()
    return f"array({array.dtype.str}, {array.shape}, {contents})"


def _described(value: Any) -> str | None:
    """Of a value of a class of its own: by its fields, its parameters, or (one of ours) what it says of itself."""
    kind = cast("type[Any]", type(value))
    if callable(getattr(kind, "get_params", None)):  # an estimator of scikit-learn
        text = canonical(value.get_params(deep=True))
        return kind.__qualname__ if text is None else f"{kind.__qualname__}({text})"
    if is_dataclass(value) and not isinstance(value, type):
        texts = _all([getattr(value, each.name, None) for each in fields(value)])
        return None if texts is None else f"{kind.__qualname__}({', '.join(texts)})"
    if kind.__module__.startswith("skysteer.") and kind.__repr__ is not object.__repr__:
        text = repr(value)
        return None if " at 0x" in text or text.startswith("<") else text
    return None
