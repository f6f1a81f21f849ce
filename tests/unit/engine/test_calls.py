"""What a call of the engine gives, and when it is refused."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future

import bluesky.plan_stubs as bps
import pytest
from bluesky.run_engine import RunEngineResult, TransitionError
from bluesky.suspenders import SuspendBoolHigh
from bluesky.utils import Msg, RunEngineInterrupted

from skysteer.engine import RunEngine
from skysteer.errors import EngineBusy, SkysteerError


def one_run(result=None):
    uid = yield from bps.open_run()
    yield from bps.close_run()
    return uid if result is None else result


def fails(error):
    yield from bps.null()
    raise error


def threads_of_calls():
    return [thread for thread in threading.enumerate() if thread.name.startswith("skysteer-engine-")]


def test_a_call_returns_a_future_before_the_plan_is_over(RE, held):
    future = RE(held.plan())
    assert isinstance(future, Future)
    assert not future.done()
    held.let_go.set()
    assert future.result(30).plan_result == "let go"


def test_the_result_is_the_one_of_bluesky(RE, documents):
    result = RE(one_run("done"), purpose="test").result(30)
    assert isinstance(result, RunEngineResult)
    assert result.plan_result == "done"
    assert result.exit_status == "success"
    assert not result.interrupted
    assert result.run_start_uids == (documents[0][1]["uid"],)
    assert documents[0][1]["purpose"] == "test"
    assert documents[0][1]["plan_type"] == "generator"
    assert documents[0][1]["plan_name"] == "one_run"


def test_the_uids_alone_when_asked_for():
    with RunEngine(call_returns_result=False) as RE:
        uids = RE(one_run()).result(30)
    assert isinstance(uids, tuple)
    assert len(uids) == 1


def test_the_arguments_of_bluesky_are_passed_on():
    seen = []

    def preprocessor(plan):
        seen.append("preprocessor")
        return (yield from plan)

    starts = []
    md = {"proposal": 7}
    with RunEngine(
        md,
        preprocessors=[preprocessor],
        md_validator=lambda md: seen.append("validator"),
        md_normalizer=lambda md: {**md, "normal": True},
        scan_id_source=lambda md: 41,
    ) as RE:
        assert RE.md is md
        assert RE.context_managers == []
        assert RE.pause_msg == ""
        RE(one_run(), {"start": lambda name, doc: starts.append(doc)}).result(30)
    assert seen == ["preprocessor", "validator"]
    assert (starts[0]["proposal"], starts[0]["normal"], starts[0]["scan_id"]) == (7, True, 41)


def test_callbacks_given_with_a_call_see_this_call_only(RE):
    names = []
    RE(one_run(), lambda name, doc: names.append(name)).result(30)
    RE(one_run()).result(30)
    assert names == ["start", "stop"]


@pytest.mark.parametrize("error", [ValueError("v"), TimeoutError("t"), TimeoutError("a"), KeyError("k")])
def test_the_very_exception_of_a_plan_is_the_futures(RE, error):
    future = RE(fails(error))
    assert future.exception(30) is error
    assert RE.state == "idle"
    assert RE(one_run()).result(30).exit_status == "success"


def test_a_run_left_open_by_a_failing_plan_is_closed_as_failed(RE, documents):
    def plan():
        yield from bps.open_run()
        raise ValueError("no beam")

    assert str(RE(plan()).exception(30)) == "no beam"
    assert documents[-1][0] == "stop"
    assert (documents[-1][1]["exit_status"], documents[-1][1]["reason"]) == ("fail", "no beam")


def test_a_future_cannot_be_cancelled(RE, held):
    future = held.run(RE)
    assert future.cancel() is False
    assert not future.cancelled()
    assert RE.state == "running"
    held.let_go.set()
    assert future.result(30).plan_result == "let go"


def test_a_second_call_is_refused_at_once_and_disturbs_nothing(RE, held, documents):
    future = held.run(RE)
    before = time.monotonic()
    with pytest.raises(EngineBusy, match=r"'plan' is running.*wait for its future") as caught:
        RE(one_run())
    assert time.monotonic() - before < 10  # the other goes on until it is let go
    assert isinstance(caught.value, RuntimeError)
    assert isinstance(caught.value, SkysteerError)
    held.let_go.set()
    assert future.result(30).plan_result == "let go"
    assert [name for name, _ in documents] == ["start", "stop"]


def test_a_call_while_paused_is_refused_and_says_what_to_do(RE, held):
    future = held.run(RE)
    RE.request_pause()
    assert isinstance(future.exception(30), RunEngineInterrupted)
    with pytest.raises(EngineBusy, match=r"paused.*RE\.resume\(\).*RE\.abort\(\)"):
        RE(one_run())
    held.let_go.set()
    assert RE.resume().result(30).plan_result == "let go"


def test_a_call_right_after_another_is_refused_though_the_plan_has_not_begun(RE, held):
    for _ in range(50):
        future = RE(held.plan())
        with pytest.raises(EngineBusy):
            RE(one_run())
        RE.abort()
        assert isinstance(future.exception(30), RunEngineInterrupted)


def test_of_calls_at_the_same_instant_exactly_one_wins(RE):
    for _ in range(200):
        gate = threading.Barrier(3)
        outcomes = []
        go = threading.Event()

        def plan(go=go):
            while not go.is_set():
                yield from bps.sleep(0.001)

        def call(gate=gate, outcomes=outcomes, plan=plan):
            gate.wait(30)
            try:
                outcomes.append(RE(plan()))
            except EngineBusy as exc:
                outcomes.append(exc)

        callers = [threading.Thread(target=call) for _ in range(3)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(30)
        futures = [outcome for outcome in outcomes if isinstance(outcome, Future)]
        assert len(outcomes) == 3
        assert len(futures) == 1
        go.set()
        assert futures[0].result(30).exit_status == "success"


def test_the_next_plan_may_start_as_soon_as_the_future_is_done(RE):
    for number in range(200):
        assert RE(one_run(number + 1)).result(30).plan_result == number + 1


def test_the_next_plan_may_start_in_a_callback_of_the_future(RE):
    second = Future()
    RE(one_run()).add_done_callback(lambda first: second.set_result(RE(one_run("second"))))
    assert second.result(30).result(30).plan_result == "second"


@pytest.mark.parametrize("bad", [5, None, one_run, "count", {"a": 1}])
def test_what_is_no_plan_is_refused_at_once_and_leaves_the_engine_usable(RE, bad):
    with pytest.raises(TypeError, match="takes a plan"):
        RE(bad)
    assert RE.state == "idle"
    assert RE(one_run("fine")).result(30).plan_result == "fine"


def test_a_function_in_place_of_a_plan_is_told_how_to_be_called(RE):
    with pytest.raises(TypeError, match=r"RE\(one_run\(\.\.\.\)\)"):
        RE(one_run)


def test_callbacks_that_cannot_be_called_are_refused_at_once(RE):
    with pytest.raises(ValueError, match="subs values must be functions"):
        RE(one_run(), [5])
    assert RE(one_run("fine")).result(30).plan_result == "fine"


def test_a_plan_of_things_that_are_no_messages_fails_and_leaves_the_engine_usable(RE):
    assert isinstance(RE([5]).exception(30), AttributeError)
    assert RE(one_run("fine")).result(30).plan_result == "fine"


def test_a_preprocessor_that_fails_leaves_the_engine_usable(RE):
    def broken(plan):
        raise LookupError("broken")

    RE.preprocessors.append(broken)
    assert isinstance(RE(one_run()).exception(30), LookupError)
    with pytest.raises(TransitionError):
        RE.abort()
    RE.preprocessors.clear()
    assert RE(one_run("fine")).result(30).plan_result == "fine"


def test_a_plan_may_be_a_message_or_a_list_of_them(RE):
    assert RE(Msg("null")).result(30).exit_status == "success"
    assert RE([Msg("null"), Msg("null")]).result(30).exit_status == "success"


@pytest.mark.parametrize("method", ["__call__", "resume", "abort", "stop", "halt", "request_pause", "close"])
def test_a_plan_that_calls_its_own_engine_is_refused_instead_of_waiting_for_ever(RE, method):
    def plan():
        yield from bps.null()
        if method == "__call__":
            RE(one_run())
        else:
            getattr(RE, method)()

    error = RE(plan()).exception(30)
    assert isinstance(error, EngineBusy)
    assert "own loop" in str(error)
    assert RE(one_run("fine")).result(30).plan_result == "fine"


def test_a_document_callback_that_calls_the_engine_is_refused(RE):
    caught = []

    def callback(name, doc):
        try:
            RE(one_run())
        except EngineBusy as exc:
            caught.append(str(exc))

    RE(one_run(), {"start": callback}).result(30)
    assert len(caught) == 1
    assert "document callbacks" in caught[0]


def test_one_named_daemon_thread_waits_for_a_plan_and_ends_with_it(RE, held):
    assert threads_of_calls() == []
    future = held.run(RE)
    (thread,) = threads_of_calls()
    assert thread.daemon
    held.let_go.set()
    future.result(30)
    thread.join(30)
    assert threads_of_calls() == []


class BeamShutter:
    """A signal as a suspender knows it."""

    name = "shutter"

    def __init__(self, value):
        self.value = value
        self.listeners = []

    def subscribe(self, callback, event_type=None, run=True):
        self.listeners.append(callback)
        if run:
            callback(value=self.value)

    def clear_sub(self, callback):
        self.listeners.remove(callback)

    def put(self, value):
        self.value = value
        for listener in self.listeners:
            listener(value=value)


def test_a_plan_begins_when_the_suspender_tripped_before_it_lets_go(RE, capfd):
    shutter = BeamShutter(1)
    RE.install_suspender(SuspendBoolHigh(shutter))
    begun = threading.Event()

    def plan():
        begun.set()
        yield from bps.null()
        return "beam is back"

    future = RE(plan())
    assert not begun.wait(0.2)
    assert not future.done()
    shutter.put(0)
    assert future.result(30).plan_result == "beam is back"
    assert "suspender has tripped" in capfd.readouterr().out
    RE.clear_suspenders()


def test_a_plan_that_a_suspender_keeps_from_beginning_can_be_aborted():
    with RunEngine() as RE:
        RE.install_suspender(SuspendBoolHigh(BeamShutter(1)))
        future = RE(one_run())
        RE.abort()
        assert isinstance(future.exception(30), RunEngineInterrupted)
        RE.clear_suspenders()
        assert RE(one_run("fine")).result(30).plan_result == "fine"
