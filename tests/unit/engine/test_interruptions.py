"""Pause, resume, abort, stop and halt, from any thread and at any moment."""

from __future__ import annotations

import threading
import time

import bluesky.plan_stubs as bps
import pytest
from bluesky.preprocessors import run_wrapper
from bluesky.run_engine import TransitionError
from bluesky.utils import RunEngineInterrupted

from skysteer.engine import RunEngine

ENDINGS = [("abort", "abort"), ("stop", "success"), ("halt", "abort")]


def paused(RE, held):
    future = held.run(RE)
    RE.request_pause()
    assert isinstance(future.exception(30), RunEngineInterrupted)
    assert RE.state == "paused"


def stops(documents):
    return [doc for name, doc in documents if name == "stop"]


def test_a_pause_ends_the_future_and_resume_gives_a_new_one(RE, held, documents):
    first = held.run(RE)
    RE.request_pause()
    with pytest.raises(RunEngineInterrupted) as caught:
        first.result(30)
    assert str(caught.value) == ""
    second = RE.resume()
    assert second is not first
    assert not second.done()
    held.let_go.set()
    result = second.result(30)
    assert (result.plan_result, result.exit_status) == ("let go", "success")
    assert [name for name, _ in documents] == ["start", "stop"]


def test_a_pause_asked_for_by_the_plan_ends_the_future(RE):
    def plan():
        yield from bps.checkpoint()
        yield from bps.pause()
        return "went on"

    assert isinstance(RE(plan()).exception(30), RunEngineInterrupted)
    assert RE.state == "paused"
    assert RE.resume().result(30).plan_result == "went on"


def test_a_deferred_pause_acts_at_the_next_checkpoint(RE, held):
    future = held.run(RE)
    RE.request_pause(defer=True)
    assert isinstance(future.exception(30), RunEngineInterrupted)
    assert RE.state == "paused"
    held.let_go.set()
    assert RE.resume().result(30).plan_result == "let go"


def test_pause_and_resume_may_be_repeated_at_once(RE, held):
    future = held.run(RE)
    for _ in range(200):
        RE.request_pause()  # also before a plan just resumed goes on
        assert isinstance(future.exception(30), RunEngineInterrupted)
        future = RE.resume()
    held.let_go.set()
    assert future.result(30).plan_result == "let go"


def test_resume_waits_for_the_paused_call_to_tell_its_future(RE, held):
    future = held.run(RE)
    for _ in range(200):
        RE.request_pause()
        while RE.state != "paused":
            time.sleep(0)
        future, before = RE.resume(), future
        assert before.done()
        assert isinstance(before.exception(), RunEngineInterrupted)
    held.let_go.set()
    assert future.result(30).plan_result == "let go"


def test_resume_without_a_paused_plan_raises_at_once(RE, held):
    with pytest.raises(TransitionError, match="idle"):
        RE.resume()
    future = held.run(RE)
    with pytest.raises(TransitionError, match="running"):
        RE.resume()
    held.let_go.set()
    assert future.result(30).plan_result == "let go"


def test_of_two_resumes_at_the_same_instant_exactly_one_wins(RE, held):
    future = held.run(RE)
    for _ in range(200):
        RE.request_pause()
        assert isinstance(future.exception(30), RunEngineInterrupted)
        gate = threading.Barrier(2)
        won, refused = [], []

        def resume(gate=gate, won=won, refused=refused):
            gate.wait(30)
            try:
                won.append(RE.resume())
            except TransitionError as exc:
                refused.append(exc)

        threads = [threading.Thread(target=resume) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert (len(won), len(refused)) == (1, 1)
        (future,) = won
    held.let_go.set()
    assert future.result(30).plan_result == "let go"


def test_a_pause_of_an_idle_engine_raises(RE):
    with pytest.raises(TransitionError, match="idle"):
        RE.request_pause()


@pytest.mark.parametrize(("method", "exit_status"), ENDINGS)
def test_a_running_plan_is_ended(RE, held, documents, method, exit_status):
    future = held.run(RE)
    getattr(RE, method)()
    assert isinstance(future.exception(30), RunEngineInterrupted)
    assert RE.state == "idle"
    assert [doc["exit_status"] for doc in stops(documents)] == [exit_status]


@pytest.mark.parametrize(("method", "exit_status"), ENDINGS)
def test_a_paused_plan_is_cleaned_up_before_its_end_returns(RE, held, documents, method, exit_status):
    paused(RE, held)
    assert stops(documents) == []
    getattr(RE, method)()
    assert [doc["exit_status"] for doc in stops(documents)] == [exit_status]
    assert held.cleaned_up.is_set()
    assert RE.state == "idle"
    assert RE(bps.null()).result(30).exit_status == "success"


@pytest.mark.parametrize(("method", "exit_status"), ENDINGS)
def test_a_plan_is_ended_right_after_its_call_returned(RE, documents, method, exit_status):
    for _ in range(200):
        future = RE(run_wrapper(bps.sleep(60)))
        getattr(RE, method)()
        assert isinstance(future.exception(30), RunEngineInterrupted)
    starts = [doc for name, doc in documents if name == "start"]
    assert len(starts) == len(stops(documents))
    assert {doc["exit_status"] for doc in stops(documents)} <= {exit_status}


def test_a_plan_is_paused_right_after_its_call_returned(RE):
    for _ in range(200):
        future = RE(bps.sleep(5))
        RE.request_pause()
        assert isinstance(future.exception(30), RunEngineInterrupted)
        assert RE.state == "paused"
        RE.abort()


@pytest.mark.parametrize("method", ["abort", "stop", "halt"])
def test_a_plan_is_ended_while_it_pauses_or_resumes(RE, held, method):
    # "stop" is refused by Bluesky in the moment between running and paused: try again.
    for _ in range(200):
        future = held.run(RE)
        RE.request_pause()
        while True:
            try:
                getattr(RE, method)()
                break
            except TransitionError:
                assert RE.state != "idle"
        assert isinstance(future.exception(30), RunEngineInterrupted)
        held.running.clear()

        future = held.run(RE)
        RE.request_pause()
        assert isinstance(future.exception(30), RunEngineInterrupted)
        future = RE.resume()
        getattr(RE, method)()
        assert isinstance(future.exception(30), RunEngineInterrupted)
        held.running.clear()
        assert RE(bps.null()).result(30).exit_status == "success"


@pytest.mark.parametrize("method", ["abort", "stop", "halt"])
def test_there_is_nothing_to_end_when_idle(RE, method):
    with pytest.raises(TransitionError, match="idle"):
        getattr(RE, method)()
    assert RE(bps.null()).result(30).exit_status == "success"


def test_the_reason_of_an_abort_is_in_the_stop_document(RE, held, documents):
    future = held.run(RE)
    RE.abort("the sample fell off")
    assert isinstance(future.exception(30), RunEngineInterrupted)
    assert stops(documents)[0]["reason"] == "the sample fell off"


def test_the_reason_is_also_in_the_stop_document_of_a_plan_that_closes_its_run_itself(RE, documents):
    opened = threading.Event()
    future = RE(run_wrapper(bps.sleep(60)), {"start": lambda name, doc: opened.set()})
    assert opened.wait(30)
    RE.abort("the sample fell off")
    assert isinstance(future.exception(30), RunEngineInterrupted)
    assert (stops(documents)[0]["exit_status"], stops(documents)[0]["reason"]) == ("abort", "the sample fell off")


def test_everything_works_from_other_threads(RE, held, documents):
    outcome = []

    def other():
        future = RE(held.plan())
        assert held.running.wait(30)
        RE.request_pause()
        outcome.append(type(future.exception(30)))
        future = RE.resume()
        RE.abort()
        outcome.append(type(future.exception(30)))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join(30)
    assert outcome == [RunEngineInterrupted, RunEngineInterrupted]
    assert stops(documents)[0]["exit_status"] == "abort"


def test_an_engine_may_be_made_in_a_thread():
    results = []

    def other():
        with RunEngine() as RE:
            results.append(RE(bps.null()).result(30).exit_status)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join(30)
    assert results == ["success"]
