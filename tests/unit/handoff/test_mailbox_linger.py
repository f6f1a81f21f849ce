"""A taker that lingers: what comes without hurry is taken together with what follows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from skysteer.handoff import Mailbox


class Taker:
    """Takes in a thread of its own, and notes what came together."""

    def __init__(self, linger: float) -> None:
        self.mailbox: Mailbox[int] = Mailbox()
        self.calls: list[list[int]] = []
        self.taken = threading.Condition()
        self._linger = linger
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while (items := self.mailbox.take(linger=self._linger)) is not None:
            with self.taken:
                self.calls.append(items)
                self.taken.notify_all()

    def wait_for(self, count: int) -> list[list[int]]:
        with self.taken:
            assert self.taken.wait_for(lambda: sum(map(len, self.calls)) >= count, 10), self.calls
            return list(self.calls)


@pytest.fixture
def patient() -> Iterator[Taker]:
    taker = Taker(60.0)
    yield taker
    taker.mailbox.close()
    taker.thread.join(30)


def test_what_is_in_no_hurry_waits_for_what_is(patient):
    patient.mailbox.put(1, hurry=False)
    patient.mailbox.put(2, hurry=False)
    patient.mailbox.put(3)
    assert patient.wait_for(3) == [[1, 2, 3]]
    assert (patient.mailbox.received, patient.mailbox.hurried) == (3, 3)


def test_what_is_in_no_hurry_is_taken_when_somebody_asks_for_it(patient):
    patient.mailbox.hurry()  # nothing lies there: what comes later is in no hurry
    patient.mailbox.put(1, hurry=False)
    patient.mailbox.put(2, hurry=False)
    assert patient.mailbox.hurried == 0
    patient.mailbox.hurry()
    assert patient.wait_for(2) == [[1, 2]]


def test_closing_hurries(patient):
    patient.mailbox.put(1, hurry=False)
    patient.mailbox.close()
    assert patient.wait_for(1) == [[1]]
    patient.thread.join(30)
    assert not patient.thread.is_alive()


def test_what_is_in_no_hurry_wakes_a_taker_that_sleeps_and_does_not_lie_there_for_ever():
    taker = Taker(0.02)
    for number in range(3):
        time.sleep(0.06)  # it has lingered in vain, and sleeps
        taker.mailbox.put(number, hurry=False)
        taker.wait_for(number + 1)
    taker.mailbox.close()
    taker.thread.join(30)


def test_a_taker_that_does_not_linger_takes_at_once():
    taker = Taker(0.0)
    taker.mailbox.put(1, hurry=False)
    assert taker.wait_for(1) == [[1]]
    taker.mailbox.close()
    taker.thread.join(30)


def test_what_came_in_a_hurry_while_the_taker_was_busy_is_taken_at_once():
    mailbox: Mailbox[int] = Mailbox()
    mailbox.put(1, hurry=False)
    mailbox.put(2)
    before = time.monotonic()
    assert mailbox.take(linger=20.0) == [1, 2]
    assert time.monotonic() - before < 10
