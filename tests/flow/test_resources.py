"""The engine stays free while a recommender computes, and little is kept for each point."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import tracemalloc

import pytest
from bluesky import plans as bp
from bluesky.utils import RunEngineInterrupted

from skysteer import Advisor, adaptive_scan
from skysteer.testing import SimulatedBeamline, Slow

from .conftest import along_x


class Forgetful:
    """Keeps nothing, so that what grows is not its."""

    def ingest(self, points): ...

    def suggest(self, num_points=None):
        return [{"x": 1.0}]


class BusyProcess:
    """Starts to compute for minutes at its second question, in pure Python; says so in a file."""

    def __init__(self, flag):
        self.flag, self.known = flag, 0

    def ingest(self, points):
        self.known += len(points)

    def suggest(self, num_points=None):
        if self.known:
            self.flag.touch()
            end = time.monotonic() + 300
            while time.monotonic() < end:
                pass
        return [{"x": float(self.known)}]


def until(condition, timeout=20):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


@pytest.mark.parametrize("way", ["abort", "stop"])
def test_a_scan_is_ended_while_its_recommender_computes_and_its_process_is_gone(RE, beam, seen, tmp_path, way):
    flag = tmp_path / "computing"
    plan = adaptive_scan([beam.det], [beam.x], BusyProcess(flag), objectives=["det"], max_points=9, worker="process")
    future = RE(plan)
    until(flag.exists)
    getattr(RE, way)()
    with pytest.raises(RunEngineInterrupted):
        future.result(30)  # it would compute for minutes
    assert [status for status, _ in seen.stops] == ["abort" if way == "abort" else "success"]
    assert len(seen.points) == 1


def test_monitors_are_delivered_while_a_recommender_computes(RE, beam, seen, tmp_path):
    from bluesky import preprocessors as bpp

    flag = tmp_path / "computing"
    plan = adaptive_scan([beam.det], [beam.x], BusyProcess(flag), objectives=["det"], max_points=9, worker="process")
    future = RE(bpp.monitor_during_wrapper(plan, [beam.y.readback]))
    until(flag.exists)
    before = len(seen.named("event"))
    for number in range(20):
        RE.loop.call_soon_threadsafe(lambda value=number / 10: beam.y.arrive(readback=value))
        until(lambda wanted=before + number + 1: len(seen.named("event")) >= wanted)
    RE.abort()
    with pytest.raises(RunEngineInterrupted):
        future.result(30)


def test_a_suspender_acts_while_a_recommender_computes(RE, beam, seen):
    """And the scan goes on when the beam is back, with the answer that came meanwhile."""
    back = asyncio.Event()
    suspended = threading.Event()
    future = RE(adaptive_scan([beam.det], [beam.x], Slow(along_x([1.0, 2.0]), 0.2), objectives=["det"], max_points=2))
    until(lambda: seen.named("start"))

    def pre_plan():
        suspended.set()
        yield from ()

    RE.request_suspend(back.wait, pre_plan=pre_plan)
    assert suspended.wait(30)
    RE.loop.call_soon_threadsafe(back.set)
    assert future.result(20).plan_result.measured == 2
    assert seen.column("x") == [1.0, 2.0]


@pytest.mark.timeout(240)  # all that is allocated is traced
def test_little_memory_is_kept_for_a_point(RE):
    """Less than half a kilobyte more than a list_scan keeps (nothing)."""
    beam = SimulatedBeamline(RE)

    def growth(make, few=100, many=600):
        RE(make(few)).result(200)
        sizes = []
        for number in (few, many):
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            result = RE(make(number)).result(200)
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0] - before)
            del result
        return (sizes[1] - sizes[0]) / (many - few)

    tracemalloc.start()
    try:
        with Advisor(Forgetful()) as advisor:
            ours = growth(lambda n: adaptive_scan([beam.det], [beam.x], advisor, objectives=["det"], max_points=n))
        theirs = growth(lambda n: bp.list_scan([beam.det], beam.x, [1.0] * n))
    finally:
        tracemalloc.stop()
    assert ours - theirs < 500
