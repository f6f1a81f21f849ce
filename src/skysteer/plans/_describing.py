"""Plan stubs that ask a device what it measures, and that set one of its properties."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from bluesky.protocols import Movable, Status
from bluesky.utils import Msg

from ._moving import resolved
from ._waiting import Plan, run_coroutine

_groups = itertools.count()


def describe(obj: Any) -> Plan[dict[str, Any]]:
    """Ask a device for its data keys, from inside a plan.

    Raises
    ------
    TypeError
        If it has none to tell, before any message.
    """
    return (yield from _ask(obj, "describe"))


def describe_collect(obj: Any) -> Plan[dict[str, Any]]:
    """Ask a flyer for the data keys of what it collects; otherwise as `describe`."""
    return (yield from _ask(obj, "describe_collect"))


def set_property(obj: Movable[Any], value: Any, /, propr: str, timeout: float | None = None) -> Plan[Status | None]:
    """Set one named property of a movable device, and wait for it.

    Parameters
    ----------
    obj
        Its ``set`` takes the name of the property as ``propr``: ``obj.set(value, propr="...")``.
    value
        What to set it to.
    propr
        Name of the property.
    timeout
        Seconds to wait; ``None`` waits for ever.

    Returns
    -------
    Status or None
        Of the setting; ``None`` if a pause took the answer.

    Raises
    ------
    TimeoutError
        If it takes longer.
    FailedStatus
        If it fails.
    """
    group = f"skysteer-property-{next(_groups)}"
    status = yield Msg("set", obj, value, group=group, propr=propr)
    try:
        yield Msg("wait", None, group=group, timeout=timeout)
    except TimeoutError as exc:
        raise TimeoutError(
            f"{obj.name}: the property {propr!r} was not {value!r} within {timeout} s"  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        ) from exc
    return status


def _ask(obj: Any, method: str) -> Plan[dict[str, Any]]:
    function = getattr(obj, method, None)
    if not callable(function):
        raise TypeError(
            f"{getattr(obj, 'name', None) or repr(obj)} has no {method}(): a {type(obj).__name__} is no device that can"
        )

    async def ask() -> Mapping[str, Any]:
        return await resolved(function())  # pyright: ignore[reportUnknownArgumentType]

    return dict((yield from run_coroutine(ask)))
