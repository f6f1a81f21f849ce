"""The plan stubs: latches, readings that are kept, properties and descriptions, on classic and asynchronous devices."""

from __future__ import annotations

import asyncio
import threading
import time

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import ophyd
import ophyd.sim
import pytest
from bluesky.utils import FailedStatus, InvalidCommand, Msg, RunEngineInterrupted
from ophyd_async.core import AsyncStatus

from skysteer import Action, SRLatch, Status
from skysteer.handoff import Transition
from skysteer.plans import (
    clear_cache,
    describe,
    describe_collect,
    read_and_stash,
    read_while_waiting,
    set_property,
    stash,
    wait_for_actions,
)
from skysteer.protocols import HasCache
from skysteer.testing import SimulatedBeamline

SOON = 5.0
"""Seconds that waking may take on a busy machine; 2 ms are usual. What is not woken takes `LONG`."""
LONG = 30.0


class Cache:
    """A device that keeps readings, as a classic or an asynchronous device does."""

    def __init__(self, name="cache", kind="classic"):
        self.name, self.kind, self.parent = name, kind, None
        self.kept = []
        self.statuses = []
        self.fail = None
        self.delay = 0.005

    def _status(self):
        if self.kind == "async":

            async def work():
                await asyncio.sleep(self.delay)
                if self.fail:
                    raise self.fail

            status = AsyncStatus(work())
        else:
            status = Status()
            timer = threading.Timer(
                self.delay, lambda: status.set_exception(self.fail) if self.fail else status.set_finished()
            )
            timer.start()
        self.statuses.append(status)
        return status

    def stash(self, reading):
        self.kept.append(dict(reading))
        return self._status()

    def clear(self):
        self.kept.clear()
        return self._status()


@pytest.fixture(params=["classic", "async"])
def cache(request):
    return Cache(kind=request.param)


@pytest.fixture(params=["ours", "stock"])
def any_RE(request):
    return request.getfixturevalue("RE" if request.param == "ours" else "stock_RE")


@pytest.fixture
def beam(RE):
    return SimulatedBeamline(RE)


def ended(RE, plan):
    """What a plan returned, on either engine."""
    answer = RE(plan)
    return (answer.result(20) if hasattr(answer, "result") else answer).plan_result


class Waiting:
    """Says in which message an engine is, and from when on."""

    def __init__(self, RE, command="wait_for"):
        self.reached = threading.Event()
        RE.msg_hook = lambda message: self.reached.set() if message.command == command else None

    def here(self):
        assert self.reached.wait(30)
        self.reached.clear()
        time.sleep(0.02)  # the message is being processed, the loop has gone to sleep


class At:
    """Pauses when the engine comes to message number ``at``."""

    def __init__(self, RE, at):
        self.RE, self.at, self.number, self.command, self.task = RE, at, 0, None, None
        RE.msg_hook = self

    def __call__(self, message):
        self.number += 1
        if self.number == self.at:
            self.command = message.command
            self.task = asyncio.ensure_future(self.RE._request_pause_coro())


def finish(RE, future):
    try:
        return future.result(20)
    except RunEngineInterrupted:
        assert RE.state == "paused"
        return RE.resume().result(20)


def paused(RE, future):
    RE.request_pause()
    assert isinstance(future.exception(30), RunEngineInterrupted)
    assert RE.state == "paused"


def idle(latch):
    """Whether nobody listens to a latch any more."""
    return not (latch._waiters or latch._watchers or latch._listeners)


# -- wait_for_actions


def test_a_latch_thrown_by_another_thread_ends_the_wait_at_once(any_RE):
    latch, waiting, thrown = SRLatch(), Waiting(any_RE), []

    def throw():
        waiting.here()
        thrown.append(time.monotonic())
        latch.set("the user")

    thread = threading.Thread(target=throw)
    thread.start()
    name, transition = ended(any_RE, wait_for_actions({"snapshot": latch}, LONG))
    took = time.monotonic() - thrown[0]
    thread.join(30)
    assert took < SOON
    assert name == "snapshot"
    assert (transition.state, transition.cause) == ("set", "the user")
    assert idle(latch)


def test_only_stock_messages_are_sent():
    plan = wait_for_actions({"a": SRLatch()}, 1.0)
    assert next(plan).command == "wait_for"
    plan.close()


def test_a_short_pulse_is_not_lost(RE):
    latch, waiting = SRLatch(), Waiting(RE)
    future = RE(wait_for_actions({"a": latch}, LONG))
    waiting.here()
    latch.set("a blink")
    latch.reset()
    name, transition = future.result(SOON).plan_result
    assert (name, transition.state, transition.cause) == ("a", "set", "a blink")


def test_a_pulse_during_a_pause_is_not_lost(RE):
    latch, waiting = SRLatch(), Waiting(RE)

    def plan():
        yield from bps.checkpoint()
        return (yield from wait_for_actions({"a": latch}, LONG))

    future = RE(plan())
    for _ in range(2):
        waiting.here()
        paused(RE, future)
        future = RE.resume()
    waiting.here()
    paused(RE, future)
    latch.set("in the pause")
    latch.reset()
    began = time.monotonic()
    assert RE.resume().result(30).plan_result[1].cause == "in the pause"
    assert time.monotonic() - began < SOON
    assert idle(latch)


@pytest.mark.parametrize("other_first", [False, True])
def test_of_two_latches_the_first_to_change_is_told(RE, other_first):
    a, b, waiting = SRLatch(), SRLatch(), Waiting(RE)
    future = RE(wait_for_actions({"a": a, "b": b}, LONG))
    waiting.here()
    for latch in (b, a) if other_first else (a, b):
        latch.set()
    assert future.result(30).plan_result[0] == ("b" if other_first else "a")
    assert idle(a)
    assert idle(b)


def test_what_is_set_already_takes_no_message():
    latch = SRLatch()
    latch.set("before")
    wait = wait_for_actions({"a": SRLatch(), "b": latch}, LONG)
    with pytest.raises(StopIteration) as caught:
        next(wait)
    assert caught.value.value == ("b", latch.last)


def test_it_waits_for_a_reset_when_told(RE):
    action, waiting = Action("hold", togglable=True), Waiting(RE)
    action.latch.set()
    future = RE(wait_for_actions(action.event_map, LONG, wait_for="reset"))
    waiting.here()
    action.latch.reset("released")
    name, transition = future.result(30).plan_result
    assert (name, transition.state, transition.cause) == ("hold", "reset", "released")


def test_at_the_timeout_the_answer_is_none(any_RE):
    latch = SRLatch()
    began = time.monotonic()
    assert ended(any_RE, wait_for_actions({"a": latch}, 0.1)) is None
    assert 0.1 <= time.monotonic() - began < 0.1 + SOON
    assert idle(latch)


def test_an_aborted_wait_leaves_nothing_at_the_latch(RE):
    latch, waiting = SRLatch(), Waiting(RE)
    future = RE(wait_for_actions({"a": latch}))
    waiting.here()
    RE.abort("test")
    assert isinstance(future.exception(30), RunEngineInterrupted)
    assert idle(latch)


def test_thousands_of_pulses_from_eight_threads_end_as_many_waits(RE):
    """Each thread pulses once for each wait; no wait ever sleeps through."""
    latches = {str(number): SRLatch() for number in range(8)}
    over = threading.Event()

    def pulse(latch):
        while not over.is_set():
            latch.set()
            latch.reset()
            time.sleep(0.0005)

    def plan():
        for _ in range(200):
            assert (yield from wait_for_actions(latches, LONG)) is not None

    threads = [threading.Thread(target=pulse, args=(latch,)) for latch in latches.values()]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    try:
        RE(plan()).result(30)
    finally:
        over.set()
        for thread in threads:
            thread.join(30)
    assert time.monotonic() - began < LONG  # one that was slept through takes that long


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (({},), ValueError, "events is empty"),
        (({"a": threading.Event()},), TypeError, "the event 'a' must be an SRLatch"),
        ((SRLatch(),), TypeError, "events must map names to latches"),
        (({"a": SRLatch()}, None, "toggle"), ValueError, "'set' or 'reset', found 'toggle'"),
        (({"a": SRLatch()}, -1), ValueError, "timeout must be a number of seconds"),
        (({"a": SRLatch()}, float("nan")), ValueError, "timeout must be a number of seconds"),
    ],
)
def test_a_wait_that_cannot_end_is_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        next(wait_for_actions(*arguments))


# -- read_while_waiting


def in_a_run(plan):
    return bpp.run_wrapper(plan)


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.001)


def test_it_reads_until_a_latch_is_thrown(RE, beam, documents):
    latch = SRLatch()
    devices = [beam.det, ophyd.sim.SynSignal(func=lambda: 7.0, name="classic")]
    future = RE(in_a_run(read_while_waiting(devices, {"enough": latch}, "live", 0.001)))
    until(lambda: sum(name == "event" for name, _ in documents) >= 3)
    latch.set("the user")
    future.result(30)
    events = [doc for name, doc in documents if name == "event"]
    assert [event["seq_num"] for event in events] == list(range(1, len(events) + 1))
    assert all(event["data"]["classic"] == 7.0 and "det" in event["data"] for event in events)
    assert [doc["name"] for name, doc in documents if name == "descriptor"] == ["live"]
    assert idle(latch)


def test_the_time_between_two_readings_is_ended_at_once(RE, beam, documents):
    latch, waiting = SRLatch(), Waiting(RE)
    future = RE(in_a_run(read_while_waiting([beam.det], {"enough": latch}, refresh_period=LONG)))
    waiting.here()
    began = time.monotonic()
    latch.set()
    future.result(30)
    assert time.monotonic() - began < SOON
    assert sum(name == "event" for name, _ in documents) == 1


def test_a_pulse_in_mid_reading_is_not_lost(RE, beam, documents):
    latch = SRLatch()
    beam.det.dead_time = 0.1
    told = []

    def plan():
        told.append((yield from read_while_waiting([beam.det], {"enough": latch}, refresh_period=LONG)))

    future = RE(in_a_run(plan()))
    until(lambda: beam.det.busy)
    latch.set("a blink")
    latch.reset()
    future.result(30)
    [(name, transition)] = told
    assert (name, transition.cause) == ("enough", "a blink")
    assert sum(name == "event" for name, _ in documents) == 1  # the reading was finished


def test_what_is_set_already_means_no_reading(RE, beam, documents):
    latch = SRLatch()
    latch.set()
    RE(in_a_run(read_while_waiting([beam.det], {"enough": latch}))).result(30)
    assert not [doc for name, doc in documents if name == "event"]


def test_a_pause_between_two_readings_replays_none(RE, beam, documents):
    latch, waiting = SRLatch(), Waiting(RE)
    future = RE(in_a_run(read_while_waiting([beam.det], {"enough": latch}, refresh_period=LONG)))
    waiting.here()
    paused(RE, future)
    future = RE.resume()
    waiting.here()
    latch.set()
    future.result(30)
    assert beam.det.triggers == 1
    assert sum(name == "event" for name, _ in documents) == 1


# -- devices with a cache

READING = {"det": {"value": 3.0, "timestamp": 0.0}}


def test_a_reading_is_stashed_and_forgotten(RE, cache):
    def plan():
        first = yield from stash(cache, READING, wait=True)
        assert first.done
        kept = list(cache.kept)
        second = yield from clear_cache(cache, wait=True)
        assert second.done
        return kept

    assert isinstance(cache, HasCache)
    assert RE(plan()).result(30).plan_result == [READING]
    assert cache.kept == []


def test_the_stashing_can_be_waited_for_later(RE, cache):
    cache.delay = 1.0

    def plan():
        status = yield from stash(cache, READING, group="later")
        early = status.done
        yield from bps.wait("later")
        return early, status.done

    assert RE(plan()).result(30).plan_result == (False, True)


def test_a_stashing_that_fails_fails_the_wait(RE, cache):
    cache.fail = OSError("disk full")
    with pytest.raises(FailedStatus) as caught:
        RE(stash(cache, READING, wait=True)).result(30)
    assert "disk full" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    "make",
    [
        lambda device: stash(device, READING),
        lambda device: clear_cache(device),
        lambda device: read_and_stash([device], [device]),
    ],
    ids=["stash", "clear_cache", "read_and_stash"],
)
def test_a_device_without_a_cache_is_refused_before_any_message(make):
    with pytest.raises(TypeError, match=r"no_cache has no cache: found a SynSignal, needed .* stash\(reading\)"):
        next(make(ophyd.sim.SynSignal(name="no_cache")))


def test_what_is_no_reading_is_refused(cache):
    with pytest.raises(TypeError, match=r"a reading maps data keys .* found 3"):
        next(stash(cache, 3.0))


def test_without_our_engine_the_error_names_the_command(stock_RE, cache):
    with pytest.raises(InvalidCommand, match="stash"):
        stock_RE(stash(cache, READING))


def test_readings_are_read_into_an_event_and_stashed_each_in_its_cache(RE, beam, documents):
    classic = ophyd.sim.SynSignal(func=lambda: 7.0, name="classic")
    first, second = Cache("first"), Cache("second", "async")
    told = []

    def plan():
        told.append((yield from read_and_stash([beam.det, classic], [first, second], stream="dark", wait=True)))
        assert all(status.done for status in first.statuses + second.statuses)

    RE(in_a_run(plan())).result(30)
    [event] = [doc for name, doc in documents if name == "event"]
    [descriptor] = [doc for name, doc in documents if name == "descriptor"]
    assert descriptor["name"] == "dark"
    assert {key: reading["value"] for key, reading in told[0].items()} == event["data"]
    assert [list(reading) for reading in first.kept + second.kept] == [["det"], ["classic"]]
    assert first.kept[0]["det"]["value"] == event["data"]["det"]


def test_each_device_needs_a_cache(beam, cache):
    with pytest.raises(ValueError, match="found 2 devices and 1 caches"):
        next(read_and_stash([beam.det, beam.x], [cache]))


@pytest.mark.timeout(120)
def test_a_pause_at_any_message_keeps_one_reading_and_the_right_one(RE, beam, documents):
    beam.det.dead_time = 0.003

    def plan(cache):
        yield from bps.checkpoint()
        yield from read_and_stash([beam.det, beam.x], [cache, cache], wait=True)

    for number in range(1, 60):
        documents.clear()
        cache = Cache(kind="async" if number % 2 else "classic")
        hook = At(RE, number)
        finish(RE, RE(in_a_run(plan(cache))))
        last = [doc["data"] for name, doc in documents if name == "event"][-1]
        where = f"paused at message {number} ({hook.command})"
        assert [list(reading) for reading in cache.kept] == [["det"], ["x"]], where
        assert cache.kept[0]["det"]["value"] == last["det"], where
        if hook.command is None:
            break
    assert 12 < number < 59


# -- properties


class Camera(ophyd.Device):
    """A classic device whose set takes the name of a property."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.now = {"exposure": 0.1, "gain": 1}
        self.hold = False

    def set(self, value, *, propr):
        self.now[propr] = value
        status = Status()
        if not self.hold:
            status.set_finished()
        return status


class AsyncCamera(Camera):
    @AsyncStatus.wrap
    async def set(self, value, *, propr):
        await asyncio.sleep(60 if self.hold else 0.01)
        self.now[propr] = value


@pytest.mark.parametrize("kind", [Camera, AsyncCamera])
def test_a_property_is_set_and_waited_for(any_RE, kind):
    camera = kind(name="camera")
    status = ended(any_RE, set_property(camera, 0.5, propr="exposure", timeout=30))
    assert camera.now == {"exposure": 0.5, "gain": 1}
    assert status.done


def test_a_property_that_takes_too_long_is_named(any_RE):
    camera = Camera(name="camera")
    camera.hold = True
    with pytest.raises(TimeoutError, match=r"camera: the property 'gain' was not 4 within 0.05 s"):
        ended(any_RE, set_property(camera, 4, "gain", 0.05))


# -- descriptions


def test_data_keys_are_asked_for_inside_a_plan(any_RE):
    beam = SimulatedBeamline(any_RE)
    classic = ophyd.sim.SynSignal(func=lambda: 7.0, name="classic")

    def plan():
        return (yield from describe(beam.det)), (yield from describe(classic))

    new, old = ended(any_RE, plan())
    assert list(new) == ["det"]
    assert new["det"]["units"] == "counts"
    assert old == classic.describe()


def test_data_keys_of_a_flyer_are_asked_for_inside_a_plan(any_RE):
    flyer = ophyd.sim.TrivialFlyer()
    assert ended(any_RE, describe_collect(flyer)) == flyer.describe_collect()


@pytest.mark.parametrize("stub", [describe, describe_collect])
def test_what_is_no_device_is_refused_before_any_message(stub):
    with pytest.raises(TypeError, match=rf"3.0 has no {stub.__name__}\(\): a float is no device that can"):
        next(stub(3.0))


def test_the_transition_says_when(RE):
    latch = SRLatch()
    latch.set("now")
    assert isinstance(latch.last, Transition)
    assert abs(latch.last.time - time.time()) < 5
    assert RE([Msg("null")]).result(30).exit_status == "success"
