"""Connect devices on the loop of an engine."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, cast

from bluesky import run_engine
from ophyd_async.core import Device, NotConnectedError

__all__ = ["connect"]


def connect(devices: Collection[Device], RE: Any, *, timeout: float = 10.0) -> None:
    """Connect devices, from any thread but the one of the engine's loop.

    Parameters
    ----------
    RE
        The engine; ``None`` takes the loop of the engine made last. Without any,
        nothing is connected: what needs no connection works on any loop.
    timeout
        Seconds until it is given up.

    Raises
    ------
    RuntimeError
        On the engine's loop, or if the loop of `RE` does not run.
    """
    loop = _loop_of(RE)
    if loop is None:
        return

    async def connect_all() -> None:
        connecting = [device.connect(timeout=timeout) for device in devices]  # pyright: ignore[reportUnknownMemberType]
        await asyncio.gather(*connecting)

    try:
        # the devices give up by themselves, and say what they could not reach
        asyncio.run_coroutine_threadsafe(connect_all(), loop).result(timeout + 5.0)
    except TimeoutError as exc:
        raise NotConnectedError("the engine's loop is too busy to connect the devices") from exc


def _loop_of(RE: Any) -> asyncio.AbstractEventLoop | None:
    default = run_engine.get_bluesky_event_loop()  # pyright: ignore[reportUnknownVariableType]
    loop = cast("asyncio.AbstractEventLoop | None", default if RE is None else RE.loop)
    if loop is None or (RE is None and not loop.is_running()):
        return None
    try:
        here = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    if here is loop:
        raise RuntimeError("devices cannot be connected from the engine's own loop: make them before the plan starts")
    if not loop.is_running():
        raise RuntimeError(f"the loop of {RE!r} does not run: was the engine closed?")
    return loop
