"""What an `Advisor` says of its decisions: every one, in order, at next to no cost."""

from __future__ import annotations

import logging
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from skysteer.errors import NoRecommendation, RecommenderError
from skysteer.model import (
    Asked,
    Axis,
    Checkpointed,
    Finished,
    GivenUp,
    Observation,
    Refused,
    Replaced,
    Space,
    Suggested,
    Suggestion,
    Told,
)
from skysteer.recommenders import Advisor
from skysteer.testing import Dying, Fixed, Raising, Silent

SPACE = Space(Axis("x", -5, 5, units="mm"))
POINTS = [{"x": float(number)} for number in range(5)]
LAUNCH = "abcdefgh-1234"


def observation(number=1, x=0.0, suggestion=None, run="run", **data):
    objectives = {} if data else {"det": 10 * x}
    return Observation(run, "primary", number, 99.5, {"x": x}, objectives, data, suggestion)


def answer(advisor, ticket, timeout=20.0):
    there = threading.Event()
    advisor.queue.when_answered(ticket, there.set)
    assert there.wait(timeout), f"no answer; the recommender is {advisor.busy}"
    return advisor.queue.peek(ticket)


def ask(advisor, count=1, **more):
    return answer(advisor, advisor.queue.ask(count, **more))


def caught_up(advisor):
    advisor.best().result(20)


@pytest.fixture
def advise():
    """Makes advisors that are listened to, and sees that they end."""
    made = []

    def make(recommender, **options):
        advisor = Advisor(recommender, **options)
        made.append(advisor)
        heard = []
        advisor.listen(heard.append)
        advisor.queue.launch(SPACE, LAUNCH)
        return advisor, heard

    yield make
    for advisor in made:
        advisor.close()
        advisor.closed.result(30)


def of(kind, heard):
    return [each for each in heard if isinstance(each, kind)]


class Kept(Fixed):
    """Writes its state, or fails to."""

    def __init__(self, points, folder, error=None):
        super().__init__(points)
        self.folder, self.error = Path(folder), error

    def checkpoint(self):
        if self.error is not None:
            raise self.error
        (self.folder / "state").write_text(str(len(self.told)))


# -- told


def test_every_point_told_is_said_with_where_it_was_measured_and_for_whom(advise):
    advisor, heard = advise(Fixed(POINTS))
    (suggestion,) = ask(advisor)
    advisor.tell(observation(3, 0.25, suggestion.id))
    advisor.tell(observation(4, 0.5))
    caught_up(advisor)
    first, second = of(Told, heard)
    assert (first.origin, first.number, first.run, first.stream, first.seq_num) == (
        "recommender", 0, "run", "primary", 3,
    )  # fmt: skip
    assert first.measured == 99.5
    assert (first.axes, first.objectives) == ({"x": 0.25}, {"det": 2.5})
    assert (first.suggestion, first.recommender_id, first.replay) == (suggestion.id, "fixed-0", False)
    assert abs(first.time - time.time()) < 60
    assert (second.number, second.suggestion, second.recommender_id) == (1, None, None)


def test_a_point_measured_again_is_said_to_be_a_replay_and_takes_no_number(advise):
    advisor, heard = advise(Fixed(POINTS))
    for number in (1, 1, 2):
        advisor.tell(observation(number))
    caught_up(advisor)
    assert [(each.number, each.seq_num, each.replay) for each in of(Told, heard)] == [
        (0, 1, False), (1, 1, True), (1, 2, False),
    ]  # fmt: skip


def test_what_a_reduction_made_of_it_is_said(advise):
    advisor, heard = advise(Fixed(POINTS), objectives=["peak"], reduce=lambda data: {"peak": max(data["spectrum"])})
    advisor.tell(observation(spectrum=[1.0, 7.0, 2.0]))
    caught_up(advisor)
    (told,) = of(Told, heard)
    assert told.objectives == {"peak": 7.0}


def test_told_comes_before_the_suggestion_that_knew_of_it(advise):
    advisor, heard = advise(Fixed(POINTS))
    ask(advisor)
    advisor.tell(observation())
    ask(advisor)
    assert [type(each) for each in heard] == [Suggested, Told, Suggested]


# -- suggested


def test_an_answer_is_said_before_the_plan_has_it(advise):
    recommender = Fixed(POINTS)
    advisor = Advisor(recommender)
    seen = []
    advisor.listen(lambda decision: seen.append(advisor.queue.peek(ticket)))
    advisor.queue.launch(SPACE, LAUNCH)
    with advisor:
        ticket = advisor.queue.ask()
        assert answer(advisor, ticket)
    assert seen == [None]


def test_a_suggestion_is_said_with_all_that_it_rests_on(advise):
    advisor, heard = advise(Fixed(POINTS))
    first, second = ask(advisor, 2)
    advisor.tell(observation(1, 0.0, first.id))
    stranger = Suggestion("other-i0", {"x": 4.0}, "initial")
    ask(advisor, known=1, pending=[stranger, second])
    said = of(Suggested, heard)[1]
    assert (said.origin, said.question, said.count) == ("recommender", 1, 1)
    assert [each.point for each in said.suggestions] == [{"x": 2.0}]
    assert (said.told, said.given_up) == (1, 0)
    assert said.pending == (second.id, "other-i0")  # in the order in which the recommender is told of them
    assert said.state == advisor.state
    assert 0 <= said.suggest_seconds <= said.latency < 20
    assert said.ingest_seconds > 0
    assert said.asked == pytest.approx(said.time - said.latency)


class Wordy(Fixed):
    """Says why; or what it is told to say instead, or raises it."""

    def __init__(self, points, instead=None):
        super().__init__(points)
        self.instead, self.explained, self._newest = instead, 0, []

    def suggest(self, num_points=None):
        self._newest = super().suggest(num_points)
        return self._newest

    def get_reasons(self):
        self.explained += 1
        if isinstance(self.instead, BaseException):
            raise self.instead
        return [f"x = {point['x']:g} is next" for point in self._newest] if self.instead is None else self.instead


class Speechless(Wordy):
    """Kills its process when it is asked why."""

    def get_reasons(self):
        os.kill(os.getpid(), signal.SIGKILL)


class Unsayable(Exception):
    """Cannot say what it is."""

    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_the_reasons_of_a_recommender_that_has_some_are_said_with_its_points(advise, worker):
    advisor, heard = advise(Wordy(POINTS), worker=worker)
    assert len(ask(advisor, 2)) == 2
    assert of(Suggested, heard)[0].reasons == ("x = 0 is next", "x = 1 is next")


def test_nobody_is_asked_for_reasons_while_nobody_listens():
    recommender = Wordy(POINTS)
    with Advisor(recommender) as advisor:
        advisor.queue.launch(SPACE, LAUNCH)
        ask(advisor)
        forget = advisor.listen(lambda decision: None)
        ask(advisor)
        forget()
        ask(advisor)
    assert recommender.explained == 1


@pytest.mark.parametrize(
    ("instead", "words"),
    [
        (ValueError("no idea"), "ValueError: no idea"),
        (Unsayable(), r"Unsayable: \(it cannot say what it is: RuntimeError\)$"),
        (SystemExit(3), "SystemExit: 3"),
        (ValueError("in two\nlines " + "x" * 3000), r"ValueError: in two lines x{400,500}\.\.\.$"),
        (["x" * 10_000_000], r"one sentence for each of 2 points, found \['xxx.{,60}\]$"),
        ("one sentence", "one sentence for each of 2 points, found 'one sentence'"),
        (["just one"], r"one sentence for each of 2 points, found \['just one'\]"),
        ([1, 2], r"one sentence for each of 2 points, found \[1, 2\]"),
        ((each for each in "ab"), "one sentence for each of 2 points, found <generator"),
    ],
)
def test_no_point_is_lost_because_nobody_can_say_why(advise, instead, words):
    advisor, heard = advise(Wordy(POINTS, instead))
    assert [each.point for each in ask(advisor, 2)] == [{"x": 0.0}, {"x": 1.0}]
    (said,) = of(Suggested, heard)
    assert len(said.reasons) == 2
    assert re.search(f"no reason is known, get_reasons failed with .*{words}", said.reasons[1])


def test_an_error_that_cannot_say_what_it_is_does_not_end_the_advisor(advise):
    advisor, heard = advise(Raising(Fixed(POINTS), where="ingest", error=Unsayable(), always=True))
    advisor.tell(observation())
    with pytest.raises(RecommenderError, match=r"Unsayable in ingest: \(it cannot say what it is: RuntimeError\)"):
        caught_up(advisor)
    ticket = advisor.queue.ask(known=1)
    assert isinstance(answer(advisor, ticket), Finished)
    assert of(Refused, heard)


def test_a_reason_is_one_line_that_is_not_too_long(advise):
    advisor, heard = advise(Wordy(POINTS, ["in two\n   lines", "x" * 3000]))
    ask(advisor, 2)
    (said,) = of(Suggested, heard)
    assert said.reasons == ("in two lines", "x" * 500 + "...")


def test_a_reason_has_no_letters_that_a_file_or_a_terminal_cannot_take(advise):
    advisor, heard = advise(
        Wordy(POINTS, ["größer \N{GREEK SMALL LETTER SIGMA} \N{GRINNING FACE}", "\x1b[31m\0 \ud800"])
    )
    ask(advisor, 2)
    (said,) = of(Suggested, heard)
    assert said.reasons == ("größer \N{GREEK SMALL LETTER SIGMA} \N{GRINNING FACE}", "\ufffd[31m\ufffd \ufffd")


def test_a_worker_that_dies_of_its_reasons_is_not_asked_for_them_a_third_time(advise):
    advisor, heard = advise(Speechless(POINTS), worker="process")
    assert [each.point for each in ask(advisor, 2)] == [{"x": 0.0}, {"x": 1.0}]
    ask(advisor)
    first, second = of(Suggested, heard)
    assert len(of(Replaced, heard)) == advisor.restarts == 2
    assert first.reasons == ("no reason is known, and none is asked for any more: its worker died of that 2 times",) * 2
    assert second.reasons == ()


def test_an_answer_that_is_refused_has_no_reasons(advise):
    advisor, heard = advise(Wordy([{"x": 99.0}]))
    ticket = advisor.queue.ask()
    assert isinstance(answer(advisor, ticket), Finished)
    assert [type(each) for each in heard] == [Refused]


def test_seconds_of_ingest_are_counted_from_the_answer_before(advise):
    class Slow(Fixed):
        def ingest(self, points):
            time.sleep(0.03)
            super().ingest(points)

    advisor, heard = advise(Slow(POINTS))
    for number in (1, 2):
        advisor.tell(observation(number))
        caught_up(advisor)
    ask(advisor)
    ask(advisor)
    first, second = of(Suggested, heard)
    assert first.ingest_seconds >= 0.06
    assert second.ingest_seconds == 0.0


def test_a_fallback_speaks_for_itself(advise):
    advisor, heard = advise(Fixed(POINTS), origin="fallback")
    (suggestion,) = ask(advisor)
    advisor.tell(observation(1, 0.0, suggestion.id))
    caught_up(advisor)
    assert {each.origin for each in heard} == {"fallback"}


def test_only_a_question_asked_ahead_is_said(advise):
    advisor, heard = advise(Fixed(POINTS))
    (first,) = ask(advisor)
    ask(advisor, 2, known=0, pending=[first])
    (said,) = of(Asked, heard)
    assert (said.origin, said.question, said.count, said.known, said.given_up) == ("recommender", 1, 2, 0, 0)
    assert said.pending == (first,)
    assert heard.index(said) < heard.index(of(Suggested, heard)[1])


# -- refused


@pytest.mark.parametrize(
    ("recommender", "kind", "reason", "shown"),
    [
        (Fixed([]), "finished", "the recommender has nothing more to ask", ""),
        (Raising(Fixed(POINTS), error=NoRecommendation("used up")), "finished", "used up", ""),
        (Raising(Fixed(POINTS)), "failed", "Raising raised RuntimeError in suggest: suggest number 1 raised", ""),
        (Fixed([{"x": 77.0}]), "refused", "outside", "'x': 77.0"),
        (Fixed([{"x": "?" * 900}]), "refused", "bad suggestion from Fixed", "characters)"),
    ],
    ids=["empty", "NoRecommendation", "raises", "outside", "long"],
)
def test_an_answer_that_leads_to_no_point_is_said_with_its_kind(advise, recommender, kind, reason, shown):
    advisor, heard = advise(recommender)
    advisor.tell(observation())
    ask(advisor)
    (said,) = of(Refused, heard)
    assert (said.kind, said.origin, said.question, said.told) == (kind, "recommender", 0, 1)
    assert reason in said.reason
    assert shown in said.answer
    assert bool(said.answer) is bool(shown)
    assert len(said.answer) < 600
    assert said.asked == pytest.approx(time.time() - said.latency, abs=60)
    assert not of(Suggested, heard)


def test_an_answer_that_cannot_even_be_looked_at_is_said(advise):
    class Hidden(float):
        def __repr__(self):
            raise ValueError("do not look")

    advisor, heard = advise(Fixed([{"x": Hidden(99)}]))
    ask(advisor)
    (said,) = of(Refused, heard)
    assert said.kind in ("refused", "failed")
    assert said.reason


def test_an_answer_that_nobody_waits_for_is_late_and_what_it_suggested_given_up(advise):
    silent = Silent(Fixed(POINTS), 0)
    advisor, heard = advise(silent)
    ticket = advisor.queue.ask(2)
    assert silent.wait_until_silent(20)
    advisor.queue.withdraw(ticket)
    silent.release()
    caught_up(advisor)
    suggested, late, *given_up = heard
    assert isinstance(suggested, Suggested)
    assert (late.kind, late.question) == ("late", 0)
    assert [(each.kind, each.suggestion) for each in given_up] == [
        ("dropped", suggested.suggestions[0].id), ("dropped", suggested.suggestions[1].id),
    ]  # fmt: skip


def test_an_answer_to_an_earlier_launch_is_stale(advise):
    silent = Silent(Fixed(POINTS), 0)
    advisor, heard = advise(silent)
    advisor.queue.ask()
    assert silent.wait_until_silent(20)
    advisor.queue.launch(SPACE, "another-launch")
    silent.release()
    caught_up(advisor)
    assert [each.kind for each in of(Refused, heard)] == ["stale"]
    assert [each.kind for each in of(GivenUp, heard)] == ["dropped"]


# -- given up


def test_a_failure_is_said_in_the_words_of_the_device_and_at_once(advise):
    silent = Silent(Fixed(POINTS), 1)
    advisor, heard = advise(silent)
    (first,) = ask(advisor)
    advisor.queue.ask()
    assert silent.wait_until_silent(20)
    advisor.queue.failed(first, "FailedStatus: the motor stalled")
    said = of(GivenUp, heard)  # the advisor is still busy with the next question
    assert [(each.origin, each.suggestion, each.kind, each.reason) for each in said] == [
        ("recommender", first.id, "device", "FailedStatus: the motor stalled")
    ]
    silent.release()


def test_an_initial_point_that_fails_is_said_once(advise):
    advisor, heard = advise(Fixed(POINTS))
    fallback, heard_too = advise(Fixed(POINTS), origin="fallback")
    for each in (advisor, fallback):
        each.queue.failed(Suggestion("abc-i0", {"x": 0.0}, "initial"), "stuck")
        each.queue.failed(Suggestion("abc-f0", {"x": 0.0}, "fallback"), "stuck")
    assert [(each.origin, each.suggestion) for each in heard] == [("initial", "abc-i0")]
    assert [(each.origin, each.suggestion) for each in heard_too] == [("fallback", "abc-f0")]


def test_what_a_plan_left_is_said_to_be_abandoned_when_the_next_begins(advise):
    advisor, heard = advise(Fixed(POINTS))
    first, second = ask(advisor, 2)
    advisor.tell(observation(1, 0.0, first.id))
    advisor.queue.launch(SPACE, "another-launch")
    caught_up(advisor)
    (said,) = of(GivenUp, heard)
    assert (said.suggestion, said.kind) == (second.id, "abandoned")


# -- workers and checkpoints


def test_a_worker_that_is_replaced_is_said(advise, tmp_path):
    advisor, heard = advise(Dying(Fixed(POINTS), once=tmp_path / "died"), worker="process")
    ask(advisor)
    (said,) = of(Replaced, heard)
    assert (said.origin, said.during, said.restarts) == ("recommender", "suggest", 1)
    assert f"signal {signal.SIGKILL.value}" in said.reason
    assert len(of(Suggested, heard)) == 1


def test_state_is_written_after_so_many_points_and_when_it_is_asked_for(advise, tmp_path):
    advisor, heard = advise(Kept(POINTS, tmp_path), checkpoint_every=3)
    for number in range(1, 5):
        advisor.tell(observation(number))
        caught_up(advisor)
    assert [(each.told, each.error) for each in of(Checkpointed, heard)] == [(3, "")]
    advisor.checkpoint().result(30)
    advisor.checkpoint().result(30)  # nothing is new
    second = of(Checkpointed, heard)[1:]
    assert [(each.told, each.given_up, each.origin, each.error) for each in second] == [(4, 0, "recommender", "")]
    assert second[0].state == advisor.state
    assert second[0].seconds > 0
    assert (tmp_path / "state").read_text() == "4"


@pytest.mark.parametrize("every", [None, 100])
def test_without_a_number_or_the_ability_nothing_is_written(advise, tmp_path, every):
    kept, heard = advise(Kept(POINTS, tmp_path), checkpoint_every=None)
    plain, heard_too = advise(Fixed(POINTS))
    for advisor in (kept, plain):
        for number in range(1, 104):
            advisor.tell(observation(number))
        advisor.checkpoint().result(30)
    assert not of(Checkpointed, [*heard, *heard_too])
    assert not (tmp_path / "state").exists()


def test_by_default_it_writes_after_a_hundred_points(advise, tmp_path):
    advisor, heard = advise(Kept(POINTS, tmp_path))
    for number in range(1, 102):
        advisor.tell(observation(number))
        caught_up(advisor)
    assert [each.told for each in of(Checkpointed, heard)] == [100]


def test_a_checkpoint_that_fails_is_said_logged_once_and_ends_nothing(advise, tmp_path, caplog):
    advisor, heard = advise(Kept(POINTS, tmp_path, OSError("disk full")), checkpoint_every=1)
    with caplog.at_level(logging.WARNING):
        for number in (1, 2, 3):
            advisor.tell(observation(number))
            caught_up(advisor)
        assert ask(advisor)[0].point == {"x": 0.0}
    assert [each.told for each in of(Checkpointed, heard)] == [1, 2, 3]
    assert all(each.error == "Kept raised OSError in checkpoint: disk full" for each in of(Checkpointed, heard))
    assert len([record for record in caplog.records if "disk full" in record.message]) == 1


def test_a_number_of_points_below_one_is_refused():
    with pytest.raises(ValueError, match="checkpoint_every must be at least 1 point or None, found 0"):
        Advisor(Fixed(POINTS), checkpoint_every=0)


# -- listening


def test_who_listens_no_more_hears_no_more(advise):
    advisor, heard = advise(Fixed(POINTS))
    more = []
    forget = advisor.listen(more.append)
    ask(advisor)
    forget()
    ask(advisor)
    assert (len(more), len(heard)) == (1, 2)


def test_one_who_listens_twice_hears_twice_and_stops_one_by_one(advise):
    advisor, _ = advise(Fixed(POINTS))
    heard = []
    first, second = advisor.listen(heard.append), advisor.listen(heard.append)
    ask(advisor)
    first()
    ask(advisor)
    second()
    ask(advisor)
    assert len(heard) == 3


def test_a_listener_that_raises_disturbs_nobody(advise, caplog):
    advisor, heard = advise(Fixed(POINTS))

    def fails(decision):
        raise ValueError("deaf")

    advisor.listen(fails)
    after = []
    advisor.listen(after.append)
    assert ask(advisor)
    assert len(after) == len(heard) == 1
    assert "a listener failed with Suggested" in caplog.text


def test_without_a_listener_no_decision_is_made_a_value(monkeypatch, tmp_path):
    import skysteer.recommenders._voice as module

    def forbidden(*args, **kwargs):
        raise AssertionError("nobody listens")

    for name in ("Told", "Suggested", "Refused", "GivenUp", "Asked", "Checkpointed", "Replaced"):
        monkeypatch.setattr(module, name, forbidden)
    with Advisor(Kept(POINTS, tmp_path), checkpoint_every=1) as advisor:
        advisor.queue.launch(SPACE, LAUNCH)
        first, second = ask(advisor, 2)
        advisor.tell(observation(1, 0.0, first.id))
        advisor.tell(observation(1, 0.0, first.id))
        advisor.queue.failed(second)
        assert ask(advisor, pending=[first])
        advisor.checkpoint().result(30)
        assert (advisor.replayed, advisor.told, os.path.exists(tmp_path / "state")) == (1, 1, True)
