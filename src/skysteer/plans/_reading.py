"""Reading a point: into one event, or into a run of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from typing import Any

from bluesky.protocols import Readable, Triggerable
from bluesky.utils import IllegalMessageSequence, Msg

from ._asking import End
from ._bluesky import all_safe_rewind, rewindable_wrapper, stage_wrapper
from ._points import Attempt
from ._runs import run_with_reason
from ._waiting import Plan

TakeReading = Callable[[Sequence[Readable[Any]]], Generator[Msg, Any, Any]]
"""Plan stub that triggers and reads devices into one event, as `bluesky.plan_stubs.trigger_and_read`."""
Measure = Callable[[Sequence[Readable[Any]]], Generator[Msg, Any, Any]]
"""Plan that makes one run with these devices at the present position, as `bluesky.plans.count`."""

_groups = itertools.count()


def read_event(devices: Sequence[Any], attempt: Attempt) -> Plan[None]:
    """Trigger and read devices into one event of the primary stream."""
    plan = _read_event(devices, attempt)
    # A device that cannot be triggered twice must not be replayed after a pause.
    return plan if all_safe_rewind(devices) else rewindable_wrapper(plan, False)


def _read_event(devices: Sequence[Any], attempt: Attempt) -> Plan[None]:
    group = f"skysteer-read-{next(_groups)}"
    triggered = False
    for device in devices:
        if isinstance(device, Triggerable):
            triggered = True
            message = Msg("trigger", device, group=group)
            attempt.after(message, (yield message))
    if triggered:
        yield Msg("wait", None, group=group)
    try:
        yield Msg("create", None, name="primary")
        for device in devices:
            yield Msg("read", device)
    except Exception:
        with suppress(IllegalMessageSequence):  # no event is open if a pause closed it
            yield Msg("drop")
        raise
    save = Msg("save")
    attempt.sending(save)
    attempt.after(save, (yield save))


def one_run(devices: Sequence[Any]) -> Plan[None]:
    """Stage the devices and make a run of one event: the default of ``measure``."""

    def reading() -> Plan[End]:
        yield from read_event(devices, Attempt("save"))
        return End("measured")

    yield from stage_wrapper(run_with_reason(reading(), {}), devices)
