"""Documents as JSON lines."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import numpy as np

__all__ = ["DocumentFile", "plain"]


class DocumentFile:
    """Writes one ``{"name": ..., "doc": ...}`` a line, each line at once.

    Bluesky's own `JSONLinesWriter` opens the file for each document and
    stumbles over numpy values; numbers that are not finite come out there as
    words that are no JSON.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", buffering=1)

    def write(self, name: str, doc: Mapping[str, Any]) -> None:
        """Write one document. Numbers that are not finite become ``null``."""
        self._file.write(json.dumps({"name": name, "doc": plain(doc)}, allow_nan=False) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def plain(value: Any) -> Any:
    """A value as JSON knows it.

    >>> plain({"counts": np.array([1, 2]), "mean": float("nan"), "shape": ()})
    {'counts': [1, 2], 'mean': None, 'shape': []}
    """
    if isinstance(value, np.ndarray | np.generic):
        value = cast("Any", value).tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in cast("list[Any]", value)]
    return value
