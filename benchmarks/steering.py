"""How soon a running plan does what it is told, and what it costs to be told: ours, redsun's way and Bluesky's.

All ways run on one engine, in shuffled order within each repetition.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

from skysteer import RunEngine, Verdict

from . import _stopping as stopping
from . import _watching as watching
from ._devices import Beam, StoppableDetector
from ._report import Report, Row, Spread
from ._settings import Settings, progress

EXPOSURE = 0.001
"""Seconds of the detector of a plan that loops."""
LONG_EXPOSURE = 60.0
"""Seconds of an exposure that is aborted in its middle."""
POINT = 0.05
"""Seconds a point where the cost of a watchdog is a percentage."""
POINTS = 40

ACTS = 0.5, 3.0
"""Milliseconds from a latch to the plan: median and 95th percentile."""
LAST_TRIGGER = 1.0
"""Milliseconds from *abort* to the last trigger, 95th percentile."""
STOP_DOCUMENT = 20.0
"""Milliseconds from *abort* in a long exposure to the stop document."""
TO_LATCH = 1.0
"""Milliseconds from an event to the latch."""
COST = 1.0
"""Percent of the time a point."""
AT_ONCE, A_TURN = "shortest points, nothing waited for", "shortest points, something waited for"
"""Devices that are done at once, and devices that need a turn of the loop."""
UNWAITED, WAITED = 1.05, 1.25
"""Time a point of a steered scan over that of the scan."""

STEERED = "skysteer, steered loop"
ABORT, ENOUGH = f"{STEERED}, abort", f"{STEERED}, enough"
LOOPS: dict[str, stopping.Way] = {
    ABORT: stopping.steering(Verdict.ABORT),
    ENOUGH: stopping.steering(Verdict.ENOUGH),
    "redsun's way, loop that polls at 60 Hz": stopping.poll_while_reading,
    "RE.abort, loop": stopping.engine_abort(),
    "suspender, loop": stopping.suspender,
}
WAITS: dict[str, stopping.Way] = {
    "skysteer, wait_for_actions": stopping.our_stub,
    "skysteer, the command of the engine": stopping.our_command,
    "redsun's way, wait that polls at 60 Hz": stopping.poll_while_waiting,
}
EXPOSURES: dict[str, stopping.Way] = {
    "skysteer, steered count, abort": stopping.steering(Verdict.ABORT, stopping.exposing),
    "RE.abort, count": stopping.engine_abort(stopping.exposing),
}
Stops = dict[str, list[stopping.Stop]]


def measure(settings: Settings) -> Report:
    """Run it."""
    n, reps = settings.choose(settings.n, 200, 40), settings.choose(settings.reps, 11, 2)
    tries, points, exposed_reps = 6 * reps, 10 if settings.quick else POINTS, min(reps, 7)
    order = random.Random(1)
    with RunEngine() as RE:
        RE.register_command("poll_for_actions", stopping.poll_for_actions)
        looped, exposed = Beam.on(RE, EXPOSURE), Beam.on(RE, LONG_EXPOSURE, StoppableDetector)
        stops = _tried(RE, looped, {**LOOPS, **WAITS}, tries, order)
        stops |= _tried(RE, exposed, EXPOSURES, max(1, tries // 2), order)
        progress("steering: from the event to the latch")
        acting = {worker: watching.latencies(RE, looped, worker, tries) for worker in ("thread", "process")}
        progress(f"steering: {points} points of {1e3 * POINT:g} ms, {exposed_reps} repetitions")
        conditions = watching.exposed(POINT)
        slow = watching.repeat(RE, Beam.on(RE, POINT), conditions, points, exposed_reps, order)
        short: dict[str, watching.Seconds] = {}
        for kind, beam in ((AT_ONCE, Beam.at_once()), (A_TURN, Beam.on(RE))):
            progress(f"steering: {kind}, {reps} repetitions")
            short[kind] = watching.repeat(RE, beam, watching.SHORTEST, n, reps, order)
    return Report(
        name="steering",
        title="Steering: how soon a running plan does what it is told, and what it costs to be told",
        settings={"tries": tries, "points": n, "repetitions": reps, "points of 50 ms": points},
        rows=[*_acting(stops), *_aborting(stops), *_judging(acting), *_costing(slow), *_shortest(short)],
        notes=[
            f"A loop reads a detector of {1e3 * EXPOSURE:g} ms. Enough acts when a reading under way is over: by its "
            "nature as late as that reading is long, so its targets are for what comes beyond. "
            f"Redsun's way waits for an asyncio.Event that another thread sets, {stopping.POLL:.4f} s at a time.",
            "A suspender tells the plan nothing. RE.abort stops no detector; this one ends its exposure when it is "
            "unstaged too. The judge of the short points does not compute; its process is started before.",
        ],
        details={
            "stops": {name: [[found.acted, found.triggered, found.closed] for found in stops[name]] for name in stops},
            "seconds a point, long": slow,
            "seconds a point, short": short,
        },
    )


def _tried(RE: Any, beam: Beam, ways: dict[str, stopping.Way], tries: int, order: random.Random) -> Stops:
    stops: Stops = {name: [] for name in ways}
    for number in range(tries):
        if number % 20 == 0:
            progress(f"steering: {len(ways)} ways to stop, try {number + 1} of {tries}")
        for name in order.sample(list(ways), len(ways)):
            stops[name].append(stopping.attempt(RE, beam, ways[name], order))
    return stops


def _acting(stops: Stops) -> list[Row]:
    """From the latch to the plan."""
    rows: list[Row] = []
    ways = [name for name in (*LOOPS, *WAITS) if math.isfinite(stops[name][0].acted)]
    after = {name: [found.acted for found in stops[name]] for name in ways}
    judged = {name: after[name] for name in ways if name.startswith("skysteer") and name != ENOUGH}
    judged[ENOUGH + ", beyond the reading under way"] = [found.after_event for found in stops[ENOUGH]]
    for name, values in {**after, **judged}.items():
        limit = ACTS[0] if name in judged else None
        rows.append(Row.make(name, "latch set until the plan acts", "ms", values, at_most=limit))
    for name, values in {**after, **judged}.items():
        limit = ACTS[1] if name in judged else math.inf
        row = Row.make(name, "the same, 95th percentile", "ms", values, at_most=limit, of="p95")
        rows.append(row if name in judged else _without_target(row))
    return rows


def _aborting(stops: Stops) -> list[Row]:
    """From the abort to the last trigger, and to the stop document."""
    rows: list[Row] = []
    for name in (name for name in LOOPS if name != ENOUGH):
        values = [found.triggered for found in stops[name]]
        row = Row.make(name, "abort until the last further trigger", "ms", values, at_most=LAST_TRIGGER, of="p95")
        rows.append(row if name == ABORT else _without_target(row))
    for name in EXPOSURES:
        values = [found.closed for found in stops[name]]
        what = f"abort in an exposure of {LONG_EXPOSURE:g} s until the stop document"
        row = Row.make(name, what, "ms", values, at_most=STOP_DOCUMENT, of="worst")
        rows.append(row if name.startswith("skysteer") else _without_target(row))
    return rows


def _judging(acting: dict[str, tuple[list[float], list[float]]]) -> list[Row]:
    rows: list[Row] = []
    for which, what in enumerate(("event until the latch is set", "event until the plan acts (enough)")):
        for worker, found in acting.items():
            limit = TO_LATCH if (which, worker) == (0, "thread") else None
            name = f"skysteer, watchdog in a {worker}"
            rows.append(Row.make(name, what, "ms", found[which], at_most=limit))
    return rows


def _costing(slow: watching.Seconds) -> list[Row]:
    def percent(value: float, base: float) -> float:
        return 100 * (value / base - 1)

    base, *others = slow
    what = f"time a point of {1e3 * POINT:g} ms beyond {base}'s"
    return [Row.make(name, what, "%", _paired(slow, name, base, percent), at_most=COST) for name in others]


def _shortest(short: dict[str, watching.Seconds]) -> list[Row]:
    rows: list[Row] = []
    base, wrapper, *watchdogs = watching.SHORTEST
    for kind, seconds in short.items():
        rows.append(Row.make(base, kind, "us", [1e6 * value for value in seconds[base]], digits=0))
        for name in (wrapper, *watchdogs):
            limit = (UNWAITED if kind == AT_ONCE else WAITED) if name == wrapper else None
            spread = Spread.of_ratios(seconds[name], seconds[base])
            rows.append(Row.make(name, f"{kind}: time a point / {base}", "x", spread, digits=3, at_most=limit))
        for name, beside in ((wrapper, base), *((dog, wrapper) for dog in watchdogs)):
            values = _paired(seconds, name, beside, lambda value, own: 1e6 * (value - own))
            what = f"{kind}: {'the wrapper' if name == wrapper else 'the watching, beyond the wrapper'}"
            rows.append(Row.make(name, what, "us", values, digits=0))
    return rows


def _paired(
    seconds: watching.Seconds, name: str, base: str, compare: Callable[[float, float], float]
) -> Sequence[float]:
    """Compared inside each repetition."""
    return [compare(value, own) for value, own in zip(seconds[name], seconds[base], strict=True)]


def _without_target(row: Row) -> Row:
    """Of the others: what is compared is printed, but nothing was promised."""
    assert row.target is not None
    text = f"{row.target.of} {row.target.value:.{row.digits}f}"
    return Row(row.condition, row.quantity, row.unit, row.spread, row.digits, None, text)
