"""Waiting in a plan: woken at once, pausable anywhere, nothing left behind."""

from __future__ import annotations

import asyncio
import threading
import time

import bluesky.plan_stubs as bps
import pytest
from bluesky.utils import RunEngineInterrupted

from skysteer.plans import run_coroutine, wait_until

SOON = 5.0
"""Seconds that waking may take on a busy machine; 2 ms are usual. What is not woken takes `LONG`."""
LONG = 30.0


class Box:
    """Something that another thread makes ready, as a queue does with an answer."""

    def __init__(self):
        self.ready = False
        self.made_ready = 0.0
        self.watching = threading.Event()
        self.watched = 0
        self.forgotten = 0
        self._wake = None

    def is_ready(self):
        return self.ready

    def watch(self, wake):
        self.watched += 1
        self._wake = wake
        self.watching.set()
        return self._forget

    def _forget(self):
        self.forgotten += 1

    def wake(self):
        self._wake()

    def fill(self):
        self.made_ready = time.monotonic()
        self.ready = True
        self._wake()


def plan(box, deadline=None, after=None):
    yield from bps.checkpoint()
    answer = yield from wait_until(box.is_ready, box.watch, deadline)
    woken = time.monotonic()
    if after is not None:
        yield from after()
    return answer, woken


def interrupted(RE, future, box):
    assert box.watching.wait(30)
    box.watching.clear()
    RE.request_pause()
    assert isinstance(future.exception(30), RunEngineInterrupted)
    assert RE.state == "paused"


def test_a_plan_is_woken_at_once_from_another_thread(RE):
    delays = []
    for _ in range(5):
        box = Box()
        future = RE(plan(box, deadline=time.monotonic() + LONG))
        assert box.watching.wait(30)
        time.sleep(0.02)  # the loop has gone to sleep
        box.fill()
        answer, woken = future.result(30).plan_result
        assert answer is True
        assert box.forgotten == box.watched == 1
        delays.append(woken - box.made_ready)
    assert max(delays) < SOON
    assert min(delays) < 0.05


def test_a_plan_on_a_stock_engine_is_woken_too(stock_RE):
    box = Box()
    timer = threading.Timer(0.05, lambda: box.watching.wait(30) and box.fill())
    timer.start()
    answer, woken = stock_RE(plan(box, deadline=time.monotonic() + LONG)).plan_result
    timer.join()
    assert answer is True
    assert woken - box.made_ready < SOON


def test_what_is_ready_already_takes_no_message():
    assert list(wait_until(lambda: True, Box().watch)) == []


def test_a_deadline_in_the_past_takes_no_message_but_one_more_look():
    wait, box = wait_until(lambda: False, Box().watch, time.monotonic() - 1), Box()
    with pytest.raises(StopIteration) as caught:
        next(wait)
    assert caught.value.value is False
    assert box.watched == 0


def test_at_the_deadline_the_answer_is_no(RE):
    box = Box()
    began = time.monotonic()
    answer, woken = RE(plan(box, deadline=began + 0.1)).result(30).plan_result
    assert answer is False
    assert 0.1 <= woken - began < 0.1 + SOON
    assert box.forgotten == box.watched < 20  # a timer may be a little early: it looks, and waits for the rest


def test_being_woken_for_nothing_does_not_end_the_wait(RE):
    box = Box()
    future = RE(plan(box))
    for _ in range(3):
        assert box.watching.wait(30)
        box.watching.clear()
        box.wake()
    assert box.watching.wait(30)
    box.fill()
    assert future.result(30).plan_result[0] is True
    assert box.watched == box.forgotten == 4


def test_being_woken_twice_does_no_harm(RE):
    box = Box()
    future = RE(plan(box))
    assert box.watching.wait(30)
    box.fill()
    box.wake()
    assert future.result(30).plan_result[0] is True
    box.wake()


def test_a_wake_up_for_an_engine_that_was_closed_does_no_harm():
    from skysteer.engine import RunEngine

    box = Box()
    engine = RunEngine()
    future = engine(plan(box))
    assert box.watching.wait(30)
    engine.abort("over")
    future.exception(30)
    engine.close()
    box.fill()


def test_a_wait_goes_on_after_a_pause(RE):
    box = Box()
    interrupted(RE, RE(plan(box)), box)
    future = RE.resume()
    assert box.watching.wait(30)
    assert not future.done()
    box.fill()
    answer, woken = future.result(30).plan_result
    assert answer is True
    assert woken - box.made_ready < SOON
    assert box.forgotten == box.watched


def test_what_became_ready_during_a_pause_is_seen(RE):
    box = Box()
    interrupted(RE, RE(plan(box)), box)
    box.fill()
    answer, _ = RE.resume().result(30).plan_result
    assert answer is True
    assert box.forgotten == box.watched


def test_a_deadline_that_passed_during_a_pause_has_passed(RE):
    box = Box()
    deadline = time.monotonic() + 2.0  # time enough to come to the wait, and to pause it
    interrupted(RE, RE(plan(box, deadline=deadline)), box)
    time.sleep(max(0.0, deadline - time.monotonic()) + 0.01)
    assert RE.resume().result(30).plan_result[0] is False
    assert box.forgotten == box.watched


def test_several_pauses_in_one_wait_leave_nothing_behind(RE):
    box = Box()
    future = RE(plan(box))
    for _ in range(3):
        interrupted(RE, future, box)
        future = RE.resume()
    assert box.watching.wait(30)
    box.fill()
    assert future.result(30).plan_result[0] is True
    assert box.forgotten == box.watched >= 4


@pytest.mark.parametrize("way", ["abort", "stop", "halt"])
@pytest.mark.parametrize("paused", [False, True])
def test_ending_the_plan_takes_the_request_back_and_leaves_nothing_on_the_loop(RE, way, paused):
    box = Box()
    future = RE(plan(box))
    if paused:
        interrupted(RE, future, box)
    else:
        assert box.watching.wait(30)
    getattr(RE, way)()
    future.exception(30)
    assert RE.state == "idle"
    on_the_loop(RE)
    assert box.forgotten == box.watched == 1
    box.wake()
    on_the_loop(RE)


def on_the_loop(RE):
    """Let the loop take a turn."""

    async def turn():
        await asyncio.sleep(0)

    asyncio.run_coroutine_threadsafe(turn(), RE.loop).result(30)


# -- coroutines


class Job:
    """A coroutine function that waits until it is told to finish, and counts."""

    def __init__(self, *results):
        self.begun = threading.Event()
        self.calls = 0
        self.cancelled = 0
        self.let_go = None
        self.results = list(results)

    async def __call__(self):
        self.calls += 1
        number = self.calls
        self.let_go = asyncio.Event()
        self.begun.set()
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return f"result {number}"

    def finish(self, RE):
        RE.loop.call_soon_threadsafe(self.let_go.set)


def job_plan(job):
    yield from bps.checkpoint()
    return (yield from run_coroutine(job))


def test_a_coroutine_is_awaited_and_its_result_returned(RE):
    async def coroutine():
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    assert RE(job_plan(coroutine)).result(30).plan_result is RE.loop


def test_what_a_coroutine_raises_is_raised_in_the_plan(RE):
    async def coroutine():
        raise LookupError("not there")

    def plan():
        try:
            yield from job_plan(coroutine)
        except LookupError as exc:
            return str(exc)

    assert RE(plan()).result(30).plan_result == "not there"


def test_a_result_of_none_is_a_result(RE):
    async def coroutine():
        return None

    assert RE(job_plan(coroutine)).result(30).plan_result is None


def pause_job(RE, future, job):
    assert job.begun.wait(30)
    job.begun.clear()
    RE.request_pause()
    assert isinstance(future.exception(30), RunEngineInterrupted)


def test_after_a_pause_it_is_called_again(RE):
    job = Job()
    pause_job(RE, RE(job_plan(job)), job)
    future = RE.resume()
    assert job.begun.wait(30)
    job.finish(RE)
    assert future.result(30).plan_result == "result 2"
    on_the_loop(RE)
    assert job.cancelled == 1  # the first call


def test_one_that_ended_during_the_pause_gives_its_result(RE):
    job = Job()
    pause_job(RE, RE(job_plan(job)), job)
    job.finish(RE)
    on_the_loop(RE)
    assert RE.resume().result(30).plan_result == "result 1"
    on_the_loop(RE)
    assert job.calls <= 2


@pytest.mark.parametrize("paused", [False, True])
def test_ending_the_plan_cancels_the_coroutine(RE, paused):
    job = Job()
    future = RE(job_plan(job))
    if paused:
        pause_job(RE, future, job)
    else:
        assert job.begun.wait(30)
    RE.abort("enough")
    future.exception(30)
    on_the_loop(RE)
    assert job.cancelled == job.calls == 1
