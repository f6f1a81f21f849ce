"""`Advisor`: who is told what and when, and what comes back, in a thread."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time

import pytest

from skysteer.errors import FieldError, NoRecommendation, PointError, RecommenderError, SuggestionError
from skysteer.model import Axis, Finished, Observation, Space, Suggestion
from skysteer.recommenders import Advisor
from skysteer.testing import MAD_ANSWERS, Fixed, Mad, Raising, Recorder, Silent

SPACE = Space(Axis("x", -5, 5, units="mm"))
POINTS = [{"x": float(number)} for number in range(5)]


class Bare:
    """A recommender with two methods and nothing else."""

    def __init__(self, *answers):
        self.told = []
        self.answers = itertools.cycle(answers or [[{"x": 0.5}]])

    def ingest(self, points):
        self.told += points

    def suggest(self, num_points=None):
        answer = next(self.answers)
        if isinstance(answer, BaseException):
            raise answer
        return answer


class GivesIds(Bare):
    """Numbers its suggestions itself, when it is told to register them."""

    def __init__(self):
        super().__init__()
        self.count = 0
        self.failures = []

    def register_suggestions(self, suggestions):
        first, self.count = self.count, self.count + len(suggestions)
        return [{**point, "_id": first + number} for number, point in enumerate(suggestions)]

    def register_failures(self, suggestions):
        self.failures += suggestions


def observation(number=1, x=0.0, suggestion=None, run="run", **objectives):
    return Observation(run, "primary", number, 0.0, {"x": x}, objectives or {"det": 10 * x}, suggestion=suggestion)


def answer(advisor, ticket, timeout=30.0):
    """The answer to a ticket, waited for."""
    there = threading.Event()
    advisor.queue.when_answered(ticket, there.set)
    assert there.wait(timeout), f"no answer; the recommender is {advisor.busy}"
    return advisor.queue.peek(ticket)


def ask(advisor, count=1, **more):
    return answer(advisor, advisor.queue.ask(count, **more))


def caught_up(advisor):
    """Everything handed over so far was told."""
    advisor.best().result(30)


@pytest.fixture
def advise():
    """Makes advisors whose queue is launched, and sees that they end."""
    made = []

    def make(recommender, *, launch=True, **options):
        advisor = Advisor(recommender, **options)
        made.append(advisor)
        if launch:
            advisor.queue.launch(SPACE, "abcdefgh-1234")
        return advisor

    yield make
    for advisor in made:
        advisor.close()
        advisor.closed.result(30)


@pytest.fixture
def hanging():
    """Makes recommenders with a call that hangs, and lets them go at the end."""
    made = []

    def make(inner, after=0, where="suggest"):
        silent = Silent(inner, after, where)
        made.append(silent)
        return silent

    yield make
    for silent in made:
        silent.release()


# -- answers


def test_an_answer_becomes_suggestions_with_an_id_of_their_own(advise):
    advisor = advise(Fixed(POINTS))
    assert ask(advisor, 2) == (
        Suggestion("abcdefgh-123-r0", {"x": 0.0}, "recommender", "fixed-0"),
        Suggestion("abcdefgh-123-r1", {"x": 1.0}, "recommender", "fixed-1"),
    )
    assert ask(advisor)[0].id == "abcdefgh-123-r2"


def test_a_fallback_says_that_it_is_one(advise):
    (suggestion,) = ask(advise(Fixed(POINTS), origin="fallback"))
    assert (suggestion.id, suggestion.origin) == ("abcdefgh-123-f0", "fallback")


def test_a_new_launch_counts_anew(advise):
    advisor = advise(Fixed(POINTS))
    ask(advisor)
    advisor.queue.launch(SPACE, "second-launch")
    assert ask(advisor)[0].id == "second-launc-r0"


@pytest.mark.parametrize("empty", [[], ()])
def test_an_empty_answer_is_nothing_more_to_ask(advise, empty):
    assert ask(advise(Bare(empty))) == Finished("the recommender has nothing more to ask")


def test_no_recommendation_is_nothing_more_to_ask_in_its_own_words(advise):
    assert ask(advise(Bare(NoRecommendation("the sample is used up")))) == Finished("the sample is used up")
    assert ask(advise(Bare(NoRecommendation()))) == Finished("the recommender has nothing more to ask")


def test_a_stopping_criterion_is_asked_before_each_question(advise):
    class Stops(Bare):
        stop = (False, "not yet")

        def should_stop(self):
            return self.stop

    recorder = Recorder(Stops())
    advisor = advise(recorder)
    assert ask(advisor)[0].point == {"x": 0.5}
    recorder.inner.stop = True, "sharp enough"
    assert ask(advisor) == Finished("sharp enough")
    recorder.inner.stop = True, None
    assert ask(advisor) == Finished("the recommender's stopping criterion is met")
    assert recorder.names() == ["should_stop", "suggest", "should_stop", "should_stop"]


@pytest.mark.parametrize("kind", MAD_ANSWERS)
def test_every_bad_answer_is_named_and_the_next_one_is_taken(advise, kind):
    advisor = advise(Mad(Fixed(POINTS), answer=kind))
    bad = ask(advisor)
    assert isinstance(bad, Finished)
    assert isinstance(bad.error, SuggestionError)
    assert bad.reason == str(bad.error)
    assert bad.reason.startswith("bad suggestion from Mad: ")
    assert len(bad.reason) > len("bad suggestion from Mad: ")
    assert ask(advisor)[0].point == {"x": 1.0}


def test_an_id_of_an_earlier_answer_is_refused(advise):
    advisor = advise(Bare([{"x": 1.0, "_id": "a"}]))
    ask(advisor)
    assert ask(advisor).reason == "bad suggestion from Bare: _id='a' was used before"


def test_an_answer_that_raises_when_it_is_looked_into_is_an_error_and_not_the_end_of_the_thread(advise):
    class Hostile(dict):
        def __getitem__(self, name):
            raise ZeroDivisionError("looked at me")

    advisor = advise(Bare([Hostile(x=1.0)], [{"x": 1.0}]))
    bad = ask(advisor)
    assert isinstance(bad.error, RecommenderError)
    assert bad.reason == "the answer of Bare cannot be read, ZeroDivisionError: looked at me"
    assert ask(advisor)[0].point == {"x": 1.0}


def test_what_a_recommender_raises_is_named_and_chained(advise):
    error = ValueError("the matrix is singular")
    advisor = advise(Raising(Fixed(POINTS), error=error))
    bad = ask(advisor)
    assert isinstance(bad.error, RecommenderError)
    assert bad.reason == "Raising raised ValueError in suggest: the matrix is singular"
    assert bad.error.__cause__ is error
    assert ask(advisor)[0].point == {"x": 0.0}


@pytest.mark.parametrize("worker", ["thread", "process"])
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
def test_a_recommender_that_exits_does_not_end_its_worker_in_silence(advise, worker, kind):
    advisor = advise(Bare(kind(2), [{"x": 1.0}]), worker=worker)
    assert answer(advisor, advisor.queue.ask(), 30).reason == f"Bare raised {kind.__name__} in suggest: 2"
    assert ask(advisor)[0].point == {"x": 1.0}
    assert advisor.restarts == 0


def test_its_space_and_abilities_are_known(advise):
    class Knows(Bare):
        space = SPACE

        def get_best_points(self):
            return [(0, {"x": 1.0}, {"det": 2.0}), (1, {"x": 2.0}, {"det": 2.0})]

    knowing, bare = advise(Knows()), advise(Bare())
    assert (knowing.space, knowing.knows_best, knowing.knows_pending, knowing.reduces) == (SPACE, True, False, False)
    assert (bare.space, bare.knows_best, bare.knows_pending) == (None, False, False)
    assert advise(Fixed([])).knows_pending
    narrow = Space(Axis("x", 0, 1))
    assert advise(Knows(), space=narrow).space is narrow
    assert knowing.best().result(30) == {"x": 1.0, "det": 2.0}
    assert bare.best().result(30) is None


def test_what_is_no_recommender_is_refused():
    with pytest.raises(TypeError, match=r"42 is no recommender: it needs the methods ingest\(points\) and suggest"):
        Advisor(42)
    with pytest.raises(ValueError, match=r"worker must be 'thread', 'process' or a distributed\.Client, found 'dask'"):
        Advisor(Bare(), worker="dask")
    with pytest.raises(TypeError, match=r"Bare is a class of recommenders: make one, Bare\(...\)"):
        Advisor(Bare)


# -- what it is told


def test_all_calls_come_from_one_thread_never_two_at_once_and_in_order(advise):
    recorder = Recorder(Fixed(POINTS))
    advisor = advise(recorder)
    for number in range(3):
        (suggestion,) = ask(advisor, known=number)
        advisor.tell(observation(number + 1, suggestion.point["x"], suggestion.id))
    caught_up(advisor)
    assert [name for name in recorder.names() if name != "set_pending"] == ["suggest", "ingest"] * 3
    assert len({call.thread for call in recorder.calls}) == 1
    assert recorder.calls[0].thread != threading.get_ident()
    assert not recorder.overlapped


def test_a_question_is_answered_with_just_the_points_that_came_before_it(advise, hanging):
    recorder = Recorder(Fixed(POINTS))
    silent = hanging(recorder)
    advisor = advise(silent)
    first = advisor.queue.ask()
    assert silent.wait_until_silent(5)
    # while it computes: a point, a question, two points, a question
    advisor.tell(observation(1, 1.0))
    second = advisor.queue.ask(known=1)
    advisor.tell(observation(2, 2.0))
    advisor.tell(observation(3, 3.0))
    third = advisor.queue.ask(known=3)
    silent.release()
    for ticket in (first, second, third):
        answer(advisor, ticket)
    calls = [(call.name, call.argument) for call in recorder.calls if call.name != "set_pending"]
    assert calls == [
        ("suggest", 1),
        ("ingest", [{"x": 1.0, "det": 10.0}]),
        ("suggest", 1),
        ("ingest", [{"x": 2.0, "det": 20.0}, {"x": 3.0, "det": 30.0}]),
        ("suggest", 1),
    ]


def test_what_waits_while_it_computes_is_told_in_one_call(advise, hanging):
    recorder = Recorder(Fixed(POINTS))
    silent = hanging(recorder, where="ingest")
    advisor = advise(silent)
    advisor.tell(observation(1, 1.0))
    assert silent.wait_until_silent(5)
    assert advisor.busy[0] == "ingest"
    for number in range(2, 500):
        advisor.tell(observation(number, 1.0))
    silent.release()
    caught_up(advisor)
    assert [len(call.argument) for call in recorder.calls] == [1, 498]
    assert advisor.told == 499
    assert advisor.busy is None


def test_points_are_told_although_nobody_asks(advise):
    heard = threading.Event()

    class Listens(Bare):
        def ingest(self, points):
            super().ingest(points)
            heard.set()

    recommender = Listens()
    advise(recommender, launch=False).tell(observation(1, 1.0))
    assert heard.wait(30)
    assert recommender.told == [{"x": 1.0, "det": 10.0}]


def test_the_same_event_is_told_once(advise):
    bare = Bare()
    advisor = advise(bare)
    for number, value in [(1, 1.0), (2, 2.0), (2, 2.5), (1, 1.5), (3, 3.0)]:
        advisor.tell(observation(number, value))
    advisor.tell(observation(1, 9.0, run="another"))
    caught_up(advisor)
    assert [point["x"] for point in bare.told] == [1.0, 2.0, 3.0, 9.0]
    assert advisor.replayed == 2
    assert advisor.told == 4


def test_points_may_be_told_before_the_first_question(advise):
    recorder = Recorder(Fixed(POINTS))
    advisor = advise(recorder, launch=False)
    for number in range(1, 4):
        advisor.tell(observation(number, float(number), run="earlier"))
    caught_up(advisor)
    advisor.queue.launch(SPACE, "uid")
    ask(advisor)
    assert [point["x"] for point in recorder.points] == [1.0, 2.0, 3.0]
    assert recorder.names()[-1] == "suggest"


def test_only_a_point_it_suggested_is_told_with_its_id(advise):
    fixed = Fixed(POINTS)
    advisor, other = advise(fixed), advise(Fixed(POINTS), origin="fallback")
    (mine,), (foreign,) = ask(advisor), ask(other)
    advisor.tell(observation(1, 0.1, mine.id))
    advisor.tell(observation(2, 0.2, foreign.id))
    advisor.tell(observation(3, 0.3))
    advisor.tell(observation(4, 0.4, mine.id))  # a second event for the same suggestion
    caught_up(advisor)
    assert [(point["x"], point.get("_id")) for point in fixed.told] == [
        (0.1, "fixed-0"),
        (0.2, None),
        (0.3, None),
        (0.4, None),
    ]


def test_a_recommender_that_gives_the_ids_itself_gives_them(advise):
    gives = GivesIds()
    advisor = advise(gives)
    first, second = ask(advisor)[0], ask(advisor)[0]
    assert (first.recommender_id, second.recommender_id) == (0, 1)
    advisor.tell(observation(1, 0.5, second.id))
    caught_up(advisor)
    assert gives.told == [{"x": 0.5, "det": 5.0, "_id": 1}]


def test_pending_is_what_was_suggested_and_not_yet_measured(advise):
    fixed = Fixed(POINTS)
    advisor = advise(fixed)
    first, second = ask(advisor, 2)
    fallback = Suggestion("abcdefgh-f0", {"x": -1.0}, "fallback", "not mine")
    ask(advisor, pending=[first, second, fallback])
    assert fixed.pending == [{"x": 0.0, "_id": "fixed-0"}, {"x": 1.0, "_id": "fixed-1"}, {"x": -1.0}]
    advisor.tell(observation(1, 0.0, first.id))
    ask(advisor, known=1)
    assert [point["_id"] for point in fixed.pending] == ["fixed-1", "fixed-2"]


def test_a_measured_point_is_not_pending_although_it_is_still_to_be_reduced(advise, hanging):
    fixed = Fixed(POINTS)
    silent = hanging(fixed, after=1)
    advisor = advise(silent, reduce=lambda data: {"det": 1.0}, objectives=["det"])
    first, second = ask(advisor, 2)
    busy = advisor.queue.ask()
    assert silent.wait_until_silent(5)
    advisor.tell(observation(1, 0.0, first.id))
    late = advisor.queue.ask(known=1)  # taken together with the observation
    silent.release()
    (third,) = answer(advisor, busy)
    answer(advisor, late)
    assert fixed.pending == [second.told(), third.told()]


def test_failures_are_told_to_one_that_wants_to_know(advise):
    fixed = Fixed(POINTS)
    advisor = advise(fixed)
    first, second = ask(advisor, 2)
    advisor.queue.failed(first)
    advisor.queue.failed(first)
    advisor.queue.failed(Suggestion("abcdefgh-f0", {"x": 3.0}, "fallback"))
    advisor.tell(observation(1, 1.0, second.id))
    advisor.queue.failed(second)  # too late: it was measured
    caught_up(advisor)
    assert fixed.failures == [{"x": 0.0, "_id": "fixed-0"}]
    ask(advisor, known=1)
    assert fixed.pending == []


def test_one_that_does_not_want_to_know_of_failures_goes_on(advise):
    bare = Bare()
    advisor = advise(bare)
    advisor.queue.failed(ask(advisor)[0])
    assert ask(advisor)[0].point == {"x": 0.5}


def test_what_an_earlier_launch_left_unmeasured_is_given_up(advise):
    fixed = Fixed(POINTS)
    advisor = advise(fixed)
    ask(advisor, 2)
    advisor.queue.launch(SPACE, "next")
    caught_up(advisor)
    assert [point["_id"] for point in fixed.failures] == ["fixed-0", "fixed-1"]


def test_an_error_in_register_failures_does_not_repeat_the_points(advise, caplog):
    class Delicate(Fixed):
        broken = True

        def register_failures(self, suggestions):
            if self.broken:
                self.broken = False
                raise OSError("not now")
            super().register_failures(suggestions)

    delicate = Delicate(POINTS)
    advisor = advise(delicate)
    first, second = ask(advisor, 2)
    advisor.tell(observation(1, 0.0, first.id))
    advisor.queue.failed(second)
    # one of both calls of caught_up hears of it; the other finds it told
    for _ in range(2):
        advisor.best().exception(30)
    assert delicate.told == [{"x": 0.0, "det": 0.0, "_id": "fixed-0"}]
    assert delicate.failures == [{"x": 1.0, "_id": "fixed-1"}]


def test_points_whose_ingest_raised_are_told_again_before_the_next_question(advise, caplog):
    recorder = Recorder(Fixed(POINTS))
    advisor = advise(Raising(recorder, at=1, where="ingest"))
    advisor.tell(observation(1, 1.0))
    caught_up_or_not(advisor)
    advisor.tell(observation(2, 2.0))
    ask(advisor, known=2)
    assert [point["x"] for point in recorder.points] == [1.0, 2.0]


def caught_up_or_not(advisor):
    advisor.best().exception(30)


def test_an_ingest_that_keeps_raising_answers_each_question_with_that_error(advise, caplog):
    advisor = advise(Raising(Bare(), where="ingest", always=True))
    advisor.tell(observation(1, 1.0))
    for _ in range(2):
        finished = ask(advisor, known=1)
        assert "Raising raised RuntimeError in ingest: ingest number" in finished.reason
        assert isinstance(finished.error, RecommenderError)
    advisor.close()
    advisor.closed.result(30)
    assert "the points are kept and told again before the next question" in caplog.text


def test_measurements_without_observations_are_an_error_and_not_a_guess(advise):
    advisor = advise(Bare())
    advisor.tell(observation(1, 1.0))
    assert ask(advisor, known=1)[0].point == {"x": 0.5}
    assert "2 points were measured, but only 1 observations arrived" in ask(advisor, known=2).reason


# -- late and stale answers


def test_a_late_answer_is_dropped_and_its_suggestions_are_told_as_failed(advise, hanging):
    fixed = Fixed(POINTS)
    silent = hanging(fixed)
    advisor = advise(silent)
    ticket = advisor.queue.ask(2)
    assert silent.wait_until_silent(5)
    advisor.queue.withdraw(ticket)
    silent.release()
    caught_up(advisor)
    assert (advisor.queue.dropped.late, advisor.queue.dropped.stale) == (1, 0)
    assert advisor.queue.peek(ticket) is None
    assert [point["_id"] for point in fixed.failures] == ["fixed-0", "fixed-1"]
    (next_one,) = ask(advisor)
    assert next_one.point == {"x": 2.0}
    assert fixed.pending == []


def test_a_stale_answer_is_dropped_and_its_suggestions_are_told_as_failed(advise, hanging):
    fixed = Fixed(POINTS)
    silent = hanging(fixed)
    advisor = advise(silent)
    advisor.queue.ask(2)
    assert silent.wait_until_silent(5)
    advisor.queue.launch(SPACE, "second-launch")
    silent.release()
    (next_one,) = ask(advisor)
    assert (next_one.id, next_one.point) == ("second-launc-r0", {"x": 2.0})
    assert (advisor.queue.dropped.stale, advisor.queue.dropped.late) == (1, 0)
    assert [point["_id"] for point in fixed.failures] == ["fixed-0", "fixed-1"]


def test_a_question_that_was_withdrawn_before_its_turn_is_not_asked(advise, hanging):
    recorder = Recorder(Fixed(POINTS))
    silent = hanging(recorder)
    advisor = advise(silent)
    first = advisor.queue.ask()
    assert silent.wait_until_silent(5)
    advisor.queue.withdraw(advisor.queue.ask())
    last = advisor.queue.ask()
    silent.release()
    answer(advisor, first)
    assert answer(advisor, last)[0].point == {"x": 1.0}
    assert recorder.names().count("suggest") == 2


# -- reductions


def with_data(number, data, suggestion=None):
    return Observation("run", "primary", number, 0.0, {"x": 1.0}, data=data, suggestion=suggestion)


def test_a_reduction_computes_the_objectives_in_the_worker(advise):
    threads = []

    def reduce(data):
        threads.append(threading.get_ident())
        return {"total": sum(data["trace"])}

    recorder = Recorder(Fixed(POINTS))
    advisor = advise(recorder, reduce=reduce, objectives=["total"])
    assert advisor.reduces
    (suggestion,) = ask(advisor)
    advisor.tell(with_data(1, {"trace": [1, 2, 3]}, suggestion.id))
    caught_up(advisor)
    assert recorder.points == [{"x": 1.0, "total": 6, "_id": "fixed-0"}]
    assert threads == [recorder.calls[0].thread]


def test_a_reduction_cannot_replace_a_readback_or_an_identity(advise):
    recorder = Recorder(Fixed(POINTS))
    advisor = advise(recorder, reduce=lambda data: {"x": 99.0, "_id": "mine", "det": 1.0}, objectives=["det"])
    advisor.tell(with_data(1, {}))
    (suggestion,) = ask(advisor)
    advisor.tell(with_data(2, {}, suggestion.id))
    caught_up(advisor)
    assert [(point["x"], point.get("_id")) for point in recorder.points] == [(1.0, None), (1.0, "fixed-0")]


@pytest.mark.parametrize(
    ("reduce", "kind", "words"),
    [
        (lambda data: data["nothing"], RecommenderError, ["KeyError", "'nothing'"]),
        (lambda data: 3.0, RecommenderError, ["reduce must return a mapping of objective name to value, found float"]),
        (lambda data: {"other": 1.0}, PointError, ["reduce returned ['other']", "total is missing"]),
    ],
)
def test_an_error_of_a_reduction_names_the_event(advise, caplog, reduce, kind, words):
    advisor = advise(Bare(), reduce=reduce, objectives=["total"])
    advisor.tell(with_data(7, {}))
    finished = ask(advisor)
    assert isinstance(finished.error, kind)
    for word in [*words, "event 7 of stream 'primary' in run run"]:
        assert word in finished.reason


# -- futures and the end


def test_start_is_done_when_the_worker_is_up(advise, hanging):
    silent = hanging(Bare())
    advisor = advise(silent)
    assert advisor.start().result(30) is None
    advisor.queue.ask()
    assert silent.wait_until_silent(5)
    assert advisor.start().done()


def test_the_best_point_knows_all_that_was_handed_over(advise):
    class Best(Bare):
        def get_best_points(self):
            best = max(self.told, key=lambda point: point["det"], default=None)
            return [] if best is None else [(None, {"x": best["x"]}, {"det": best["det"]})]

    advisor = advise(Best())
    assert advisor.best().result(30) is None
    for number in range(1, 100):
        advisor.tell(observation(number, float(number)))
    assert advisor.best().result(30) == {"x": 99.0, "det": 990.0}


def test_the_best_point_of_more_than_arrived_is_an_error(advise):
    advisor = advise(Fixed(POINTS))
    advisor.tell(observation(1))
    assert advisor.best(known=1).result(30) is None
    with pytest.raises(FieldError, match="2 points were measured, but only 1 observations arrived"):
        advisor.best(known=2).result(30)


def test_an_error_of_the_best_point_is_in_the_future(advise):
    class Best(Bare):
        def get_best_points(self):
            raise ValueError("no idea")

    advisor = advise(Best())
    with pytest.raises(RecommenderError, match="Best raised ValueError in get_best_points: no idea"):
        advisor.best().result(30)
    ask(advisor)


def test_cancelling_a_future_does_no_harm(advise, hanging):
    silent = hanging(Fixed(POINTS))
    advisor = advise(silent)
    ticket = advisor.queue.ask()
    assert silent.wait_until_silent(5)
    assert advisor.best().cancel()
    assert not advisor.closed.cancel()
    silent.release()
    assert answer(advisor, ticket)[0].point == {"x": 0.0}
    caught_up(advisor)


def test_what_was_handed_over_before_closing_is_told(advise, hanging):
    fixed = Fixed(POINTS)
    silent = hanging(fixed, where="ingest")
    advisor = advise(silent)
    advisor.tell(observation(1, 1.0))
    assert silent.wait_until_silent(5)
    advisor.tell(observation(2, 2.0))
    advisor.close()
    advisor.tell(observation(3, 3.0))
    silent.release()
    advisor.closed.result(30)
    assert [point["x"] for point in fixed.told] == [1.0, 2.0]


def test_a_closed_advisor_says_so(advise):
    advisor = advise(Bare())
    advisor.close()
    advisor.close()
    advisor.closed.result(30)
    for future in (advisor.start(), advisor.best()):
        with pytest.raises(RecommenderError, match="the advisor of Bare is closed"):
            future.result(30)
    assert ask(advisor).reason == "the advisor of Bare is closed"


def test_a_thread_that_is_stuck_is_reported_by_name_and_does_not_hold_the_caller_up(advise, hanging, caplog):
    silent = hanging(Bare())
    advisor = advise(silent)
    advisor.queue.ask()
    assert silent.wait_until_silent(5)
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        advisor.close()
    assert time.monotonic() - began < 10  # it is stuck until the test is over
    assert not advisor.closed.done()
    assert "Silent is in suggest for " in caplog.text
    assert "its thread 'skysteer-advisor-Silent' ends when that returns" in caplog.text
    assert [thread.daemon for thread in threading.enumerate() if thread.name == "skysteer-advisor-Silent"] == [True]


def test_an_advisor_without_work_has_no_thread():
    before = threading.active_count()
    advisor = Advisor(Bare())
    assert threading.active_count() == before
    advisor.close()
    assert advisor.closed.done()


def test_leaving_the_block_closes_it():
    with Advisor(Bare()) as advisor:
        advisor.queue.launch(SPACE, "uid")
        ask(advisor)
        assert repr(advisor) == "<Advisor of Bare in a thread, told 0 points>"
    assert advisor.closed.result(30) is None
