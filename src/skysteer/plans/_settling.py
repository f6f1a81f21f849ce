"""After a failure or an abort: see that nothing that is under way lands in the next point."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from bluesky.protocols import Status, Stoppable
from bluesky.utils import FailedStatus, Msg, RunEngineControlException

from ._bluesky import Message
from ._waiting import Plan, wait_until

log = logging.getLogger(__name__)

STOPPING = 1.0
"""Seconds that devices are given to stop when a plan is aborted."""
AGAIN = 0.02
"""Seconds after which a device that has not stopped is told again."""


def settle(statuses: Sequence[Status]) -> Plan[None]:
    """Wait until every status is done, and take the failures that still arrive.

    The engine reports a failed status at whatever message comes next, which
    would be the next point's. Statuses end by their own timeouts.
    """
    yield from settle_within(statuses, None)


def settle_within(statuses: Sequence[Status], seconds: float | None) -> Plan[None]:
    """As `settle`, for so many seconds at the most."""
    deadline = None if seconds is None else time.monotonic() + seconds
    for status in statuses:
        while not status.done and (deadline is None or time.monotonic() < deadline):
            yield from _hear(_done(status, deadline))
    # A failure is reported by a callback on the loop: it is there after two more messages.
    for _ in range(2):
        yield from tolerant(Msg("null"))


def stop_moving(moved: Sequence[tuple[Any, Status | None]], *, unsure: bool = False) -> Plan[None]:
    """Stop what was set or triggered and is not done; with ``unsure``, what may not be done.

    Parameters
    ----------
    moved
        Devices, each with its status, or None where that was lost.
    unsure
        Whether statuses may be stale, because a pause replaced them.

    A device that is stopped within a millisecond of its set may lose the stop
    (ophyd-async 0.21), and would move on into whatever comes next; so it is
    told until its status is done; without a status, twice.
    """
    deadline = time.monotonic() + STOPPING
    moving: list[tuple[Any, Status | None]] = []
    under_way = [(device, status) for device, status in moved if status is None or not status.done or unsure]
    if not under_way:
        return
    for device, status in under_way:  # all of them are told before any is waited for
        if isinstance(device, Stoppable) and (yield from _stop(device)):
            moving.append((device, status))
    doubtful = [device for device, status in moving if status is None or unsure]
    if doubtful:
        yield from tolerant(Msg("sleep", None, AGAIN))
    for device in doubtful:
        yield from _stop(device)
    late = _not_done(moving)
    while late and time.monotonic() < deadline:
        again = min(deadline, time.monotonic() + AGAIN)
        for _, status in late:
            yield from _hear(_done(status, again))
        told: list[tuple[Any, Status]] = []
        for device, status in _not_done(late):
            if (yield from _stop(device)):
                told.append((device, status))
        late = told
    yield from settle([status for _, status in moved if status is not None and status.done])


def _not_done(moving: Sequence[tuple[Any, Status | None]]) -> list[tuple[Any, Status]]:
    return [(device, status) for device, status in moving if status is not None and not status.done]


def tolerant(message: Message) -> Plan[Any]:
    """Send a message; a status that fails meanwhile is heard and forgotten."""
    try:
        return (yield message)
    except FailedStatus:
        return None


def _stop(device: Any) -> Plan[bool]:
    """Tell a device to stop; False if it refuses: telling it again would only fill the log."""
    try:
        yield Msg("stop", device)
    except RunEngineControlException:
        raise
    except FailedStatus:
        return True
    except Exception:
        log.exception("%s could not be stopped", getattr(device, "name", device))
        return False
    return True


def _done(status: Status, deadline: float | None = None) -> Plan[None]:
    yield from wait_until(lambda: status.done, _watch(status), deadline)


def _hear(plan: Plan[None]) -> Plan[None]:
    try:
        yield from plan
    except FailedStatus:
        return


def _watch(status: Status) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """A status cannot be told to forget a callback, so the callback is told to do nothing."""

    def watch(wake: Callable[[], None]) -> Callable[[], None]:
        waiting = [wake]

        def done(_: Status) -> None:
            for call in waiting:
                call()

        status.add_callback(done)
        return waiting.clear

    return watch
