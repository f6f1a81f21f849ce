"""The container of a Tiled server into which runs go."""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from typing import Any

import httpx
from tiled.queries import KeysFilter

from ._nodes import found
from ._untyped import context_of, from_context

__all__ = ["Catalog", "KeyRefused", "Trouble", "trouble_of"]

AT_ONCE = 40
"""Runs that are asked for in one request: an address of 2000 characters."""
TIMEOUT = httpx.Timeout(30.0, connect=5.0, pool=5.0)


class KeyRefused(Exception):
    """The server wants another key."""


class Trouble(enum.Enum):
    """Of what kind an error is, and so what may be done."""

    away = "away"
    """The server cannot be reached, or what became of a request is not known."""
    key = "key"
    """The server refuses the key."""
    failing = "failing"
    """The server answers that it cannot do it now."""
    changed = "changed"
    """Something is not there any more."""
    refused = "refused"
    """It will not do it the next time either."""


def trouble_of(exc: Exception) -> Trouble:
    """Say of what kind an error is."""
    if isinstance(exc, httpx.TransportError):
        return Trouble.away
    if isinstance(exc, KeyRefused):
        return Trouble.key
    if isinstance(exc, httpx.HTTPStatusError):
        status = exc.response.status_code
        if status in {401, 403}:
            return Trouble.key
        if status >= 500 or status == 429:
            return Trouble.failing
        return Trouble.changed if status in {404, 409, 410} else Trouble.refused
    return Trouble.changed if isinstance(exc, KeyError) else Trouble.refused


class Catalog:
    """A connection to the server."""

    def __init__(self, url: str, key: str | None) -> None:
        context, parts = context_of(url, api_key=key, timeout=TIMEOUT)
        self._context = context
        if not context.authenticated and context.server_info.authentication.required:
            context.close()
            raise KeyRefused("it wants an API key, and none was given")
        try:
            self.client: Any = from_context(
                context, node_path_parts=parts, include_data_sources=True, remember_me=False
            )
        except BaseException:
            context.close()
            raise

    def close(self) -> None:
        """Close the connections."""
        self._context.close()

    def missing(self, runs: Sequence[str]) -> set[str]:
        """Return those of the runs that the server does not have."""
        gone: set[str] = set(runs)
        for start in range(0, len(runs), AT_ONCE):
            gone -= self._there(runs[start : start + AT_ONCE])
        return gone

    def _there(self, runs: Collection[str]) -> set[str]:
        return set(self.client.search(KeysFilter(list(runs))))

    def remove(self, run: str) -> None:
        """Remove what was sent of a run."""
        node = found(self.client, run)
        if node is not None and node.metadata.get("start", {}).get("uid") == run:
            node.delete(recursive=True, external_only=False)
