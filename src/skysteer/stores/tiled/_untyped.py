"""What is used of packages that have no types."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, cast

import event_model
from tiled.client import constructors
from tiled.client.context import Context

__all__ = ["context_of", "from_context", "pa", "pack_event_page", "unpack_event_page"]

pa: Any = import_module("pyarrow")
from_context = cast(Callable[..., Any], constructors.from_context)  # pyright: ignore[reportUnknownMemberType]
context_of = cast(Callable[..., tuple[Any, list[str]]], Context.from_any_uri)  # pyright: ignore[reportUnknownMemberType]
pack_event_page = cast(Callable[..., Any], event_model.pack_event_page)  # pyright: ignore[reportUnknownMemberType]
unpack_event_page = cast(Callable[[Any], Iterator[Any]], event_model.unpack_event_page)  # pyright: ignore[reportUnknownMemberType]
