"""The callback beside a plan that is not ours: one answer for each event, or run."""

from __future__ import annotations

import threading
from queue import Queue

import pytest
from event_model import compose_run

from skysteer.compat import per_event, per_start
from skysteer.compat.recommendations import StepRecommender

PATIENCE = 10.0


@pytest.fixture(autouse=True)
def no_thread_stays():
    yield
    for thread in threading.enumerate():
        if thread.name == "skysteer-compat":
            thread.join(PATIENCE)


def documents(points, **md):
    run = compose_run(metadata=md)
    key = {"dtype": "number", "shape": [], "source": "test"}
    stream = run.compose_descriptor(name="primary", data_keys={"x": key, "det": key}, hints={}, configuration={})
    yield "start", run.start_doc
    yield "descriptor", stream.descriptor_doc
    for x in points:
        stamps = {"x": 0.0, "det": 0.0}
        yield "event", stream.compose_event(data={"x": x, "det": 10 * x}, timestamps=stamps)
    yield "stop", run.compose_stop()


def fed(moment, points, max_count=10, factory=StepRecommender, **md):
    callback, queue = moment.recommender_factory(factory(1.0), ["x"], ["det"], max_count=max_count)
    for document in documents(points, **md):
        callback(*document)
    return queue


def answers(queue, count):
    return [queue.get(timeout=PATIENCE) for _ in range(count)]


def test_each_event_is_answered_in_order_up_to_the_last_that_counts():
    queue = fed(per_event, [1.0, 2.0, 3.0], max_count=2)
    assert answers(queue, 3) == [{"x": 2.0}, {"x": 3.0}, None]
    assert queue.empty()


def test_an_event_that_is_repeated_after_a_pause_is_answered_once():
    callback, queue = per_event.recommender_factory(StepRecommender(1.0), ["x"], ["det"])
    for name, doc in documents([1.0, 2.0]):
        callback(name, doc)
        if name == "event":
            callback(name, {**doc, "uid": "again"})
    assert answers(queue, 2) == [{"x": 2.0}, {"x": 3.0}]
    assert queue.empty()


def test_a_run_is_answered_once_at_its_end():
    queue = fed(per_start, [1.0, 2.0, 5.0], batch_count=0)
    assert answers(queue, 1) == [{"x": 6.0}]
    assert queue.empty()


def test_a_run_beyond_the_last_that_counts_is_the_end():
    assert answers(fed(per_start, [1.0], max_count=3, batch_count=4), 1) == [None]


def test_other_streams_are_not_answered():
    callback, queue = per_event.recommender_factory(StepRecommender(1.0), ["x"], ["det"])
    for name, doc in documents([1.0]):
        callback(name, {**doc, "name": "baseline"} if name == "descriptor" else doc)
    assert threading.active_count() >= 1
    assert queue.empty()


def test_a_slow_recommender_does_not_hold_up_who_hands_documents_over():
    think = threading.Event()

    class Thinks(StepRecommender):
        def ask(self, n, tell_pending=True):
            assert think.wait(PATIENCE)
            return super().ask(n)

    queue = fed(per_event, [1.0, 2.0], factory=Thinks)  # returns while it thinks
    assert queue.empty()
    think.set()
    assert answers(queue, 2) == [{"x": 2.0}, {"x": 3.0}]


def test_the_queue_that_is_given_is_the_queue():
    mine = Queue()
    _, queue = per_event.recommender_factory(StepRecommender(1.0), ["x"], ["det"], queue=mine)
    assert queue is mine
