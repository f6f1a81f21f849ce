"""`SuggestionQueue`: each answer to its question, and none to any other."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from skysteer.errors import RecommenderError, SuggestionError
from skysteer.handoff import Respondent, SuggestionQueue, Ticket
from skysteer.model import Axis, Finished, Space, Suggestion

SPACE = Space(Axis("x", -5, 5))
A, B = Suggestion("a", {"x": 1.0}), Suggestion("b", {"x": 2.0})


class Clerk:
    """A respondent that writes everything down."""

    def __init__(self):
        self.heard = []

    def launched(self, launch):
        self.heard.append(("launched", launch))

    def asked(self, ticket):
        self.heard.append(("asked", ticket))

    def failed(self, suggestion, reason):
        self.heard.append(("failed", suggestion, reason))


@pytest.fixture
def queue():
    queue = SuggestionQueue()
    queue.launch(SPACE, "uid")
    return queue


def test_a_respondent_hears_of_launch_question_and_failure_in_order():
    queue, clerk = SuggestionQueue(), Clerk()
    clerk_typed: Respondent = clerk
    assert not queue.connected
    queue.connect(clerk_typed)
    assert queue.connected
    launch = queue.launch(SPACE, "uid")
    ticket = queue.ask(3, known=2, pending=[A])
    queue.failed(A, "it is stuck")
    assert clerk.heard == [("launched", launch), ("asked", ticket), ("failed", A, "it is stuck")]
    assert (launch.epoch, launch.uid, launch.space) == (1, "uid", SPACE)
    assert (ticket.epoch, ticket.number, ticket.count, ticket.known, ticket.pending) == (1, 0, 3, 2, (A,))
    queue.connect(None)
    queue.ask()
    assert len(clerk.heard) == 3


def test_tickets_are_numbered_from_zero_in_each_launch(queue):
    assert [queue.ask().number for _ in range(3)] == [0, 1, 2]
    assert queue.launch(SPACE, "next").epoch == queue.epoch == 2
    ticket = queue.ask()
    assert (ticket.epoch, ticket.number) == (2, 0)


def test_a_ticket_is_known_by_epoch_and_number_only(queue):
    ticket = queue.ask(2, known=4, pending=[A])
    assert ticket == Ticket(1, 0, count=1, known=0)
    assert hash(ticket) == hash(Ticket(1, 0, count=1, known=0))


@pytest.mark.parametrize("count", [0, -1])
def test_a_question_is_for_one_suggestion_at_least(queue, count):
    with pytest.raises(ValueError, match=f"count must be at least 1, found {count}"):
        queue.ask(count)


def test_an_answer_stays_until_it_is_released(queue):
    ticket = queue.ask()
    assert queue.peek(ticket) is None
    assert queue.is_open(ticket)
    assert queue.answer(ticket, (A,)) is True
    assert not queue.is_open(ticket)
    assert queue.peek(ticket) == (A,) == queue.peek(ticket)
    queue.release(ticket)
    assert queue.peek(ticket) is None
    queue.release(ticket)  # replayed


def test_nothing_more_to_ask_is_an_answer(queue):
    ticket = queue.ask()
    assert queue.answer(ticket, Finished("done"))
    assert queue.peek(ticket) == Finished("done")


def test_answers_may_come_in_any_order(queue):
    first, second = queue.ask(), queue.ask()
    queue.answer(second, (B,))
    assert queue.peek(first) is None
    queue.answer(first, (A,))
    assert (queue.peek(first), queue.peek(second)) == ((A,), (B,))


def test_the_latency_is_from_question_to_answer(queue):
    before = time.monotonic()
    ticket = queue.ask()
    time.sleep(0.05)
    queue.answer(ticket, (A,))
    latest = time.monotonic() - before
    time.sleep(0.05)
    assert 0.05 <= queue.latency(ticket) <= latest


def test_an_answer_to_an_earlier_launch_is_counted_and_never_seen(queue):
    old = queue.ask()
    queue.launch(SPACE, "next")
    new = queue.ask()
    assert queue.answer(old, (A,)) is False
    assert queue.peek(old) is None
    assert queue.peek(new) is None
    assert queue.is_open(new)
    assert (queue.dropped.stale, queue.dropped.late, queue.dropped.total) == (1, 0, 1)


def test_an_answer_that_was_there_is_gone_with_the_next_launch(queue):
    old = queue.ask()
    queue.answer(old, (A,))
    queue.launch(SPACE, "next")
    assert queue.peek(old) is None


def test_an_answer_to_a_withdrawn_ticket_is_counted_and_never_seen(queue):
    ticket = queue.ask()
    queue.withdraw(ticket)
    assert not queue.is_open(ticket)
    assert queue.answer(ticket, (A,)) is False
    assert queue.peek(ticket) is None
    assert (queue.dropped.stale, queue.dropped.late, queue.dropped.total) == (0, 1, 1)


def test_an_answer_that_is_withdrawn_is_gone(queue):
    ticket = queue.ask()
    queue.answer(ticket, (A,))
    queue.withdraw(ticket)
    assert queue.peek(ticket) is None


def test_only_the_first_of_two_answers_counts(queue):
    ticket = queue.ask()
    assert queue.answer(ticket, (A,)) is True
    assert queue.answer(ticket, (B,)) is False
    assert queue.peek(ticket) == (A,)
    queue.release(ticket)
    assert queue.answer(ticket, (B,)) is False
    assert queue.peek(ticket) is None
    assert queue.dropped.late == 2


def test_a_ticket_of_another_queue_is_not_taken_for_one_of_its_own(queue):
    other = SuggestionQueue()
    other.launch(SPACE, "other")
    other.ask()
    ticket = other.ask()
    assert queue.answer(ticket, (A,)) is False
    assert queue.dropped.late == 1


def test_counters_begin_anew_with_each_launch(queue):
    queue.answer(Ticket(1, 99, count=1, known=0), (A,))
    assert queue.dropped.total == 1
    queue.launch(SPACE, "next")
    assert queue.dropped.total == 0


def test_the_plan_is_woken_from_the_answering_thread(queue):
    ticket, woken = queue.ask(), []
    queue.when_answered(ticket, lambda: woken.append((threading.get_ident(), queue.peek(ticket))))
    assert woken == []
    with ThreadPoolExecutor(1) as pool:
        pool.submit(queue.answer, ticket, (A,)).result(30)
        there = pool.submit(threading.get_ident).result(30)
    assert woken == [(there, (A,))]


def test_the_plan_is_woken_at_once_if_the_answer_is_there(queue):
    ticket, woken = queue.ask(), []
    queue.answer(ticket, (A,))
    forget = queue.when_answered(ticket, lambda: woken.append(1))
    assert woken == [1]
    forget()


def test_the_plan_is_woken_at_once_if_no_answer_can_come(queue):
    woken = []
    withdrawn, old = queue.ask(), queue.ask()
    queue.withdraw(withdrawn)
    queue.when_answered(withdrawn, lambda: woken.append("withdrawn"))
    queue.launch(SPACE, "next")
    queue.when_answered(old, lambda: woken.append("old"))
    assert woken == ["withdrawn", "old"]


def test_a_request_that_was_taken_back_wakes_nobody(queue):
    ticket, woken = queue.ask(), []
    forget = queue.when_answered(ticket, lambda: woken.append("first"))
    queue.when_answered(ticket, lambda: woken.append("second"))  # the wait was replayed
    forget()
    queue.answer(ticket, (A,))
    forget()
    assert woken == ["second"]

    ticket = queue.ask()
    queue.when_answered(ticket, lambda: woken.append("third"))()
    queue.answer(ticket, (A,))
    assert woken == ["second"]


def test_answering_and_waiting_at_the_same_time_loses_no_wake_up(queue):
    with ThreadPoolExecutor(1) as pool:
        for _ in range(2000):
            ticket, woken = queue.ask(), threading.Event()
            answered = pool.submit(queue.answer, ticket, (A,))
            queue.when_answered(ticket, woken.set)
            assert woken.wait(30)
            assert queue.peek(ticket) == (A,)
            assert answered.result(30)
            queue.release(ticket)
    assert queue.dropped.total == 0


def test_of_many_answers_at_once_exactly_one_counts(queue):
    with ThreadPoolExecutor(4) as pool:
        for _ in range(200):
            ticket = queue.ask()
            taken = list(pool.map(lambda s, ticket=ticket: queue.answer(ticket, (s,)), [A, B, A, B]))
            assert sorted(taken) == [False, False, False, True]
    assert queue.dropped.late == 600


def test_a_queue_keeps_nothing_of_what_is_over(queue):
    for _ in range(100):
        released, withdrawn = queue.ask(), queue.ask()
        queue.answer(released, (A,))
        queue.release(released)
        queue.withdraw(withdrawn)
    assert queue._open == {}
    assert queue._answers == {}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((Suggestion("a", {"x": float("nan")}),), "a: x=nan is not a finite number"),
        ((Suggestion("a", {"x": 7.0}),), r"a: x=7 is outside \[-5, 5\]"),
        ((Suggestion("a", {}),), "a: x is missing"),
        ((Suggestion("a", {"x": 1.0, "y": 1.0}),), "a: 'y' is not an axis"),
        ((A, B), "2 suggestions for a question for 1"),
        ((A.point,), "is no Suggestion"),
        ((), "expected a tuple of one Suggestion or more"),
        (None, "None is no answer"),
        ([A], "is no answer: expected a tuple"),
        (A, "is no answer: expected a tuple"),
    ],
)
def test_a_bad_answer_is_refused_by_name_and_the_question_stays_open(queue, answer, words):
    ticket = queue.ask()
    with pytest.raises(SuggestionError, match=words):
        queue.answer(ticket, answer)
    assert queue.is_open(ticket)
    assert queue.answer(ticket, (A,))


def test_a_plan_that_waits_is_told_when_another_one_takes_its_queue(queue):
    waiting, idle, woken = queue.ask(), queue.ask(), threading.Event()
    queue.when_answered(waiting, woken.set)
    queue.launch(SPACE, "next")
    assert woken.wait(30)
    assert "another plan has begun" in queue.peek(waiting).reason
    assert queue.peek(idle) is None


def test_a_plan_that_asks_is_told_when_another_one_has_taken_its_queue(queue):
    mine = queue.epoch
    queue.ask(epoch=mine)
    queue.launch(SPACE, "next")
    with pytest.raises(RecommenderError, match="another plan has begun"):
        queue.ask(epoch=mine)
