"""What is compared: each condition measures the same points of a line, with or without anybody steering."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from bluesky import plan_stubs as bps
from bluesky import plans as bp
from bluesky.utils import Msg

from skysteer import Advisor, adaptive_runs, adaptive_scan

from . import _peers
from ._devices import Beam
from ._line import Line, positions

Plan = Generator[Msg, Any, Any]


@dataclass(slots=True)
class Prepared:
    """A condition that is ready to run; what it takes to get there (a process, a connection) is not timed."""

    plan: Plan
    told: Callable[[], int | None]
    """How many points the recommender was told; None where there is no recommender."""
    subscribers: tuple[Callable[[str, Mapping[str, Any]], object], ...] = ()


Condition = Callable[[Beam, Line], Any]
"""A context manager: gives `Prepared`, and takes down what it made."""


@contextmanager
def list_scan(beam: Beam, line: Line) -> Iterator[Prepared]:
    """Nobody steers: Bluesky's own scan, one run, a checkpoint a point."""
    yield Prepared(bp.list_scan([beam.det], beam.motor, positions(line.n)), lambda: None)


@contextmanager
def bare_messages(beam: Beam, line: Line) -> Iterator[Prepared]:
    """Nobody steers: the messages of ``list_scan``, a point, without its stubs.

    Each call of a Bluesky stub formats the stack it was called from, which is
    more than half of what ``list_scan`` costs. What steering itself costs is
    seen beside this.
    """

    def plan() -> Plan:
        yield Msg("open_run", None, plan_name="bare_messages")
        for x in positions(line.n):
            yield Msg("checkpoint")
            yield Msg("set", beam.motor, x, group="set")
            yield Msg("wait", None, group="set")
            yield Msg("trigger", beam.det, group="trigger")
            yield Msg("wait", None, group="trigger")
            yield Msg("create", None, name="primary")
            yield Msg("read", beam.det)
            yield Msg("read", beam.motor)
            yield Msg("save")
        yield Msg("close_run")

    yield Prepared(plan(), lambda: None)


@contextmanager
def mov_count(beam: Beam, line: Line) -> Iterator[Prepared]:
    """Nobody steers: a move and a run of one event a point."""

    def plan() -> Plan:
        for x in positions(line.n):
            yield from bps.mov(beam.motor, x)
            yield from bp.count([beam.det, beam.motor])

    yield Prepared(plan(), lambda: None)


def ours(scan: Any, worker: Literal["thread", "process"], *, lookahead: int = 0) -> Callable[[Beam, Line], Any]:
    """One of our two scans, with a recommender in a thread or process that has been started."""

    @contextmanager
    def condition(beam: Beam, line: Line) -> Iterator[Prepared]:
        with Advisor(line, worker=worker, objectives=["det"]) as advisor:
            advisor.start().result(60)
            plan = scan([beam.det], [beam.motor], advisor, objectives=["det"], max_points=line.n, lookahead=lookahead)
            yield Prepared(plan, lambda: advisor.told)
        advisor.closed.result(60)

    return condition


def peer(optimize: Any) -> Callable[[Beam, Line], Any]:
    """One of the peer's two plans."""

    @contextmanager
    def condition(beam: Beam, line: Line) -> Iterator[Prepared]:
        newest = _peers.NewestEvent()
        yield Prepared(optimize(beam, line, newest), lambda: line.told, (newest.document,))

    return condition


PER_EVENT: dict[str, Condition] = {
    "list_scan": list_scan,
    "bare messages": bare_messages,
    "skysteer per event, thread": ours(adaptive_scan, "thread"),
    "skysteer per event, process": ours(adaptive_scan, "process"),
    "bluesky-adaptive optimize_in_run": peer(_peers.optimize_in_run),
}
"""One run; the first is what the others are compared with."""

PER_RUN: dict[str, Condition] = {
    "mov + count": mov_count,
    "skysteer per run, thread": ours(adaptive_runs, "thread"),
    "skysteer per run, process": ours(adaptive_runs, "process"),
    "bluesky-adaptive optimize": peer(_peers.optimize),
}
"""A run a point; the first is what the others are compared with."""

CONDITIONS: dict[str, Condition] = {**PER_EVENT, **PER_RUN}


def run(
    RE: Any,
    beam: Beam,
    line: Line,
    condition: Condition,
    *subscribers: Any,
    wrap: Callable[[Plan], Plan] = lambda plan: plan,
) -> float:
    """Run a condition and check that it measured, and told, every point once; seconds it took."""
    with condition(beam, line) as prepared:
        before = beam.det.triggers
        started = time.perf_counter()
        RE(wrap(prepared.plan), [*prepared.subscribers, *subscribers]).result(600)
        seconds = time.perf_counter() - started
        measured, told = beam.det.triggers - before, prepared.told()
    if measured != line.n or told not in (None, line.n):
        raise AssertionError(f"{line.n} points were asked for, {measured} measured and {told} told")
    return seconds
