"""Finding a node at a Tiled server, or making it: the same whether the answer to an earlier try was lost or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tiled.client.utils import ClientError

__all__ = ["Differs", "container_in", "found", "found_or_made"]

CONFLICT = 409


class Differs(Exception):
    """What the server has of a run is not what its file has."""


def found(container: Any, key: str) -> Any | None:
    """Return the node `key` of a container, or None where there is none."""
    try:
        return container[key]
    except KeyError:
        return None


def found_or_made(container: Any, key: str, make: Callable[[], Any]) -> tuple[Any, bool]:
    """Make a node; where it is there already, return that, and False."""
    try:
        return make(), True
    except ClientError as exc:
        if exc.response.status_code != CONFLICT:
            raise
        node = found(container, key)
        if node is None:
            raise
        return node, False


def container_in(parent: Any, key: str, about: Mapping[str, Any], *, made_before: bool = True) -> tuple[Any, bool]:
    """Return the container `key` of another, and whether it was made now; it is looked for if it may be there."""
    if made_before and (node := found(parent, key)) is not None:
        return node, False
    return found_or_made(parent, key, lambda: parent.create_container(key=key, **about))
