"""How a plan asks: ahead, with patience, and with a fallback. The queue is answered by hand."""

from __future__ import annotations

import logging
import threading
import time

import bluesky.plan_stubs as bps
import pytest

from skysteer.errors import RecommenderError, SilentRecommender, SuggestionError
from skysteer.handoff import SuggestionQueue
from skysteer.model import Axis, Finished, Patience, Space, Suggestion
from skysteer.plans._asking import Asking, End
from skysteer.testing import Fixed

SPACE = Space(Axis("x", -5, 5))
SOON = 5.0
"""Seconds that waking may take on a busy machine; what is not woken waits for ever."""
A, B, C, D, E = (Suggestion(name, {"x": float(number)}) for number, name in enumerate("abcde"))


class Desk:
    """A respondent that answers from a list, at once or when it is told to; None stays open."""

    def __init__(self, *answers):
        self.queue = SuggestionQueue()
        self.queue.connect(self)
        self.queue.launch(SPACE, "uid")
        self.answers = list(answers)
        self.tickets = []
        self.failures = []

    def launched(self, launch):
        pass

    def asked(self, ticket):
        self.tickets.append(ticket)
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            self.queue.answer(ticket, answer)

    def failed(self, suggestion, reason):
        self.failures.append(suggestion)


def asking(desk, *, batch=1, lookahead=0, patience=None, fallback=None, initial=()):
    return Asking(
        desk.queue,
        batch=batch,
        lookahead=lookahead,
        patience=patience or Patience(),
        fallback=None if fallback is None else fallback.queue,
        initial=initial,
    )


def steps(RE, asks, *, points, timeout=30):
    """What the plan is told to measure, until there is an end or all points are measured."""

    def plan():
        found = []
        for known in range(points):
            step = yield from asks.next(points - known, known)
            found.append(step)
            if isinstance(step, End):
                break
        return found

    return RE(plan()).result(timeout).plan_result


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.001)


def fallback_patience(seconds=0.1):
    return Patience(seconds, "fallback", Fixed([]))


def test_initial_points_come_first_and_nobody_is_asked_for_them(RE):
    desk = Desk((C,))
    assert steps(RE, asking(desk, initial=[A, B]), points=3) == [A, B, C]
    (ticket,) = desk.tickets
    assert (ticket.count, ticket.known, ticket.pending) == (1, 2, ())


def test_a_question_is_for_a_batch_but_never_for_more_than_are_left(RE):
    desk = Desk((A, B), (C, D), (E,))
    assert steps(RE, asking(desk, batch=2), points=5) == [A, B, C, D, E]
    assert [(ticket.count, ticket.known) for ticket in desk.tickets] == [(2, 0), (2, 2), (1, 4)]


def test_fewer_suggestions_than_asked_for_are_measured_before_it_asks_again(RE):
    desk = Desk((A,), (B, C))
    assert steps(RE, asking(desk, batch=3), points=3) == [A, B, C]
    assert [ticket.count for ticket in desk.tickets] == [3, 2]


def test_it_asks_ahead_and_says_what_is_pending(RE):
    desk = Desk((A,), (B,), (C,))
    asks = asking(desk, lookahead=1)
    assert steps(RE, asks, points=3) == [A, B, C]
    assert [(t.known, t.pending) for t in desk.tickets] == [(0, ()), (0, (A,)), (1, (B,))]


def test_it_keeps_as_many_as_it_is_told_and_no_more_than_are_left(RE):
    desk = Desk((A,))
    asks = asking(desk, lookahead=3)

    def plan():
        return (yield from asks.next(3, 0))

    assert RE(plan()).result(30).plan_result == A
    assert len(desk.tickets) == 3  # A, and two ahead: three points are all there are
    asks.close()


def test_answers_ahead_are_taken_in_the_order_of_the_questions(RE):
    desk = Desk((A,))
    asks = asking(desk, lookahead=2)

    def plan():
        first = yield from asks.next(3, 0)
        desk.queue.answer(desk.tickets[2], (C,))
        desk.queue.answer(desk.tickets[1], (B,))
        return [first, (yield from asks.next(2, 1)), (yield from asks.next(1, 2))]

    assert RE(plan()).result(30).plan_result == [A, B, C]


def test_nothing_more_to_ask_is_an_end_with_success(RE):
    found = steps(RE, asking(Desk((A,), Finished("the sample is used up"))), points=9)
    assert found == [A, End("the sample is used up", "success")]


def test_an_answer_from_another_thread_is_taken_at_once(RE):
    desk = Desk()
    asks = asking(desk)
    answered = []

    def answer():
        until(lambda: desk.tickets)
        time.sleep(0.2)
        answered.append(time.monotonic())
        desk.queue.answer(desk.tickets[0], (A,))

    thread = threading.Thread(target=answer)
    thread.start()
    assert steps(RE, asks, points=1) == [A]
    assert time.monotonic() - answered[0] < SOON
    thread.join()
    (latency,) = asks.latencies
    assert 0.1 < latency < 0.2 + SOON


def test_an_answer_that_was_taken_is_forgotten_by_the_queue(RE):
    desk = Desk((A,), (B,))
    steps(RE, asking(desk), points=2)
    assert desk.queue._answers == desk.queue._open == {}


def test_without_patience_an_error_ends_the_scan(RE):
    error = SuggestionError(["x is missing"])
    with pytest.raises(SuggestionError) as caught:
        steps(RE, asking(Desk(Finished("bad", error))), points=1)
    assert caught.value is error


def test_who_waits_says_so_at_each_timeout_and_waits_on(RE, caplog):
    desk = Desk()

    def said():
        return caplog.text.count("no answer from the recommender for")

    def answer():
        until(lambda: said() >= 2)
        desk.queue.answer(desk.tickets[0], (A,))

    thread = threading.Thread(target=answer)
    thread.start()
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        assert steps(RE, asking(desk, patience=Patience(0.2, "wait")), points=1) == [A]
    thread.join()
    assert 2 <= said() <= (time.monotonic() - began) / 0.2
    assert desk.queue.dropped.total == 0


@pytest.mark.parametrize(("way", "status"), [("finish", "success"), ("abort", "abort")])
def test_silence_ends_the_scan_as_told(RE, way, status):
    desk = Desk((A,))
    asks = asking(desk, patience=Patience(0.1, way))
    began = time.monotonic()
    assert steps(RE, asks, points=5) == [A, End("the recommender did not answer within 0.1 s", status)]
    assert 0.1 <= time.monotonic() - began < 0.1 + SOON
    assert desk.queue.answer(desk.tickets[1], (B,)) is False
    assert asks.dropped == 1


@pytest.mark.parametrize(("way", "status"), [("finish", "success"), ("abort", "abort")])
def test_an_error_ends_the_scan_as_told_without_waiting(RE, way, status):
    asks = asking(Desk(Finished("broken", RecommenderError("broken"))), patience=Patience(30.0, way))
    assert steps(RE, asks, points=5, timeout=SOON) == [End("broken", status)]


def test_the_fallback_is_asked_for_one_point_each_time(RE, caplog):
    broken = Finished("broken", RecommenderError("broken"))
    desk, fallback = Desk((A,), broken, broken, (D,)), Desk((C,), (B,))
    asks = asking(desk, batch=3, patience=fallback_patience(30.0), fallback=fallback)
    assert steps(RE, asks, points=4, timeout=SOON) == [A, C, B, D]
    assert [(question.count, question.known) for question in fallback.tickets] == [(1, 1), (1, 2)]
    assert asks.fallen_back == 2
    assert "broken; the fallback is asked" in caplog.text


def test_the_fallback_is_asked_when_the_recommender_is_silent(RE, caplog):
    desk, fallback = Desk(), Desk((A,), (B,))
    asks = asking(desk, patience=fallback_patience(), fallback=fallback)
    assert steps(RE, asks, points=2) == [A, B]
    assert asks.fallen_back == 2
    for ticket in desk.tickets:
        assert desk.queue.answer(ticket, (C,)) is False
    assert asks.dropped == 2


def test_a_fallback_that_is_silent_fails_or_ends_says_so_beside_the_first_reason(RE, caplog):
    why = "the recommender did not answer within 0.1 s; and the fallback"
    patience = fallback_patience()
    with pytest.raises(SilentRecommender, match=f"{why} did not answer within 0.1 s"):
        steps(RE, asking(Desk(), patience=patience, fallback=Desk()), points=1)
    broken = Desk(Finished("broken too", RecommenderError("broken too")))
    with pytest.raises(RecommenderError, match=f"{why} failed: broken too"):
        steps(RE, asking(Desk(), patience=patience, fallback=broken), points=1)
    ended = Desk(Finished("no more"))
    assert steps(RE, asking(Desk(), patience=patience, fallback=ended), points=1) == [End(f"{why} has ended: no more")]


def test_a_point_that_failed_is_told_to_both(RE):
    desk, fallback = Desk(), Desk()
    asking(desk, patience=fallback_patience(), fallback=fallback).failed(A, "it is stuck")
    assert desk.failures == fallback.failures == [A]


def test_what_is_still_open_at_the_end_is_withdrawn(RE):
    desk = Desk((A,))
    asks = asking(desk, lookahead=2)

    def plan():
        yield from asks.next(5, 0)

    RE(plan()).result(30)
    open_tickets = desk.tickets[1:]
    assert len(open_tickets) == 2
    assert all(desk.queue.is_open(ticket) for ticket in open_tickets)
    asks.close()
    asks.close()
    assert not any(desk.queue.is_open(ticket) for ticket in open_tickets)


def test_an_answer_that_came_during_a_pause_is_taken(RE):
    desk = Desk()
    asks = asking(desk)

    def plan():
        yield from bps.checkpoint()
        return (yield from asks.next(1, 0))

    future = RE(plan())
    until(lambda: desk.tickets and desk.queue._open.get(desk.tickets[0]))  # the plan waits
    RE.request_pause()
    future.exception(30)
    desk.queue.answer(desk.tickets[0], (A,))
    assert RE.resume().result(30).plan_result == A
    assert len(desk.tickets) == 1
