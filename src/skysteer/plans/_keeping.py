"""Ending a run between two readings without replaying the last one."""

from __future__ import annotations

from contextlib import suppress

from bluesky.utils import IllegalMessageSequence, Msg

from ._waiting import Plan, T


def keeping_events(plan: Plan[T]) -> Plan[T]:
    """Set a checkpoint when a plan is ended from outside, before its run is closed.

    Whoever ends it may do so just before its own checkpoint: a pause while the
    run is closed would then replay the reading into a run that is no more.
    """
    try:
        return (yield from plan)
    except GeneratorExit:
        raise
    except BaseException:
        with suppress(IllegalMessageSequence):  # it was ended in mid-event
            yield Msg("checkpoint")
        raise
