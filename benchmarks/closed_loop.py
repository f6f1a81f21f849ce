"""What steering costs a point: ours, the peer's and nobody's, on devices that take no time.

All conditions run on one engine, in shuffled order within each repetition.
"""

from __future__ import annotations

import random
import time
from typing import Any

from skysteer import Advisor, RunEngine, adaptive_scan

from . import _peers
from ._census import census
from ._conditions import CONDITIONS, PER_EVENT, PER_RUN, Condition, ours, peer, run
from ._devices import Beam
from ._line import Line, ThinkingLine, Work, numpy_products, pure_python
from ._report import Report, Row, Spread
from ._settings import Settings, progress

PER_EVENT_LIMIT = 1.05
PER_RUN_LIMIT = 1.10
OVERLAP_LIMIT = 1.15
EXPOSURE = 0.05
"""Seconds that a detector measures, and that a recommender thinks, where they are to overlap."""

OVERLAPPING: dict[str, tuple[Condition, Work]] = {
    "skysteer lookahead=1, process, pure Python": (ours(adaptive_scan, "process", lookahead=1), pure_python),
    "skysteer lookahead=1, thread, numpy": (ours(adaptive_scan, "thread", lookahead=1), numpy_products),
    "skysteer lookahead=0, process, pure Python": (ours(adaptive_scan, "process"), pure_python),
    "bluesky-adaptive optimize_in_run, pure Python": (peer(_peers.optimize_in_run), pure_python),
}


def measure(settings: Settings) -> Report:
    """Run it."""
    n, reps = settings.choose(settings.n, 300, 60), settings.choose(settings.reps, 7, 3)
    thinking_n, thinking_reps = min(n, 10 if settings.quick else 40), min(reps, 3)
    shuffled = random.Random(1)
    with RunEngine() as RE:
        beam = Beam.on(RE)
        counted = {name: census(RE, beam, condition, min(n, 50)) for name, condition in CONDITIONS.items()}
        seconds: dict[str, list[float]] = {name: [] for name in CONDITIONS}
        for rep in range(reps):
            progress(f"closed_loop: repetition {rep + 1} of {reps}")
            for name in shuffled.sample(list(CONDITIONS), len(CONDITIONS)):
                seconds[name].append(run(RE, beam, Line(n), CONDITIONS[name]) / n)
        started = [_process_start() for _ in range(min(reps, 5))]

        slow = Beam.on(RE, EXPOSURE)
        thinking: dict[str, list[float]] = {name: [] for name in OVERLAPPING}
        for rep in range(thinking_reps):
            progress(f"closed_loop: measuring and thinking {1e3 * EXPOSURE:g} ms, repetition {rep + 1}")
            for name in shuffled.sample(list(OVERLAPPING), len(OVERLAPPING)):
                condition, work = OVERLAPPING[name]
                line = ThinkingLine(thinking_n, work, EXPOSURE)
                thinking[name].append(run(RE, slow, line, condition) / thinking_n)

    rows = [Row.make(name, "time a point", "ms", _milli(values), digits=3) for name, values in seconds.items()]
    rows += _ratios(PER_EVENT, seconds, PER_EVENT_LIMIT)
    rows += _ratios({name: PER_EVENT[name] for name in ("bare messages", *PER_EVENT)}, seconds, None)
    rows += _ratios(PER_RUN, seconds, PER_RUN_LIMIT)
    for name, values in thinking.items():
        limit = OVERLAP_LIMIT if "lookahead=1" in name else None
        relative = [value / EXPOSURE for value in values]
        what = f"time a point, measuring {1e3 * EXPOSURE:g} ms and thinking {1e3 * EXPOSURE:g} ms"
        rows.append(Row.make(name, what, f"x {1e3 * EXPOSURE:g} ms", relative, digits=3, at_most=limit))
    rows.append(
        Row.make("skysteer, process", "start of a worker, once a scan, not in the above", "ms", _milli(started))
    )
    return Report(
        name="closed_loop",
        title="Closed loop: what steering costs a point",
        settings={"points": n, "repetitions": reps, "points of the overlap": thinking_n},
        rows=rows,
        details={"census": counted, "seconds a point": seconds, "seconds a point, overlap": thinking},
    )


def _ratios(conditions: dict[str, Any], seconds: dict[str, list[float]], limit: float | None) -> list[Row]:
    base, *others = conditions
    return [
        Row.make(
            name, f"time a point / {base}", "x", Spread.of_ratios(seconds[name], seconds[base]), digits=3,
            at_most=limit if name.startswith("skysteer") else None,
        )
        for name in others
    ]  # fmt: skip


def _process_start() -> float:
    """Seconds until a recommender's process is up, an import of this package in it too."""
    with Advisor(Line(1), worker="process") as advisor:
        begun = time.perf_counter()
        advisor.start().result(60)
        seconds = time.perf_counter() - begun
    advisor.closed.result(60)
    return seconds


def _milli(seconds: list[float]) -> list[float]:
    return [1e3 * value for value in seconds]
