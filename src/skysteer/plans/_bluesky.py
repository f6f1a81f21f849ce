"""What the plans take from Bluesky, where it gives no types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from bluesky import plan_stubs, preprocessors, utils

Message = Any
"""A `bluesky.utils.Msg`: command, obj, args, kwargs, run."""

ensure_generator = cast(Callable[..., Any], utils.ensure_generator)  # pyright: ignore[reportUnknownMemberType]
all_safe_rewind = cast(Callable[..., bool], utils.all_safe_rewind)  # pyright: ignore[reportUnknownMemberType]
rewindable_wrapper = cast(Callable[..., Any], preprocessors.rewindable_wrapper)  # pyright: ignore[reportUnknownMemberType]
stage_wrapper = cast(Callable[..., Any], preprocessors.stage_wrapper)  # pyright: ignore[reportUnknownMemberType]
trigger_and_read = cast(Callable[..., Any], plan_stubs.trigger_and_read)  # pyright: ignore[reportUnknownMemberType]
