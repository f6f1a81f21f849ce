"""Programs written for bluesky-adaptive 0.x, with another import line."""

from __future__ import annotations

import math
import threading
import time
from queue import Queue

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
import numpy as np
import pytest
from bluesky.utils import RequestAbort, RequestStop, RunEngineInterrupted

from skysteer.compat import NoRecommendation, RequestPause, per_event, per_start
from skysteer.compat.recommendations import SequenceRecommender, StepRecommender
from skysteer.errors import PreflightError, RecommenderError, SuggestionError, TooManyFailures
from skysteer.testing import SimulatedBeamline

PATIENCE = 20.0


class Old:
    """In the style of 0.1 and 0.2: keeps what it is told, and halves x."""

    def __init__(self):
        self.told = []
        self.asked = 0

    def tell(self, x, y):
        self.told.append((x.tolist(), y.tolist()))

    def tell_many(self, xs, ys):
        for x, y in zip(xs, ys, strict=True):
            self.tell(x, y)

    def ask(self, n, tell_pending=True):
        assert n == 1
        self.asked += 1
        return self.answer()

    def answer(self):
        return [self.told[-1][0][0] / 2]


class New:
    """In the style of 0.3."""

    def __init__(self):
        self.inner = Old()

    def ingest(self, x, y):
        self.inner.tell(x, y)

    def ingest_many(self, xs, ys):
        self.inner.tell_many(xs, ys)

    def suggest(self, batch_size=1):
        return self.inner.ask(batch_size)


class OneByOne:
    """With nothing but two methods."""

    def __init__(self):
        self.inner = Old()

    def tell(self, x, y):
        self.inner.tell(x, y)

    def ask(self, n):
        return self.inner.ask(n)


@pytest.fixture(params=[per_event, per_start], ids=["per_event", "per_start"])
def moment(request):
    return request.param


@pytest.fixture
def beam(RE):
    return SimulatedBeamline(RE, noise=False)


def plan(moment, beam, recommender, first=4.0, independent=("x",), dependent=("det",), **options):
    factory = {name: options.pop(name) for name in ("max_count", "queue") if name in options}
    callback, queue = moment.recommender_factory(recommender, list(independent), list(dependent), **factory)
    return moment.adaptive_plan([beam.det], {beam.x: first}, to_recommender=callback, from_recommender=queue, **options)


def run(RE, *arguments, **options):
    return RE(plan(*arguments, **options)).result(PATIENCE).plan_result


# -- what 0.x does


def test_the_recommender_says_where_until_it_has_nothing_more_to_say(RE, beam, seen, moment):
    result = run(RE, moment, beam, SequenceRecommender([[1], [2], [3]]))
    assert seen.column("x") == [4.0, 1.0, 2.0, 3.0]
    assert len(seen.named("start")) == (1 if moment is per_event else 4)
    assert {status for status, _ in seen.stops} == {"success"}
    assert (result.reason, result.measured) == ("the recommender has nothing more to ask", 4)


def test_a_step_is_taken_from_where_it_was_measured(RE, beam, seen, moment):
    run(RE, moment, beam, StepRecommender(np.asarray([-1.5])), max_count=3)
    assert seen.column("x")[:4] == [4.0, 2.5, 1.0, -0.5]


@pytest.mark.parametrize("style", [Old, New, OneByOne])
def test_every_style_is_told_every_point_and_asked_once_for_each_but_the_last(RE, beam, seen, moment, style):
    recommender = style()
    run(RE, moment, beam, recommender, max_count=3)
    points = 4 if moment is per_event else 5  # as 0.x counts
    assert seen.column("x") == [4.0 / 2**number for number in range(points)]
    old = getattr(recommender, "inner", recommender)
    assert old.told == [([x], [det]) for x, det in zip(seen.column("x"), seen.column("det"), strict=True)]
    assert old.asked == points - 1


def test_ten_is_the_most_without_a_word(RE, beam, moment):
    assert run(RE, moment, beam, Old()).measured == (11 if moment is per_event else 12)


def test_arrays_have_a_row_for_each_event_and_columns_in_the_order_of_the_keys(RE, beam, moment):
    shapes = []

    class Looks(Old):
        def tell_many(self, xs, ys):
            shapes.append((xs.shape, ys.shape))
            super().tell_many(xs, ys)

        def answer(self):
            raise NoRecommendation

    recommender = Looks()
    callback, queue = moment.recommender_factory(recommender, ["y", "x"], ["det", "y", "x"])
    first = {beam.x: 1.0, beam.y: 2.0}
    RE(moment.adaptive_plan([beam.det], first, to_recommender=callback, from_recommender=queue)).result(PATIENCE)
    assert shapes == [((1, 2), (1, 3))]
    assert recommender.told[0][0] == [2.0, 1.0]
    assert recommender.told[0][1][1:] == [2.0, 1.0]


def test_all_events_of_a_run_are_told_at_once(RE, beam):
    recommender = Old()

    def three(devices, md):
        yield from bp.count(devices, num=3, md=md)

    run(RE, per_start, beam, recommender, max_count=0, take_reading=three)
    assert [x for x, _ in recommender.told] == [[4.0]] * 3 + [[2.0]] * 3


def test_runs_are_numbered_in_one_batch(RE, beam, seen):
    run(RE, per_start, beam, Old(), max_count=1, md={"sample": "Fe"})
    starts = seen.named("start")
    assert [start["batch_count"] for start in starts] == [0, 1, 2]
    assert len({start["batch_id"] for start in starts}) == 1
    assert {start["sample"] for start in starts} == {"Fe"}


def test_metadata_and_the_dimensions_are_in_the_start_document(RE, beam, seen):
    run(RE, per_event, beam, Old(), max_count=1, md={"sample": "Fe", "hints": {"table": 1}})
    (start,) = seen.named("start")
    assert start["sample"] == "Fe"
    assert start["hints"] == {"dimensions": [(["x"], "primary")], "table": 1}


def test_a_reading_of_ones_own_is_called_as_ever(RE, beam, seen):
    called = []

    def take_reading(dets, name="primary"):
        called.append(name)
        return (yield from bps.trigger_and_read([*dets, beam.edge], name=name))

    run(RE, per_event, beam, Old(), dependent=["edge"], max_count=2, take_reading=take_reading)
    assert called == ["primary"] * 3
    assert len(seen.column("edge")) == 3


def test_a_detector_that_is_also_moved_is_read_once(RE, beam, seen, moment):
    callback, queue = moment.recommender_factory(Old(), ["x"], ["det"], max_count=1)
    dets = [beam.det, beam.x, beam.det]
    RE(moment.adaptive_plan(dets, {beam.x: 1.0}, to_recommender=callback, from_recommender=queue)).result(PATIENCE)
    assert len(seen.column("x")) == (2 if moment is per_event else 3)


def test_a_pair_serves_one_plan_after_another(RE, beam, moment):
    recommender = Old()
    callback, queue = moment.recommender_factory(recommender, ["x"], ["det"], max_count=1)
    for _ in range(2):
        again = moment.adaptive_plan([beam.det], {beam.x: 4.0}, to_recommender=callback, from_recommender=queue)
        RE(again).result(PATIENCE)
    assert len(recommender.told) == (4 if moment is per_event else 6)


def test_it_runs_on_the_stock_engine(stock_RE, moment):
    beam = SimulatedBeamline(stock_RE, noise=False)
    assert stock_RE(plan(moment, beam, Old(), max_count=2)).plan_result.exit_status == "success"


# -- what a recommender may raise


class Raises(Old):
    def __init__(self, error, at=3):
        super().__init__()
        self.error, self.at = error, at

    def answer(self):
        if self.asked == self.at:
            raise self.error
        return super().answer()


def test_a_stop_ends_the_whole_call_with_success(RE, beam, seen, moment):
    def outer():
        yield from plan(moment, beam, Raises(RequestStop("enough")))
        raise AssertionError("the call goes on")

    RE(outer()).result(PATIENCE)
    assert len(seen.points) == 3
    assert {status for status, _ in seen.stops} == {"success"}


def test_an_abort_marks_the_run(RE, beam, seen):
    RE(plan(per_event, beam, Raises(RequestAbort("too hot")))).result(PATIENCE)
    assert len(seen.points) == 3
    assert seen.stops == [("abort", "too hot")]


def test_a_pause_is_a_pause_and_the_question_comes_again(RE, beam, seen, moment):
    recommender = Raises(RequestPause("look at it"))
    with pytest.raises(RunEngineInterrupted):
        RE(plan(moment, beam, recommender, max_count=3)).result(PATIENCE)
    assert RE.state == "paused"
    assert len(seen.points) == 3
    result = RE.resume().result(PATIENCE).plan_result
    assert result.measured == (4 if moment is per_event else 5)
    assert seen.column("x") == [4.0 / 2**number for number in range(result.measured)]
    assert recommender.asked == result.measured


def test_any_other_error_ends_the_plan_and_says_what_and_where(RE, beam, seen, moment):
    with pytest.raises(RecommenderError, match="Raises raised ZeroDivisionError in suggest: no beam") as error:
        run(RE, moment, beam, Raises(ZeroDivisionError("no beam")))
    assert isinstance(error.value.__cause__, ZeroDivisionError)
    assert error.value.result.measured == len(seen.points) == 3


# -- what is guaranteed now


def test_a_slow_recommender_is_waited_for_without_a_hidden_timeout(RE, beam, moment):
    class Slow(Old):
        def answer(self):
            time.sleep(1.3 if self.asked == 1 else 0)  # 0.x waits for one second
            return super().answer()

    assert run(RE, moment, beam, Slow(), max_count=1).exit_status == "success"


def test_the_engine_pauses_while_the_recommender_thinks(RE, beam, seen, moment):
    asked, think = threading.Event(), threading.Event()

    class Thinks(Old):
        def answer(self):
            asked.set()
            assert think.wait(PATIENCE)
            return super().answer()

    future = RE(plan(moment, beam, Thinks(), max_count=2))
    assert asked.wait(PATIENCE)
    RE.request_pause()
    with pytest.raises(RunEngineInterrupted):
        future.result(30)  # while it thinks
    think.set()
    result = RE.resume().result(PATIENCE).plan_result
    assert len(seen.primary) == len(seen.points) == result.measured  # nothing twice


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([77.0], "x=77"),
        ([math.nan], "x=nan"),
        ([1.0, 2.0], "2 values for the 1 independent keys x"),
        ({"y": 1.0}, "axis 'x' is missing"),
        (["here"], "'here'"),
    ],
)
def test_a_bad_recommendation_is_refused_before_anything_moves(RE, beam, seen, moment, answer, words):
    class Mad(Old):
        def answer(self):
            return answer

    with pytest.raises((SuggestionError, RecommenderError), match=words):
        run(RE, moment, beam, Mad())
    assert seen.column("x") == [4.0]


@pytest.mark.parametrize(
    ("independent", "dependent", "words"),
    [
        (["y"], ["det"], "motor 'x' is not among the independent keys y"),
        (["x"], ["dat"], "key 'dat' is measured by no device .they have det, x"),
        (["x", "z"], ["det"], "key 'z' is measured by no device"),
    ],
)
def test_keys_that_do_not_fit_are_refused_before_anything_moves(RE, beam, seen, moment, independent, dependent, words):
    with pytest.raises(PreflightError, match=words):
        run(RE, moment, beam, Old(), independent=independent, dependent=dependent)
    assert seen.documents == []


def test_what_a_reading_of_ones_own_lacks_is_said_with_what_there_is(RE, beam):
    with pytest.raises(RecommenderError, match="'edge' not measured; there is det, suggested_x"):
        run(RE, per_event, beam, Old(), dependent=["edge"], take_reading=lambda d, name: bps.trigger_and_read(d, name))


def test_what_is_no_recommender_is_refused_with_what_it_needs(moment):
    with pytest.raises(TypeError, match=r"needs tell_many\(xs, ys\) and ask\(n\), or ingest_many"):
        moment.recommender_factory(object(), ["x"], ["det"])
    with pytest.raises(ValueError, match="independent_keys must be a sequence of names, found 'x'"):
        moment.recommender_factory(Old(), "x", ["det"])


def test_a_device_that_fails_ends_the_plan_as_ever(RE, moment):
    beam = SimulatedBeamline(RE, noise=False, fail_at=[2])
    with pytest.raises(TooManyFailures, match="on_failure='stop'"):
        run(RE, moment, beam, Old())


# -- the queue


def test_what_others_put_into_the_queue_is_measured_first(RE, beam, seen):
    queue = Queue()
    queue.put({"x": -3.0})
    queue.put(None)
    recommender = Old()
    result = run(RE, per_event, beam, recommender, queue=queue)
    assert seen.column("x") == [4.0, -3.0]
    assert (result.measured, recommender.asked) == (2, 0)


def test_what_an_earlier_plan_left_in_the_queue_is_dropped_between_runs(RE, beam, seen):
    queue = Queue()
    queue.put(None)
    queue.put({})
    run(RE, per_start, beam, SequenceRecommender([[1], [2]]), queue=queue)
    assert seen.column("x") == [4.0, 1.0, 2.0]
    assert queue.empty()


def theirs(queue, answers):
    """A factory as users have written it: a callback of their own."""
    left = iter(answers)

    def callback(name, doc):
        if name == "event":
            queue.put(next(left))

    return callback


def test_any_callback_and_any_queue_will_do(RE, beam, seen, moment):
    queue = Queue()
    callback = theirs(queue, [{"x": np.float64(1.0), "comment": 5}, {"x": 2}, None])
    beam_plan = moment.adaptive_plan([beam.det], {beam.x: 0.0}, to_recommender=callback, from_recommender=queue)
    result = RE(beam_plan).result(PATIENCE).plan_result
    assert seen.column("x") == [0.0, 1.0, 2.0]
    assert result.reason == "the recommender has nothing more to ask"


def test_a_queue_that_is_filled_from_elsewhere_needs_no_callback(RE, beam, seen):
    queue = Queue()
    future = RE(per_event.adaptive_plan([beam.det], {beam.x: 0.0}, to_recommender=None, from_recommender=queue))
    time.sleep(1.2)  # longer than 0.x would wait
    queue.put({"x": 1.0})
    queue.put(None)
    assert future.result(PATIENCE).plan_result.measured == 2


@pytest.mark.parametrize(
    ("item", "error", "words"),
    [
        ({"x": 99.0}, SuggestionError, "x=99"),
        ({}, SuggestionError, "axis 'x' is missing"),
        (7, SuggestionError, "7 is in the queue, expected a mapping"),
        (ZeroDivisionError("no beam"), RecommenderError, "ZeroDivisionError: no beam"),
    ],
)
def test_nonsense_in_the_queue_is_refused_before_anything_moves(RE, beam, seen, item, error, words):
    queue = Queue()
    beam_plan = per_event.adaptive_plan(
        [beam.det], {beam.x: 0.0}, to_recommender=theirs(queue, [item]), from_recommender=queue
    )
    with pytest.raises(error, match=words):
        RE(beam_plan).result(PATIENCE)
    assert seen.column("x") == [0.0]


def test_an_aborted_plan_leaves_nobody_at_the_queue(RE, beam):
    queue = Queue()
    waits = threading.Event()
    RE.subscribe(lambda name, doc: waits.set(), "event")
    future = RE(per_event.adaptive_plan([beam.det], {beam.x: 0.0}, to_recommender=None, from_recommender=queue))
    assert waits.wait(PATIENCE)
    RE.abort("over")
    future.exception(PATIENCE)
    for thread in threading.enumerate():
        if thread.name == "skysteer-queue":
            thread.join(30)
            assert not thread.is_alive()


def test_a_second_callback_hears_the_documents_too(RE, beam, moment):
    heard = []
    callback, queue = moment.recommender_factory(Old(), ["x"], ["det"], max_count=1)
    beam_plan = moment.adaptive_plan(
        [beam.det],
        {beam.x: 4.0},
        to_recommender=[callback, lambda name, doc: heard.append(name)],
        from_recommender=queue,
    )
    RE(beam_plan).result(PATIENCE)
    assert heard.count("event") == (2 if moment is per_event else 3)


# -- beside a plan of the user's own


def own_plan(dets, motor, callback, queue):
    """As users copied it from 0.x: with a queue that blocks."""

    @bpp.subs_decorator(callback)
    @bpp.run_decorator(md={"batch_count": 0})
    def inner():
        point = {motor.name: 4.0}
        while True:
            yield from bps.mov(motor, point[motor.name])
            yield from bps.trigger_and_read([*dets, motor], name="primary")
            point = queue.get(timeout=PATIENCE)
            if point is None:
                return
            if isinstance(point, Exception):
                raise point

    return (yield from inner())


def test_the_pair_also_serves_a_plan_of_ones_own(stock_RE):
    beam = SimulatedBeamline(stock_RE, noise=False)
    recommender = Old()
    callback, queue = per_event.recommender_factory(recommender, ["x"], ["det"], max_count=3)
    found = []
    stock_RE(own_plan([beam.det], beam.x, callback, queue), {"event": lambda name, doc: found.append(doc["data"])})
    assert [data["x"] for data in found] == [4.0, 2.0, 1.0, 0.5]
    assert recommender.told == [([data["x"]], [data["det"]]) for data in found]
    assert queue.empty()


def test_an_error_reaches_a_plan_of_ones_own(stock_RE):
    beam = SimulatedBeamline(stock_RE, noise=False)
    callback, queue = per_event.recommender_factory(Raises(ZeroDivisionError("no beam")), ["x"], ["det"])
    with pytest.raises(ZeroDivisionError, match="no beam"):
        stock_RE(own_plan([beam.det], beam.x, callback, queue))


def test_between_runs_the_pair_answers_at_the_end_of_each(stock_RE):
    beam = SimulatedBeamline(stock_RE, noise=False)
    recommender = Old()
    callback, queue = per_start.recommender_factory(recommender, ["x"], ["det"], max_count=1)

    def mine():
        x = 4.0
        for number in range(9):
            yield from bps.mov(beam.x, x)
            yield from bp.count([beam.det, beam.x], num=2, md={"batch_count": number})
            point = queue.get(timeout=PATIENCE)
            if point is None:
                return number
            x = point["x"]

    stock_RE.subscribe(callback)
    assert stock_RE(mine()).plan_result == 2
    assert [x for x, _ in recommender.told] == [[4.0]] * 2 + [[2.0]] * 2 + [[1.0]] * 2


def test_runs_without_a_number_are_refused_in_words(stock_RE):
    beam = SimulatedBeamline(stock_RE, noise=False)
    callback, _ = per_start.recommender_factory(Old(), ["x"], ["det"])
    with pytest.raises(Exception, match="the start document has no 'batch_count'"):
        stock_RE(bpp.subs_wrapper(bp.count([beam.det]), callback))


def test_it_works_with_the_classic_devices_of_0_x(stock_RE, moment):
    from ophyd.sim import SynAxis, SynGauss

    motor = SynAxis(name="motor")
    det = SynGauss("det", motor, "motor", center=0, Imax=1, sigma=1)
    recommender = Old()
    callback, queue = moment.recommender_factory(recommender, ["motor"], ["det"], max_count=2)
    stock_RE(moment.adaptive_plan([det], {motor: 1}, to_recommender=callback, from_recommender=queue))
    assert [x for x, _ in recommender.told] == [[1.0], [0.5], [0.25], [0.125]][: 3 if moment is per_event else 4]
