"""Does a point cost more, in time or memory, when there are many? Every run in a process of its own.

``python -m benchmarks.growth CONDITION N`` is such a process.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import time
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skysteer import RunEngine

from ._conditions import PER_EVENT, PER_RUN, run
from ._devices import Beam
from ._line import Line
from ._report import Report, Row
from ._settings import Settings, progress

BYTES_LIMIT = 500.0
"""Bytes a point beyond those of a scan that nobody steers."""
TIME_LIMIT = 1.20
"""Median time a point in the last tenth of the points over that in the first; on a shared machine
that of list_scan itself lies between 0.9 and 1.1."""
SHORT = 5
"""Conditions that are slow by nature (a run a point, the peer's) get this many times fewer points."""
LONG = ("list_scan", "skysteer per event, thread", "skysteer per event, process")

GROUPS = tuple({name: group[name] for name in group if name != "bare messages"} for group in (PER_EVENT, PER_RUN))
CONDITIONS = {name: condition for group in GROUPS for name, condition in group.items()}
Found = dict[str, float]


def measure(settings: Settings) -> Report:
    """Run it."""
    n, reps = settings.choose(settings.n, 10_000, 400), settings.choose(settings.reps, 2, 1)
    sizes = {name: _sizes(n if name in LONG else n // SHORT) for name in CONDITIONS}
    found: dict[tuple[str, int], list[Found]] = {(name, size): [] for name in CONDITIONS for size in sizes[name]}
    for rep in range(reps):
        for name in CONDITIONS if rep == 0 else LONG:
            for size in sizes[name]:
                progress(f"growth: repetition {rep + 1} of {reps}, {name}, {size} points")
                found[name, size].append(_in_a_process(name, size))
    rows = [
        Row.make(f"{name}, {size} points", "time a point", "ms", [each["ms"] for each in runs], digits=3)
        for (name, size), runs in found.items()
    ]
    for name in CONDITIONS:
        most = sizes[name][-1]
        ratios = [each["last_ms"] / each["first_ms"] for each in found[name, most]]
        limit = TIME_LIMIT if name.startswith("skysteer") and name in LONG else None
        what = "median time a point, last tenth / first tenth"
        rows.append(Row.make(f"{name}, {most} points", what, "x", ratios, at_most=limit))
    for group in GROUPS:
        rows += [Row.make(name, "memory a point", "bytes", _bytes(found, name, sizes), digits=0) for name in group]
    for group in GROUPS:
        first, *others = group
        base = _bytes(found, first, sizes)
        for name in others:
            beyond = [value - own for value, own in zip(_bytes(found, name, sizes), base, strict=False)]
            limit = BYTES_LIMIT if name.startswith("skysteer") else None
            rows.append(Row.make(name, f"memory a point beyond {first}'s", "bytes", beyond, digits=0, at_most=limit))
    return Report(
        name="growth",
        title="Growth: what a point costs when there are many",
        settings={"points": n, "repetitions": reps},
        rows=rows,
        notes=[
            "Memory: resident, of the scan's process and its recommender's; growth from the shorter run to the "
            f"longer. The recommender keeps nothing. {SHORT} times fewer points and one repetition for runs a point "
            "and the peer's.",
        ],
        details={f"{name}, {size} points": runs for (name, size), runs in found.items()},
    )


def _sizes(n: int) -> list[int]:
    """Three sizes, each ten times the one before; no fewer than 20 points."""
    return sorted({max(20, n // 100), max(20, n // 10), max(20, n)})


def _bytes(found: Mapping[tuple[str, int], list[Found]], name: str, sizes: Mapping[str, list[int]]) -> list[float]:
    """Bytes a point: what more points cost more."""
    *_, fewer, more = sizes[name] if len(sizes[name]) > 1 else [0, sizes[name][0]]
    small = found.get((name, fewer)) or [{"bytes": 0.0}] * len(found[name, more])
    return [(b["bytes"] - a["bytes"]) / (more - fewer) for a, b in zip(small, found[name, more], strict=True)]


def _in_a_process(name: str, n: int) -> Found:
    command = [sys.executable, "-m", "benchmarks.growth", name, str(n)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed with exit code {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def child(name: str, n: int) -> Found:
    """One run; milliseconds a point, of its first and last tenth, and bytes that it left."""
    condition, tenth = CONDITIONS[name], max(1, n // 10)
    # Made, and so in memory, before the run: a subscriber that keeps anything would be all that is seen.
    first, last = array("d", [1.0] * tenth), array("d", [1.0] * tenth)
    events, before_that = 0, 0.0

    def document(kind: str, doc: Mapping[str, Any]) -> None:
        nonlocal events, before_that
        if kind == "event" and "det" in doc["data"]:
            now = time.perf_counter()
            if 0 < events <= tenth:
                first[events - 1] = now - before_that
            if events >= n - tenth:
                last[events - n + tenth] = now - before_that
            events, before_that = events + 1, now

    with RunEngine() as RE:
        beam = Beam.on(RE)
        run(RE, beam, Line(20), condition)  # what is imported, compiled or cached at first use
        line = Line(n)
        with condition(beam, line) as prepared:
            gc.collect()
            before = resident()
            begun = time.perf_counter()
            future = RE(prepared.plan, [*prepared.subscribers, document])
            result = future.result(600)
            seconds = time.perf_counter() - begun
            after = resident()  # the result is still held, as its owner would
            told = prepared.told()
    if events != n or told not in (None, n):
        raise AssertionError(f"{n} points were asked for, {events} measured and {told} told; {result}")
    return {
        "ms": 1e3 * seconds / n,
        "first_ms": 1e3 * statistics.median(first),
        "last_ms": 1e3 * statistics.median(last),
        "bytes": float(after - before),
    }


def resident() -> int:
    """Resident memory in bytes of this process and its children (Linux)."""
    children = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    pids = ["self", *(pid for listed in children for pid in listed)]
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    print(json.dumps(child(sys.argv[1], int(sys.argv[2]))))
