"""Recommenders that are slow, silent, raising, mad or dying: every case has a stated end."""

from __future__ import annotations

import logging
import threading

import pytest
from bluesky.utils import RunEngineInterrupted

from skysteer import Advisor, Axis, Patience, RunEngine, Space
from skysteer.errors import PreflightError, RecommenderError, SilentRecommender, SuggestionError, WorkerDied
from skysteer.recommenders import Sequence
from skysteer.recommenders.gaussian import GaussianProcess
from skysteer.testing import MAD_ANSWERS, Dying, Fixed, Mad, Raising, Recorder, Silent, SimulatedBeamline, Slow

from .conftest import POSITIONS, along_x, told
from .test_steered import until


@pytest.fixture
def silent():
    """A recommender that answers two questions and then hangs; let go at the end."""
    recommender = Silent(along_x(), after=2)
    yield recommender
    recommender.release()


def scan(flow, beam, recommender, max_points=5, **options):
    return flow([beam.det], [beam.x], recommender, objectives=["det"], max_points=max_points, **options)


# ------------------------------------------------------------ slow


def test_a_slow_recommender_is_waited_for_without_a_timeout(RE, beam, seen, flow):
    """The peer of old gave up after one second."""
    result = RE(scan(flow, beam, Slow(along_x(), 1.2), max_points=2)).result(30).plan_result
    assert result.measured == 2
    assert seen.column("x") == POSITIONS[:2]
    assert result.seconds_a_suggestion > 1.0


def test_waiting_longer_than_told_is_logged_and_goes_on(RE, beam, flow, caplog):
    patience = Patience(timeout=0.05)
    result = RE(scan(flow, beam, Slow(along_x(), 0.2), max_points=1, patience=patience)).result(30).plan_result
    assert result.measured == 1
    assert "no answer from the recommender" in caplog.text


def test_nothing_waits_for_a_slow_recommender_on_the_engines_loop(RE, beam, flow):
    asked, think = threading.Event(), threading.Event()

    class Noticed(Sequence):
        def suggest(self, num_points=None):
            asked.set()
            assert think.wait(50)
            return super().suggest(num_points)

    future = RE(scan(flow, beam, Noticed([{"x": 0.0}]), max_points=1))
    assert asked.wait(30)
    RE.request_pause()
    with pytest.raises(RunEngineInterrupted):
        future.result(30)  # while it thinks
    think.set()
    assert RE.resume().result(30).plan_result.measured == 1


# ------------------------------------------------------------ silent


def test_a_silent_recommender_ends_the_scan_with_success_if_told(RE, beam, seen, flow, silent):
    result = RE(scan(flow, beam, silent, patience=Patience(2.0, "finish"))).result(30).plan_result
    assert (result.measured, result.exit_status) == (2, "success")
    assert "did not answer within 2 s" in result.reason
    assert seen.column("x") == POSITIONS[:2]


def test_a_silent_recommender_aborts_the_scan_if_told(RE, beam, seen, silent):
    from skysteer import adaptive_scan

    result = RE(scan(adaptive_scan, beam, silent, patience=Patience(2.0, "abort"))).result(30).plan_result
    assert (result.measured, result.exit_status) == (2, "abort")
    assert seen.stops == [("abort", result.reason)]
    assert len(seen.points) == 2


def test_a_fallback_takes_over_where_the_recommender_is_silent(RE, beam, seen, flow, silent):
    fallback = Recorder(Sequence([{"x": 4.0}, {"x": 4.5}, {"x": 4.9}]))
    patience = Patience(2.0, "fallback", fallback)
    result = RE(scan(flow, beam, silent, patience=patience)).result(30).plan_result
    assert (result.measured, result.fallen_back) == (5, 3)
    assert seen.column("x") == [*POSITIONS[:2], 4.0, 4.5, 4.9]
    # It was told all points, but none as its own that was not.
    assert [point["x"] for point in told(fallback)][:4] == [*POSITIONS[:2], 4.0, 4.5]
    assert ["_id" in point for point in told(fallback)][:4] == [False, False, True, True]


def test_a_late_answer_is_dropped_counted_and_never_measured(RE, beam, seen, flow):
    fallen_back = threading.Event()

    class LateOnce(Sequence):
        late = True

        def suggest(self, num_points=None):
            if self.late and self.told:
                self.late = False
                assert fallen_back.wait(30)
            return super().suggest(num_points)

        told = 0

        def ingest(self, points):
            self.told += 1
            super().ingest(points)

    class Noticed(Fixed):
        def suggest(self, num_points=None):
            fallen_back.set()
            return super().suggest(num_points)

    # A second is time enough for the answers that are not late.
    patience = Patience(1.0, "fallback", Noticed([{"x": -4.0}, {"x": -4.5}, {"x": -4.6}, {"x": -4.7}, {"x": -4.8}]))
    result = RE(scan(flow, beam, LateOnce([{"x": x} for x in POSITIONS]), patience=patience)).result(30).plan_result
    assert result.measured == 5
    assert result.stale == 1
    assert result.fallen_back >= 1
    # The late answer (x=1.0) was given up, so it is not asked for again.
    assert 1.0 not in seen.column("x")


def test_a_late_answer_of_an_aborted_scan_is_never_measured_in_the_next(RE, beam, seen, flow):
    asked, aborted = threading.Event(), threading.Event()

    class Late(Sequence):
        def suggest(self, num_points=None):
            asked.set()
            assert aborted.wait(30)
            return super().suggest(num_points)

    with Advisor(Late([{"x": x} for x in (1.0, 2.0, 3.0)])) as advisor:
        future = RE(scan(flow, beam, advisor))
        assert asked.wait(30)
        RE.abort("changed my mind")
        with pytest.raises(RunEngineInterrupted):
            future.result(30)
        seen.documents.clear()
        future = RE(scan(flow, beam, advisor, max_points=1))
        until(lambda: advisor.queue.epoch >= 2)
        aborted.set()
        result = future.result(30).plan_result
    assert (result.measured, result.stale) == (1, 1)
    assert seen.column("x") == [2.0]  # 1.0 was the answer of the first scan: given up


def test_a_recommender_silent_for_ever_can_be_paused_and_aborted(RE, beam, flow, silent, caplog):
    future = RE(scan(flow, beam, silent))
    assert silent.wait_until_silent(10)
    RE.request_pause()
    with pytest.raises(RunEngineInterrupted):
        future.result(30)
    RE.abort("it never answers")
    assert RE.state == "idle"
    assert "its thread 'skysteer-advisor-Silent' ends when that returns" in caplog.text


def test_a_silent_process_is_gone_when_the_scan_is(RE, beam, flow):
    recommender = Silent(along_x(), after=1)
    patience = Patience(1.0, "finish")
    result = RE(scan(flow, beam, recommender, patience=patience, worker="process")).result(30).plan_result
    assert result.measured == 1
    # The fixture that looks for processes left behind sees to the rest.


# ------------------------------------------------------------ raising


@pytest.mark.parametrize("where", ["suggest", "ingest"])
@pytest.mark.parametrize("worker", ["thread", "process"])
def test_a_raising_recommender_ends_the_scan_with_its_error(RE, beam, seen, flow, where, worker):
    recommender = Raising(along_x(), at=3, where=where, error=ZeroDivisionError("no variance"), always=True)
    with pytest.raises(RecommenderError, match=r"ZeroDivisionError in (suggest|ingest): no variance") as caught:
        RE(scan(flow, beam, recommender, worker=worker)).result(30)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    measured = 2 if where == "suggest" else 3
    assert len(seen.points) == caught.value.result.measured == measured


def test_the_reason_is_in_the_stop_document_when_a_recommender_raises(RE, beam, seen):
    from skysteer import adaptive_scan

    with pytest.raises(RecommenderError):
        RE(scan(adaptive_scan, beam, Raising(along_x(), at=2, error=ValueError("broke")))).result(30)
    ((status, reason),) = seen.stops
    assert status == "fail"
    assert "Raising raised ValueError in suggest: broke" in reason


@pytest.mark.parametrize("end", ["finish", "abort"])
def test_a_raising_recommender_ends_the_scan_as_told(RE, beam, flow, end):
    result = RE(scan(flow, beam, Raising(along_x(), at=3), patience=Patience(None, end))).result(30).plan_result
    assert result.measured == 2
    assert result.exit_status == {"finish": "success", "abort": "abort"}[end]
    assert "suggest number 3 raised" in result.reason


def test_a_fallback_takes_over_where_the_recommender_raises(RE, beam, seen, flow):
    patience = Patience(None, "fallback", Fixed([{"x": 4.0}]))
    result = RE(scan(flow, beam, Raising(along_x(), at=2), patience=patience)).result(30).plan_result
    assert (result.measured, result.fallen_back) == (5, 1)
    assert seen.column("x") == [POSITIONS[0], 4.0, *POSITIONS[1:4]]


def test_points_that_could_not_be_told_are_told_again(RE, beam, flow):
    recorder = Recorder(along_x())
    recommender = Raising(recorder, at=2, where="ingest")
    patience = Patience(None, "fallback", Fixed([{"x": 4.0}, {"x": 4.5}, {"x": 4.6}]))
    result = RE(scan(flow, beam, recommender, patience=patience)).result(30).plan_result
    assert result.measured == 5
    assert len(told(recorder)) == 5
    assert len({point["det"] for point in told(recorder)} | {point["x"] for point in told(recorder)}) > 4


def test_a_fallback_that_fails_too_is_an_error_that_names_both(RE, beam, flow):
    patience = Patience(None, "fallback", Raising(along_x(), error=KeyError("also broken")))
    with pytest.raises(RecommenderError, match=r"first broke.*the fallback failed.*also broken"):
        RE(scan(flow, beam, Raising(along_x(), error=ValueError("first broke")), patience=patience)).result(30)


def test_a_silent_fallback_is_not_waited_for_for_ever(RE, beam, flow, silent):
    other = Silent(along_x())
    try:
        with pytest.raises(SilentRecommender, match="and the fallback did not answer"):
            RE(scan(flow, beam, silent, patience=Patience(0.5, "fallback", other))).result(30)
    finally:
        other.release()


# ------------------------------------------------------------ mad


@pytest.mark.parametrize("answer", sorted(MAD_ANSWERS))
def test_a_bad_suggestion_is_refused_before_anything_moves(RE, beam, seen, flow, answer):
    recommender = Mad(along_x(), at=3, answer=answer)
    moves = []
    RE.msg_hook = lambda message: moves.append(message.args[0]) if message.command == "set" else None
    with pytest.raises(SuggestionError, match="bad suggestion from Mad") as caught:
        RE(scan(flow, beam, recommender)).result(30)
    assert moves == POSITIONS[:2]
    assert len(seen.points) == caught.value.result.measured == 2
    assert caught.value.problems


def test_an_error_names_every_problem_of_a_suggestion(RE, beam, flow):
    recommender = Mad(along_x(), at=1, answer=lambda points, last: [{"x": 99.0, "temperatur": 3}])
    with pytest.raises(SuggestionError) as caught:
        RE(scan(flow, beam, recommender)).result(30)
    assert caught.value.problems == (
        "x=99 is outside [-5, 5] mm",
        "'temperatur' is not an axis (the axes are x)",
    )


def test_the_devices_limits_hold_where_the_recommender_has_no_space(RE, beam, flow):
    with pytest.raises(SuggestionError, match=r"x=7 is outside \[-5, 5\] mm"):
        RE(scan(flow, beam, Fixed([{"x": 7.0}]))).result(30)


# ------------------------------------------------------------ dying


@pytest.mark.parametrize("where", ["suggest", "ingest"])
def test_a_recommender_process_that_dies_is_replaced_and_taught_again(RE, beam, seen, flow, where, tmp_path, caplog):
    recommender = Dying(along_x(), at=3, where=where, once=tmp_path / "died")
    result = RE(scan(flow, beam, recommender, worker="process")).result(30).plan_result
    assert result.measured == 5
    assert seen.column("x") == POSITIONS  # the new one knew what the old one had learnt
    assert "is replaced and taught again" in caplog.text
    assert "signal 9" in caplog.text


def test_a_recommender_process_that_dies_again_and_again_is_an_error(RE, beam, seen, flow):
    with pytest.raises(WorkerDied, match="signal 9"):
        RE(scan(flow, beam, Dying(along_x(), at=1), worker="process")).result(30)
    assert not seen.points


def test_a_recommender_that_cannot_be_sent_to_a_process_is_refused_before_the_run_opens(RE, beam, seen, flow):
    recommender = along_x()
    recommender.lock = threading.Lock()
    with pytest.raises(PreflightError, match="use worker='thread'"):
        RE(scan(flow, beam, recommender, worker="process")).result(30)
    assert not seen.documents


def test_a_recommender_may_hold_what_only_a_notebook_defines(RE, beam, seen, flow):
    class Local:
        def __init__(self):
            self.step = lambda n: 0.5 * n
            self.known = 0

        def ingest(self, points):
            self.known += len(points)

        def suggest(self, num_points=None):
            return [{"x": self.step(self.known)}]

    RE(scan(flow, beam, Local(), max_points=3, worker="process")).result(30)
    assert seen.column("x") == [0.0, 0.5, 1.0]


def test_a_log_line_of_the_scan_is_no_error(caplog, RE, beam, flow):
    with caplog.at_level(logging.WARNING, logger="skysteer"):
        RE(scan(flow, beam, along_x(), max_points=2)).result(30)
    assert not [record for record in caplog.records if record.name.startswith("skysteer")]


# ------------------------------------------------------------ advisors that are taken away


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_an_advisor_that_is_closed_during_the_scan_ends_it(RE, beam, seen, flow, worker):
    advisor = Advisor(along_x(), worker=worker)
    RE.subscribe(lambda name, doc: advisor.close(), "event")
    with pytest.raises(RecommenderError, match="closed"):
        RE(scan(flow, beam, advisor)).result(30)
    advisor.closed.result(30)
    assert len(seen.points) >= 1


def test_a_scan_whose_advisor_is_taken_by_another_engine_ends_with_an_error(RE, beam, flow):
    """It would wait for ever: its question belongs to the past."""
    silent = Silent(along_x(), after=1)
    with RunEngine() as other, Advisor(silent) as advisor:
        theirs = SimulatedBeamline(other)
        first = RE(scan(flow, beam, advisor))
        assert silent.wait_until_silent(10)
        second = other(scan(flow, theirs, advisor, max_points=2))
        with pytest.raises(RecommenderError, match="another plan has begun to ask the same queue"):
            first.result(30)
        silent.release()
        assert second.result(30).plan_result.measured == 2


# ------------------------------------------------------------ what is left of a scan that ended


def test_patience_that_waits_waits_for_the_best_point_too(RE, beam, flow):
    recommender = Slow(GaussianProcess(Space(Axis("x", -5, 5)), maximize="det"), 1.0, where="get_best_points")
    result = RE(scan(flow, beam, recommender, 2, patience=Patience(0.05), finally_move="best")).result(30).plan_result
    assert beam.x.position == result.best["x"]


def test_a_scan_that_failed_does_not_go_on_listening(RE, beam, flow):
    """In a plan that runs for days, with thousands of scans, they would all be there."""
    heard = []

    def plan():
        for _ in range(3):
            try:
                yield from scan(flow, beam, Raising(along_x(), at=2))
            except RecommenderError:
                heard.append(len(RE._temp_callback_ids))

    RE(plan()).result(30)
    assert heard == [0, 0, 0]
