"""A continuous plan that shows what the detectors see until it is told to end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from bluesky.utils import Msg

from skysteer.handoff import Steering

from ._actions import REFRESH_PERIOD, seconds
from ._asking import End
from ._bluesky import stage_wrapper, trigger_and_read
from ._continuous import continuous
from ._inflight import Actions, InFlight, OnActionError
from ._keeping import keeping_events
from ._runs import run_with_reason
from ._steered import steered
from ._waiting import Plan, wait_until


@continuous(togglable=True, pausable=True)
def live_view(
    detectors: Sequence[Any],
    steering: Steering,
    *,
    actions: Actions = (),
    on_action_error: OnActionError = "log",
    refresh_period: float = REFRESH_PERIOD,
    stream_name: str = "primary",
    md: Mapping[str, Any] | None = None,
) -> Plan[str | None]:
    """Read detectors, again and again, in one run, until told otherwise.

    *Enough* ends it with success after the reading under way, *abort* at once
    and marked as aborted; the stop document says why and who said it. *Keep
    going* reset holds (nothing is read) until it is set again or the view is
    ended. Detectors are staged once. There is a checkpoint after each reading.

    Parameters
    ----------
    detectors
        Devices to trigger, where they can be, and to read into one event.
    steering
        Its launch begins and ends with the view.
    actions
        What may be done meanwhile: each action with its plan function, run
        between two readings of the same run when the latch is set, in the
        order of the presses. A push-button's function takes nothing, and its
        latch is reset afterwards; a button pressed before the view began is
        run first. A togglable action's takes ``True`` when it is switched on and
        ``False`` when off; what is on when the view ends is switched off. While
        the view is held nothing is run; what then was pressed is run afterwards.
    on_action_error
        ``"log"``: an action that fails is logged and the view goes on;
        ``"stop"``: the view fails too.
    refresh_period
        Seconds between the end of a reading and the next one.
    stream_name
        Name of the stream.
    md
        Metadata for the start document.

    Returns
    -------
    str or None
        Uid of the run; ``None`` if the view was ended before one was opened.
    """
    period = seconds("refresh_period", refresh_period)
    opened: list[str] = []
    in_flight = InFlight(actions, on_action_error)
    start = {
        "plan_name": "live_view",
        "detectors": [detector.name for detector in detectors],
        "plan_args": {"refresh_period": period, "stream_name": stream_name},
        "hints": {"dimensions": [(("time",), stream_name)]},
        **(md or {}),
    }

    def view() -> Plan[End]:
        while True:
            yield from in_flight.run()
            yield from trigger_and_read(detectors, stream_name)
            # A pause while waiting must not read again what was read.
            yield Msg("checkpoint")
            yield from wait_until(lambda: in_flight.waiting, in_flight.when_changed, time.monotonic() + period)

    def view_and_switch_off() -> Plan[End]:
        try:
            return (yield from keeping_events(view()))
        except GeneratorExit:
            raise
        except BaseException:
            yield from in_flight.switch_off()
            raise

    with in_flight:
        yield from steered(
            stage_wrapper(run_with_reason(view_and_switch_off(), start, opened.append), detectors), steering
        )
    return opened[0] if opened else None
