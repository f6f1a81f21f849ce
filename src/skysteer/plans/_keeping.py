"""Ending a run between two readings without replaying the last one."""

from __future__ import annotations

from contextlib import suppress

from bluesky.utils import IllegalMessageSequence, Msg

from ._waiting import Plan, T


def keeping_events(plan: Plan[T]) -> Plan[T]:
    """Set a checkpoint when a plan fails or is ended, before its run is closed.

    That may be behind a reading, or in one that a device broke, with no
    checkpoint yet: a pause while the run is closed would replay it into a run
    that is no more. `steered` does the same for a run that it closes; this is
    also for a plan that nobody steers, and for what comes before the end of the
    run.
    """
    try:
        return (yield from plan)
    except GeneratorExit:
        raise
    except BaseException:
        with suppress(IllegalMessageSequence):  # it was ended in mid-event
            yield Msg("checkpoint")
        raise
