"""`SRLatch`: thrown from any thread, the waiter is woken at once and no pulse is lost."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from skysteer.handoff import SRLatch, Transition

SOON = 5.0
"""Seconds that waking may take on a busy machine. A latch that only times out takes `LONG`."""
LONG = 30.0


def in_loop(coroutine_function, *, debug=False):
    return asyncio.run(coroutine_function(), debug=debug)


async def waiting(latch, *, state="set"):
    """A task that waits for the latch already."""
    task = asyncio.create_task(latch.wait_for_set() if state == "set" else latch.wait_for_reset())
    await asyncio.sleep(0)
    assert latch._waiters
    return task


def from_thread(function, *args):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result(30)


def test_it_starts_reset():
    latch = SRLatch()
    assert not latch.is_set()
    assert (latch.last.state, latch.last.cause) == ("reset", "")
    assert repr(latch) == "<SRLatch reset>"


def test_setting_it_from_a_thread_wakes_the_waiter_at_once():
    latch = SRLatch()

    async def main():
        waiter = await waiting(latch)
        thrown = []

        def throw():
            thrown.append(time.perf_counter())
            latch.set("the beam is back")

        # the loop has nothing else to do: it must be woken, not find out by chance
        timer = threading.Timer(0.1, throw)
        timer.start()
        transition = await asyncio.wait_for(waiter, LONG)
        woken = time.perf_counter()
        timer.join()
        return transition, woken - thrown[0]

    transition, delay = in_loop(main)
    assert (transition.state, transition.cause) == ("set", "the beam is back")
    assert delay < SOON


def test_resetting_it_from_a_thread_wakes_who_waits_for_that():
    latch = SRLatch()
    latch.set()

    async def main():
        waiter = await waiting(latch, state="reset")
        timer = threading.Timer(0.05, latch.reset, ["beam lost"])
        timer.start()
        began = time.perf_counter()
        transition = await asyncio.wait_for(waiter, LONG)
        timer.join()
        return transition, time.perf_counter() - began

    transition, took = in_loop(main)
    assert (transition.state, transition.cause) == ("reset", "beam lost")
    assert took < 0.05 + SOON


def test_a_short_pulse_is_not_lost():
    latch = SRLatch()

    async def main():
        waiter = await waiting(latch)

        def pulse():
            latch.set("short")
            latch.reset("over")

        from_thread(pulse)  # the loop cannot run meanwhile: the pulse is over before the waiter looks
        assert not latch.is_set()
        return await asyncio.wait_for(waiter, LONG)

    transition = in_loop(main)
    assert (transition.state, transition.cause) == ("set", "short")
    assert latch.last.cause == "over"


def test_of_many_pulses_the_first_ends_the_wait():
    latch = SRLatch()

    async def main():
        waiter = await waiting(latch)
        for number in range(5):
            from_thread(latch.set, f"set {number}")
            from_thread(latch.reset)
        return await asyncio.wait_for(waiter, LONG)

    assert in_loop(main, debug=True).cause == "set 0"


def test_a_wait_for_what_is_so_already_returns_its_transition_at_once():
    latch = SRLatch()
    start = latch.last
    latch.set("before")

    async def main():
        began = time.perf_counter()
        assert await asyncio.wait_for(latch.wait_for_set(), LONG) is latch.last
        latch.reset("after")
        assert await asyncio.wait_for(latch.wait_for_reset(), LONG) is latch.last
        assert await asyncio.wait_for(SRLatch().wait_for_reset(), LONG) == Transition(
            "reset", "", pytest.approx(start.time, abs=5)
        )
        return time.perf_counter() - began

    assert in_loop(main) < SOON


def test_setting_it_again_changes_nothing_and_wakes_nobody():
    latch = SRLatch()
    latch.set("first")
    first = latch.last
    latch.set("second")
    assert latch.last is first

    async def main():
        waiter = await waiting(latch, state="reset")
        latch.set("third")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waiter, 0.05)

    in_loop(main)


def test_all_who_wait_are_woken():
    latch = SRLatch()

    async def main():
        waiters = [asyncio.create_task(latch.wait_for_set()) for _ in range(10)]
        await asyncio.sleep(0)
        from_thread(latch.set, "all")
        return await asyncio.wait_for(asyncio.gather(*waiters), LONG)

    assert {transition.cause for transition in in_loop(main)} == {"all"}


def test_a_cancelled_wait_leaves_nothing_behind():
    latch = SRLatch()

    async def main():
        waiter = await waiting(latch)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert latch._waiters == {}
        latch.set()
        # cancelled after it was woken, before it ran
        latch.reset()
        woken = await waiting(latch)
        latch.set()
        woken.cancel()
        with pytest.raises(asyncio.CancelledError):
            await woken
        assert latch._waiters == {}

    in_loop(main, debug=True)


def test_waiters_on_two_loops_are_both_woken():
    latch = SRLatch()
    both = threading.Barrier(3)

    def on_a_loop_of_its_own():
        async def main():
            task = asyncio.create_task(latch.wait_for_set())
            await asyncio.sleep(0)
            await asyncio.to_thread(both.wait, 30)
            return await asyncio.wait_for(task, LONG)

        return asyncio.run(main())

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(on_a_loop_of_its_own) for _ in range(2)]
        both.wait(30)
        began = time.perf_counter()
        latch.set("here and there")
        found = [future.result(LONG) for future in futures]
    assert [transition.cause for transition in found] == ["here and there"] * 2
    assert time.perf_counter() - began < SOON


def test_a_closed_loop_does_no_harm():
    latch = SRLatch()
    wait = latch.wait_for_set()

    async def begin():
        wait.send(None)

    asyncio.run(begin())  # its loop closes while it waits
    assert latch._waiters
    latch.set("nobody is there")
    assert latch.is_set()
    wait.close()
    assert latch._waiters == {}


def test_ten_thousand_toggles_from_eight_threads_lose_no_wake_up():
    latch = SRLatch()
    seen = []
    done = threading.Event()

    async def follow():
        while not done.is_set():
            seen.append(await latch.wait_for_set())
            seen.append(await latch.wait_for_reset())

    def toggle(thread):
        for number in range(1250):
            latch.set(f"{thread}.{number}")
            latch.reset(f"{thread}.{number}")

    def throw_until_the_end(loop_thread):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(toggle, range(8)))
        done.set()
        while loop_thread.is_alive():  # the waiter may wait for either
            latch.set("end")
            latch.reset("end")
            time.sleep(0.001)

    follower = threading.Thread(target=lambda: asyncio.run(asyncio.wait_for(follow(), 30)))
    follower.start()
    throw_until_the_end(follower)
    follower.join(30)
    assert not follower.is_alive()
    assert latch._waiters == {}
    assert [transition.state for transition in seen] == ["set", "reset"] * (len(seen) // 2)
    assert len(seen) >= 4


def test_every_throw_ends_one_wait():
    """Sixteen hundred single throws, each after the waiter waits: one that is not woken hangs here."""
    latch = SRLatch()

    async def main():
        loop = asyncio.get_running_loop()
        began = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            for number in range(800):
                waiter = await waiting(latch)
                thrown = loop.run_in_executor(pool, latch.set, f"s{number}")
                assert (await asyncio.wait_for(waiter, LONG)).cause == f"s{number}"
                await thrown
                waiter = await waiting(latch, state="reset")
                thrown = loop.run_in_executor(pool, latch.reset, f"r{number}")
                assert (await asyncio.wait_for(waiter, LONG)).cause == f"r{number}"
                await thrown
        return time.perf_counter() - began

    assert in_loop(main) < 8.0
