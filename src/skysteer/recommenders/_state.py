"""The hash of everything that determines the state of a pure recommender."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from ._canonical import canonical

SIZE = 16
"""Bytes of a digest."""


class State:
    """Grows with every point and every given-up suggestion that a recommender is told.

    The same in every process, however many points were told at once and
    whether or not a given-up suggestion came between two points. It says
    nothing about memory. For one writer; any thread may read it.

    Parameters
    ----------
    begun_as
        Says what the recommender is, when it is first asked.
    """

    def __init__(self, begun_as: Callable[[], Mapping[str, Any]]) -> None:
        self._begun_as = begun_as
        self._beginning: bytes | None = None
        self._points = hashlib.blake2b(digest_size=SIZE)
        self._given_up = hashlib.blake2b(digest_size=SIZE)

    def point(self, point: Mapping[str, Any]) -> None:
        """A measured point was told."""
        self._points.update(_line(point))

    def given_up(self, suggestion: Mapping[str, Any]) -> None:
        """A suggestion was given up."""
        self._given_up.update(_line(suggestion))

    def __str__(self) -> str:
        """32 hexadecimal digits."""
        if self._beginning is None:
            self._beginning = _line(self._begun_as())
        parts = self._beginning + self._points.digest() + self._given_up.digest()
        return hashlib.blake2b(parts, digest_size=SIZE).hexdigest()


def _line(values: Mapping[str, Any]) -> bytes:
    words = (f"{name!r}: {_text(values[name])}" for name in sorted(values))
    return "; ".join(words).encode(errors="surrogatepass") + b"\n"


def _text(value: Any) -> str:
    if type(value) is float or type(value) is str:  # nearly all of them: as `canonical` does it, in less time
        return repr(value)
    return canonical(value) or _opaque(value)


def _opaque(value: Any) -> str:
    """For a value that no text stands for: at least its kind."""
    return f"<{type(value).__module__}.{type(value).__qualname__}>"
