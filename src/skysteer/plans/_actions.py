"""Plan stubs that hold, or read, until somebody throws a latch."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from bluesky.utils import Msg

from skysteer.handoff import Listening, SRLatch, Transition

from ._bluesky import trigger_and_read
from ._waiting import Plan, wait_until

REFRESH_PERIOD = 1 / 60
"""Seconds between two readings of a plan that runs until it is told to end."""


def wait_for_actions(
    events: Mapping[str, SRLatch], timeout: float | None = None, wait_for: Literal["set", "reset"] = "set"
) -> Plan[tuple[str, Transition] | None]:
    """Hold until one of the latches changes.

    Woken at once, from whatever thread the latch is thrown. A pulse is never
    lost, however short, also while the plan is paused. A latch that is in the
    wanted state already ends the wait at once.

    Parameters
    ----------
    events
        Name to latch, as `skysteer.Action.event_map`.
    timeout
        Seconds, from now; a pause does not stop the clock. ``None`` waits for ever.
    wait_for
        Whether to wait for a latch to be set or to be reset.

    Returns
    -------
    tuple of str and Transition, or None
        Which latch ended the wait, and the transition that did; ``None`` at the timeout.
    """
    deadline = None if timeout is None else time.monotonic() + seconds("timeout", timeout)
    with Listening(events, wait_for) as heard:
        yield from wait_until(lambda: heard.first is not None, heard.when_heard, deadline)
        return heard.first


def read_while_waiting(
    objs: Sequence[Any],
    events: Mapping[str, SRLatch],
    stream_name: str = "primary",
    refresh_period: float = REFRESH_PERIOD,
    wait_for: Literal["set", "reset"] = "set",
) -> Plan[tuple[str, Transition]]:
    """Trigger and read devices, again and again, until one of the latches changes.

    There is a checkpoint after each reading. A reading under way is finished;
    the wait between two is ended at once. A latch thrown in mid-reading is not
    lost, however short. A latch that is in the wanted state already means no
    reading at all.

    Parameters
    ----------
    objs
        Devices to trigger, where they can be, and to read into one event.
    events
        Name to latch, as `skysteer.Action.event_map`.
    stream_name
        Name of the stream.
    refresh_period
        Seconds to wait between two readings.
    wait_for
        Whether to wait for a latch to be set or to be reset.

    Returns
    -------
    tuple of str and Transition
        Which latch ended it, and the transition that did.
    """
    period = seconds("refresh_period", refresh_period)
    with Listening(events, wait_for) as heard:
        while heard.first is None:
            yield from trigger_and_read(objs, stream_name)
            # A pause while waiting must not read again what was read.
            yield Msg("checkpoint")
            yield from wait_until(lambda: heard.first is not None, heard.when_heard, time.monotonic() + period)
        return heard.first


def seconds(what: str, value: float) -> float:
    """Check a duration."""
    if not 0 <= value < math.inf:
        raise ValueError(f"{what} must be a number of seconds, 0 or more, found {value!r}")
    return value
