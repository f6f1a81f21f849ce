"""An `Advisor` that goes on where an earlier one was cut off: taught the same, each thing once."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from pathlib import Path

import cloudpickle
import pytest

from skysteer.model import Asked, Axis, GivenUp, History, Observation, Replaced, Space, Suggested, Suggestion, Told
from skysteer.protocols import Checkpointable, Restorable
from skysteer.recommenders import Advisor, Sobol
from skysteer.testing import Dying, Fixed

SPACE = Space(Axis("x", -5, 5, units="mm"))
POINTS = [{"x": float(number)} for number in range(5)]
LAUNCH = "abcdefgh-1234"


class Remembering:
    """A recommender with a file: what it was told, in the order in which it was told."""

    def __init__(self, folder, *, dies_of_it=False):
        self.folder = str(folder)
        self.dies_of_it = dies_of_it
        self.known = []
        self.failed = []
        self.calls = []

    @property
    def file(self):
        return Path(self.folder) / "state.json"

    def ingest(self, points):
        self.calls.append(("ingest", len(points)))
        self.known += [dict(point) for point in points]

    def register_failures(self, suggestions):
        self.failed += [dict(point) for point in suggestions]

    def suggest(self, num_points=None):
        number = sum(point["x"] for point in self.known) % 5
        return [{"x": number, "_id": f"r{len(self.known)}-{len(self.failed)}"}]

    def get_best_points(self):
        return [(None, {"x": 0.0}, {"calls": list(self.calls), "known": list(self.known), "failed": self.failed})]

    def checkpoint(self):
        self.file.write_text(json.dumps(self.known))

    def restore(self, points):
        if self.dies_of_it:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGKILL)
        if not self.file.exists():
            return 0
        known = json.loads(self.file.read_text())
        if known != [dict(point) for point in points[: len(known)]]:
            return 0
        self.known = known
        self.calls.append(("restore", len(known)))
        return len(known)


class Counts:
    """Gives its ids itself, and counts anew in each life."""

    def __init__(self):
        self.count, self.told, self.failed = 0, [], []

    def ingest(self, points):
        self.told += points

    def suggest(self, num_points=None):
        return [{"x": 1.0}]

    def register_suggestions(self, suggestions):
        first, self.count = self.count, self.count + len(suggestions)
        return [{**point, "_id": first + number} for number, point in enumerate(suggestions)]

    def register_failures(self, suggestions):
        self.failed += suggestions


def observation(number=1, x=0.0, suggestion=None, run="run", data=None, **objectives):
    return Observation(
        run, "primary", number, 0.0, {"x": x}, objectives or ({} if data else {"det": 10 * x}), data or {}, suggestion
    )


def suggestion(number, x=None, origin="recommender"):
    place = float(number) if x is None else x
    return Suggestion(f"old-{origin[0]}{number}", {"x": place}, origin, f"fixed-{number}")


def answer(advisor, ticket, timeout=20.0):
    there = threading.Event()
    advisor.queue.when_answered(ticket, there.set)
    assert there.wait(timeout), f"no answer; the recommender is {advisor.busy}"
    return advisor.queue.peek(ticket)


def ask(advisor, count=1, **more):
    return answer(advisor, advisor.queue.ask(count, **more))


def best(advisor, known=0):
    return advisor.best(known=known).result(20)


@pytest.fixture
def advise():
    made = []

    def make(recommender, **options):
        advisor = Advisor(recommender, **options)
        made.append(advisor)
        heard = []
        advisor.listen(heard.append)
        return advisor, heard

    yield make
    for advisor in made:
        advisor.close()
        advisor.closed.result(30)


@pytest.fixture(autouse=True)
def by_value():
    here = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(here)
    yield
    cloudpickle.unregister_pickle_by_value(here)


def of(kind, heard):
    return [each for each in heard if isinstance(each, kind)]


# -- taught again


def test_it_is_taught_everything_at_once_with_ids_in_order_and_nothing_is_said_again(advise):
    recommender = Fixed(POINTS)
    advisor, heard = advise(recommender)
    made = tuple(suggestion(number) for number in range(4))
    history = History(
        suggestions=made,
        observations=(observation(1, 0.1, "old-r0"), observation(2, 9.0), observation(3, 2.2, "old-r2")),
        given_up=("old-r1",),
        ready=(made[3],),
        restarts=2,
        replayed=3,
    )
    advisor.restore(history)
    advisor.queue.launch(SPACE, LAUNCH, known=3, ready=history.ready)
    best(advisor, known=3)
    assert recommender.told == [
        {"x": 0.1, "det": 1.0, "_id": "fixed-0"}, {"x": 9.0, "det": 90.0}, {"x": 2.2, "det": 22.0, "_id": "fixed-2"},
    ]  # fmt: skip
    assert recommender.failures == [{"x": 1.0, "_id": "fixed-1"}]
    assert (advisor.told, advisor.restarts, advisor.replayed) == (3, 2, 3)
    assert not heard
    ask(advisor, known=3)
    (said,) = of(Suggested, heard)
    assert (said.told, said.given_up, said.pending) == (3, 1, ("old-r3",))
    assert said.suggestions[0].id == f"{LAUNCH[:12]}-r0"
    assert recommender.pending == [{"x": 3.0, "_id": "fixed-3"}]


def test_one_ingest_is_enough(advise, tmp_path):
    advisor, _ = advise(Remembering(tmp_path))
    advisor.restore(History(observations=tuple(observation(number, 1.0) for number in range(1, 501))))
    assert best(advisor)["calls"] == [("ingest", 500)]


def test_what_is_told_again_after_a_restore_is_a_replay(advise):
    recommender = Fixed(POINTS)
    advisor, heard = advise(recommender)
    advisor.restore(History(observations=(observation(1), observation(2, 1.0))))
    advisor.queue.launch(SPACE, LAUNCH, known=2)
    for number in (1, 2, 3):
        advisor.tell(observation(number, number - 1.0))
    best(advisor, known=3)
    assert [point["x"] for point in recommender.told] == [0.0, 1.0, 2.0]
    assert [(each.number, each.replay) for each in of(Told, heard)] == [(2, True), (2, True), (2, False)]
    assert advisor.replayed == 2


def test_a_point_that_comes_twice_in_a_history_is_told_once(advise):
    recommender = Fixed(POINTS)
    advisor, _heard = advise(recommender)
    advisor.restore(History(observations=(observation(1), observation(1), observation(2))))
    best(advisor)
    assert len(recommender.told) == 2
    assert advisor.replayed == 0


def test_what_was_ready_stays_open_and_is_known_when_it_is_measured(advise):
    recommender = Fixed(POINTS)
    advisor, heard = advise(recommender)
    made = (suggestion(0), suggestion(1))
    advisor.restore(History(suggestions=made, ready=made))
    advisor.queue.launch(SPACE, LAUNCH, ready=made)
    advisor.tell(observation(1, 0.3, "old-r0"))
    advisor.queue.failed(made[1], "stuck")
    best(advisor)
    assert recommender.told == [{"x": 0.3, "det": 3.0, "_id": "fixed-0"}]
    assert recommender.failures == [{"x": 1.0, "_id": "fixed-1"}]
    assert [type(each) for each in heard] == [GivenUp, Told] or [type(each) for each in heard] == [Told, GivenUp]


def test_what_the_plan_does_not_take_up_again_is_given_up(advise):
    recommender = Fixed(POINTS)
    advisor, heard = advise(recommender)
    made = (suggestion(0), suggestion(1))
    advisor.restore(History(suggestions=made, ready=made))
    advisor.queue.launch(SPACE, LAUNCH, ready=made[1:])
    best(advisor)
    assert [(each.suggestion, each.kind) for each in of(GivenUp, heard)] == [("old-r0", "abandoned")]
    assert recommender.failures == [{"x": 0.0, "_id": "fixed-0"}]


def test_the_suggestions_of_others_are_none_of_its_own(advise):
    recommender = Fixed(POINTS)
    advisor, _ = advise(recommender, origin="fallback")
    made = (suggestion(0), suggestion(1, origin="fallback"))
    advisor.restore(
        History(suggestions=made, observations=(observation(1, 0.0, "old-r0"), observation(2, 1.0, "old-f1")))
    )
    best(advisor)
    assert [point.get("_id") for point in recommender.told] == [None, "fixed-1"]


def test_an_id_that_was_used_is_still_used(advise):
    advisor, _ = advise(Fixed([{"x": 1.0, "_id": "mine"}]))
    old = Suggestion("old-r0", {"x": 1.0}, "recommender", "mine")
    advisor.restore(History(suggestions=(old,)))
    advisor.queue.launch(SPACE, LAUNCH)
    assert "_id='mine' was used before" in ask(advisor).reason


def test_arrivals_are_counted_from_what_was_known(advise):
    advisor, _ = advise(Fixed(POINTS))
    advisor.restore(History(observations=(observation(1), observation(2))))
    advisor.queue.launch(SPACE, LAUNCH, known=2)
    assert isinstance(ask(advisor, known=2), tuple)
    assert "3 points were measured, but only 2 observations arrived" in ask(advisor, known=3).reason
    advisor.tell(observation(3))
    assert isinstance(ask(advisor, known=3), tuple)


def test_one_that_gives_the_ids_itself_counts_anew(advise):
    recommender = Counts()
    advisor, _ = advise(recommender)
    made = tuple(Suggestion(f"old-r{number}", {"x": 1.0}, "recommender", number) for number in range(3))
    advisor.restore(History(made, (observation(1, 1.0, "old-r0"),), ("old-r1",), (made[2],)))
    advisor.queue.launch(SPACE, LAUNCH, known=1, ready=(made[2],))
    (new,) = ask(advisor)
    assert new.recommender_id == 0
    advisor.tell(observation(2, 1.0, "old-r2"))
    advisor.tell(observation(3, 1.0, new.id))
    best(advisor)
    assert [point.get("_id") for point in recommender.told] == [None, None, 0]
    assert recommender.failed == []


# -- reductions


def test_what_was_reduced_is_not_reduced_again_and_what_was_not_is_said_now(advise):
    reduced = []

    def reduce(data):
        reduced.append(data)
        return {"peak": max(data["spectrum"])}

    recommender = Fixed(POINTS)
    advisor, heard = advise(recommender, objectives=["peak"], reduce=reduce)
    before = observation(1, 0.0, data={"spectrum": [1.0]}, peak=5.0)
    advisor.restore(History(observations=(before, observation(2, 1.0, data={"spectrum": [3.0, 4.0]}))))
    best(advisor)
    assert recommender.told == [{"x": 0.0, "peak": 5.0}, {"x": 1.0, "peak": 4.0}]
    assert reduced == [{"spectrum": [3.0, 4.0]}]
    assert [(each.number, each.objectives) for each in of(Told, heard)] == [(1, {"peak": 4.0})]


# -- a question asked ahead


def test_a_question_asked_ahead_is_answered_with_what_was_known_then(advise, tmp_path):
    first, second, failed = suggestion(0, 1.0), suggestion(1, 2.0), suggestion(2, 3.0)
    seen = []

    class Watched(Remembering):
        def suggest(self, num_points=None):
            seen.append((len(self.known), len(self.failed)))
            return super().suggest(num_points)

    asked = (
        Asked("recommender", 4, 1, 1, 0, (second, failed)),
        Asked("recommender", 5, 1, 1, 1, (second,)),
    )
    advisor, heard = advise(Watched(tmp_path))
    advisor.restore(
        History(
            (first, second, failed), (observation(1, 1.0, "old-r0"), observation(2, 2.0, "old-r1")), ("old-r2",),
            asked=asked,
        )
    )  # fmt: skip
    advisor.queue.launch(SPACE, LAUNCH, known=2)
    tickets = [advisor.queue.ask(1, known=each.known, pending=each.pending, again=each) for each in asked]
    tickets.append(advisor.queue.ask(1, known=2))
    assert all(isinstance(answer(advisor, ticket), tuple) for ticket in tickets)
    assert seen == [(1, 0), (1, 1), (2, 1)]
    assert [each.pending for each in of(Suggested, heard)] == [
        ("old-r1", "old-r2"), ("old-r1", f"{LAUNCH[:12]}-r0"), (f"{LAUNCH[:12]}-r0", f"{LAUNCH[:12]}-r1"),
    ]  # fmt: skip
    assert [(each.question, each.known, each.given_up) for each in of(Asked, heard)] == [(0, 1, 0), (1, 1, 1)]
    assert not of(GivenUp, heard)


def test_whatever_else_comes_first_is_told_everything(advise):
    asked = (Asked("recommender", 4, 1, 0, 0, (suggestion(0),)),)
    recommender = Fixed(POINTS)
    advisor, _ = advise(recommender)
    advisor.restore(History((suggestion(0),), (observation(1, 0.0, "old-r0"),), asked=asked))
    assert not recommender.told
    best(advisor)
    assert len(recommender.told) == 1


# -- a state that was written


def test_the_abilities_are_told_apart(tmp_path):
    assert isinstance(Remembering(tmp_path), Restorable)
    assert isinstance(Remembering(tmp_path), Checkpointable)
    assert not isinstance(Fixed([]), Restorable)


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_it_goes_on_from_its_checkpoint_and_is_told_only_what_came_after(advise, tmp_path, worker):
    seen = tuple(observation(number, float(number)) for number in range(1, 8))
    earlier, _ = advise(Remembering(tmp_path), worker=worker)
    for each in seen[:5]:
        earlier.tell(each)
    earlier.checkpoint().result(20)
    advisor, _ = advise(Remembering(tmp_path), worker=worker)
    advisor.restore(History((suggestion(0), suggestion(9)), seen, ("old-r9",)))
    found = best(advisor)
    assert found["calls"] == [("restore", 5), ("ingest", 2)]
    assert [point["x"] for point in found["known"]] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    assert found["failed"] == [{"x": 9.0, "_id": "fixed-9"}]
    assert advisor.told == 7


def test_a_checkpoint_of_another_scan_is_not_used(advise, tmp_path):
    earlier, _ = advise(Remembering(tmp_path))
    earlier.tell(observation(1, 4.0))
    earlier.checkpoint().result(30)
    advisor, _ = advise(Remembering(tmp_path))
    advisor.restore(History(observations=(observation(1, 1.0), observation(2, 2.0))))
    assert best(advisor)["calls"] == [("ingest", 2)]


def test_a_new_scan_does_not_look_at_a_checkpoint(advise, tmp_path):
    (tmp_path / "state.json").write_text(json.dumps([{"x": 1.0, "det": 10.0}]))
    advisor, _ = advise(Remembering(tmp_path))
    advisor.tell(observation(1, 1.0))
    assert best(advisor)["calls"] == [("ingest", 1)]


def test_what_it_read_is_not_written_again(advise, tmp_path):
    (tmp_path / "state.json").write_text(json.dumps([{"x": 1.0, "det": 10.0}]))
    advisor, heard = advise(Remembering(tmp_path), checkpoint_every=2)
    advisor.restore(History(observations=(observation(1, 1.0), observation(2, 2.0))))
    best(advisor)
    assert not heard
    advisor.tell(observation(3, 3.0))
    advisor.checkpoint().result(30)
    assert [each.told for each in heard if not isinstance(each, Told)] == [3]


@pytest.mark.parametrize(
    ("answer", "words"),
    [(99, "how many of the 2 points"), (None, "found None"), (OSError("torn"), "OSError in restore: torn")],
)
def test_a_checkpoint_that_cannot_be_read_is_logged_and_everything_told(advise, tmp_path, caplog, answer, words):
    class Broken(Remembering):
        def restore(self, points):
            if isinstance(answer, BaseException):
                raise answer
            return answer

    advisor, _ = advise(Broken(tmp_path))
    advisor.restore(History(observations=(observation(1, 1.0), observation(2, 2.0))))
    with caplog.at_level(logging.WARNING):
        assert best(advisor)["calls"] == [("ingest", 2)]
    assert words in caplog.text


def test_a_worker_that_is_replaced_goes_on_from_the_checkpoint(advise, tmp_path):
    class Fragile(Remembering):
        """Dies at its fourth point, once."""

        def ingest(self, points):
            super().ingest(points)
            if len(self.known) == 4 and not (Path(self.folder) / "died").exists():
                import os
                import signal

                (Path(self.folder) / "died").touch()
                os.kill(os.getpid(), signal.SIGKILL)

    advisor, heard = advise(Fragile(tmp_path), worker="process", checkpoint_every=3)
    for number in range(1, 6):
        advisor.tell(observation(number, float(number)))
        best(advisor)
    found = best(advisor)
    assert found["calls"] == [("restore", 3), ("ingest", 1), ("ingest", 1)]
    assert [point["x"] for point in found["known"]] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [each.during for each in of(Replaced, heard)] == ["get_best_points"] or len(of(Replaced, heard)) == 1


def test_a_worker_that_dies_of_its_checkpoint_does_not_read_it_again(advise, tmp_path):
    (tmp_path / "state.json").write_text("[]")
    advisor, heard = advise(Remembering(tmp_path, dies_of_it=True), worker="process")
    advisor.restore(History(observations=(observation(1, 1.0), observation(2, 2.0))))
    assert best(advisor)["calls"] == [("ingest", 2)]
    assert len(of(Replaced, heard)) == 1


# -- the hash of its state


def told_one_by_one(advisor):
    advisor.queue.launch(SPACE, "old")
    made = [ask(advisor)[0] for _ in range(3)]
    advisor.tell(observation(1, 1.0, made[0].id))
    advisor.queue.failed(made[1])
    best(advisor)
    advisor.tell(observation(2, 2.0, made[2].id))
    best(advisor)
    return made


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_the_state_is_the_same_however_and_wherever_it_came_about(advise, tmp_path, worker):
    one, _ = advise(Sobol(SPACE, seed=3))
    made = told_one_by_one(one)
    seen = (observation(1, 1.0, made[0].id), observation(2, 2.0, made[2].id))
    again, _ = advise(Sobol(SPACE, seed=3), worker=worker)
    again.restore(History(tuple(made), seen, (made[1].id,)))
    best(again)
    assert again.state == one.state
    dying, _ = advise(Dying(Sobol(SPACE, seed=3), at=2, where="ingest", once=tmp_path / "died"), worker="process")
    kept = dying.state
    made = told_one_by_one(dying)
    assert dying.restarts == 1
    whole, _ = advise(dying_twin := Dying(Sobol(SPACE, seed=3), at=2, where="ingest", once=tmp_path / "died"))
    assert whole.state == kept, dying_twin
    whole.restore(
        History(tuple(made), (observation(1, 1.0, made[0].id), observation(2, 2.0, made[2].id)), (made[1].id,))
    )
    best(whole)
    assert whole.state == dying.state


def test_a_failure_changes_the_state_and_so_does_an_answer_that_was_dropped(advise):
    advisor, _ = advise(Sobol(SPACE, seed=3))
    advisor.queue.launch(SPACE, LAUNCH)
    first, _ = ask(advisor, 2)
    states = [advisor.state]
    advisor.queue.failed(first)
    best(advisor)
    states.append(advisor.state)
    advisor.queue.launch(SPACE, "another")  # the second is given up
    best(advisor)
    states.append(advisor.state)
    assert len(set(states)) == 3


def test_ids_that_another_life_would_give_otherwise_are_none_of_the_state(advise):
    one, _ = advise(Counts())
    one.queue.launch(SPACE, LAUNCH)
    made = [ask(one)[0] for _ in range(3)]
    one.tell(observation(1, 1.0, made[1].id))
    one.queue.failed(made[2])
    best(one)
    two, _ = advise(Counts())
    two.restore(History(tuple(made), (observation(1, 1.0, made[1].id),), (made[2].id,), (made[0],)))
    best(two)
    assert two.state == one.state


def test_ten_thousand_points_are_taken_up_in_a_moment(advise):
    recommender = Fixed(POINTS)
    advisor, _ = advise(recommender)
    made = tuple(Suggestion(f"old-r{number}", {"x": 1.0}, "recommender", number) for number in range(10_000))
    history = History(
        made, tuple(observation(n + 1, 1.0, f"old-r{n}") for n in range(9_000)), tuple(e.id for e in made[9_000:])
    )
    began = time.process_time()
    advisor.restore(history)
    best(advisor)
    took = time.process_time() - began
    assert (len(recommender.told), len(recommender.failures)) == (9_000, 1_000)
    assert took < 2.0
