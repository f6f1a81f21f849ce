"""After a device failed: wait for what it left under way, so that nothing of it lands in the next point."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from bluesky.protocols import Status
from bluesky.utils import FailedStatus, Msg

from ._waiting import Plan, wait_until


def settle(statuses: Sequence[Status]) -> Plan[None]:
    """Wait until every status is done, and take the failures that still arrive.

    The engine reports a failed status at whatever message comes next, which
    would be the next point's. Statuses end by their own timeouts.
    """
    for status in statuses:
        while not status.done:
            try:
                yield from wait_until(lambda status=status: status.done, _Done(status))
            except FailedStatus:
                continue
    # A failure is reported by a callback on the loop: it is there after two more messages.
    for _ in range(2):
        try:
            yield Msg("null")
        except FailedStatus:
            continue


class _Done:
    """Watches a status, which cannot be told to forget a callback: it forgets by itself."""

    def __init__(self, status: Status) -> None:
        self._lock = threading.Lock()
        self._wake: Callable[[], None] | None = None
        status.add_callback(self._finished)

    def __call__(self, wake: Callable[[], None]) -> Callable[[], None]:
        self._wake = wake
        return self._forget

    def _forget(self) -> None:
        self._wake = None

    def _finished(self, _: Any) -> None:
        if (wake := self._wake) is not None:
            wake()
