"""What a watchdog costs the plan that it watches, and how soon it acts."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from bluesky import plans as bp

from skysteer import Steering, Watchdog, steered
from skysteer.documents import Fields
from skysteer.model import Observation

from ._conditions import Condition, Plan, Prepared, list_scan, run
from ._devices import Beam
from ._judges import EnoughAt, Slow, content
from ._line import Line
from ._stopping import Noted, looping

PATIENCE = 30.0
"""Seconds that a watchdog is given to begin, and to have seen everything."""
DET = Fields({}, {"det": "det"})
Worker = Literal["thread", "process"]
Seconds = dict[str, list[float]]
"""Seconds a point of each condition, in the order of the repetitions."""
NTH = 3
"""The event that a judge calls enough."""
CAUSE = "benchmark: seen"
"""What the latch then says: the watchdog and its reason."""


def counting(beam: Beam, n: int) -> Plan:
    """Read the detector n times, without a motor."""
    return bp.count([beam.det], num=n)


def scanning(beam: Beam, n: int) -> Plan:
    """Bluesky's scan along a line."""
    with list_scan(beam, Line(n)) as prepared:
        return prepared.plan


def unsteered(plan: Callable[[Beam, int], Plan]) -> Condition:
    """The plan by itself."""

    @contextmanager
    def condition(beam: Beam, line: Line) -> Iterator[Prepared]:
        yield Prepared(plan(beam, line.n), lambda: None)

    return condition


def watched(plan: Callable[[Beam, int], Plan], judge: Any = None, worker: Worker = "process") -> Condition:
    """The plan in a steering; with a judge, a watchdog of which has begun to work."""

    @contextmanager
    def condition(beam: Beam, line: Line) -> Iterator[Prepared]:
        steering = Steering()
        if judge is None:
            yield Prepared(steered(plan(beam, line.n), steering), lambda: None)
            return
        with Watchdog(judge, steering, DET, every="latest", worker=worker) as dog:
            started(dog)
            yield Prepared(steered(plan(beam, line.n), steering, watch=[dog]), lambda: None)
            _shown(dog, line.n + 1)
        dog.closed.result(60)

    return condition


SHORTEST: dict[str, Condition] = {
    "list_scan": unsteered(scanning),
    "steered(list_scan)": watched(scanning),
    "steered(list_scan), watchdog in a process": watched(scanning, content),
    "steered(list_scan), watchdog in a thread": watched(scanning, content, "thread"),
}
"""The first is what the others are compared with."""


def exposed(seconds: float) -> dict[str, Condition]:
    """The conditions of points that take so many seconds; the first is what the others are compared with."""
    return {
        "count": unsteered(counting),
        "steered(count)": watched(counting),
        "steered(count), judge 10 times slower, process": watched(counting, Slow(10 * seconds)),
    }


def repeat(RE: Any, beam: Beam, conditions: dict[str, Condition], n: int, reps: int, order: random.Random) -> Seconds:
    """Run all of them, in another order each time."""
    found: Seconds = {name: [] for name in conditions}
    for _ in range(reps):
        for name in order.sample(list(conditions), len(conditions)):
            found[name].append(run(RE, beam, Line(n), conditions[name]) / n)
    return found


def started(dog: Watchdog) -> None:
    """Have its worker start: that happens once and is not what a point costs."""
    dog.tell(Observation("before", "primary", 1, 0.0, {}, {"det": 0.0}))
    _until(lambda: dog.status.judged == 1, lambda: f"{dog!r} did not begin to judge: {dog.status}")


def _shown(dog: Watchdog, n: int) -> None:
    """See that it was shown so many events."""

    def all_of_them() -> bool:
        status = dog.status
        judging = status.busy_for is not None
        return not status.errors and status.judged + status.passed_over + status.waiting + judging == n

    _until(all_of_them, lambda: f"{dog!r} should have been shown {n} events without an error: {dog.status}")


def _until(ready: Callable[[], bool], problem: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > deadline:
            raise AssertionError(problem())
        time.sleep(0.001)


def latencies(RE: Any, beam: Beam, worker: Worker, tries: int) -> tuple[list[float], list[float]]:
    """Milliseconds from an event document to the latch, and to the plan; of a judge that does not compute."""
    to_latch: list[float] = []
    to_plan: list[float] = []
    steering = Steering()
    when: list[float] = []
    forget = steering.enough.latch.listen(
        lambda change: when.append(time.monotonic()) if change.cause == CAUSE else None
    )
    try:
        with Watchdog(EnoughAt(NTH), steering, DET, worker=worker, name="benchmark") as dog:
            started(dog)
            for _ in range(tries):
                noted, seen = Noted(), []

                def document(name: str, doc: Any, seen: list[float] = seen) -> None:
                    if name == "event" and doc["seq_num"] == NTH:
                        seen.append(time.monotonic())

                when.clear()
                RE(steered(looping(beam, noted), steering, watch=[dog]), document).result(30)
                to_latch.append(1e3 * (when[0] - seen[0]))
                to_plan.append(1e3 * (noted.acted - seen[0]))
        dog.closed.result(60)
    finally:
        forget()
    return to_latch, to_plan
