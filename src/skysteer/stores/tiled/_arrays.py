"""An array of a stream in Tiled, one row an event: held until it is flushed, and written where it belongs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._nodes import Differs, found_or_made

__all__ = ["Array"]

logger = logging.getLogger(__name__)

SHORTEST_TEXT = 64
"""Characters of a column of strings, at least: one that is too short cannot grow."""


class Array:
    """Stands for the client of an array node: each row goes to its own place, so writing it again changes nothing."""

    def __init__(self, container: Any, key: str, about: Mapping[str, Any], node: Any | None) -> None:
        self._container = container
        self._key = key
        self._about = about
        self._node = node
        self._waiting: list[NDArray[Any]] = []
        self._dtype: np.dtype[Any] = np.dtype(object)
        self.sent = 0
        """Rows that the server has for certain."""

    @property
    def uri(self) -> str:
        """Address of the node."""
        return "" if self._node is None else self._node.uri

    @property
    def dtype(self) -> np.dtype[Any]:
        """What TiledWriter makes of the next row; an object stands for "as it comes"."""
        return self._dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Where TiledWriter would put the next row."""
        return (self.sent + len(self._waiting),)

    def close_stream(self) -> None:
        """Say to those who listen at the server that nothing more comes."""
        if self._node is not None:
            self._node.close_stream()

    def patch(self, array: NDArray[Any], offset: Any = None, *, extend: bool = True) -> None:
        """Take a row."""
        del offset, extend
        if array.dtype.kind not in "US":
            self._dtype = array.dtype
        self._waiting.append(array)

    def skip(self) -> None:
        """Leave the last row out: the server has it."""
        self._waiting.pop()
        self.sent += 1

    def flush(self) -> None:
        """Send the rows that wait."""
        if not self._waiting:
            return
        rows = _joined(self._waiting)
        made = False
        if self._node is None and self.sent == 0:
            if rows.dtype.kind == "U":
                rows = rows.astype(f"<U{max(SHORTEST_TEXT, 2 * rows.dtype.itemsize // 4)}")
            self._node, made = found_or_made(
                self._container, self._key, lambda: self._container.write_array(rows, key=self._key, **self._about)
            )
        if self._node is None or self._node.shape[0] < self.sent:
            raise Differs(f"the server has fewer rows of {self._key!r} than events")
        kept = rows.astype(self._node.dtype)
        if rows.dtype.kind == "U" and (kept != rows).any():
            logger.warning("texts of %r are too long for their array at the server and are cut there", self._key)
        if not made:  # of one made by an earlier try the shape is known, and not whether its rows arrived
            self._node.patch(kept, offset=(self.sent,), extend=True)
        self.sent += len(rows)
        self._waiting.clear()


def _joined(rows: list[NDArray[Any]]) -> NDArray[Any]:
    shapes = {row.shape[1:] for row in rows}
    if len(shapes) == 1:
        return np.concatenate(rows)
    # Rows of different lengths: as long as the longest, the rest is NaN (0 for integers).
    depth = max(len(shape) for shape in shapes)
    whole = tuple(max((shape[axis] if axis < len(shape) else 1) for shape in shapes) for axis in range(depth))
    dtype = np.result_type(*rows)
    out = np.full((len(rows), *whole), np.nan if dtype.kind == "f" else np.zeros((), dtype)[()], dtype=dtype)
    for index, row in enumerate(rows):
        out[(index, *(slice(length) for length in row.shape[1:]))] = row[0]
    return out
