"""The whole life of an adaptive scan, and what its documents and its result say."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
import numpy as np
import pytest

from skysteer import Advisor, Axis, Choice, Space, adaptive_runs, adaptive_scan
from skysteer.recommenders import Sequence, Sobol
from skysteer.recommenders.gaussian import GaussianProcess
from skysteer.testing import Recorder, SimulatedBeamline

from .conftest import POSITIONS, along_x, told

XY = Space(Axis("x", -5, 5, units="mm"), Axis("y", -5, 5, units="mm"))


class Halfway:
    """The recommender of the README: two methods and nothing else."""

    def __init__(self):
        self.best = {"x": 4.0, "y": 4.0, "det": float("-inf")}

    def ingest(self, points):
        self.best = max([self.best, *points], key=lambda p: p["det"])

    def suggest(self, num_points=None):
        return [{"x": self.best["x"] / 2, "y": self.best["y"] / 2}]


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_a_recommender_of_two_methods_drives_a_scan(RE, beam, seen, flow, worker):
    future = RE(flow([beam.det], [beam.x, beam.y], Halfway(), objectives=["det"], max_points=6, worker=worker))
    result = future.result(30).plan_result
    assert (result.measured, result.exit_status) == (6, "success")
    assert result.reason == "max_points=6 reached"
    assert seen.column("x")[0] == 2.0  # the first question knows nothing
    assert seen.column("x")[1] == 1.0  # the second knows the first answer


def test_max_points_measures_exactly_that_many_and_tells_them_all(RE, beam, seen, flow):
    recorder = Recorder(Sobol(XY))
    result = RE(flow([beam.det], [beam.x, beam.y], recorder, objectives=["det"], max_points=7)).result(30).plan_result
    assert result.measured == len(seen.points) == len(seen.primary) == len(told(recorder)) == 7
    assert len(set(seen.points)) == 7
    assert not recorder.overlapped
    assert [point["det"] for point in told(recorder)] == seen.column("det")


def test_there_is_one_answer_for_each_observation_and_it_knows_all_before_it(RE, beam, flow):
    recorder = Recorder(Sobol(XY))
    RE(flow([beam.det], [beam.x, beam.y], recorder, objectives=["det"], max_points=5)).result(30)
    known = 0
    for call in recorder.calls:
        if call.name == "ingest":
            known += len(call.argument)
        elif call.name == "suggest":
            assert known == sum(c.name == "suggest" for c in recorder.calls[: recorder.calls.index(call)])


def test_a_scan_is_one_run_and_its_stop_document_says_why_it_ended(RE, beam, seen):
    result = (
        RE(adaptive_scan([beam.det], [beam.x], along_x(), objectives=["det"], max_points=50)).result(30).plan_result
    )
    assert seen.stops == [("success", "the recommender has nothing more to ask")]
    assert result.reason == seen.stops[0][1]
    assert result.uids == tuple(doc["uid"] for doc in seen.named("start"))


def test_runs_are_one_a_suggestion(RE, beam, seen):
    result = RE(adaptive_runs([beam.det], [beam.x], along_x(), objectives=["det"], max_points=3)).result(30).plan_result
    assert len(seen.named("start")) == len(seen.named("stop")) == 3
    assert result.uids == tuple(doc["uid"] for doc in seen.named("start"))
    assert {status for status, _ in seen.stops} == {"success"}


def test_every_event_is_traced_to_its_suggestion_from_the_documents_alone(RE, beam, seen):
    recorder = Recorder(along_x())
    initial = [{"x": 4.0}]
    RE(adaptive_scan([beam.det], [beam.x], recorder, objectives=["det"], max_points=4, initial=initial)).result(30)
    assert seen.column("suggested_x") == [4.0, *POSITIONS[:3]]
    assert seen.column("suggestion_origin") == ["initial", "recommender", "recommender", "recommender"]
    assert len(set(seen.column("suggestion_id"))) == 4
    suggested = [call.answer[0]["_id"] for call in recorder.calls if call.name == "suggest"]
    assert [point.get("_id") for point in told(recorder)] == [None, *suggested]


def test_every_run_is_traced_to_its_suggestion_from_the_documents_alone(RE, beam, seen):
    RE(adaptive_runs([beam.det], [beam.x], along_x(), objectives=["det"], max_points=2, md={"sample": "A7"})).result(30)
    about = [doc["skysteer"]["suggestion"] for doc in seen.named("start")]
    assert [each["point"] for each in about] == [{"x": 0.0}, {"x": 1.0}]
    assert len({each["id"] for each in about}) == 2
    assert {doc["sample"] for doc in seen.named("start")} == {"A7"}


def test_the_start_document_says_what_was_asked_for(RE, beam, seen):
    plan = adaptive_scan([beam.det], [beam.x], along_x(), objectives=["det"], max_points=2, md={"sample": "A7"})
    RE(plan, proposal=12).result(30)
    (start,) = seen.named("start")
    assert start["plan_name"] == "adaptive_scan"
    assert start["objectives"] == ["det"]
    assert start["recommender"] == "Sequence"
    assert (start["sample"], start["proposal"]) == ("A7", 12)


def test_the_recommender_is_told_the_readback_not_the_request(RE, seen, flow):
    class Sticky(SimulatedBeamline):
        pass

    beam = Sticky(RE)
    # A stage that ends 0.1 mm beside what was asked for.
    arrive = beam.x.arrive
    beam.x.arrive = lambda *, readback=None, setpoint=None: arrive(
        readback=None if readback is None else readback + 0.1, setpoint=setpoint
    )
    recorder = Recorder(along_x([1.0, 2.0]))
    RE(flow([beam.det], [beam.x], recorder, objectives=["det"], max_points=2)).result(30)
    assert [point["x"] for point in told(recorder)] == pytest.approx([1.1, 2.1])
    assert seen.column("x") == pytest.approx([1.1, 2.1])


def test_initial_points_come_first_and_count(RE, beam, seen, flow):
    recorder = Recorder(along_x())
    plan = flow([beam.det], [beam.x], recorder, objectives=["det"], max_points=3, initial=[{"x": 4.5}, {"x": -4.5}])
    assert RE(plan).result(30).plan_result.measured == 3
    assert seen.column("x") == [4.5, -4.5, 0.0]
    first = next(i for i, call in enumerate(recorder.calls) if call.name == "suggest")
    assert sum(len(call.argument) for call in recorder.calls[:first] if call.name == "ingest") == 2


def test_a_batch_is_one_question(RE, beam, seen, flow):
    recorder = Recorder(along_x())
    RE(flow([beam.det], [beam.x], recorder, objectives=["det"], max_points=5, batch=2)).result(30)
    assert [call.argument for call in recorder.calls if call.name == "suggest"] == [2, 2, 1]
    assert seen.column("x") == POSITIONS


def test_lookahead_asks_while_a_point_is_measured_and_says_what_is_pending(RE, beam, seen, flow):
    recorder = Recorder(along_x())
    RE(flow([beam.det], [beam.x], recorder, objectives=["det"], max_points=5, lookahead=2)).result(30)
    assert seen.column("x") == POSITIONS
    pending = [[p["x"] for p in call.argument] for call in recorder.calls if call.name == "set_pending"]
    assert pending == [[], [0.0], [0.0, 1.0], [1.0, -2.0], [-2.0, 3.0]]


def test_the_recommender_thinks_while_a_point_is_measured_with_lookahead(RE, beam, seen):
    measuring, overlapped = threading.Event(), []

    class Watching(Sequence):
        def suggest(self, num_points=None):
            # The first question comes before there is anything to measure.
            overlapped.append(measuring.wait(30) if overlapped else None)
            return super().suggest(num_points)

    def reading(devices):
        measuring.set()
        yield from bps.sleep(0.02)
        yield from bps.trigger_and_read(devices)
        measuring.clear()

    points = Watching([{"x": x} for x in POSITIONS])
    plan = adaptive_scan(
        [beam.det], [beam.x], points, objectives=["det"], max_points=5, lookahead=1, take_reading=reading
    )
    RE(plan).result(30)
    assert seen.column("x") == POSITIONS
    assert overlapped == [None, True, True, True, True]


def test_the_readings_may_be_taken_by_the_users_own_stub(RE, beam, seen):
    def twice(devices):
        yield from bps.trigger_and_read(devices[:1], name="dark")
        yield from bps.trigger_and_read(devices)

    plan = adaptive_scan([beam.det], [beam.x], along_x(), objectives=["det"], max_points=3, take_reading=twice)
    assert RE(plan).result(30).plan_result.measured == 3
    assert {doc["name"] for doc in seen.named("descriptor")} == {"dark", "primary"}
    assert seen.column("suggested_x") == POSITIONS[:3]


def test_a_run_may_be_made_by_the_users_own_plan(RE, beam, seen):
    recorder = Recorder(along_x())
    plan = adaptive_runs(
        [beam.det],
        [beam.x],
        recorder,
        objectives=["det"],
        max_points=2,
        measure=lambda devices: bp.count(devices, num=3),
    )
    assert RE(plan).result(30).plan_result.measured == 2
    assert [doc["num_events"]["primary"] for doc in seen.named("stop")] == [3, 3]
    assert [point["det"] for point in told(recorder)] == [seen.column("det")[2], seen.column("det")[5]]


def test_an_event_is_reduced_by_the_users_function_in_the_worker(RE, beam):
    threads = []

    def brightness(data):
        threads.append(threading.get_ident())
        return {"brightness": np.sqrt(data["det"]), "spread": 1.0}

    recorder = Recorder(along_x())
    plan = adaptive_scan(
        [beam.det], [beam.x], recorder, objectives=["brightness", "spread"], max_points=3, reduce=brightness
    )
    RE(plan).result(30)
    assert all(set(point) == {"x", "brightness", "spread", "_id"} for point in told(recorder))
    assert set(threads) == {recorder.calls[0].thread}


def test_a_run_is_reduced_from_its_arrays_by_stream(RE, beam):
    shapes = []

    def spread(streams):
        shapes.append({stream: {k: v.shape for k, v in data.items()} for stream, data in streams.items()})
        return {"spread": float(np.std(streams["primary"]["det"])), "ring": float(streams["baseline"]["energy"][0])}

    recorder = Recorder(along_x())
    plan = adaptive_runs(
        [beam.det], [beam.x], recorder, objectives=["spread", "ring"], max_points=2, reduce=spread,
        measure=lambda devices: bpp.baseline_wrapper(bp.count(devices, num=4), [beam.energy]),
    )  # fmt: skip
    RE(plan).result(30)
    assert [point["ring"] for point in told(recorder)] == [7000.0, 7000.0]
    assert shapes[0]["primary"]["det"] == (4,)
    assert shapes[0]["baseline"]["energy"] == (2,)


@pytest.mark.parametrize("where", ["stay", "start"])
def test_the_motors_end_where_told(RE, beam, flow, where):
    beam.x.arrive(readback=2.5, setpoint=2.5)
    plan = flow([beam.det], [beam.x], along_x([1.0, -1.0]), objectives=["det"], max_points=2, finally_move=where)
    RE(plan).result(30)
    assert beam.x.position == (-1.0 if where == "stay" else 2.5)


def test_the_motors_end_at_the_best_point(RE, beam, seen, flow):
    recommender = GaussianProcess(XY, maximize="det")
    plan = flow([beam.det], [beam.x, beam.y], recommender, objectives=["det"], max_points=8, finally_move="best")
    result = RE(plan).result(30).plan_result
    assert result.best is not None
    assert (beam.x.position, beam.y.position) == pytest.approx((result.best["x"], result.best["y"]))
    assert result.best["det"] in seen.column("det")


@pytest.mark.parametrize(
    ("best", "where"),
    [
        ({"x": 5.01}, 5.0),  # a readback at the limit
        ({"x": 77.0}, 1.0),
        ({"x": float("nan")}, 1.0),
        ({"x": "left"}, 1.0),
        ({}, 1.0),
    ],
)
def test_a_best_point_that_is_no_place_to_go_leaves_the_motors_where_they_are(RE, beam, flow, best, where, caplog):
    class Wrong:
        def ingest(self, points): ...

        def suggest(self, num_points=None):
            return [{"x": 1.0}]

        def get_best_points(self):
            return [(0, best, {"det": 1.0})]

    plan = flow([beam.det], [beam.x], Wrong(), objectives=["det"], max_points=2, finally_move="best")
    result = RE(plan).result(30).plan_result
    assert (result.exit_status, result.measured) == ("success", 2)
    assert beam.x.position == where
    assert ("the motors stay where they are" in caplog.text) == (where == 1.0)


@pytest.mark.parametrize(
    ("readback", "where"),
    [
        (3.003, 3.0),  # it means the option 3
        (3, 3.0),
        (2.0, 1.0),  # between 1 and 3: it means none
        (float("nan"), 1.0),
    ],
)
def test_the_motors_end_at_the_option_that_the_best_readback_means(RE, beam, flow, readback, where, caplog):
    class Slots:
        space = Space(Choice("x", (1, 3)))

        def ingest(self, points): ...

        def suggest(self, num_points=None):
            return [{"x": 1}]

        def get_best_points(self):
            return [(0, {"x": readback}, {"det": 1.0})]

    plan = flow([beam.det], [beam.x], Slots(), objectives=["det"], max_points=2, finally_move="best")
    assert RE(plan).result(30).plan_result.exit_status == "success"
    assert beam.x.position == where
    assert ("the motors stay where they are" in caplog.text) == (where == 1.0)


def test_an_advisor_keeps_what_it_learnt_for_the_next_scan(RE, beam, seen, flow):
    recorder = Recorder(along_x())
    with Advisor(recorder) as advisor:
        for number in (2, 3):
            plan = flow([beam.det], [beam.x], advisor, objectives=["det"], max_points=number)
            assert RE(plan).result(30).plan_result.measured == number
        assert not advisor.closed.done()
    advisor.closed.result(30)
    assert seen.column("x") == POSITIONS
    assert len(told(recorder)) == 5


def test_baseline_and_monitored_streams_do_not_disturb(RE, beam, seen, flow):
    recorder = Recorder(along_x())
    plan = flow([beam.det], [beam.x], recorder, objectives=["det"], max_points=4)
    plan = bpp.monitor_during_wrapper(bpp.baseline_wrapper(plan, [beam.energy, beam.y]), [beam.x.readback])
    RE(plan).result(30)
    assert {"baseline", "primary"} < {doc["name"] for doc in seen.named("descriptor")}
    assert len(told(recorder)) == len(seen.points) == 4
    assert seen.column("x") == POSITIONS[:4]


def test_an_event_that_is_delivered_again_is_told_once(RE, beam, seen):
    recorder = Recorder(along_x())
    with Advisor(recorder) as advisor:
        RE(adaptive_scan([beam.det], [beam.x], advisor, objectives=["det"], max_points=3)).result(30)
        from skysteer.documents import Fields, PerEvent

        again = PerEvent(Fields({"x": "x"}, {"det": "det"}), advisor.tell)
        for name, doc in seen.documents:
            again(name, doc)
        advisor.best().result(30)
        assert (advisor.told, advisor.replayed) == (3, 3)


def test_a_second_call_while_busy_is_refused_and_disturbs_nothing(RE, beam, seen, flow):
    from skysteer.errors import EngineBusy

    asked, refused = threading.Event(), threading.Event()

    class Noticed(Sequence):
        def suggest(self, num_points=None):
            asked.set()
            assert refused.wait(30)
            return super().suggest(num_points)

    future: Future = RE(
        flow([beam.det], [beam.x], Noticed([{"x": x} for x in POSITIONS]), objectives=["det"], max_points=5)
    )
    assert asked.wait(30)
    with pytest.raises(EngineBusy, match="adaptive"):
        RE(bp.count([beam.det]))
    refused.set()
    assert future.result(30).plan_result.measured == 5
    assert seen.column("x") == POSITIONS


def test_the_plans_yield_stock_messages_only(stock_RE, flow):
    beam = SimulatedBeamline(stock_RE)
    commands = set()
    stock_RE.msg_hook = lambda msg: commands.add(msg.command)
    result = stock_RE(flow([beam.det], [beam.x], along_x(), objectives=["det"], max_points=4, lookahead=1))
    assert result.plan_result.measured == 4
    assert commands <= set(type(stock_RE)({}, context_managers=[], loop=stock_RE.loop).commands)
