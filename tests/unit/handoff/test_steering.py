"""The steering: three latches, launches, and who wanted what."""

from __future__ import annotations

import threading

import pytest

from skysteer.handoff import Steering
from skysteer.model import Judgement, Verdict

KEEP_GOING, HOLD, ENOUGH, ABORT = Verdict.KEEP_GOING, Verdict.HOLD, Verdict.ENOUGH, Verdict.ABORT


@pytest.fixture
def steering():
    steering = Steering()
    steering.launch()
    return steering


def test_at_the_start_it_keeps_going():
    steering = Steering()
    assert steering.wanted is None
    assert steering.keep_going.latch.is_set()
    assert not steering.enough.latch.is_set()
    assert not steering.abort.latch.is_set()


def test_abort_beats_enough_beats_hold(steering):
    steering.request(HOLD, "beam down", author="beam")
    assert steering.wanted == (HOLD, "beam: beam down")
    steering.request(ENOUGH, "S/N 12", author="judge")
    assert steering.wanted == (ENOUGH, "judge: S/N 12")
    steering.request(ABORT, "junk", author="user")
    assert steering.wanted == (ABORT, "user: junk")
    steering.request(ENOUGH, "S/N 13", author="judge")
    assert steering.wanted == (ABORT, "user: junk")


def test_who_wanted_what_why_and_when_is_kept(steering):
    before = steering.request(HOLD, "beam down", author="beam")
    after = steering.request(KEEP_GOING, "beam up", author="beam")
    assert steering.requests == (before, after)
    assert (before.verdict, before.reason, before.author, before.launch, before.accepted) == (
        HOLD, "beam down", "beam", 1, True,
    )  # fmt: skip
    assert before.time <= after.time


def test_a_launch_begins_afresh_and_counts_what_came_before_it():
    steering = Steering()
    assert not steering.request(ABORT, "too early").accepted
    steering.enough.latch.set("by hand, too early")
    steering.keep_going.latch.reset("by hand, too early")
    assert steering.launch() == 1
    assert steering.wanted is None
    assert steering.ignored == 3


def test_a_request_for_an_earlier_launch_is_counted_and_ignored(steering):
    steering.end(1)
    assert steering.launch() == 2
    assert not steering.request(ABORT, "of the first", launch=1).accepted
    assert steering.request(ENOUGH, "of the second", launch=2).accepted
    assert steering.ignored == 1
    assert steering.wanted == (ENOUGH, "of the second")


def test_after_the_end_nothing_is_accepted(steering):
    steering.end(1)
    assert not steering.request(ABORT).accepted
    assert not steering.running
    assert steering.wanted is None


def test_the_end_of_an_earlier_launch_does_not_end_the_present_one(steering):
    steering.launch()
    steering.end(1)
    assert steering.running


def test_a_hold_ends_when_all_who_hold_let_go(steering):
    steering.request(HOLD, "down", author="beam")
    steering.request(HOLD, "open", author="door")
    steering.request(KEEP_GOING, "up", author="beam")
    assert steering.wanted is not None
    steering.request(KEEP_GOING, "shut", author="door")
    assert steering.wanted is None


def test_without_an_author_keep_going_ends_every_hold(steering):
    steering.request(HOLD, "down", author="beam")
    steering.request(HOLD, "open", author="door")
    steering.request(KEEP_GOING, "I know what I do")
    assert steering.wanted is None


def test_every_change_wakes_until_told_otherwise(steering):
    woken = []
    forget = steering.when_changed(lambda: woken.append(steering.wanted))
    steering.request(HOLD, "down")
    steering.request(KEEP_GOING)
    steering.request(ABORT, "junk")
    forget()
    steering.request(ENOUGH)
    assert woken == [(HOLD, "down"), None, (ABORT, "junk")]


def test_many_threads_lose_no_request_and_no_wake_up(steering):
    woken = []
    steering.when_changed(lambda: woken.append(1))

    def toggle(name):
        for _ in range(250):
            steering.request(HOLD, author=name)
            steering.request(KEEP_GOING, author=name)

    threads = [threading.Thread(target=toggle, args=(f"thread {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert steering.wanted is None
    assert len(woken) >= 2
    assert len(woken) % 2 == 0  # every hold that was seen was also released
    steering.request(ABORT, "last")
    assert steering.wanted == (ABORT, "last")


def test_a_judgement_needs_a_verdict():
    with pytest.raises(TypeError, match="needs a Verdict, found 'abort'"):
        Judgement("abort")


def test_the_actions_are_what_a_user_interface_shows():
    steering = Steering()
    assert [action.name for action in (steering.keep_going, steering.enough, steering.abort)] == [
        "keep going", "enough", "abort",
    ]  # fmt: skip
    assert steering.keep_going.togglable
    assert steering.keep_going.toggle_states == ("Run", "Hold")
    assert not steering.abort.togglable
    assert all(action.description for action in (steering.keep_going, steering.enough, steering.abort))
