"""Values of events as the columns of a Tiled table take them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

__all__ = ["Misfit", "fitted"]

WIDER = {"integer": "number", "boolean": "number", "number": "string", "array": "string", "string": "string"}
"""What a column becomes that is too narrow for a value."""
LARGEST = 2**63 - 1


class Misfit(Exception):
    """A value does not fit the column that its data key declares; the column has to be wider."""

    def __init__(self, stream: str, key: str, kind: str) -> None:
        self.stream = stream
        """Name of the stream."""
        self.key = key
        """Name of the data key."""
        self.kind = kind
        """dtype that takes the value, and all that came before."""
        super().__init__(f"{key!r} of the stream {stream!r} has values that need a column of dtype {kind!r}")


def fitted(value: Any, kind: str, *, integers: bool = False, alone: bool = False) -> Any:
    """Return `value` for a column of the dtype `kind`; raise `ValueError` where it does not fit.

    Parameters
    ----------
    value
        Of an event: of Python or of NumPy.
    kind
        dtype of event-model: number, integer, boolean, string or array.
    integers
        Of an array: its elements are integers.
    alone
        Of an array: it is in no table, but a row of an array of its own.
    """
    if value is None:
        return None
    if isinstance(value, np.generic):
        value = cast(Any, value.item())
    if kind == "number":
        return _number(value)
    if kind == "integer":
        return _integer(value)
    if kind == "boolean":
        if isinstance(value, bool):
            return value
        raise ValueError(repr(value))
    if kind == "array":
        return _array(value, integers=integers, alone=alone)
    return _text(value)


def _number(value: Any) -> float:
    if isinstance(value, (bool, int, float)):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    raise ValueError(value)


def _integer(value: Any) -> int:
    if isinstance(value, (bool, int)) and abs(value) <= LARGEST:
        return int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    raise ValueError(value)


def _array(value: Any, *, integers: bool, alone: bool) -> Any:
    array = np.atleast_1d(np.asarray(value))
    if array.dtype.kind not in "fiubU" or (integers and array.dtype.kind not in "iub"):
        raise ValueError(value)
    if alone:
        return array
    if not integers and array.dtype.kind in "bui":
        array = array.astype(float)
    return cast("list[Any]", array.tolist())


def _text(value: Any) -> str:
    if isinstance(value, str):
        # What UTF-8 cannot say (half of a pair) is shown as an escape.
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, np.ndarray):
        value = cast("Any", value).tolist()
    if isinstance(value, (Mapping, list, tuple, bool, int, float)):
        return json.dumps(value, default=str)
    return str(value)
