"""Closing an engine, and whose loop it is."""

from __future__ import annotations

import asyncio
import threading
import time

import bluesky.plan_stubs as bps
import pytest
from bluesky.run_engine import get_bluesky_event_loop
from bluesky.utils import Msg, RunEngineInterrupted

from skysteer.engine import EngineClosed, RunEngine
from skysteer.errors import SkysteerError


@pytest.fixture
def own_loop():
    """A loop that another thread runs, as a service has one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="own-loop")
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(30)
    loop.close()


def test_closing_leaves_no_thread_and_no_loop():
    before = set(threading.enumerate())
    RE = RunEngine()
    RE(bps.null()).result(30)
    loop, thread = RE.loop, RE._th
    RE.close()
    assert loop.is_closed()
    assert not thread.is_alive()
    assert set(threading.enumerate()) <= before
    assert get_bluesky_event_loop() is None


def test_closing_twice_does_nothing():
    RE = RunEngine()
    RE.close()
    before = time.monotonic()
    RE.close()
    assert time.monotonic() - before < 5


def test_closing_from_many_threads_at_once_closes_once():
    RE = RunEngine()
    errors = []

    def close():
        try:
            RE.close()
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=close) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert RE.loop.is_closed()


def test_closing_aborts_a_running_plan_and_says_why(held):
    documents = []
    with RunEngine() as RE:
        RE.subscribe(lambda name, doc: documents.append((name, doc)))
        future = held.run(RE)
    assert isinstance(future.exception(0), RunEngineInterrupted)
    assert held.cleaned_up.is_set()
    name, stop = documents[-1]
    assert (name, stop["exit_status"], stop["reason"]) == ("stop", "abort", "the engine was closed")


def test_closing_aborts_a_paused_plan(held):
    documents = []
    with RunEngine() as RE:
        RE.subscribe(lambda name, doc: documents.append((name, doc)))
        future = held.run(RE)
        RE.request_pause()
        assert isinstance(future.exception(30), RunEngineInterrupted)
    assert held.cleaned_up.is_set()
    name, stop = documents[-1]
    assert (name, stop["exit_status"], stop["reason"]) == ("stop", "abort", "the engine was closed")


def test_closing_right_after_a_call_aborts_it():
    for _ in range(200):
        with RunEngine() as RE:
            future = RE(bps.sleep(60))
        assert isinstance(future.exception(0), RunEngineInterrupted)


def test_closing_waits_for_the_clean_up_of_the_plan(held):
    RE = RunEngine()
    future = RE(held.plan(clean_up_time=0.3))
    assert held.running.wait(30)
    RE.close()
    assert future.done()
    assert held.cleaned_up.is_set()


def test_a_clean_up_that_never_ends_is_cancelled_after_the_timeout(held):
    RE = RunEngine()
    future = RE(held.plan(clean_up_time=60))
    assert held.running.wait(30)
    before = time.monotonic()
    RE.close(timeout=0.3)
    assert time.monotonic() - before < 5
    assert isinstance(future.exception(0), RunEngineInterrupted)


def test_a_loop_that_is_stuck_is_reported_and_closing_may_be_tried_again():
    stuck, free = threading.Event(), threading.Event()
    RE = RunEngine()

    def plan():
        stuck.set()
        free.wait(30)
        yield from bps.null()

    RE(plan())
    assert stuck.wait(30)
    with pytest.raises(TimeoutError):
        RE.close(timeout=0.1)
    free.set()
    RE.close()
    assert RE.loop.is_closed()


@pytest.mark.parametrize(
    "use",
    [
        lambda RE: RE([Msg("null")]),
        lambda RE: RE.resume(),
        lambda RE: RE.abort(),
        lambda RE: RE.stop(),
        lambda RE: RE.halt(),
        lambda RE: RE.request_pause(),
    ],
)
def test_a_closed_engine_refuses_clearly(use):
    RE = RunEngine()
    RE.close()
    with pytest.raises(EngineClosed, match="closed") as caught:
        use(RE)
    assert isinstance(caught.value, SkysteerError)


def test_tasks_left_on_the_engines_own_loop_are_cancelled():
    RE = RunEngine()
    ended = threading.Event()

    async def forever():
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    task = asyncio.run_coroutine_threadsafe(forever(), RE.loop)
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), RE.loop).result(30)
    RE.close()
    assert ended.is_set()
    assert task.cancelled()


def test_a_loop_that_was_given_is_stopped_but_not_closed():
    loop = asyncio.new_event_loop()
    with RunEngine(loop=loop) as RE:
        assert RE.loop is loop
        assert RE(bps.null()).result(30).exit_status == "success"
    assert not loop.is_running()
    assert not loop.is_closed()
    assert get_bluesky_event_loop() is None
    with RunEngine(loop=loop) as RE:  # it can be used again
        assert RE(bps.null()).result(30).exit_status == "success"
    loop.close()


def test_a_loop_that_ran_before_goes_on_running(own_loop, held):
    with RunEngine(loop=own_loop) as RE:
        future = held.run(RE)
    assert isinstance(future.exception(0), RunEngineInterrupted)
    assert own_loop.is_running()
    assert get_bluesky_event_loop() is None
    with pytest.raises(EngineClosed):
        RE([Msg("null")])
    with pytest.raises(EngineClosed):
        RE.abort()
    with RunEngine(loop=own_loop) as RE:
        assert RE(bps.null()).result(30).exit_status == "success"


def test_the_loop_of_the_calling_thread_is_refused():
    async def main():
        with pytest.raises(ValueError, match="wait for itself"):
            RunEngine(loop=asyncio.get_running_loop())

    asyncio.run(main())


def test_closing_the_newer_of_two_engines_makes_the_older_one_blueskys_again():
    with RunEngine() as older:
        with RunEngine() as newer:
            assert get_bluesky_event_loop() is newer.loop
        assert get_bluesky_event_loop() is older.loop
    assert get_bluesky_event_loop() is None


def test_closing_the_older_of_two_engines_leaves_the_newer_one():
    older = RunEngine()
    with RunEngine() as newer:
        older.close()
        assert get_bluesky_event_loop() is newer.loop
    assert get_bluesky_event_loop() is None


def test_an_engine_that_cannot_be_made_leaves_nothing_behind():
    with pytest.raises(AttributeError):
        RunEngine(md=5)
    assert get_bluesky_event_loop() is None
