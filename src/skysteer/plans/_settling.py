"""After a failure or an abort: see that nothing that is under way lands in the next point."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from bluesky.protocols import Status, Stoppable
from bluesky.utils import FailedStatus, Msg

from ._waiting import Plan, wait_until

STOPPING = 1.0
"""Seconds that motors are given to stop when a scan is aborted."""
AGAIN = 0.02
"""Seconds after which a motor that has not stopped is told again."""


def settle(statuses: Sequence[Status]) -> Plan[None]:
    """Wait until every status is done, and take the failures that still arrive.

    The engine reports a failed status at whatever message comes next, which
    would be the next point's. Statuses end by their own timeouts.
    """
    for status in statuses:
        while not status.done:
            yield from _tolerant(_done(status))
    # A failure is reported by a callback on the loop: it is there after two more messages.
    for _ in range(2):
        yield from _tolerant(_only(Msg("null")))


def stop_moving(moved: Sequence[tuple[Any, Status]]) -> Plan[None]:
    """Stop what was set and is not done.

    A device that is stopped within a millisecond of its set may lose the stop
    (ophyd-async 0.21), and would move on into whatever comes next; so it is
    told until its status is done.
    """
    deadline = time.monotonic() + STOPPING
    for device, status in moved:
        while isinstance(device, Stoppable) and not status.done and time.monotonic() < deadline:
            yield from _tolerant(_only(Msg("stop", device)))
            yield from _tolerant(_done(status, min(deadline, time.monotonic() + AGAIN)))
    yield from settle([status for _, status in moved if status.done])


def _done(status: Status, deadline: float | None = None) -> Plan[None]:
    yield from wait_until(lambda: status.done, _watch(status), deadline)


def _only(message: Msg) -> Plan[None]:
    yield message


def _tolerant(plan: Plan[None]) -> Plan[None]:
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
