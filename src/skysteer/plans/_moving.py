"""Moving to a point, knowing what was set."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Any, cast

from bluesky.protocols import Locatable
from bluesky.utils import Msg

from ._bluesky import Message
from ._waiting import Plan, T, run_coroutine

Motors = Mapping[str, Any]
"""Axis name to the device that moves it."""

_groups = itertools.count()


def move(motors: Motors, point: Mapping[str, Any], note: Callable[[Message, Any], None] | None = None) -> Plan[None]:
    """Set every axis of a point at once and wait; ``note`` is told each message and its answer."""
    group = f"skysteer-move-{next(_groups)}"
    for name, position in point.items():
        message = Msg("set", motors[name], position, group=group)
        answer = yield message
        if note is not None:
            note(message, answer)
    yield Msg("wait", None, group=group)


def returning(plan: Plan[T], motors: Motors, home: Mapping[str, Any]) -> Plan[T]:
    """Move back when a plan is over, however it ended."""
    try:
        result = yield from plan
    except GeneratorExit:
        raise
    except BaseException:
        yield from move(motors, home)
        raise
    yield from move(motors, home)
    return result


def positions(motors: Motors) -> Plan[dict[str, Any]]:
    """Where the motors were sent to last (or, where they cannot say, where they are)."""

    async def ask() -> dict[str, Any]:
        return dict(zip(motors, await asyncio.gather(*map(_position, motors.values())), strict=True))

    return (yield from run_coroutine(ask))


async def _position(motor: Any) -> Any:
    if isinstance(motor, Locatable):
        location: Any = await resolved(cast(Any, motor).locate())
        return location["setpoint"]
    reading: dict[str, Any] = await resolved(motor.read())
    return next(iter(reading.values()))["value"]


async def resolved(value: Any | Awaitable[Any]) -> Any:
    """A device's answer, whether it came at once or is awaited."""
    return await value if isawaitable(value) else value
