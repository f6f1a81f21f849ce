"""Plan stubs that hand readings to devices which keep them; they need the commands of our RunEngine."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from bluesky.protocols import Status, Triggerable
from bluesky.utils import IllegalMessageSequence, Msg

from skysteer.protocols import HasCache

from ._bluesky import all_safe_rewind, rewindable_wrapper
from ._moving import resolved
from ._tag import Interruptions
from ._waiting import Plan, run_coroutine

Reading = Mapping[str, Any]
"""Data key to value and timestamp, as ``read`` returns it."""

_groups = itertools.count()


def stash(obj: HasCache, reading: Reading, *, group: Hashable | None = None, wait: bool = False) -> Plan[Status | None]:
    """Have a device keep a reading.

    Parameters
    ----------
    obj
        Has a cache.
    reading
        As ``read`` returns it.
    group
        To wait for it later, as in `bluesky.plan_stubs.abs_set`.
    wait
        Whether to wait until it is done.

    Returns
    -------
    Status or None
        Of the stashing; ``None`` if a pause took the answer.

    Raises
    ------
    TypeError
        If the device has no cache, before any message.
    """
    _check_cache(obj)
    return (yield from _with_status("stash", obj, (_check_reading(reading),), group, wait=wait))


def clear_cache(obj: HasCache, *, group: Hashable | None = None, wait: bool = False) -> Plan[Status | None]:
    """Have a device forget the readings it keeps; otherwise as `stash`."""
    _check_cache(obj)
    return (yield from _with_status("clear_cache", obj, (), group, wait=wait))


def read_and_stash(
    objs: Sequence[Any],
    cache_objs: Sequence[HasCache],
    *,
    stream: str = "primary",
    group: Hashable | None = None,
    wait: bool = False,
) -> Plan[dict[str, Any]]:
    """Trigger and read devices into one event, and have each reading kept.

    Parameters
    ----------
    objs
        Devices to trigger, where they can be, and to read.
    cache_objs
        Who keeps the reading of each device, in the same order; one may be named more than once.
    stream
        Name of the stream.
    group
        To wait for the stashing later.
    wait
        Whether to wait until all readings are kept.

    Returns
    -------
    dict
        All readings together, by data key.

    Raises
    ------
    TypeError
        If one of `cache_objs` has no cache, before any message.
    ValueError
        If there are not as many of them as devices.
    """
    if len(objs) != len(cache_objs):
        raise ValueError(
            f"every device needs one that keeps its reading: found {len(objs)} devices and {len(cache_objs)} caches"
        )
    for cache in cache_objs:
        _check_cache(cache)
    plan = _read_each(objs, stream)
    if not all_safe_rewind(objs):
        plan = cast(Plan[list[Reading | None]], rewindable_wrapper(plan, False))
    interruptions = Interruptions()
    yield Msg("null", interruptions)  # the engine tells every object it has seen of a pause
    readings = yield from plan
    # What a pause interrupts from here on must not read again: the event and
    # what is kept would differ.
    yield Msg("checkpoint")
    if interruptions.count:
        # What was read before a pause is not in the event: a replay has
        # triggered the devices once more.
        readings = [None] * len(readings)
    if wait and group is None:
        group = _new_group()
    together: dict[str, Any] = {}
    for device, cache, found in zip(objs, cache_objs, readings, strict=True):
        reading = (yield from _read_again(device)) if found is None else found
        together.update(reading)
        yield from stash(cache, reading, group=group)
    if wait:
        yield Msg("wait", None, group=group)
    return together


def _read_each(objs: Sequence[Any], stream: str) -> Plan[list[Reading | None]]:
    group = f"skysteer-trigger-{next(_groups)}"
    triggered = [obj for obj in objs if isinstance(obj, Triggerable)]
    for obj in triggered:
        yield Msg("trigger", obj, group=group)
    if triggered:
        yield Msg("wait", None, group=group)
    readings: list[Reading | None] = []
    try:
        yield Msg("create", None, name=stream)
        for obj in objs:
            reading: Reading | None = yield Msg("read", obj)
            readings.append(reading)
    except Exception:
        with suppress(IllegalMessageSequence):  # no event is open if a pause closed it
            yield Msg("drop")
        raise
    yield Msg("save")
    return readings


def _read_again(device: Any) -> Plan[Reading]:
    async def read() -> Reading:
        return await resolved(device.read())

    return (yield from run_coroutine(read))


def _with_status(
    command: str, obj: HasCache, args: tuple[Any, ...], group: Hashable | None, *, wait: bool
) -> Plan[Status | None]:
    if wait and group is None:
        group = _new_group()
    status = yield Msg(command, obj, *args, group=group)
    if wait:
        yield Msg("wait", None, group=group)
    return status


def _new_group() -> str:
    return f"skysteer-stash-{next(_groups)}"


def _check_cache(obj: object) -> None:
    if not isinstance(obj, HasCache):
        raise TypeError(
            f"{getattr(obj, 'name', None) or repr(obj)} has no cache: found a {type(obj).__name__}, needed is a device "
            "with a name, stash(reading) and clear() (skysteer.protocols.HasCache)"
        )


def _check_reading(reading: Any) -> Reading:
    if not isinstance(reading, Mapping):
        raise TypeError(f"a reading maps data keys to values with timestamps, as read() returns it; found {reading!r}")
    return reading  # pyright: ignore[reportUnknownVariableType]
