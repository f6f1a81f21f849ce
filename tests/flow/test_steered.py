"""A plan that knows nothing of a steering is held, ended and aborted by it."""

from __future__ import annotations

import threading
import time
from functools import partial

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
import pytest
from bluesky.utils import RequestAbort, RunEngineInterrupted

from skysteer import adaptive_scan
from skysteer.handoff import Steering
from skysteer.model import Verdict
from skysteer.plans import steered
from skysteer.testing import SimulatedBeamline

from .conftest import Seen, along_x


@pytest.fixture
def steering():
    return Steering()


@pytest.fixture(params=["ours", "stock"])
def any_RE(request):
    return request.getfixturevalue("RE" if request.param == "ours" else "stock_RE")


def until(condition, timeout=30):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.001)


def ask(steering, verdict, reason="because", author="test"):
    return steering.request(verdict, reason, author=author)


def at_event(RE, number, action):
    """Call something in another thread when event number ``number`` was made; the engine's loop does not wait."""
    seen = []

    def callback(name, doc):
        if name == "event":
            seen.append(doc)
            if len(seen) == number:
                threading.Thread(target=action).start()

    RE.subscribe(callback)


def longer_after_event(RE, number, detector, seconds):
    """Let the exposures after event number ``number`` take so long: time for a thread that comes late."""
    seen = []

    def callback(name, doc):
        if name == "event":
            seen.append(doc)
            if len(seen) == number:
                detector.dead_time = seconds

    RE.subscribe(callback)


def test_a_plan_that_nobody_ends_runs_as_without(RE, beam, seen, steering, caplog):
    beam.x.velocity = 50.0
    plain = RE(bp.list_scan([beam.det], beam.x, [0.0, 1.0, 2.0])).result(30)
    commands = []
    RE.msg_hook = lambda message: commands.append(message.command)
    result = RE(steered(bp.list_scan([beam.det], beam.x, [0.0, 1.0, 2.0]), steering)).result(30)
    assert len(seen.points) == 6
    assert seen.column("x")[:3] == seen.column("x")[3:]
    assert result.plan_result in result.run_start_uids
    assert result.exit_status == plain.exit_status == "success"
    assert not steering.running
    assert not [record for record in caplog.records if record.name == "asyncio"]
    assert RE.loop.get_exception_handler() is None


def test_enough_ends_at_the_next_event_boundary_with_success(RE, beam, seen, steering):
    at_event(RE, 2, lambda: ask(steering, Verdict.ENOUGH, "S/N 12 is above 10", "signal to noise"))
    longer_after_event(RE, 2, beam.det, 0.5)
    assert RE(steered(bp.count([beam.det], num=500), steering)).result(20).plan_result is None
    assert seen.stops == [("success", "signal to noise: S/N 12 is above 10")]
    assert 2 <= len(seen.points) <= 4
    assert beam.det.staged == beam.det.unstaged == 1
    assert not beam.det.busy


def test_abort_ends_a_long_exposure_at_once(RE, beam, seen, steering):
    beam.det.dead_time = 60.0
    future = RE(steered(bp.count([beam.det]), steering))
    until(lambda: beam.det.busy)
    ask(steering, Verdict.ABORT, "the beam is lost", "beam lost")
    assert future.result(30).plan_result is None
    assert seen.stops == [("abort", "beam lost: the beam is lost")]
    assert not beam.det.busy
    assert beam.det.staged == beam.det.unstaged == 1


def test_abort_stops_a_long_move_at_once(RE, seen, steering):
    beam = SimulatedBeamline(RE, velocity=0.05)
    future = RE(steered(bp.list_scan([beam.det], beam.x, [4.0, 5.0]), steering))
    until(lambda: beam.x.position > 0)
    ask(steering, Verdict.ABORT)
    future.result(30)
    where = beam.x.position
    assert 0 < where < 1
    assert seen.stops == [("abort", "test: because")]
    RE(bps.sleep(0.05)).result(30)
    assert beam.x.position == where


@pytest.mark.parametrize("verdict", [Verdict.ENOUGH, Verdict.ABORT])
@pytest.mark.parametrize("wait", ["sleep", "wait_for"])
def test_a_long_sleep_or_wait_is_ended_at_once(RE, beam, seen, steering, verdict, wait):
    waiting = threading.Event()

    def plan():
        yield from bps.open_run()
        yield from bps.trigger_and_read([beam.det])
        waiting.set()
        if wait == "sleep":
            yield from bps.sleep(60)
        else:
            import asyncio

            yield from bps.wait_for([lambda: asyncio.sleep(60)])
        yield from bps.close_run()

    future = RE(steered(plan(), steering))
    assert waiting.wait(30)
    ask(steering, verdict)
    future.result(30)
    assert seen.stops == [("success" if verdict is Verdict.ENOUGH else "abort", "test: because")]


def test_a_wait_for_that_is_not_ended_answers_as_ever(any_RE, steering):
    import asyncio

    answers = []

    async def value():
        await asyncio.sleep(0)
        return 7

    def plan():
        (future,) = yield from bps.wait_for([value])
        answers.append(future.result())

    done = any_RE(steered(plan(), steering))
    if hasattr(done, "result"):
        done.result(30)
    assert answers == [7]


def test_only_the_steered_plan_ends_and_the_outer_one_goes_on(RE, beam, seen, steering):
    """Fifty samples in a row, three of them junk."""
    junk, asked = {7, 23, 41}, set()
    beam.det.dead_time = 0.002

    def watcher(name, doc):
        if name == "event" and sample[0] in junk - asked:  # once: a second one might come as late as the next sample
            asked.add(sample[0])
            threading.Thread(
                target=ask, args=(steering, Verdict.ABORT, f"sample {sample[0]} is junk", "watchdog")
            ).start()

    sample = [0]
    ends = []

    def samples():
        for number in range(50):
            sample[0] = number
            value = yield from steered(
                bp.count([beam.det], num=400 if number in junk else 2), steering, watch=[watcher]
            )
            ends.append(value is None)
        return "all samples"

    result = RE(samples()).result(50)
    assert result.plan_result == "all samples"
    assert [number for number, ended in enumerate(ends) if ended] == sorted(junk)
    assert len(seen.stops) == 50
    aborted = {number: stop for number, stop in enumerate(seen.stops) if stop[0] == "abort"}
    assert aborted == {number: ("abort", f"watchdog: sample {number} is junk") for number in junk}


def test_a_hold_takes_no_readings_until_told_to_keep_going(RE, beam, seen, steering):
    at_event(RE, 2, lambda: ask(steering, Verdict.HOLD, "beam down"))
    longer_after_event(RE, 2, beam.det, 0.5)
    future = RE(steered(bp.count([beam.det], num=8), steering))
    until(lambda: steering.wanted is not None)
    beam.det.dead_time = 0.005
    until(lambda: not beam.det.busy)
    time_of_hold = beam.det.triggers
    held = threading.Event()
    RE.loop.call_soon_threadsafe(RE.loop.call_later, 0.1, held.set)
    assert held.wait(30)
    assert beam.det.triggers <= time_of_hold + 1
    assert not future.done()
    ask(steering, Verdict.KEEP_GOING, "beam is back")
    future.result(30)
    assert len(seen.points) == 8
    assert seen.stops[0][0] == "success"


@pytest.mark.parametrize("verdict", [Verdict.ENOUGH, Verdict.ABORT])
def test_a_hold_ends_when_enough_or_abort_comes(RE, beam, seen, steering, verdict):
    at_event(RE, 1, lambda: ask(steering, Verdict.HOLD))
    future = RE(steered(bp.count([beam.det], num=500, delay=0.001), steering))
    until(lambda: steering.wanted is not None)
    ask(steering, verdict, "waited long enough")
    future.result(30)
    assert seen.stops == [("success" if verdict is Verdict.ENOUGH else "abort", "test: waited long enough")]


def test_abort_beats_enough(RE, beam, seen, steering):
    def both():
        ask(steering, Verdict.ENOUGH, "good")
        ask(steering, Verdict.ABORT, "junk")

    RE.msg_hook = lambda message: both() if message.command == "trigger" and message.obj is beam.det else None
    RE(steered(bp.count([beam.det], num=5), steering)).result(30)
    assert seen.stops == [("abort", "test: junk")]


def test_a_request_before_the_launch_or_after_the_end_is_counted_and_ignored(RE, beam, seen, steering):
    assert not ask(steering, Verdict.ABORT).accepted
    steering.enough.latch.set("pressed by hand, too early")
    RE(steered(bp.count([beam.det], num=3), steering)).result(30)
    assert len(seen.points) == 3
    assert not ask(steering, Verdict.ENOUGH).accepted
    assert not steering.request(Verdict.ABORT, "late", launch=1).accepted
    RE(steered(bp.count([beam.det], num=3), steering)).result(30)
    assert [status for status, _ in seen.stops] == ["success", "success"]
    assert len(seen.points) == 6
    assert steering.ignored == 4


def test_a_latch_may_be_thrown_by_hand(RE, beam, seen, steering):
    at_event(RE, 2, lambda: steering.enough.latch.set("the user pressed the button"))
    beam.det.dead_time = 0.01
    RE(steered(bp.count([beam.det], num=500), steering)).result(30)
    assert seen.stops == [("success", "the user pressed the button")]


def test_abort_while_paused_acts_on_resume(RE, beam, seen, steering):
    beam.det.dead_time = 0.005
    future = RE(steered(bp.count([beam.det], num=500), steering))
    until(lambda: seen.points)
    RE.request_pause()
    with pytest.raises(RunEngineInterrupted):
        future.result(30)
    ask(steering, Verdict.ABORT, "junk")
    measured = beam.det.triggers
    RE.resume().result(30)
    assert seen.stops == [("abort", "test: junk")]
    assert beam.det.triggers <= measured + 1


@pytest.mark.parametrize("velocity", [None, 0.05])
def test_abort_after_a_pause_and_resume_acts_at_once(RE, seen, steering, velocity):
    """The statuses that the plan saw are stale then: the engine has set and triggered again."""
    beam = SimulatedBeamline(RE, velocity=velocity, dead_time=60.0 if velocity is None else 0.0)
    future = RE(steered(bp.list_scan([beam.det], beam.x, [4.0, 5.0]), steering))
    until(lambda: beam.det.busy if velocity is None else beam.x.position > 0)
    RE.request_pause()
    with pytest.raises(RunEngineInterrupted):
        future.result(30)
    future = RE.resume()
    where = beam.x.position
    until(lambda: beam.det.busy if velocity is None else beam.x.position > where)
    begun = time.monotonic()
    ask(steering, Verdict.ABORT)
    future.result(30)
    assert time.monotonic() - begun < 20  # the exposure would take a minute, the move more
    assert seen.stops == [("abort", "test: because")]
    where = beam.x.position
    RE(bps.sleep(0.05)).result(30)
    assert beam.x.position == where
    assert not beam.det.busy


def test_nested_steerings_end_what_is_theirs(RE, beam, seen):
    outer, inner = Steering(), Steering()
    beam.det.dead_time = 60.0
    done = []

    def two():
        yield from steered(bp.count([beam.det]), inner)
        done.append("first")
        yield from steered(bp.count([beam.det]), inner)
        done.append("second")

    future = RE(steered(two(), outer))
    until(lambda: beam.det.busy)
    ask(inner, Verdict.ABORT, "inner")
    until(lambda: done and beam.det.busy)
    ask(outer, Verdict.ABORT, "outer")
    future.result(30)
    assert done == ["first"]
    assert seen.stops == [("abort", "test: inner"), ("abort", "test: outer")]
    assert not inner.running
    assert not outer.running


@pytest.mark.parametrize("swallowed", [Exception, BaseException])
def test_a_plan_that_swallows_the_end_is_ended_all_the_same(RE, beam, seen, steering, swallowed):
    beam.det.dead_time = 0.002

    def stubborn():
        yield from bps.stage(beam.det, wait=True)
        yield from bps.open_run()
        while True:
            try:
                yield from bps.trigger_and_read([beam.det])
            except swallowed:
                yield from bps.null()

    at_event(RE, 3, lambda: ask(steering, Verdict.ABORT, "stop it"))
    RE(steered(stubborn(), steering)).result(30)
    assert seen.stops == [("abort", "test: stop it")]
    assert beam.det.staged == beam.det.unstaged == 1


def test_the_clean_up_of_the_plan_always_runs(RE, beam, seen, steering):
    cleaned = []

    def clean_up():
        yield from bps.mv(beam.y, 1.5)
        cleaned.append("shutter closed")

    beam.det.dead_time = 60.0
    plan = bpp.finalize_wrapper(bpp.baseline_wrapper(bp.count([beam.det]), [beam.energy]), clean_up)
    future = RE(steered(plan, steering))
    until(lambda: beam.det.busy)
    ask(steering, Verdict.ABORT)
    future.result(30)
    assert cleaned == ["shutter closed"]
    assert beam.y.position == 1.5
    baseline = [doc["uid"] for doc in seen.named("descriptor") if doc["name"] == "baseline"]
    assert [event["seq_num"] for event in seen.named("event") if event["descriptor"] in baseline] == [1, 2]
    assert seen.stops == [("abort", "test: because")]


def test_a_detector_whose_stop_fails_is_logged_and_the_rest_is_done(RE, beam, seen, steering, caplog):
    from skysteer.engine import Status

    class Stubborn:
        name, parent = "stubborn", None
        hints: dict = {}  # noqa: RUF012

        def __init__(self):
            self.status = None

        def read(self):
            return {"stubborn": {"value": 1.0, "timestamp": 0.0}}

        def describe(self):
            return {"stubborn": {"source": "test", "dtype": "number", "shape": []}}

        def trigger(self):
            self.status = Status()
            return self.status

        def stop(self, *, success=False):
            raise OSError("the controller does not answer")

        def stage(self):
            return [self]

        def unstage(self):
            if self.status is not None and not self.status.done:
                self.status.set_exception(RuntimeError("disarmed"))
            return [self]

    device = Stubborn()
    future = RE(steered(bp.count([device]), steering))
    until(lambda: device.status is not None)
    ask(steering, Verdict.ABORT, "junk")
    future.result(30)
    assert seen.stops == [("abort", "test: junk")]
    assert "stubborn could not be stopped" in caplog.text
    RE(bp.count([beam.det])).result(30)  # its failure did not land in the next run
    assert seen.stops[1][0] == "success"


def test_classic_and_async_devices_are_steered_side_by_side(RE, beam, seen, steering):
    from ophyd.sim import SynAxis, SynGauss

    motor = SynAxis(name="motor", delay=0.01)
    classic = SynGauss("classic", motor, "motor", center=0, Imax=1)
    at_event(RE, 3, lambda: ask(steering, Verdict.ENOUGH, "enough of both"))
    plan = bp.list_scan(
        [beam.det, classic], motor, [0.01 * n for n in range(300)], beam.x, [0.01 * n for n in range(300)]
    )
    RE(steered(plan, steering)).result(30)
    assert seen.stops == [("success", "test: enough of both")]
    assert 3 <= len(seen.points) < 200


def test_an_adaptive_scan_is_steered_too(RE, beam, seen, steering):
    at_event(RE, 2, lambda: ask(steering, Verdict.ENOUGH, "converged"))
    longer_after_event(RE, 2, beam.det, 0.5)
    plan = adaptive_scan([beam.det], [beam.x], along_x([0.1 * n for n in range(40)]), objectives=["det"], max_points=40)
    RE(steered(plan, steering)).result(20)
    assert seen.stops == [("success", "test: converged")]
    assert 2 <= len(seen.points) <= 4


def test_an_adaptive_scan_that_waits_for_its_recommender_is_ended_at_once(RE, beam, seen, steering):
    from skysteer.testing import Silent

    silent = Silent(along_x(), after=1)
    try:
        future = RE(steered(adaptive_scan([beam.det], [beam.x], silent, objectives=["det"], max_points=5), steering))
        assert silent.wait_until_silent(10)
        ask(steering, Verdict.ABORT, "no use")
        future.result(30)
    finally:
        silent.release()
    assert seen.stops == [("abort", "test: no use")]


def test_a_whole_engine_is_steered_by_a_preprocessor(RE, beam, seen, steering):
    RE.preprocessors.append(partial(steered, steering=steering))
    beam.det.dead_time = 0.005
    at_event(RE, 2, lambda: ask(steering, Verdict.ENOUGH, "good"))
    RE(bp.count([beam.det], num=500)).result(30)
    RE(bp.count([beam.det], num=2)).result(30)
    assert seen.stops == [("success", "test: good"), ("success", "")]


def test_the_engines_own_abort_is_no_verdict(RE, beam, seen, steering):
    beam.det.dead_time = 60
    future = RE(steered(bp.count([beam.det]), steering))
    until(lambda: beam.det.busy)
    RE.abort("the user left")
    with pytest.raises(RunEngineInterrupted):
        future.result(30)
    assert seen.stops == [("abort", "the user left")]
    assert not steering.running


def test_an_error_of_the_plan_comes_through(RE, beam, seen, steering):
    beam.det.fail_at = {2}
    with pytest.raises(Exception, match="trigger 2 failed") as caught:
        RE(steered(bp.count([beam.det], num=3), steering)).result(30)
    assert not isinstance(caught.value, RequestAbort)
    assert [status for status, _ in seen.stops] == ["fail"]


def test_it_yields_stock_messages_only(stock_RE, steering):
    beam = SimulatedBeamline(stock_RE)
    commands = set()
    stock_RE.msg_hook = lambda message: commands.add(message.command)
    stock_RE(steered(bp.list_scan([beam.det], beam.x, [0.0, 1.0]), steering))
    assert commands <= set(type(stock_RE)({}, context_managers=[], loop=stock_RE.loop).commands)


def test_a_suspender_acts_on_a_steered_plan(RE, beam, seen, steering):
    from bluesky.suspenders import SuspendBoolHigh
    from ophyd import Signal

    shutter = Signal(name="shutter", value=0)
    RE.install_suspender(SuspendBoolHigh(shutter))
    beam.det.dead_time = 0.1
    future = RE(steered(bp.count([beam.det], num=20), steering))
    until(lambda: len(seen.points) > 2)
    shutter.put(1)
    held = threading.Event()
    RE.loop.call_soon_threadsafe(RE.loop.call_later, 0.1, held.set)
    assert held.wait(30)
    count = len(seen.points)
    beam.det.dead_time = 0.0
    shutter.put(0)
    future.result(30)
    assert count < 20
    assert len(seen.points) == 20
    RE.clear_suspenders()


@pytest.mark.parametrize("number", range(0, 60, 1))
def test_abort_at_any_message_closes_the_run_with_the_reason(RE, beam, seen, steering, number):
    reached = []

    def hook(message):
        reached.append(message)
        if len(reached) == number + 1:
            threading.Thread(target=ask, args=(steering, Verdict.ABORT, "junk")).start()

    RE.msg_hook = hook
    RE(steered(bp.list_scan([beam.det], beam.x, [0.0, 1.0, 2.0]), steering)).result(30)
    assert len(seen.named("start")) == len(seen.named("stop"))
    assert all(stop in [("abort", "test: junk"), ("success", "")] for stop in seen.stops)
    assert beam.det.staged == beam.det.unstaged
    RE.msg_hook = None
    RE(bp.count([beam.det])).result(30)
    assert seen.stops[-1] == ("success", "")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("velocity", [None, 40.0])
def test_a_pause_at_any_message_changes_nothing(RE, documents, velocity):
    from .test_interruptions import At, finish, soon

    beam = SimulatedBeamline(RE, velocity=velocity)
    where = [0.0, 0.4, -0.3]
    for number in range(1, 80):
        documents.clear()
        hook = At(RE, number, soon(RE._request_pause_coro))
        finish(RE, RE(steered(bp.list_scan([beam.det], beam.x, where), Steering())))
        seen = Seen(documents)
        assert seen.column("x") == pytest.approx(where), f"paused at message {number} ({hook.command})"
        assert seen.stops == [("success", "")]
        if hook.command is None:
            assert number > 25
            return
    raise AssertionError("the scan has more messages than expected")


@pytest.mark.parametrize("number", range(4, 40, 3))
def test_abort_after_a_pause_at_any_message_leaves_nothing_moving(RE, seen, steering, number):
    from .test_interruptions import At, soon

    beam = SimulatedBeamline(RE, velocity=5.0, dead_time=0.01)
    At(RE, number, soon(RE._request_pause_coro))
    future = RE(steered(bp.list_scan([beam.det], beam.x, [1.0, -1.0, 2.0]), steering))
    with pytest.raises(RunEngineInterrupted):
        future.result(30)
    future = RE.resume()
    threading.Timer(0.01, ask, (steering, Verdict.ABORT, "junk")).start()
    future.result(30)
    assert set(seen.stops) <= {("abort", "test: junk"), ("success", "")}
    assert not beam.det.busy
    where = beam.x.position
    RE(bps.sleep(0.03)).result(30)
    assert beam.x.position == where


# ------------------------------------------------------------ what users did that nobody had thought of


@pytest.mark.parametrize("verdict", [Verdict.ENOUGH, Verdict.ABORT])
def test_a_plan_that_uses_the_answer_of_its_wait_for_is_not_given_a_wrong_one(RE, seen, steering, verdict):
    import asyncio

    waiting = threading.Event()

    async def forever():
        waiting.set()
        await asyncio.sleep(60)

    def plan():
        yield from bps.open_run()
        (future,) = yield from bps.wait_for([forever])
        future.result()
        yield from bps.close_run()

    future = RE(steered(plan(), steering))
    assert waiting.wait(30)
    ask(steering, verdict)
    future.result(30)
    assert seen.stops == [("success" if verdict is Verdict.ENOUGH else "abort", "test: because")]


@pytest.mark.parametrize("how", ["stop", "abort"])
@pytest.mark.parametrize("when", ["held", "stopping"])
def test_a_plan_that_the_engine_ends_meanwhile_cleans_up(RE, beam, seen, steering, how, when):
    class Slow:
        """Takes its time to stop."""

        name, parent = "slow", None
        stopping = threading.Event()

        def set(self, value):
            from skysteer.engine import Status

            return Status()

        def stop(self, *, success=False):
            self.stopping.set()

    slow = Slow()

    def plan():
        yield from bps.abs_set(slow, 1)
        yield from bp.count([beam.det], num=10_000)

    future = RE(steered(bpp.finalize_wrapper(plan(), lambda: bps.mv(beam.y, 1.5)), steering))
    until(lambda: len(seen.points) > 2)
    if when == "held":
        held = threading.Event()
        RE.msg_hook = lambda message: held.set() if message.command == "wait_for" else None
        ask(steering, Verdict.HOLD)
        assert held.wait(30)
    else:
        ask(steering, Verdict.ABORT)
        assert slow.stopping.wait(30)
    getattr(RE, how)()
    with pytest.raises(RunEngineInterrupted):
        future.result(30)
    assert beam.y.position == 1.5
    assert beam.det.staged == beam.det.unstaged == 1
    assert len(seen.stops) == 1


def test_a_plan_that_an_outer_steering_ends_in_a_hold_cleans_up(RE, beam, seen):
    outer, inner = Steering(), Steering()
    plan = bpp.finalize_wrapper(bp.count([beam.det], num=10_000, delay=0.001), lambda: bps.mv(beam.y, 1.5))
    future = RE(steered(steered(plan, inner), outer))
    until(lambda: len(seen.points) > 2)
    ask(inner, Verdict.HOLD)
    ask(outer, Verdict.ABORT, "outer")
    future.result(30)
    assert beam.y.position == 1.5
    assert seen.stops == [("abort", "test: outer")]


@pytest.mark.parametrize("verdict", [Verdict.ENOUGH, Verdict.ABORT])
def test_a_move_that_goes_on_between_readings_is_stopped_with_the_plan(RE, seen, steering, verdict):
    beam = SimulatedBeamline(RE, velocity=0.5)

    def ramp():
        yield from bps.open_run()
        yield from bps.abs_set(beam.x, 4.0, group="at the end")
        while True:
            yield from bps.trigger_and_read([beam.det, beam.x])
            yield from bps.sleep(0.001)

    where = []

    def samples():
        yield from steered(ramp(), steering)
        where.append(beam.x.position)
        yield from bps.sleep(0.05)
        where.append(beam.x.position)

    future = RE(samples())
    until(lambda: beam.x.position > 0.01)
    ask(steering, verdict)
    future.result(30)
    assert where[0] == where[1] < 2
    assert [reason for _, reason in seen.stops] == ["test: because"]


def test_a_steering_that_steers_a_plan_is_refused_to_another_and_goes_on(RE, beam, seen, steering):
    from skysteer.errors import SteeringBusy

    refused = []

    def outer():
        try:
            yield from steered(bp.count([beam.det]), steering)
        except SteeringBusy as exc:
            refused.append(str(exc))
        yield from bp.count([beam.det], num=10_000, delay=0.001)

    future = RE(steered(outer(), steering))
    until(lambda: len(seen.points) > 2)
    assert "give each plan a Steering of its own" in refused[0]
    assert ask(steering, Verdict.ABORT).accepted
    future.result(30)
    assert seen.stops == [("abort", "test: because")]


def test_a_simulator_can_look_at_a_steered_plan(beam_of_no_engine, steering, capsys):
    from bluesky.simulators import summarize_plan

    begun = time.monotonic()
    summarize_plan(steered(bp.count([beam_of_no_engine.det], num=3, delay=60), steering))
    assert time.monotonic() - begun < 10
    assert capsys.readouterr().out.count("Read ['det']") == 3
    assert not steering.running


@pytest.fixture
def beam_of_no_engine(RE):
    return SimulatedBeamline(RE)


def test_a_stop_or_unstage_that_fails_is_logged_once_and_the_rest_is_unstaged(RE, beam, steering, caplog):
    class Broken:
        name, parent = "broken", None
        moving = threading.Event()

        def set(self, value):
            from skysteer.engine import Status

            self.moving.set()
            return Status()

        def stop(self, *, success=False):
            raise OSError("the controller does not answer")

        def stage(self):
            return [self]

        def unstage(self):
            raise OSError("nor does it unstage")

    def plan():
        device = Broken()
        yield from bps.stage(device)
        yield from bps.stage(beam.det, wait=True)
        yield from bps.mv(device, 1)

    def one_after_the_other():
        yield from steered(plan(), steering)
        assert beam.det.staged == beam.det.unstaged == 1
        yield from bp.count([beam.det])

    future = RE(one_after_the_other())
    assert Broken.moving.wait(30)
    ask(steering, Verdict.ABORT)
    future.result(30)
    assert caplog.text.count("broken could not be stopped") == 1
    assert caplog.text.count("broken could not be unstaged") == 1


def test_a_device_that_takes_its_time_to_stop_does_not_delay_the_stop_of_the_others(RE, seen, steering):
    from skysteer.engine import Status

    stopped = {}

    class Axis:
        parent = None

        def __init__(self, name):
            self.name = name

        def set(self, value):
            self.status = Status()
            return self.status

        def stop(self, *, success=False):
            stopped.setdefault(self.name, time.monotonic())
            if self.name != "heavy" and not self.status.done:
                self.status.set_finished()

    axes = [Axis("heavy"), Axis("light"), Axis("lighter")]
    begun = threading.Event()
    RE.msg_hook = lambda message: begun.set() if message.command == "wait" else None
    future = RE(steered(bps.mv(*(each for axis in axes for each in (axis, 1))), steering))
    assert begun.wait(30)
    ask(steering, Verdict.ABORT)
    future.result(30)
    assert len(stopped) == 3
    assert max(stopped.values()) - min(stopped.values()) < 0.5
