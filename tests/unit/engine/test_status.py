"""The status a device returns."""

from __future__ import annotations

import logging
import threading
import time

import bluesky.plan_stubs as bps
import bluesky.protocols
import ophyd.status
import pytest
from bluesky.utils import FailedStatus

from skysteer.engine import InvalidState, Status, StatusTimeoutError, WaitTimeoutError
from skysteer.errors import SkysteerError


def timer_threads():
    return [thread for thread in threading.enumerate() if thread.name == "skysteer-status-timers"]


def test_it_is_a_status_of_bluesky():
    assert isinstance(Status(), bluesky.protocols.Status)


def test_a_new_status_is_not_done():
    status = Status()
    assert (status.done, status.success) == (False, False)
    assert (status.timeout, status.settle_time) == (None, 0.0)
    assert (Status(timeout=None, settle_time=None).settle_time) == 0.0


def test_the_limits_are_readable_but_cannot_be_changed():
    status = Status(timeout=3, settle_time=1)
    assert (status.timeout, status.settle_time) == (3.0, 1.0)
    with pytest.raises(AttributeError):
        status.timeout = 5
    with pytest.raises(AttributeError):
        status.settle_time = 5
    status.set_exception(RuntimeError())


def test_a_finished_status_is_done_well():
    status = Status()
    status.set_finished()
    assert (status.done, status.success) == (True, True)
    assert status.exception() is None
    assert status.wait() is None


def test_a_failed_status_raises_the_very_exception():
    status, error = Status(), ValueError("stuck")
    status.set_exception(error)
    assert (status.done, status.success) == (True, False)
    assert status.exception() is error
    with pytest.raises(ValueError, match="stuck") as caught:
        status.wait()
    assert caught.value is error


def test_a_class_of_exceptions_will_do():
    status = Status()
    status.set_exception(ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        status.wait()


@pytest.mark.parametrize("first", ["finished", "exception"])
@pytest.mark.parametrize("second", ["finished", "exception"])
def test_finishing_twice_is_refused(first, second):
    def finish(how):
        status.set_finished() if how == "finished" else status.set_exception(ValueError())

    status = Status()
    finish(first)
    with pytest.raises(InvalidState, match="called before") as caught:
        finish(second)
    assert isinstance(caught.value, SkysteerError)
    assert isinstance(caught.value, RuntimeError)
    assert status.success is (first == "finished")


def test_finishing_at_the_same_instant_is_refused_for_all_but_one():
    for _ in range(200):
        status, gate, refused, calls = Status(timeout=30), threading.Barrier(4), [], []
        status.add_callback(calls.append)

        def finish(status=status, gate=gate, refused=refused):
            gate.wait(30)
            try:
                status.set_finished()
            except InvalidState as exc:
                refused.append(exc)

        threads = [threading.Thread(target=finish) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(refused) == 3
        assert calls == [status]


@pytest.mark.parametrize("bad", [5, "failed", BaseException(), KeyboardInterrupt, None])
def test_what_is_no_exception_is_refused(bad):
    status = Status()
    with pytest.raises(ValueError, match="takes an Exception"):
        status.set_exception(bad)
    status.set_finished()
    assert status.success


@pytest.mark.parametrize(
    "special", [StatusTimeoutError, WaitTimeoutError, StatusTimeoutError("s"), WaitTimeoutError("w")]
)
def test_the_statuss_own_errors_cannot_be_set(special):
    status = Status()
    with pytest.raises(ValueError, match="plain TimeoutError"):
        status.set_exception(special)
    status.set_exception(TimeoutError("the device gave up"))
    assert not status.success


def test_a_number_of_seconds_is_needed():
    with pytest.raises(ValueError, match="timeout of a status is NaN"):
        Status(timeout=float("nan"))


def test_a_wait_too_short_raises_and_the_action_goes_on():
    status = Status()
    for wait in (status.wait, status.exception):
        before = time.monotonic()
        with pytest.raises(WaitTimeoutError, match=r"not done after waiting for 0\.05 s") as caught:
            wait(timeout=0.05)
        assert 0.04 < time.monotonic() - before < 2
        assert isinstance(caught.value, TimeoutError)
    assert not status.done
    status.set_finished()
    assert status.success


def test_a_wait_ends_when_the_action_does():
    status = Status()
    timer = threading.Timer(0.05, status.set_finished)
    timer.start()
    before = time.monotonic()
    status.wait(20)
    assert time.monotonic() - before < 10
    timer.join()


def test_its_own_timeout_fails_a_status(caplog):
    before = time.monotonic()
    status = Status(timeout=0.1)
    with pytest.raises(StatusTimeoutError, match=r"not over within 0\.1 s") as caught:
        status.wait(20)
    assert 0.09 < time.monotonic() - before < 10
    assert isinstance(caught.value, TimeoutError)
    assert status.done
    assert not status.success
    wait_for_callbacks(status)
    assert "has timed out" in caplog.text


def wait_for_callbacks(status):
    """Until the thread of the timers has done with it: one more timer goes off after it."""
    after = Status(timeout=0)
    after.exception(30)
    called = threading.Event()
    Status(timeout=0).add_callback(lambda _: called.set())
    assert called.wait(30)


def test_a_timeout_of_nothing_fails_at_once():
    assert isinstance(Status(timeout=0).exception(30), StatusTimeoutError)


def test_one_late_finish_after_the_timeout_is_ignored_and_a_second_refused():
    for late in (lambda status: status.set_finished(), lambda status: status.set_exception(ValueError())):
        status = Status(timeout=0)
        error = status.exception(30)
        late(status)
        assert status.exception() is error
        with pytest.raises(InvalidState):
            status.set_finished()


def test_a_status_that_finished_does_not_time_out():
    status = Status(timeout=0.5)
    status.set_finished()
    Status(timeout=0.6).exception(30)  # the time of the first has passed
    assert status.success


def test_a_status_is_done_after_its_settle_time():
    status = Status(settle_time=1.0)
    before = time.monotonic()
    status.set_finished()
    assert not status.done
    status.wait(20)
    assert 0.99 < time.monotonic() - before < 10
    assert status.success


def test_finishing_twice_is_refused_while_it_settles():
    status = Status(settle_time=0.05)
    status.set_finished()
    with pytest.raises(InvalidState):
        status.set_exception(ValueError())
    status.wait(20)
    assert status.success


def test_a_failure_needs_no_settling():
    status = Status(settle_time=60)
    status.set_exception(ValueError())
    assert status.done


def test_the_settle_time_comes_on_top_of_the_timeout():
    status = Status(timeout=1.5, settle_time=1.7)
    time.sleep(0.1)
    status.set_finished()  # in time; done at 1.8 s, after the timeout alone
    status.wait(20)
    assert status.success
    late = Status(timeout=0.01, settle_time=0.3)
    time.sleep(0.1)
    late.set_finished()  # would be done at 0.4 s, but 0.31 s are all it has
    assert isinstance(late.exception(20), StatusTimeoutError)


def test_callbacks_are_called_once_in_order_with_the_status():
    status, calls = Status(), []
    for number in range(3):
        status.add_callback(lambda done, number=number: calls.append((number, done, done.done, done.success)))
    assert len(status.callbacks) == 3
    assert calls == []
    status.set_finished()
    assert calls == [(number, status, True, True) for number in range(3)]
    assert not status.callbacks


def test_a_callback_added_when_done_is_called_at_once():
    status, calls = Status(), []
    status.set_exception(ValueError())
    status.add_callback(calls.append)
    assert calls == [status]
    assert not status.callbacks


def test_a_callback_is_called_once_whenever_it_is_added():
    for _ in range(200):
        status, gate, calls = Status(), threading.Barrier(2), []

        def finish(status=status, gate=gate):
            gate.wait(30)
            status.set_finished()

        thread = threading.Thread(target=finish)
        thread.start()
        gate.wait(30)
        status.add_callback(calls.append)
        thread.join(30)
        assert calls == [status]


def test_a_callback_added_in_the_very_moment_of_finishing_is_called_once():
    status, calls = Status(), []
    finish = threading.Thread(target=status.set_finished)

    class Done(threading.Event):
        def is_set(self):
            answer = super().is_set()
            if threading.current_thread() is not finish and not finish.ident:
                finish.start()  # between the look and what follows from it
                finish.join(0.1)
            return answer

    status._done = Done()
    status.add_callback(calls.append)
    finish.join(30)
    assert calls == [status]


def test_a_callback_that_fails_is_logged_and_the_others_still_run(caplog):
    def broken(status):
        raise LookupError("broken callback")

    status, calls = Status(), []
    status.add_callback(broken)
    status.add_callback(calls.append)
    with caplog.at_level(logging.ERROR):
        status.set_finished()
        status.add_callback(broken)
    assert calls == [status]
    assert caplog.text.count("LookupError: broken callback") == 2


def test_a_callback_may_use_the_status_and_make_another():
    status, second = Status(), Status(timeout=30)
    status.add_callback(lambda done: (done.add_callback(lambda _: second.set_finished()), repr(done)))
    status.set_finished()
    assert second.success


def test_callbacks_run_in_the_thread_that_finishes_or_in_the_shared_one():
    names = []
    plain, settling, late = Status(timeout=30), Status(settle_time=0.01), Status(timeout=0)
    called = [threading.Event(), threading.Event()]
    for status, event in ((plain, None), (settling, called[0]), (late, called[1])):
        status.add_callback(
            lambda _, event=event: (names.append(threading.current_thread().name), event.set() if event else None)
        )
    plain.set_finished()
    settling.set_finished()
    assert all(event.wait(30) for event in called)
    assert names.count(threading.current_thread().name) >= 1
    assert set(names) <= {threading.current_thread().name, "skysteer-status-timers"}
    assert names.count("skysteer-status-timers") >= 1


def test_ten_thousand_open_statuses_cost_one_thread_and_it_ends_with_them():
    before = threading.active_count()
    statuses = [Status(timeout=300, settle_time=0) for _ in range(10_000)]
    assert threading.active_count() <= before + 1
    (thread,) = timer_threads()
    assert thread.daemon
    for status in statuses:
        status.set_finished()
    assert all(status.success for status in statuses)
    thread.join(30)
    assert timer_threads() == []


def test_ten_thousand_statuses_time_out_on_time():
    statuses = [Status(timeout=0.2) for _ in range(10_000)]
    before = time.monotonic()
    assert all(isinstance(status.exception(20), StatusTimeoutError) for status in statuses)
    assert time.monotonic() - before < 10


def test_finished_statuses_are_forgotten_though_their_timeout_is_far():
    from skysteer.engine._status import _timers

    open_one = Status(timeout=300)
    for _ in range(1000):
        Status(timeout=300).set_finished()
    assert len(_timers._heap) < 10
    open_one.set_finished()


def test_a_finished_status_does_not_keep_the_thread_when_the_others_are_over():
    soon, far = Status(timeout=0.05), Status(timeout=300)
    (thread,) = timer_threads()
    far.set_finished()
    assert isinstance(soon.exception(30), StatusTimeoutError)
    thread.join(30)
    assert not thread.is_alive()


def test_a_shorter_timeout_overtakes_a_longer_one():
    long = Status(timeout=300)
    for _ in range(5):
        time.sleep(0.02)  # by now the thread waits for the long one
        before = time.monotonic()
        assert isinstance(Status(timeout=0.01).exception(20), StatusTimeoutError)
        assert time.monotonic() - before < 10
    long.set_finished()


def test_a_timer_made_while_the_thread_ends_is_not_lost(monkeypatch):
    monkeypatch.setattr("skysteer.engine._timers._LINGER", 0)  # the thread ends after each timer
    for _ in range(2000):
        assert isinstance(Status(timeout=0).exception(30), StatusTimeoutError)


@pytest.mark.parametrize("make", [Status, ophyd.status.Status], ids=["ours", "ophyd"])
def test_the_life_of_a_status_is_the_one_of_ophyd(make):
    calls = []
    status = make(timeout=10, settle_time=0.01)
    status.add_callback(calls.append)
    seen = [status.done, status.success, status.timeout, status.settle_time]
    with pytest.raises(TimeoutError):
        status.wait(0)
    status.set_finished()
    with pytest.raises(RuntimeError, match=r"already been called|called before"):
        status.set_finished()
    status.wait(30)
    deadline = time.monotonic() + 30
    while not calls and time.monotonic() < deadline:
        time.sleep(0.001)
    seen += [status.done, status.success, status.exception(), calls == [status]]
    assert seen == [False, False, 10.0, 0.01, True, True, None, True]


class Motor:
    """A motor of a few lines: where it goes it is at once, or never."""

    name = "motor"
    parent = None

    def __init__(self, stuck=False):
        self.stuck = stuck
        self.position = 0.0
        self.status = None

    def set(self, value):
        self.status = Status(timeout=0.1 if self.stuck else 30.0, settle_time=0.01)
        if not self.stuck:
            self.position = value
            self.status.set_finished()
        return self.status


def test_a_plan_waits_for_a_status(RE):
    motor = Motor()
    RE(bps.mv(motor, 3.0)).result(30)
    assert motor.position == 3.0
    assert motor.status.success


def test_a_plan_fails_when_a_status_times_out(RE):
    motor = Motor(stuck=True)
    error = RE(bps.mv(motor, 3.0)).exception(30)
    assert isinstance(error, FailedStatus)
    assert isinstance(error.__cause__, StatusTimeoutError)
    assert error.args[0] is motor.status
