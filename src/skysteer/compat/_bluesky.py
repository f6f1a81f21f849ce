"""What is taken from Bluesky, with the types that it leaves open."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, cast

from bluesky import plan_stubs, plans, preprocessors, utils
from bluesky.utils import Msg

Callbacks = Mapping[str, list[Any]]
"""Name of a document (or ``"all"``) to who is told it."""

trigger_and_read = cast("Callable[..., Generator[Msg, Any, Any]]", cast(Any, plan_stubs).trigger_and_read)
count = cast("Callable[..., Generator[Msg, Any, Any]]", cast(Any, plans).count)
subs_wrapper = cast("Callable[[Any, Callbacks], Generator[Msg, Any, Any]]", cast(Any, preprocessors).subs_wrapper)
normalize_subs_input = cast("Callable[[Any], Callbacks]", cast(Any, utils).normalize_subs_input)
