"""Continuous plans: the mark, the live view with its buttons, and the scan whose step is tuned."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
import time

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import numpy as np
import ophyd
import ophyd.sim
import pytest
from bluesky.utils import FailedStatus, Msg, RunEngineInterrupted
from ophyd_async.core import soft_signal_rw

from skysteer import Action, Status
from skysteer.errors import PreflightError
from skysteer.handoff import Steering
from skysteer.model import Verdict
from skysteer.plans import continuous, live_view, tunable_scan
from skysteer.protocols import ContinuousPlan
from skysteer.testing import SimulatedBeamline

SOON = 5.0
"""Seconds that waking may take on a busy machine; what is not woken takes a minute."""
LONG = 30.0


class Seen:
    """The documents of a test, looked at as a user would."""

    def __init__(self, documents):
        self.documents = documents

    def named(self, name):
        return [doc for kind, doc in self.documents if kind == name]

    def stream(self, name="primary"):
        """Data of each point of a stream, a replayed one once."""
        uids = {doc["uid"] for doc in self.named("descriptor") if doc["name"] == name}
        events = [doc for doc in self.named("event") if doc["descriptor"] in uids]
        return list({event["seq_num"]: event["data"] for event in events}.values())

    def column(self, key):
        return [data[key] for data in self.stream()]

    @property
    def stops(self):
        return [(doc["exit_status"], doc.get("reason", "")) for doc in self.named("stop")]


@pytest.fixture
def seen(documents):
    return Seen(documents)


@pytest.fixture
def beam(RE):
    return SimulatedBeamline(RE)


@pytest.fixture
def steering():
    return Steering()


@pytest.fixture(params=["ours", "stock"])
def any_RE(request):
    return request.getfixturevalue("RE" if request.param == "ours" else "stock_RE")


def until(condition):
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.001)


def ask(steering, verdict, reason="because"):
    return steering.request(verdict, reason, author="test")


def after_events(RE, number, act):
    """Do something, on the engine's loop, when the primary stream's event number ``number`` is there."""
    streams = set()

    def callback(name, doc):
        if name == "descriptor" and doc["name"] == "primary":
            streams.add(doc["uid"])
        if name == "event" and doc["descriptor"] in streams and doc["seq_num"] == number:
            act()

    return RE.subscribe(callback)


class At:
    """Pauses when the engine comes to message number ``at``."""

    def __init__(self, RE, at):
        self.RE, self.at, self.number, self.command, self.task = RE, at, 0, None, None
        RE.msg_hook = self

    def __call__(self, message):
        self.number += 1
        if self.number == self.at:
            self.command = message.command
            self.task = asyncio.ensure_future(self.RE._request_pause_coro())


def finish(RE, future):
    try:
        return future.result(20)
    except RunEngineInterrupted:
        assert RE.state == "paused"
        return RE.resume().result(20)


def idle(latch):
    return not (latch._waiters or latch._watchers or latch._listeners)


# -- the mark


def test_a_plan_function_is_marked_bare_and_with_options():
    @continuous
    def bare():
        yield Msg("null")

    @continuous(togglable=False, pausable=True)
    def told():
        yield Msg("null")

    assert (bare.__togglable__, bare.__pausable__) == (True, False)
    assert (told.__togglable__, told.__pausable__) == (False, True)
    assert isinstance(bare, ContinuousPlan)
    assert isinstance(told, ContinuousPlan)
    assert isinstance(live_view, ContinuousPlan)
    assert [m.command for m in told()] == ["null"]


def test_marked_functions_of_other_packages_count_and_unmarked_do_not():
    def other():
        yield Msg("null")

    assert not isinstance(other, ContinuousPlan)
    other.__togglable__ = other.__pausable__ = False
    assert isinstance(other, ContinuousPlan)


def test_a_wrapped_generator_function_counts():
    def inner():
        yield Msg("null")

    @functools.wraps(inner)
    def outer(*args):
        return inner(*args)

    assert isinstance(continuous(outer), ContinuousPlan)


async def _coroutine():
    return None


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (lambda: [Msg("null")], r"<lambda> is none: it must yield"),
        (_coroutine, "_coroutine is none: it must yield"),
        (SimulatedBeamline, "SimulatedBeamline is none: it must yield"),
        (bps.null(), "this is the plan already, mark the function that makes it"),
        (False, "found a bool; options are keywords"),
    ],
    ids=["function", "coroutine", "class", "plan", "flag"],
)
def test_what_is_no_generator_function_is_refused(what, words):
    with pytest.raises(TypeError, match=words):
        continuous(what)


# -- the live view


def test_a_view_reads_until_enough_and_says_who_said_it(any_RE, steering):
    beam, documents = SimulatedBeamline(any_RE), []
    any_RE.subscribe(lambda name, doc: documents.append((name, doc)))
    classic = ophyd.sim.SynSignal(func=lambda: 7.0, name="classic")
    after_events(any_RE, 5, lambda: ask(steering, Verdict.ENOUGH, "S/N 12"))
    answer = any_RE(live_view([beam.det, classic], steering, refresh_period=0, md={"sample": "s1"}))
    result = answer.result(20) if hasattr(answer, "result") else answer
    seen = Seen(documents)
    assert seen.stops == [("success", "test: S/N 12")]
    assert seen.column("classic") == [7.0] * 5
    [start] = seen.named("start")
    assert (start["plan_name"], start["sample"], start["detectors"]) == ("live_view", "s1", ["det", "classic"])
    assert result.plan_result == start["uid"]
    assert (beam.det.staged, beam.det.unstaged, beam.det.triggers) == (1, 1, 5)
    assert not steering.running


def test_abort_ends_a_long_exposure_at_once_and_marks_the_run(RE, beam, seen, steering):
    beam.det.dead_time = 60.0
    future = RE(live_view([beam.det], steering))
    until(lambda: beam.det.busy)
    began = time.monotonic()
    ask(steering, Verdict.ABORT, "beam lost")
    future.result(30)
    assert time.monotonic() - began < SOON
    assert seen.stops == [("abort", "test: beam lost")]
    assert seen.stream() == []
    assert not beam.det.busy


def test_enough_ends_a_long_refresh_period_at_once(RE, beam, seen, steering):
    future = RE(live_view([beam.det], steering, refresh_period=60.0))
    until(lambda: seen.stream())
    time.sleep(0.02)
    began = time.monotonic()
    ask(steering, Verdict.ENOUGH)
    future.result(30)
    assert time.monotonic() - began < SOON
    assert len(seen.stream()) == 1


@pytest.mark.parametrize("ending", [Verdict.KEEP_GOING, Verdict.ENOUGH, Verdict.ABORT])
def test_a_hold_reads_nothing_until_it_is_over(RE, beam, seen, steering, ending):
    after_events(RE, 2, lambda: ask(steering, Verdict.HOLD))
    future = RE(live_view([beam.det], steering, refresh_period=0))
    until(lambda: len(seen.stream()) == 2)
    time.sleep(0.05)
    assert beam.det.triggers == 2
    ask(steering, ending)
    if ending is Verdict.KEEP_GOING:
        until(lambda: len(seen.stream()) > 4)
        ask(steering, Verdict.ENOUGH)
    future.result(30)
    assert seen.stops[0][0] == ("abort" if ending is Verdict.ABORT else "success")
    assert ending is Verdict.KEEP_GOING or beam.det.triggers == 2


def snapshots(beam):
    """A push-button that reads into a stream of its own."""
    return Action("snapshot"), lambda: bps.trigger_and_read([beam.edge], "snapshot")


def test_a_button_is_obeyed_at_once_between_two_readings_and_springs_back(RE, beam, seen, steering):
    button, plan = snapshots(beam)
    future = RE(live_view([beam.det], steering, actions=[(button, plan)], refresh_period=60.0))
    until(lambda: seen.stream())
    time.sleep(0.02)
    began = time.monotonic()
    button.latch.set("the user")
    until(lambda: seen.stream("snapshot"))
    assert time.monotonic() - began < SOON
    until(lambda: not button.latch.is_set())
    until(lambda: len(seen.stream()) == 2)  # and the view has gone on
    ask(steering, Verdict.ENOUGH)
    future.result(30)
    assert len(seen.stream("snapshot")) == 1
    assert len(seen.named("start")) == 1
    assert idle(button.latch)


def test_no_press_is_lost_however_short_and_none_is_counted_twice(RE, beam, seen, steering):
    button, plan = snapshots(beam)
    beam.det.dead_time = 0.05
    future = RE(live_view([beam.det], steering, actions={button: plan}, refresh_period=0))
    until(lambda: beam.det.busy)
    for _ in range(3):
        button.latch.set()
        button.latch.reset()
    until(lambda: len(seen.stream("snapshot")) == 3)
    now = len(seen.stream())
    until(lambda: len(seen.stream()) >= now + 2)
    ask(steering, Verdict.ENOUGH)
    future.result(30)
    assert len(seen.stream("snapshot")) == 3


def test_a_pause_between_two_readings_replays_none(RE, beam, seen, steering):
    between = threading.Event()  # the checkpoint after the reading was passed
    RE.msg_hook = lambda message: between.set() if message.command == "wait_for" else None
    future = RE(live_view([beam.det], steering, refresh_period=60.0))
    assert between.wait(30)
    RE.request_pause()
    assert isinstance(future.exception(30), RunEngineInterrupted)
    between.clear()
    future = RE.resume()
    assert between.wait(30)
    ask(steering, Verdict.ENOUGH)
    future.result(30)
    assert beam.det.triggers == 1
    assert len(seen.named("event")) == 1


def test_a_pause_after_an_action_does_not_replay_it(RE, beam, seen, steering):
    button, plan = snapshots(beam)
    button.latch.set("before the view")
    beam.det.dead_time = 0.2
    future = RE(live_view([beam.det], steering, actions=[(button, plan)], refresh_period=0))
    until(lambda: beam.det.busy)
    assert beam.edge.triggers == 1
    RE.request_pause()
    assert isinstance(future.exception(30), RunEngineInterrupted)
    future = RE.resume()
    until(lambda: seen.stream())
    ask(steering, Verdict.ENOUGH)
    future.result(30)
    assert beam.edge.triggers == 1
    assert len(seen.stream("snapshot")) == 1


def test_a_button_pressed_during_a_pause_is_obeyed(RE, beam, seen, steering):
    button, plan = snapshots(beam)
    future = RE(live_view([beam.det], steering, actions=[(button, plan)], refresh_period=60.0))
    until(lambda: seen.stream())
    time.sleep(0.02)
    RE.request_pause()
    assert isinstance(future.exception(30), RunEngineInterrupted)
    button.latch.set()
    button.latch.reset()
    future = RE.resume()
    until(lambda: seen.stream("snapshot"))
    ask(steering, Verdict.ENOUGH)
    future.result(30)
    assert len(seen.stream("snapshot")) == 1


def test_a_togglable_action_is_on_while_its_latch_is_set(RE, beam, seen, steering):
    light, calls = Action("light", togglable=True), []

    def switch(on):
        calls.append(on)
        yield from bps.null()

    future = RE(live_view([beam.det], steering, actions=[(light, switch)], refresh_period=0.001))
    until(lambda: seen.stream())
    light.latch.set()
    until(lambda: calls == [True])
    light.latch.reset()
    until(lambda: calls == [True, False])
    light.latch.set()
    until(lambda: calls == [True, False, True])
    ask(steering, Verdict.ENOUGH)
    future.result(30)
    assert calls == [True, False, True, False]  # the view is over: it is switched off
    assert not light.latch.is_set()
    assert seen.stops[0][0] == "success"


def test_a_short_toggle_is_called_both_ways(RE, beam, steering):
    light, calls = Action("light", togglable=True), []

    def switch(on):
        calls.append(on)
        yield from bps.null()

    beam.det.dead_time = 0.05
    future = RE(live_view([beam.det], steering, actions=[(light, switch)], refresh_period=0))
    until(lambda: beam.det.busy)
    light.latch.set()
    light.latch.reset()
    until(lambda: calls == [True, False])
    ask(steering, Verdict.ENOUGH)
    future.result(30)
    assert calls == [True, False]


@pytest.mark.parametrize("verdict", [Verdict.ENOUGH, Verdict.ABORT])
def test_what_is_on_is_switched_off_however_the_view_ends(RE, beam, steering, verdict):
    lamp = soft_signal_rw(float, 0.0, name="lamp")
    connect(RE, lamp)
    light = Action("light", togglable=True)
    light.latch.set("before the view")

    def switch(on):
        yield from bps.mv(lamp, float(on))

    values = []
    after_events(RE, 2, lambda: (values.append(lamp._connector.backend.reading["value"]), ask(steering, verdict)))
    RE(live_view([beam.det], steering, actions=[(light, switch)], refresh_period=0)).result(30)
    assert values == [1.0]
    assert lamp._connector.backend.reading["value"] == 0.0


def failing(kind):
    motor = ophyd.sim.SynAxis(name="motor")

    def plan():
        if kind == "raises":
            raise OSError("no snapshot")
        yield from bps.create("snapshot")
        if kind == "leaves its event open":
            raise OSError("no snapshot")
        if kind == "leaves a status that fails later":
            motor.set = lambda value: failed("too late", after=0.05)
            yield from bps.abs_set(motor, 1)
            raise OSError("no snapshot")
        motor.set = lambda value: failed("no snapshot")
        yield from bps.mv(motor, 1)

    return plan


def failed(words, after=0.0):
    status = Status()
    timer = threading.Timer(after, status.set_exception, [OSError(words)])
    timer.start()
    return status


KINDS = ["raises", "leaves its event open", "status", "leaves a status that fails later"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_action_that_fails_is_logged_and_the_view_goes_on(RE, beam, seen, steering, caplog, kind):
    button = Action("snapshot")
    with caplog.at_level(logging.ERROR, logger="skysteer"):
        future = RE(live_view([beam.det], steering, actions=[(button, failing(kind))], refresh_period=0.001))
        until(lambda: seen.stream())
        button.latch.set()
        until(lambda: not button.latch.is_set())
        now, later = len(seen.stream()), time.monotonic() + 0.15
        until(lambda: future.done() or (len(seen.stream()) > now + 2 and time.monotonic() > later))
        ask(steering, Verdict.ENOUGH)
        future.result(30)
    assert seen.stops == [("success", "test: because")]
    assert "the action 'snapshot' failed, the plan goes on" in caplog.text
    assert "no snapshot" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_an_action_that_fails_ends_the_view_when_told_so(RE, beam, seen, steering, kind):
    button = Action("snapshot")
    button.latch.set()
    view = live_view([beam.det], steering, actions=[(button, failing(kind))], on_action_error="stop")
    with pytest.raises(FailedStatus if kind == "status" else OSError):
        RE(view).result(30)
    [(status, _)] = seen.stops
    assert status == "fail"
    assert beam.det.unstaged == 1
    assert not steering.running


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"refresh_period": -1}, ValueError, "refresh_period must be"),
        ({"on_action_error": "skip"}, ValueError, "on_action_error must be 'log' or 'stop', found 'skip'"),
        ({"actions": [Action("a")]}, TypeError, "pairs of an Action and the plan function it runs"),
        ({"actions": [("a", bps.null)]}, TypeError, "pairs of an Action and the plan function it runs"),
    ],
)
def test_a_view_that_cannot_be_is_refused_before_anything_is_staged(beam, steering, options, error, words):
    with pytest.raises(error, match=words):
        next(live_view([beam.det], steering, **options))
    assert steering.launch_number == 0


@pytest.mark.timeout(240)
def test_a_view_can_be_paused_at_any_message(RE, beam, documents, seen, steering):
    light, calls = Action("light", togglable=True), []

    def switch(on):
        calls.append(on)
        yield from bps.null()

    button, snapshot = snapshots(beam)
    after_events(RE, 2, button.latch.set)
    after_events(RE, 4, lambda: ask(steering, Verdict.ENOUGH))
    for number in range(1, 200):
        documents.clear()
        calls.clear()
        light.latch.set()
        hook = At(RE, number)
        view = live_view([beam.det], steering, actions=[(light, switch), (button, snapshot)], refresh_period=0.001)
        finish(RE, RE(view))
        where = f"paused at message {number} ({hook.command})"
        assert seen.stops == [("success", "test: because")], where
        assert len(seen.stream()) == 4, where
        # an event that is replayed presses the button once more
        assert len(seen.stream("snapshot")) in (1, 2), where
        assert calls == [True, False], where
        assert idle(light.latch), where
        assert not beam.det.busy, where
        if hook.command is None:
            break
    assert 40 < number < 199


# -- the tunable scan


def connect(RE, *devices):
    async def work():
        for device in devices:
            await device.connect()

    asyncio.run_coroutine_threadsafe(work(), RE.loop).result(30)


def step_signals(RE, value):
    """The step as an ophyd-async and as a classic signal, each with a way to change it from a callback."""
    new, old = soft_signal_rw(float, value, name="step"), ophyd.Signal(name="step", value=value)
    connect(RE, new)
    return {
        "async": (new, lambda step: new._connector.backend.set_value(step)),
        "classic": (old, old.put),
    }


@pytest.mark.parametrize("kind", ["number", "async", "classic"])
@pytest.mark.parametrize(
    ("start", "stop", "num"), [(-1.0, 1.0, 21), (0.0, 1.0, 11), (3.0, -2.0, 8), (0.1, 0.7, 7), (2.0, 2.0, 1)]
)
def test_with_nobody_changing_the_step_it_is_an_ordinary_scan(RE, beam, documents, seen, kind, start, stop, num):
    points = np.linspace(start, stop, num)
    step = (stop - start) / (num - 1) if num > 1 else 0.5
    signal = step if kind == "number" else step_signals(RE, step)[kind][0]
    beam.det.noise = False
    RE(bp.list_scan([beam.det], beam.x, points)).result(20)
    ordinary = seen.stream()
    documents.clear()
    RE(tunable_scan([beam.det], beam.x, start, stop, signal)).result(20)
    ours = seen.stream()
    assert [(data["x"], data["det"]) for data in ours] == [(data["x"], data["det"]) for data in ordinary]
    assert [data["x"] for data in ours] == list(points)
    assert [data["x_step"] for data in ours] == [0.0] + [step] * (num - 1)
    assert seen.stops == [("success", "the scan is complete")]


def test_it_runs_on_a_stock_engine_with_classic_devices(stock_RE):
    motor = ophyd.sim.SynAxis(name="motor")
    detector = ophyd.sim.SynGauss("gauss", motor, "motor", center=0, Imax=1, sigma=1)
    documents = []
    stock_RE.subscribe(lambda name, doc: documents.append((name, doc)))
    step = ophyd.Signal(name="step", value=0.5)
    result = stock_RE(tunable_scan([detector], motor, 0, 2, step))
    assert Seen(documents).column("motor") == [0, 0.5, 1, 1.5, 2]
    assert result.plan_result == result.run_start_uids[0]


def test_the_last_point_is_the_last_one_not_beyond_the_end(RE, beam, seen):
    RE(tunable_scan([beam.det], beam.x, 0.0, 1.0, 0.3)).result(30)
    assert seen.column("x") == pytest.approx([0.0, 0.3, 0.6, 0.9])
    assert max(seen.column("x")) <= 1.0


@pytest.mark.parametrize(("stop", "num"), [(0.3, 4), (0.7, 8), (-0.7, 8)])
def test_rounding_does_not_cost_the_last_point(RE, beam, seen, stop, num):
    RE(tunable_scan([beam.det], beam.x, 0.0, stop, 0.1 if stop > 0 else -0.1)).result(30)
    assert len(seen.column("x")) == num
    assert seen.column("x")[-1] == stop


class Skittish(ophyd.sim.SynAxis):
    """A motor whose first move fails when it is stopped by a pause."""

    moves = 0
    moving = None

    def set(self, value):
        self.moves += 1
        if self.moves > 1:
            return super().set(value)
        self.moving = Status()
        return self.moving

    def stop(self, *, success=False):
        if self.moving is not None and not self.moving.done:
            self.moving.set_exception(OSError("was stopped"))


def test_a_move_that_a_pause_broke_is_begun_again_but_not_one_that_failed_by_itself(RE, beam, seen):
    motor = Skittish(name="motor")
    future = RE(tunable_scan([beam.det], motor, 1, 2, 1))
    until(lambda: motor.moving is not None)
    time.sleep(0.02)
    RE.request_pause()
    assert isinstance(future.exception(30), RunEngineInterrupted)
    RE.resume().result(30)
    assert seen.column("motor") == [1, 2]
    motor = Skittish(name="motor")
    future = RE(tunable_scan([beam.det], motor, 1, 2, 1))
    until(lambda: motor.moving is not None)
    motor.stop()
    with pytest.raises(FailedStatus):
        future.result(30)
    assert motor.moves == 1


@pytest.mark.parametrize("kind", ["async", "classic"])
def test_a_step_changed_while_it_runs_holds_from_the_next_move_on(RE, beam, seen, kind):
    signal, change = step_signals(RE, 1.0)[kind]
    after_events(RE, 2, lambda: change(0.25))
    after_events(RE, 4, lambda: change(0.5))
    RE(tunable_scan([beam.det], beam.x, 0.0, 3.0, signal)).result(30)
    assert seen.column("x") == [0.0, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0]
    assert seen.column("x_step") == [0.0, 1.0, 0.25, 0.25, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("bad", [0.0, -0.5, float("nan"), float("inf"), 1e-300])
def test_an_impossible_step_is_not_obeyed_while_it_runs_and_warned_of_once(RE, beam, seen, caplog, bad):
    signal, change = step_signals(RE, 0.5)["classic"]
    after_events(RE, 2, lambda: change(bad))
    with caplog.at_level(logging.WARNING, logger="skysteer"):
        RE(tunable_scan([beam.det], beam.x, 0.0, 2.0, signal)).result(30)
    assert seen.column("x") == [0.0, 0.5, 1.0, 1.5, 2.0]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "it stays at 0.5" in warnings[0]


def test_a_step_outside_the_limits_is_taken_at_the_limit_with_one_warning(RE, beam, seen, caplog):
    signal, change = step_signals(RE, 0.5)["classic"]
    after_events(RE, 2, lambda: change(100.0))
    after_events(RE, 3, lambda: change(0.001))
    with caplog.at_level(logging.WARNING, logger="skysteer"):
        RE(tunable_scan([beam.det], beam.x, 0.0, 3.0, signal, limits=(0.25, 1.0))).result(30)
    assert seen.column("x") == [0.0, 0.5, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [
        "the step 100 is outside its limits [0.25, 1]; it is 1",
        "the step 0.001 is outside its limits [0.25, 1]; it is 0.25",
    ]


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((0, 1, 0), {}, "the step must not be zero"),
        ((0, 1, -0.1), {}, "the step must lead from 0 to 1, found -0.1"),
        ((0, 1, float("nan")), {}, "the step must be a finite number, found nan"),
        ((0, 1, "fine"), {}, "the step must be a finite number, found 'fine'"),
        ((1, 2, 1e-20), {}, "the step is too small to move from 1"),
        ((0, float("inf"), 1), {}, "stop must be a finite number, found inf"),
        ((0, 1, 0.1), {"limits": (0, 1)}, r"limits must be the smallest and the largest .* found \(0, 1\)"),
        ((0, 1, 0.1), {"limits": (2, 1)}, r"limits must be the smallest and the largest"),
        ((0, 1, 0.1), {"limits": 3}, r"limits must be the smallest and the largest"),
    ],
)
def test_a_scan_that_cannot_be_is_refused_before_anything_moves(RE, beam, documents, arguments, options, words):
    with pytest.raises(PreflightError, match=words):
        RE(tunable_scan([beam.det], beam.x, *arguments, **options)).result(30)
    assert documents == []
    assert beam.x.position == 0.0


def test_a_tunable_scan_is_steered(RE, beam, seen, steering):
    after_events(RE, 3, lambda: ask(steering, Verdict.HOLD))
    after_events(RE, 6, lambda: ask(steering, Verdict.ENOUGH))
    future = RE(tunable_scan([beam.det], beam.x, -5.0, 5.0, 0.01, steering=steering))
    until(lambda: len(seen.stream()) == 3)
    time.sleep(0.05)
    assert len(seen.stream()) == 3
    ask(steering, Verdict.KEEP_GOING)
    future.result(30)
    assert len(seen.stream()) == 6
    assert seen.stops == [("success", "test: because")]


def test_abort_stops_the_move_of_a_tunable_scan_at_once(RE, seen, steering):
    beam = SimulatedBeamline(RE, velocity=0.1)
    future = RE(tunable_scan([beam.det], beam.x, 0.0, 5.0, 4.0, steering=steering))
    until(lambda: beam.x.position > 0.01)
    began = time.monotonic()
    ask(steering, Verdict.ABORT, "junk")
    future.result(30)
    assert time.monotonic() - began < SOON
    assert seen.stops == [("abort", "test: junk")]
    assert 0 < beam.x.position < 2


@pytest.mark.timeout(240)
@pytest.mark.parametrize("steered", [False, True], ids=["plain", "steered"])
@pytest.mark.parametrize("velocity", [None, 40.0], ids=["at once", "moving"])
def test_a_tunable_scan_can_be_paused_at_any_message(RE, documents, seen, steering, velocity, steered):
    beam = SimulatedBeamline(RE, velocity=velocity, dead_time=0.0 if velocity is None else 0.002)
    signal, _ = step_signals(RE, 0.4)["async"]
    for number in range(1, 120):
        documents.clear()
        hook = At(RE, number)
        finish(RE, RE(tunable_scan([beam.det], beam.x, 0.0, 0.8, signal, steering=steering if steered else None)))
        where = f"paused at message {number} ({hook.command})"
        assert seen.column("x") == pytest.approx([0.0, 0.4, 0.8]), where
        assert seen.column("x_step") == [0.0, 0.4, 0.4], where
        assert len(seen.named("event")) <= 4, where
        assert seen.stops == [("success", "the scan is complete")], where
        if hook.command is None:
            break
    assert 30 < number < 119


class Dark:
    """A detector that cannot be read a third time."""

    parent = None

    def __init__(self, detector):
        self.detector, self.name, self.readings = detector, detector.name, 0

    def __getattr__(self, name):
        return getattr(self.detector, name)

    async def read(self):
        self.readings += 1
        if self.readings == 3:
            raise OSError("dark")
        return await self.detector.read()


class AtTheEnd(At):
    """Pauses when the engine comes to the end of the run."""

    def __call__(self, message):
        if message.command == "close_run":
            super().__call__(message)


@pytest.mark.parametrize("steered", [False, True], ids=["plain", "steered"])
def test_a_pause_at_the_end_of_a_run_that_fails_repeats_nothing_of_it(RE, beam, seen, steering, steered):
    hook = AtTheEnd(RE, 1)
    detector = Dark(beam.det)
    future = RE(tunable_scan([detector], beam.x, 0.0, 4.0, 1.0, steering=steering if steered else None))
    with pytest.raises(OSError, match="dark"):
        finish(RE, future)
    assert hook.command == "close_run"
    assert RE.state == "idle"
    assert detector.readings == 3
    assert [event["seq_num"] for event in seen.named("event")] == [1, 2]
    assert seen.stops == [("fail", "OSError: dark")]


def test_nothing_runs_on_after_a_view_that_was_aborted_by_the_engine(RE, beam, seen, steering):
    button, plan = snapshots(beam)
    future = RE(live_view([beam.det], steering, actions=[(button, plan)], refresh_period=60.0))
    until(lambda: seen.stream())
    threads = threading.active_count()
    RE.abort("the user left")
    assert isinstance(future.exception(30), RunEngineInterrupted)
    assert seen.stops == [("abort", "the user left")]
    assert idle(button.latch)
    assert not steering.running
    assert threading.active_count() <= threads
