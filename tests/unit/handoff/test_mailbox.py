"""`Mailbox`: from many threads to one taker, in order, nothing dropped."""

import threading
from concurrent.futures import ThreadPoolExecutor

from skysteer.handoff import Mailbox


def test_what_waits_is_taken_at_once_and_in_order():
    mailbox = Mailbox()
    assert all(mailbox.put(number) for number in range(5))
    assert len(mailbox) == 5
    assert mailbox.take() == [0, 1, 2, 3, 4]
    assert len(mailbox) == 0
    mailbox.put(5)
    assert mailbox.take() == [5]


def test_a_taker_that_waits_is_woken():
    mailbox = Mailbox()
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(mailbox.take)
        assert not taken.done()
        mailbox.put("letter")
        assert taken.result(30) == ["letter"]


def test_closing_lets_the_taker_have_the_rest_and_then_go():
    mailbox = Mailbox()
    mailbox.put("last")
    mailbox.close()
    assert mailbox.closed
    assert mailbox.take() == ["last"]
    assert mailbox.take() is None
    assert mailbox.take() is None


def test_closing_wakes_a_taker_that_waits():
    mailbox = Mailbox()
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(mailbox.take)
        mailbox.close()
        assert taken.result(30) is None


def test_nothing_is_taken_in_after_closing_and_the_sender_is_told():
    mailbox = Mailbox()
    mailbox.close()
    mailbox.close()
    assert mailbox.put("late") is False
    assert mailbox.take() is None


def test_many_threads_lose_nothing_and_each_keeps_its_order():
    mailbox = Mailbox()
    got = []

    def send(sender):
        for number in range(2000):
            assert mailbox.put((sender, number))

    def take():
        while (items := mailbox.take()) is not None:
            got.extend(items)

    taker = threading.Thread(target=take)
    taker.start()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(8)))
    mailbox.close()
    taker.join(30)
    assert not taker.is_alive()
    assert len(got) == 16000
    for sender in range(8):
        assert [number for who, number in got if who == sender] == list(range(2000))
