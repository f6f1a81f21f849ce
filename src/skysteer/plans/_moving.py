"""Moving to a point, knowing what was set."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Mapping
from inspect import isawaitable
from typing import Any

from bluesky.protocols import Locatable, Status
from bluesky.utils import Msg

from ._waiting import Plan, run_coroutine

Motors = Mapping[str, Any]
"""Axis name to the device that moves it."""

_groups = itertools.count()


def move(motors: Motors, point: Mapping[str, Any], statuses: list[Status]) -> Plan[None]:
    """Set every axis of a point at once and wait; what was set is added to ``statuses``."""
    group = f"skysteer-move-{next(_groups)}"
    for name, position in point.items():
        status = yield Msg("set", motors[name], position, group=group)
        if status is not None:  # a pause may have taken the answer
            statuses.append(status)
    yield Msg("wait", None, group=group)


def positions(motors: Motors) -> Plan[dict[str, Any]]:
    """Where the motors were sent to last (or, where they cannot say, where they are)."""

    async def ask() -> dict[str, Any]:
        return dict(zip(motors, await asyncio.gather(*map(_position, motors.values())), strict=True))

    return (yield from run_coroutine(ask))


async def _position(motor: Any) -> Any:
    if isinstance(motor, Locatable):
        return (await resolved(motor.locate()))["setpoint"]
    reading = await resolved(motor.read())
    return next(iter(reading.values()))["value"]


async def resolved(value: Any | Awaitable[Any]) -> Any:
    """A device's answer, whether it came at once or is awaited."""
    return await value if isawaitable(value) else value
