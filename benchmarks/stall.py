"""What the engine's loop notices of a recommender that computes: lag, lost updates, late pauses and aborts.

Ours and the peer's run on one engine, in shuffled order within each repetition.
"""

from __future__ import annotations

import io
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

import numpy as np
from bluesky.utils import RunEngineInterrupted

from skysteer import RunEngine, adaptive_scan

from . import _peers
from ._conditions import Condition, ours, peer, run
from ._devices import Beam
from ._line import WORK, ThinkingLine, Work
from ._probes import Lag, Updates, Windows, read_diary, share_delivered, wait_for_diary
from ._report import Report, Row
from ._settings import Settings, progress

LAG_LIMIT = 10.0
"""Milliseconds that the loop may be late."""
STOP_LIMIT = 50.0
"""Milliseconds until a pause or an abort has acted."""
IDLE = "waiting only"
"""No work at all: what the machine itself does to the loop."""

CONDITIONS: dict[str, Condition] = {
    "skysteer, process": ours(adaptive_scan, "process"),
    "skysteer, thread": ours(adaptive_scan, "thread"),
    "bluesky-adaptive optimize": peer(_peers.optimize),
    "bluesky-adaptive optimize_in_run": peer(_peers.optimize_in_run),
}
Case = tuple[str, str]
"""Work and condition."""
Found = dict[str, float]
QUANTITIES = {
    "lag_max": ("loop lag while computing, longest", "ms"),
    "lag_p99": ("loop lag while computing, 99th percentile", "ms"),
    "monitored": ("updates monitored by the engine, delivered while computing", "%"),
    "subscribed": ("updates subscribed to directly, delivered while computing", "%"),
    "pause": ("request_pause while computing, until paused", "ms"),
    "abort": ("abort while computing, until the run was closed", "ms"),
}


def measure(settings: Settings) -> Report:
    """Run it."""
    seconds = 0.2 if settings.quick else 0.5
    suggestions, reps = 2 if settings.quick else 4, settings.choose(settings.reps, 3, 1)
    works: dict[str, Work] = {**WORK, IDLE: time.sleep}
    cases: list[Case] = [(work, name) for work in WORK for name in CONDITIONS] + [(IDLE, "skysteer, thread")]
    found: dict[Case, dict[str, list[float]]] = {case: {what: [] for what in QUANTITIES} for case in cases}
    shuffled = random.Random(1)
    with RunEngine() as RE, tempfile.TemporaryDirectory() as folder:
        beam, updates = Beam.on(RE), Updates.on(RE)
        for rep in range(reps):
            progress(f"stall: repetition {rep + 1} of {reps}")
            for number, (work, name) in enumerate(shuffled.sample(cases, len(cases))):
                diary = Path(folder) / f"{rep}-{number}"
                line = ThinkingLine(suggestions, works[work], seconds, diary)
                noted = _undisturbed(RE, beam, updates, line, CONDITIONS[name], diary)
                for how in ("pause", "abort"):
                    diary = Path(folder) / f"{rep}-{number}-{how}"
                    line = ThinkingLine(suggestions, works[work], seconds, diary)
                    delay = seconds * shuffled.uniform(0.2, 0.4)
                    noted[how] = _interrupted(RE, beam, line, CONDITIONS[name], diary, how, delay)
                for what, value in noted.items():
                    found[work, name][what].append(value)
    return Report(
        name="stall",
        title=f"Stall: the engine's loop while a recommender computes {1e3 * seconds:g} ms a suggestion",
        settings={"suggestions": suggestions, "repetitions": reps},
        rows=[row for what in QUANTITIES for case in cases for row in _rows(what, case, found[case][what])],
        notes=[
            "Lag: how late a coroutine wakes that sleeps 5 ms. Updates: 100 Hz, put on the loop by another thread.",
            "A thread that computes in pure Python holds the interpreter's lock: it delays the loop and every other "
            "thread by milliseconds at each turn, and slows the plan. Use worker='process' for such a recommender.",
        ],
        details={f"{work}: {name}": values for (work, name), values in found.items()},
    )


def _rows(what: str, case: Case, values: Sequence[float]) -> list[Row]:
    quantity, unit = QUANTITIES[what]
    work, name = case
    limits: dict[str, Any] = {}
    if what in ("pause", "abort"):
        if name.startswith("skysteer"):
            limits = {"at_most": STOP_LIMIT, "of": "worst"}
    elif name == "skysteer, process":
        if what == "lag_max":
            limits = {"at_most": LAG_LIMIT}
        elif what in ("monitored", "subscribed"):
            limits = {"at_least": 100.0, "of": "worst"}
    return [Row.make(f"{name}: {work}", quantity, unit, values, digits=1, **limits)]


def _undisturbed(RE: Any, beam: Beam, updates: Updates, line: ThinkingLine, condition: Condition, diary: Path) -> Found:
    """A whole scan, and what the loop noticed while the recommender computed."""
    lag = Lag(RE.loop)
    with updates:
        run(RE, beam, line, condition, updates.document, wrap=updates.monitored)
    late = lag.stop()
    windows = read_diary(diary)
    if len(windows) != line.n:
        raise AssertionError(f"{line.n} computations were expected, the recommender made {len(windows)}")
    inside = [1e3 * (end - begin - lag.period) for begin, end in late if _overlaps(begin, end, windows)]
    return {
        "lag_max": max(inside),
        "lag_p99": float(np.percentile(inside, 99)),
        "monitored": share_delivered(updates.issued, updates.documents, windows),
        "subscribed": share_delivered(updates.issued, updates.callbacks, windows),
    }


def _overlaps(begin: float, end: float, windows: Windows) -> bool:
    return any(begin < until and end > since for since, until in windows)


def _interrupted(
    RE: Any, beam: Beam, line: ThinkingLine, condition: Condition, diary: Path, how: str, delay: float
) -> float:
    """Pause or abort a scan in the middle of its second computation; milliseconds until that has acted."""
    closed: list[float] = []

    def document(name: str, doc: Mapping[str, Any]) -> None:
        if name == "stop":
            closed.append(time.monotonic())

    # The engine says on the standard output that it pauses and aborts.
    with redirect_stdout(io.StringIO()), condition(beam, line) as prepared:
        future = RE(prepared.plan, [*prepared.subscribers, document])
        wait_for_diary(diary, computations=2)
        time.sleep(delay)
        asked = time.monotonic()
        if how == "pause":
            RE.request_pause()
            while RE.state != "paused":
                time.sleep(0.0002)
            acted = time.monotonic()
            _interruption(future)
            RE.abort("the benchmark is over")
        else:
            RE.abort("the benchmark aborts")
            returned = time.monotonic()
            _interruption(future)
            acted = max(returned, closed[-1])
    return 1e3 * (acted - asked)


def _interruption(future: Any) -> None:
    with suppress(RunEngineInterrupted):
        future.result(60)
        raise AssertionError("the plan came to its end although it was interrupted")
