"""The commands of our engine: waiting for latches, and devices with a cache."""

from __future__ import annotations

import threading
import time

import bluesky.plan_stubs as bps
import pytest
from bluesky.utils import FailedStatus, Msg, RunEngineInterrupted

from skysteer import SRLatch, Status

SOON = 5.0
"""Seconds that waking may take on a busy machine; 2 ms are usual. What is not woken takes `LONG`."""
LONG = 30.0


class Cache:
    """Keeps readings; its status ends when told."""

    def __init__(self):
        self.name, self.parent = "cache", None
        self.calls = []
        self.statuses = []

    def _status(self):
        self.statuses.append(Status())
        return self.statuses[-1]

    def stash(self, reading):
        self.calls.append(("stash", dict(reading)))
        return self._status()

    def clear(self):
        self.calls.append(("clear",))
        return self._status()


@pytest.fixture
def reached(RE):
    """Set when the engine comes to a message that waits."""
    event = threading.Event()
    RE.msg_hook = lambda m: event.set() if m.command in ("wait_for_actions", "wait", "sleep") else None
    return event


def paused(RE, future, reached):
    assert reached.wait(30)
    reached.clear()
    time.sleep(0.02)  # the message is being processed
    RE.request_pause()
    assert isinstance(future.exception(30), RunEngineInterrupted)


def until(condition):
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.001)


def idle(latch):
    return not (latch._waiters or latch._watchers or latch._listeners)


def wait(latch, **kwargs):
    """As a plan of another package does it."""
    yield Msg("checkpoint")
    answer = yield Msg("wait_for_actions", None, {"a": latch}, **kwargs)
    return answer


def test_the_engine_knows_them(RE):
    assert {"wait_for_actions", "stash", "clear_cache"} <= set(RE.commands)


def test_a_latch_of_another_thread_ends_the_wait_at_once(RE, reached):
    latch = SRLatch()
    future = RE(wait(latch, timeout=LONG))
    until(lambda: not idle(latch))
    time.sleep(0.02)  # the loop has gone to sleep
    began = time.monotonic()
    latch.set("a blink")
    latch.reset()
    name, transition = future.result(30).plan_result
    assert time.monotonic() - began < SOON
    assert (name, transition.state, transition.cause) == ("a", "set", "a blink")
    assert idle(latch)


def test_what_is_set_already_answers_at_once_and_the_other_way_round(RE):
    latch = SRLatch()
    latch.set("before")
    assert RE(wait(latch)).result(30).plan_result == ("a", latch.last)
    latch.reset("after")
    assert RE(wait(latch, wait_for="reset")).result(30).plan_result == ("a", latch.last)


def test_at_the_timeout_the_answer_is_none(RE):
    latch, began = SRLatch(), time.monotonic()
    assert RE(wait(latch, timeout=0.1)).result(30).plan_result is None
    assert 0.1 <= time.monotonic() - began < 0.1 + SOON
    assert idle(latch)


def test_a_pause_takes_the_wait_back_and_a_resume_waits_again(RE, reached):
    latch = SRLatch()
    future = RE(wait(latch))
    for _ in range(2):
        paused(RE, future, reached)
        assert idle(latch)
        future = RE.resume()
    assert reached.wait(30)
    time.sleep(0.02)
    assert not future.done()
    latch.set()
    assert future.result(30).exit_status == "success"
    assert idle(latch)


def test_an_abort_leaves_nothing_at_the_latch(RE, reached):
    latch = SRLatch()
    future = RE(wait(latch))
    assert reached.wait(30)
    RE.abort("test")
    assert isinstance(future.exception(30), RunEngineInterrupted)
    assert idle(latch)


def test_wrong_arguments_are_named(RE):
    with pytest.raises(TypeError, match=r"wait_for_actions takes one argument .* found \(\)"):
        RE([Msg("wait_for_actions", None)]).result(30)
    with pytest.raises(ValueError, match="'set' or 'reset'"):
        RE(wait(SRLatch(), wait_for="change")).result(30)


def test_a_status_goes_into_its_group(RE, reached):
    cache = Cache()

    def plan():
        status = yield Msg("stash", cache, {"a": {}}, group="g")
        yield Msg("clear_cache", cache, group="g")
        yield Msg("wait", None, group="g")
        return status

    future = RE(plan())
    assert reached.wait(30)
    assert cache.calls == [("stash", {"a": {}}), ("clear",)]
    cache.statuses[0].set_finished()
    time.sleep(0.02)
    assert not future.done()
    cache.statuses[1].set_finished()
    assert future.result(30).plan_result is cache.statuses[0]


def test_a_failure_is_the_plans(RE, reached):
    cache = Cache()
    future = RE([Msg("stash", cache, {}, group="g"), Msg("wait", None, group="g")])
    assert reached.wait(30)
    cache.statuses[0].set_exception(OSError("disk full"))
    assert isinstance(future.exception(30), FailedStatus)


@pytest.mark.parametrize("done", [False, True], ids=["under way", "done"])
def test_a_replayed_message_is_not_carried_out_twice(RE, reached, done):
    cache = Cache()
    same = Msg("stash", cache, {"same": {}}, group="g")

    def plan():
        yield Msg("checkpoint")
        yield same
        yield same  # twice on purpose, and so twice it is
        yield Msg("clear_cache", cache, group="g")
        yield Msg("wait", None, group="g")

    future = RE(plan())
    for _ in range(2):
        assert reached.wait(30)
        if done:
            for status in cache.statuses:
                if not status.done:
                    status.set_finished()
            break
        paused(RE, future, reached)
        future = RE.resume()
    if done:
        future.result(30)
    else:
        assert reached.wait(30)
        assert not future.done()  # the replayed group still waits for the first statuses
        for status in cache.statuses:
            status.set_finished()
        future.result(30)
    assert cache.calls == [("stash", {"same": {}})] * 2 + [("clear",)]


def test_what_was_done_before_a_pause_and_is_replayed_is_answered_from_then(RE, reached):
    cache, latch = Cache(), SRLatch()

    def plan():
        yield Msg("checkpoint")
        yield Msg("stash", cache, {"a": {}}, group="g")
        cache.statuses[0].set_finished()
        yield Msg("wait", None, group="g")
        yield Msg("wait_for_actions", None, {"a": latch})

    future = RE(plan())
    until(lambda: not idle(latch))
    paused(RE, future, reached)
    latch.set()
    RE.resume().result(30)
    assert len(cache.calls) == 1


def test_a_message_whose_status_failed_is_carried_out_again_when_replayed(RE):
    cache, latch = Cache(), SRLatch()

    def plan():
        yield Msg("checkpoint")
        yield Msg("stash", cache, {"a": {}}, group="g")
        cache.statuses[0].set_exception(OSError("busy"))
        try:
            yield from bps.sleep(0.02)
        except FailedStatus:
            yield Msg("wait_for_actions", None, {"a": latch})

    future = RE(plan())
    until(lambda: not idle(latch))
    RE.request_pause()
    assert isinstance(future.exception(30), RunEngineInterrupted)
    future = RE.resume()
    until(lambda: len(cache.statuses) == 2)  # it is carried out again
    cache.statuses[1].set_finished()
    latch.set()
    future.result(30)
    assert len(cache.calls) == 2


def test_the_same_messages_in_a_second_call_are_new(RE):
    cache = Cache()
    messages = [Msg("stash", cache, {"a": {}})]
    for _ in range(2):
        RE(messages).result(30)
    assert len(cache.calls) == 2
    for status in cache.statuses:
        status.set_finished()


def test_the_same_message_after_a_checkpoint_is_new(RE):
    cache = Cache()
    message = Msg("stash", cache, {"a": {}})
    RE([message, Msg("checkpoint"), message]).result(30)
    assert len(cache.calls) == 2
    for status in cache.statuses:
        status.set_finished()


def test_a_device_without_a_cache_is_named(RE):
    class Plain:
        name, parent = "plain", None

    with pytest.raises(TypeError, match="stash: plain has no cache: found a Plain"):
        RE([Msg("stash", Plain(), {})]).result(30)


def test_a_device_that_answers_without_a_status_is_named(RE):
    cache = Cache()
    cache.clear = lambda: None
    with pytest.raises(TypeError, match="clear_cache: cache must answer with a status, found None"):
        RE([Msg("clear_cache", cache)]).result(30)
