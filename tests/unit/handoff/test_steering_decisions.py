"""What a steering says: every request and every latch thrown by hand, once."""

from __future__ import annotations

import threading
import time

import pytest

from skysteer.handoff import Steering
from skysteer.model import Steered, Verdict

KEEP_GOING, HOLD, ENOUGH, ABORT = Verdict.KEEP_GOING, Verdict.HOLD, Verdict.ENOUGH, Verdict.ABORT


@pytest.fixture
def heard():
    return []


@pytest.fixture
def steering(heard):
    steering = Steering()
    steering.listen(heard.append)
    steering.launch()
    return steering


def said(heard):
    return [(each.verdict, each.reason, each.author, each.launch, each.accepted) for each in heard]


def test_a_request_is_said_with_its_author_once(steering, heard):
    request = steering.request(ENOUGH, "S/N 12", author="me")
    assert said(heard) == [(ENOUGH, "S/N 12", "me", 1, True)]
    assert heard[0].time == request.time


def test_a_request_that_came_too_late_is_said_to_be_ignored(steering, heard):
    steering.request(ABORT, "junk", author="dog", launch=0)
    steering.end(1)
    steering.request(ABORT, "junk", author="dog")
    assert said(heard) == [(ABORT, "junk", "dog", 0, False), (ABORT, "junk", "dog", 1, False)]


def test_every_request_is_said_also_one_that_changes_nothing(steering, heard):
    for _ in range(2):
        steering.request(HOLD, "beam down", author="beam")
    steering.request(KEEP_GOING, "beam up", author="beam")
    assert [each.verdict for each in heard] == [HOLD, HOLD, KEEP_GOING]


@pytest.mark.parametrize(
    ("throw", "verdict", "reason"),
    [
        (lambda s: s.keep_going.latch.reset("by hand"), HOLD, "by hand"),
        (lambda s: s.enough.latch.set("by hand"), ENOUGH, "by hand"),
        (lambda s: s.abort.latch.set("by hand"), ABORT, "by hand"),
    ],
    ids=["hold", "enough", "abort"],
)
def test_a_latch_that_is_thrown_directly_is_said_without_an_author(steering, heard, throw, verdict, reason):
    throw(steering)
    throw(steering)  # changes nothing
    assert said(heard) == [(verdict, reason, "", 1, True)]
    assert heard[0].time == pytest.approx(time.time(), abs=60)


def test_what_is_taken_back_is_said(steering, heard):
    steering.keep_going.latch.reset("stop here")
    steering.keep_going.latch.set("go on")
    steering.enough.latch.set("done")
    steering.enough.latch.reset("a mistake")
    assert said(heard)[1] == (KEEP_GOING, "go on", "", 1, True)
    assert said(heard)[3] == (KEEP_GOING, "enough is taken back: a mistake", "", 1, True)


def test_a_latch_that_is_thrown_while_nothing_runs_is_said_to_be_ignored(heard):
    steering = Steering()
    steering.listen(heard.append)
    steering.abort.latch.set("too early")
    assert said(heard) == [(ABORT, "too early", "", 0, False)]


def test_what_a_launch_and_its_end_do_to_the_latches_is_not_said(steering, heard):
    steering.request(HOLD, "beam down", author="beam")
    heard.clear()
    steering.end(1)
    steering.launch()
    assert heard == []


def test_the_state_at_the_beginning_is_no_news():
    steering = Steering()
    steering.launch()
    steering.request(ENOUGH, "done")
    late = []
    steering.listen(late.append)
    assert late == []
    steering.listen(late.append)  # the latches are listened to once
    steering.abort.latch.set("by hand")
    assert len(late) == 2


def test_a_listener_may_steer(steering, heard):
    """It is told after the lock is free: a listener that asks the steering something does not hang."""
    asked = []

    def ask_back(decision: Steered):
        if decision.verdict is ENOUGH:
            asked.append(steering.request(ABORT, "enough was not enough"))
            asked.append(steering.requests)

    steering.listen(ask_back)
    thread = threading.Thread(target=lambda: steering.enough.latch.set("by hand"), daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert [each.verdict for each in heard] == [ENOUGH, ABORT]


def test_many_threads_at_once_are_all_said(steering, heard):
    def steer(number):
        for turn in range(50):
            steering.request(HOLD, f"{turn}", author=f"author {number}")
            steering.enough.latch.set("by hand")
            steering.enough.latch.reset("by hand")

    threads = [threading.Thread(target=steer, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    requests = [each for each in heard if each.author]
    assert len(requests) == 200
    for number in range(4):
        mine = [each.reason for each in requests if each.author == f"author {number}"]
        assert mine == [str(turn) for turn in range(50)]
    thrown = [each.verdict for each in heard if not each.author]
    assert thrown.count(ENOUGH) == thrown.count(KEEP_GOING) > 0
