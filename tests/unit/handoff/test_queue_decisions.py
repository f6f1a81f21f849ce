"""What a queue says of questions that nobody answered, and what it tells its respondent of a scan that goes on."""

from __future__ import annotations

import pytest

from skysteer.handoff import SuggestionQueue
from skysteer.model import Asked, Axis, Finished, Refused, Space, Suggestion

SPACE = Space(Axis("x", -5, 5))
A, B = Suggestion("a", {"x": 1.0}), Suggestion("b", {"x": 2.0})


@pytest.fixture
def heard():
    return []


@pytest.fixture
def queue(heard):
    queue = SuggestionQueue("fallback")
    queue.listen(heard.append)
    queue.launch(SPACE, "uid")
    return queue


def test_a_question_that_is_withdrawn_for_a_reason_was_met_with_silence(queue, heard):
    queue.ask()
    ticket = queue.ask(known=3)
    queue.withdraw(ticket, "no answer within 5 s")
    (said,) = heard
    assert isinstance(said, Refused)
    assert (said.origin, said.question, said.kind, said.reason, said.told) == (
        "fallback", 1, "silent", "no answer within 5 s", 3,
    )  # fmt: skip
    assert said.latency >= 0
    assert said.asked == pytest.approx(said.time - said.latency, abs=1)


def test_a_question_that_is_withdrawn_as_the_plan_is_over_is_not_said(queue, heard):
    queue.withdraw(queue.ask())
    assert heard == []


def test_a_question_that_has_its_answer_was_not_met_with_silence(queue, heard):
    ticket = queue.ask()
    queue.answer(ticket, Finished("no more"))
    queue.withdraw(ticket, "no answer within 5 s")
    queue.withdraw(ticket, "no answer within 5 s")
    assert heard == []


def test_a_question_is_withdrawn_once(queue, heard):
    ticket = queue.ask()
    queue.withdraw(ticket, "too long")
    queue.withdraw(ticket, "too long")
    assert len(heard) == 1


def test_a_listener_that_raises_does_not_reach_the_plan(queue, heard, caplog):
    queue.listen(lambda decision: 1 / 0)
    queue.withdraw(queue.ask(), "too long")
    assert len(heard) == 1
    assert "a listener failed with Refused" in caplog.text


def test_who_listens_no_more_hears_nothing(queue):
    more = []
    queue.listen(more.append)()
    queue.withdraw(queue.ask(), "too long")
    assert more == []


def test_a_launch_says_what_was_known_and_is_ready(queue):
    fresh = queue.launch(SPACE, "uid")
    assert (fresh.known, fresh.ready) == (0, ())
    launch = queue.launch(SPACE, "uid", known=7, ready=[A, B])
    assert (launch.known, launch.ready) == (7, (A, B))


def test_a_ticket_says_which_question_it_asks_again(queue):
    asked = Asked("recommender", 3, 1, 5, 0, (A,))
    assert queue.ask(again=asked).again is asked
    assert queue.ask().again is None
