"""Watchdogs end, hold and abort running plans; one that fails leaves the plan as it would be without one."""

from __future__ import annotations

import os
import signal
import threading
import time

import bluesky.plans as bp
import bluesky.preprocessors as bpp
import pytest

from skysteer import Judgement, Steering, Verdict, Watchdog, adaptive_scan, steered, watch
from skysteer.documents import Fields
from skysteer.engine import RunEngine
from skysteer.testing import SimulatedBeamline

from .conftest import Seen, along_x
from .test_steered import longer_after_event, until

DET = Fields({}, {"det": "det"})


class After:
    """Says one thing after so many events."""

    def __init__(self, number, verdict=Verdict.ENOUGH, reason="seen it"):
        self.number, self.verdict, self.reason, self.seen = number, verdict, reason, 0

    def __call__(self, observation):
        self.seen += 1
        return Judgement(self.verdict, self.reason) if self.seen >= self.number else None

    def reset(self):
        self.seen = 0


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_a_measurement_ends_when_it_is_good_enough(RE, beam, seen, worker):
    beam.det.dead_time = 0.01
    RE(watch(bp.count([beam.det], num=1000), After(3), worker=worker)).result(30)
    assert seen.stops == [("success", "After: seen it")]
    assert 3 <= len(seen.points) < 1000
    assert beam.det.staged == beam.det.unstaged == 1


def test_a_measurement_is_aborted_when_it_is_junk(RE, beam, seen):
    beam.det.dead_time = 0.01
    plan = watch(
        bp.count([beam.det], num=1000), {"junk filter": After(2, Verdict.ABORT, "no signal")}, objectives=["det"]
    )
    RE(plan).result(30)
    assert seen.stops == [("abort", "junk filter: no signal")]


def test_a_judge_of_two_steers_and_abort_wins(RE, beam, seen):
    # Enough waits for the end of the third exposure, abort does not.
    longer_after_event(RE, 2, beam.det, 60.0)
    together = threading.Barrier(2)

    def judge(verdict):
        def both_at_once(observation):
            if observation.seq_num == 2:
                together.wait(30)
                until(lambda: (beam.det.triggers == 3 and beam.det.busy) or seen.stops)
                return Judgement(verdict, "now")
            return None

        return both_at_once

    plan = watch(bp.count([beam.det], num=500), {"good": judge(Verdict.ENOUGH), "bad": judge(Verdict.ABORT)})
    RE(plan).result(30)
    assert seen.stops == [("abort", "bad: now")]


def test_a_judge_holds_while_the_beam_is_down_and_releases_by_a_monitored_signal(RE, beam, seen):
    def beam_up(observation):
        (current,) = observation.objectives.values()
        if current < 1.0:
            return Judgement(Verdict.HOLD, f"ring current {current:.1f}")
        return Judgement(Verdict.KEEP_GOING, f"ring current {current:.1f}")

    beam.y.arrive(readback=5.0)  # stands for the ring current
    beam.det.dead_time = 0.05
    name = beam.y.readback.name
    plan = bpp.monitor_during_wrapper(bp.count([beam.det], num=60), [beam.y.readback])
    steering = Steering()
    future = RE(watch(plan, beam_up, objectives=[name], stream=f"{name}_monitor", steering=steering))
    until(lambda: len(seen.points) > 3)
    RE.loop.call_soon_threadsafe(lambda: beam.y.arrive(readback=0.0))
    until(lambda: steering.wanted is not None)
    until(lambda: not beam.det.busy)
    count = beam.det.triggers
    beam.det.dead_time = 0.0
    RE.loop.call_soon_threadsafe(lambda: beam.y.arrive(readback=5.0))
    future.result(20)
    assert count < 60
    assert len(seen.points) == 60
    verdicts = [request.verdict for request in steering.requests]
    assert verdicts == [Verdict.HOLD, Verdict.KEEP_GOING]


def test_keep_going_of_one_watchdog_does_not_end_the_hold_of_another(RE, beam):
    steering = Steering()
    with Watchdog(After(1, Verdict.KEEP_GOING), steering, DET, name="optimist") as dog:
        steering.launch()
        steering.request(Verdict.HOLD, "beam down", author="beam lost")
        observe(dog, 3)
        until(lambda: dog.status.judged == 3)
        assert steering.wanted == (Verdict.HOLD, "beam lost: beam down")
        steering.request(Verdict.KEEP_GOING, "beam up", author="beam lost")
        assert steering.wanted is None


def observe(dog, number, run="run", first=1):
    from skysteer.model import Observation

    for seq_num in range(first, first + number):
        dog.tell(Observation(run, "primary", seq_num, float(seq_num), {}, {"det": float(seq_num)}))


# ------------------------------------------------------------ judges that fail


def faulty(kind):
    def judge(observation):
        if kind == "raises":
            raise ZeroDivisionError("no counts")
        if kind == "nonsense":
            return "enough"
        if kind == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        return None

    judge.__name__ = kind
    return judge


@pytest.mark.parametrize(
    ("kind", "worker"), [("raises", "thread"), ("raises", "process"), ("nonsense", "thread"), ("dies", "process")]
)
def test_a_judge_that_fails_leaves_the_plan_alone_and_its_status_says_so(RE, beam, seen, kind, worker):
    steering = Steering()
    with Watchdog(faulty(kind), steering, DET, worker=worker) as dog:
        RE(steered(bp.count([beam.det], num=4), steering, watch=[dog])).result(30)
        until(lambda: dog.status.errors >= 1)
        status = dog.status
    assert seen.stops == [("success", "")]
    assert len(seen.points) == 4
    words = {"raises": "ZeroDivisionError: no counts", "nonsense": "it returned 'enough'", "dies": "signal 9"}[kind]
    assert words in status.last_error
    assert (status.restarts > 0) == (kind == "dies")


@pytest.mark.parametrize("kind", ["raises", "nonsense"])
def test_a_judge_that_fails_aborts_if_told(RE, beam, seen, kind):
    beam.det.dead_time = 0.01
    RE(watch(bp.count([beam.det], num=500), faulty(kind), on_error="abort")).result(30)
    ((status, reason),) = seen.stops
    assert status == "abort"
    assert f"{kind}: the judge failed: " in reason


def test_a_judge_that_hangs_leaves_the_plan_alone(RE, beam, seen, caplog):
    release = threading.Event()
    steering = Steering()
    dog = Watchdog(lambda observation: release.wait(20) and None, steering, DET, name="stuck", silent_after=0.02)
    try:
        RE(steered(bp.count([beam.det], num=4, delay=0.01), steering, watch=[dog])).result(30)
        until(lambda: dog.status.silent)
        assert dog.status.busy_for > 0.02
        assert not dog.status.alive
        assert not dog.close()
        assert "stuck" in caplog.text
    finally:
        release.set()
        dog.close()
    assert seen.stops == [("success", "")]


def test_a_judge_that_hangs_aborts_if_told(RE, beam, seen):
    release = threading.Event()
    beam.det.dead_time = 0.02
    try:
        plan = watch(
            bp.count([beam.det], num=500), {"stuck": lambda observation: release.wait(20) and None},
            on_error="abort", silent_after=0.05,
        )  # fmt: skip
        RE(plan).result(30)
    finally:
        release.set()
    ((status, reason),) = seen.stops
    assert status == "abort"
    assert reason.startswith("stuck: no judgement for")


def test_a_hanging_process_is_gone_with_the_plan(RE, beam, seen):
    def hang(observation):
        time.sleep(60)

    RE(watch(bp.count([beam.det], num=3), hang, worker="process")).result(30)
    assert seen.stops == [("success", "")]


def test_a_slow_judge_judges_all_or_only_the_newest_as_told(RE, beam):
    for every in ("event", "latest"):
        first, go, judged = threading.Event(), threading.Event(), []

        def judge(observation, first=first, go=go, judged=judged):
            judged.append(observation.seq_num)
            first.set()
            assert go.wait(30)

        steering = Steering()
        with Watchdog(judge, steering, DET, every=every) as dog:
            steering.launch()
            observe(dog, 1)
            assert first.wait(30)
            observe(dog, 9, first=2)
            go.set()
            until(lambda dog=dog: dog.status.judged + dog.status.passed_over == 10)
            status = dog.status
        if every == "event":
            assert (status.judged, status.passed_over) == (10, 0)
            assert judged == list(range(1, 11))
        else:
            assert (status.judged, status.passed_over) == (2, 8)
            assert judged == [1, 10]
        assert status.lag >= 0


def test_a_judgement_of_an_earlier_launch_does_nothing(RE, beam, seen):
    entered, go = threading.Event(), threading.Event()

    def late(observation):
        entered.set()
        assert go.wait(30)
        return Judgement(Verdict.ABORT, "that was junk")

    steering = Steering()
    with Watchdog(late, steering, DET) as dog:
        RE(steered(bp.count([beam.det], num=1), steering, watch=[dog])).result(30)
        assert entered.wait(30)
        future = RE(steered(bp.count([beam.det], num=30, delay=0.005), steering))
        until(lambda: steering.launch_number == 2)
        go.set()
        future.result(30)
        until(lambda: dog.status.judged == 1)
    assert [status for status, _ in seen.stops] == ["success", "success"]
    assert len(seen.points) == 31
    assert steering.ignored == 1


def test_a_judge_is_reset_for_every_launch(RE, beam, seen):
    beam.det.dead_time = 0.01
    steering = Steering()
    with Watchdog(After(3), steering, DET) as dog:
        for _ in range(2):
            RE(steered(bp.count([beam.det], num=300), steering, watch=[dog])).result(20)
    ends = [doc["num_events"]["primary"] for doc in seen.named("stop")]
    assert all(3 <= end < 300 for end in ends)


def test_an_event_measured_again_after_a_pause_is_judged_once():
    steering = Steering()
    with Watchdog(After(99), steering, DET) as dog:
        steering.launch()
        observe(dog, 2)
        observe(dog, 1, first=2)
        observe(dog, 1, first=3)
        until(lambda: dog.status.judged == 3)


def test_a_watchdog_of_arrays_sees_all_data(RE, beam, seen):
    shown = []

    def judge(observation):
        shown.append(dict(observation.data))

    RE(watch(bp.count([beam.det, beam.edge], num=20, delay=0.01), judge)).result(30)
    assert set(shown[0]) == {"det", "edge"}


def test_an_adaptive_scan_is_watched_too(RE, beam, seen):
    beam.det.dead_time = 0.01
    places = along_x([0.01 * n for n in range(400)])
    plan = adaptive_scan([beam.det], [beam.x], places, objectives=["det"], max_points=400)
    RE(watch(plan, After(3, reason="found it"), objectives=["det"])).result(20)
    assert seen.stops == [("success", "After: found it")]


def test_a_judge_in_a_process_is_ready_before_the_first_event():
    with Watchdog(After(1), Steering(), DET, worker="process") as dog:
        dog.start()
        until(lambda: dog._desk.ready)
        assert dog.status.judged == 0


def test_no_judges_are_refused(RE, beam, seen):
    with pytest.raises(ValueError, match="no judges were given"):
        RE(watch(bp.count([beam.det]), [])).result(30)
    assert not seen.documents


def test_bad_arguments_are_refused_by_name():
    steering = Steering()
    with pytest.raises(TypeError, match="is no judge"):
        Watchdog(7, steering, DET)
    for options, words in [
        ({"every": "now"}, "every must be"),
        ({"on_error": "cry"}, "on_error must be"),
        ({"silent_after": 0}, "silent_after"),
    ]:
        with pytest.raises(ValueError, match=words):
            Watchdog(After(1), steering, DET, **options)


def test_it_works_on_a_stock_engine(stock_RE):
    beam = SimulatedBeamline(stock_RE)
    beam.det.dead_time = 0.01
    documents = []
    stock_RE.subscribe(lambda name, doc: documents.append((name, doc)))
    stock_RE(watch(bp.count([beam.det], num=500), After(2), objectives=["det"]))
    assert Seen(documents).stops == [("success", "After: seen it")]


def test_many_engines_need_many_steerings_and_do_not_meet():
    with RunEngine() as one, RunEngine() as two:
        ends = []
        for engine, number in ((one, 2), (two, 4)):
            beam = SimulatedBeamline(engine)
            beam.det.dead_time = 0.01
            engine.subscribe(lambda name, doc: ends.append(doc["num_events"]["primary"]) if name == "stop" else None)
            engine(watch(bp.count([beam.det], num=300), After(number), objectives=["det"])).result(20)
        assert 2 <= ends[0] < 300
    assert 4 <= ends[1] < 300


@pytest.mark.parametrize("worker", ["thread", "process"])
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_judge_that_exits_is_one_that_fails(RE, beam, seen, worker, error):
    beam.det.dead_time = 0.01

    def judge(observation):
        raise error("leaving")

    RE(watch(bp.count([beam.det], num=10_000), judge, worker=worker, on_error="abort")).result(30)
    assert seen.stops == [("abort", f"judge: the judge failed: {error.__name__}: leaving")]


def test_two_judges_of_the_same_name_hold_each_for_itself(RE, beam, seen):
    holds = After(2, Verdict.HOLD, "wait")
    goes_on = After(1, Verdict.KEEP_GOING, "go")
    steering = Steering()
    beam.det.dead_time = 0.005
    future = RE(watch(bp.count([beam.det], num=10_000), [goes_on, holds, After(10_000)], steering=steering))
    until(lambda: steering.wanted is not None)
    assert steering.wanted == (Verdict.HOLD, "After 2: wait")
    steering.request(Verdict.ABORT, "seen", author="test")
    future.result(30)
    assert seen.stops == [("abort", "test: seen")]
