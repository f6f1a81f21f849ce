"""Pause, suspend, stop and abort at every message of a short scan."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from bluesky.utils import RunEngineInterrupted

from skysteer.testing import Recorder, SimulatedBeamline

from .conftest import Seen, along_x, told

WHERE = [0.0, 0.4, -0.3]
MOST = 90
"""More messages than the scans here have; those beyond the last are not reached."""


class At:
    """Does something when the engine comes to message number ``at``, before it is processed."""

    def __init__(self, RE: Any, at: int, do: Callable[[], Any]) -> None:
        self.at, self.do, self.number, self.command = at, do, 0, None
        RE.msg_hook = self

    def __call__(self, message: Any) -> None:
        self.number += 1
        if self.number == self.at:
            self.command = message.command
            self.do()


def soon(coroutine: Callable[[], Any]) -> Callable[[], None]:
    """Start a coroutine from within a message: it acts while that message is processed, or just after."""
    return lambda: asyncio.ensure_future(coroutine())


def finish(RE: Any, future: Any) -> Any:
    try:
        return future.result(20)
    except RunEngineInterrupted:
        assert RE.state == "paused"
        return RE.resume().result(20)


def check(seen: Seen, recorder: Recorder, result: Any) -> None:
    """The same points in the same order, each measured and told once, whatever happened."""
    assert (result.measured, result.failed, result.exit_status) == (3, 0, "success")
    assert seen.column("x") == pytest.approx(WHERE)
    assert len(seen.points) == 3
    assert [point["x"] for point in told(recorder)] == pytest.approx(WHERE)
    assert [point["_id"].rpartition("-")[2] for point in told(recorder)] == ["0", "1", "2"]
    assert len(seen.primary) <= 4  # at most the point in flight is measured again
    assert not recorder.overlapped


@pytest.fixture(params=[None, 40.0], ids=["at once", "moving"])
def beam(RE: Any, request: pytest.FixtureRequest) -> SimulatedBeamline:
    return SimulatedBeamline(RE, velocity=request.param, dead_time=0.0 if request.param is None else 0.002)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("way", ["pause", "suspend"])
def test_an_interruption_at_any_message_changes_nothing(RE, beam, documents, flow, way):
    suspend = partial(RE.request_suspend, lambda: asyncio.sleep(0.003))
    do = soon(RE._request_pause_coro) if way == "pause" else suspend
    reached = 0
    for number in range(1, MOST):
        documents.clear()
        recorder = Recorder(along_x(WHERE))
        hook = At(RE, number, do)
        future = RE(flow([beam.det], [beam.x], recorder, objectives=["det"], max_points=3))
        result = finish(RE, future).plan_result
        try:
            check(Seen(documents), recorder, result)
        except AssertionError as exc:
            raise AssertionError(f"{way} at message {number} ({hook.command}): {exc}") from exc
        if hook.command is None:
            break
        reached = number
    assert reached > 30, "the scan ended early: nothing was tried"
    assert reached < MOST - 1


@pytest.mark.timeout(240)
@pytest.mark.parametrize("way", ["abort", "stop"])
def test_an_end_at_any_message_keeps_what_was_measured_and_closes_the_run(RE, beam, documents, flow, way):
    end = (lambda: RE._abort_coro("the user left")) if way == "abort" else RE._stop_coro
    for number in range(1, MOST):
        documents.clear()
        recorder = Recorder(along_x(WHERE))
        hook = At(RE, number, soon(end))
        future = RE(flow([beam.det], [beam.x], recorder, objectives=["det"], max_points=3))
        if hook.at >= MOST - 1:
            raise AssertionError("the scan has more messages than expected")
        with suppress(RunEngineInterrupted):
            future.result(20)
        seen = Seen(documents)
        where = f"{way} at message {number} ({hook.command})"
        assert RE.state == "idle", where
        assert len(seen.named("start")) == len(seen.named("stop")), where
        expected = {"abort": {"success", "abort"}, "stop": {"success"}}[way]
        assert {status for status, _ in seen.stops} <= expected, where
        if way == "abort":
            assert all(reason == "the user left" for status, reason in seen.stops if status == "abort"), where
        assert seen.column("x") == pytest.approx(WHERE[: len(seen.points)]), where
        assert not beam.det.busy, where
        if hook.command is None:
            return
    raise AssertionError("the scan has more messages than expected")


def test_a_second_scan_after_an_aborted_one_starts_afresh(RE, beam, documents, flow):
    """The first point of the second scan is never the first one's leftover."""
    from skysteer import Advisor

    recorder = Recorder(along_x([1.0, 2.0, 3.0, 4.0]))
    with Advisor(recorder) as advisor:
        At(RE, 25, soon(lambda: RE._abort_coro("enough")))
        with pytest.raises(RunEngineInterrupted):
            RE(flow([beam.det], [beam.x], advisor, objectives=["det"], max_points=4, lookahead=1)).result(20)
        first = len(Seen(documents).points)
        RE.msg_hook = None
        documents.clear()
        result = RE(flow([beam.det], [beam.x], advisor, objectives=["det"], max_points=1)).result(20).plan_result
    assert result.measured == 1
    # What the aborted scan left unmeasured is given up, so the next one comes.
    told_before = [point["x"] for point in told(recorder)]
    assert Seen(documents).column("x")[0] not in told_before[:first]
