"""The recorder: in order, once, nothing lost, and nobody waits for it."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
import tracemalloc

import event_model
import numpy as np
import pytest

from skysteer.errors import StoreError
from skysteer.model import GivenUp
from skysteer.stores import JSONLines, Recorder, documents, runs
from skysteer.stores.recorder import _recorder as recorder_module


class Sleeping(JSONLines):
    """Waits in each write until it is let go."""

    def __init__(self, folder):
        self.go = threading.Event()
        self.calls = []
        self.entered = threading.Event()
        super().__init__(folder)

    def write(self, documents):
        self.entered.set()
        assert self.go.wait(20)
        self.calls.append([name for name, _ in documents])
        super().write(documents)


class Failing(JSONLines):
    """Cannot write for a while: what comes before the n-th document of a call is written, the rest is not.

    Its first call waits until it is let go, so that much waits for the second, which fails.
    """

    def __init__(self, folder, times, after=0):
        self.times, self.after, self.tries = times, after, 0
        self.go = threading.Event()
        super().__init__(folder)

    def write(self, documents):
        self.tries += 1
        if self.tries == 1:
            assert self.go.wait(20)
        elif self.tries <= 1 + self.times:
            super().write(documents[: self.after])
            raise StoreError("the disk is full")
        super().write(documents)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(recorder_module, "FIRST_TRY", 0.002)
    monkeypatch.setattr(recorder_module, "GOODBYE", 0.2)


class Measurement:
    """Makes the documents of a run as an engine does."""

    def __init__(self, launch=None, **start):
        about = {"skysteer": {"launch": launch}} if launch else {}
        self.run = event_model.compose_run(metadata={"plan_name": "count", **about, **start})
        key = {"dtype": "number", "shape": [], "source": "sim"}
        self.primary = self.run.compose_descriptor("primary", {"det": key})
        self.uid = self.run.start_doc["uid"]

    def event(self, det=1.0):
        return "event", self.primary.compose_event({"det": det}, {"det": 0.0}, validate=False)

    def all(self, points=3):
        yield "start", self.run.start_doc
        yield "descriptor", self.primary.descriptor_doc
        for number in range(points):
            yield self.event(float(number))
        yield "stop", self.run.compose_stop()


def tell(callback, measurement, points=3):
    for name, doc in measurement.all(points):
        callback(name, doc)


def given_up(number=0):
    return GivenUp("recommender", f"abc-r{number}", "device", "stuck")


def on_record(folder):
    """Of every run: uid to its documents; each passes the schema."""
    found = {}
    for entry in runs(folder):
        found[entry.uid] = list(documents(entry.path))
        for name, doc in found[entry.uid]:
            event_model.schema_validators[event_model.DocumentNames[name]].validate(doc)
    return found


def names(found):
    return [name for name, _ in found]


def ids(found):
    return [doc["data"]["suggestion_id"] for name, doc in found if name == "event" and "suggestion_id" in doc["data"]]


def until(condition, timeout=30):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def test_what_an_engine_emits_is_on_record_as_it_is(tmp_path):
    measurement = Measurement(sample="A7")
    emitted = list(measurement.all())
    with Recorder(tmp_path / "runs") as recorder:
        for name, doc in emitted:
            recorder(name, doc)
    assert on_record(tmp_path / "runs") == {measurement.uid: emitted}


def test_decisions_are_a_run_of_their_own_in_order(tmp_path):
    with Recorder(tmp_path / "runs") as recorder:
        run = recorder.begin({"flow": "watch"})
        for number in range(5):
            run(given_up(number))
        run.end("success", "enough")
    found = on_record(tmp_path / "runs")[run.uid]
    assert names(found) == ["start", "descriptor", *["event"] * 5, "stop"]
    assert ids(found) == [f"abc-r{number}" for number in range(5)]
    assert found[0][1]["skysteer"] == {"kind": "decisions", "flow": "watch"}
    assert (found[-1][1]["exit_status"], found[-1][1]["reason"]) == ("success", "enough")


def test_a_decision_run_names_the_measurements_of_its_launch_and_records_them(tmp_path):
    ours, other = Measurement("abc"), Measurement("xyz")
    with Recorder(tmp_path / "runs") as recorder:
        run = recorder.begin({"launch": "abc"})
        tell(run.document, other)
        tell(run.document, ours)
        run.end("success", "")
    found = on_record(tmp_path / "runs")
    assert found.keys() == {run.uid, ours.uid}
    moments = [doc["data"] for name, doc in found[run.uid] if name == "event"]
    assert [(m["run"], m["moment"], m["num_events"]) for m in moments] == [
        (ours.uid, "opened", 0),
        (ours.uid, "closed", 3),
    ]


def test_a_run_that_several_subscriptions_see_is_recorded_once_and_named_by_each(tmp_path):
    measurement = Measurement("abc")
    with Recorder(tmp_path / "runs") as recorder:
        outer, inner = recorder.begin({}), recorder.begin({"launch": "abc"})
        for name, doc in measurement.all():
            outer.document(name, doc)
            inner.document(name, doc)
            recorder(name, doc)
        outer.end("success", "")
        inner.end("success", "")
    found = on_record(tmp_path / "runs")
    assert names(found[measurement.uid]) == ["start", "descriptor", "event", "event", "event", "stop"]
    for run in (outer, inner):
        assert [doc["data"]["run"] for name, doc in found[run.uid] if name == "event"] == [measurement.uid] * 2


def test_every_kind_of_document_goes_to_its_run(tmp_path):
    measurement, second = Measurement(), Measurement()
    run = measurement.run
    resource, compose_datum, compose_page = run.compose_resource(
        spec="TIFF", root="/", resource_path="a.tif", resource_kwargs={}
    )
    stream = run.compose_stream_resource(mimetype="x/y", uri="file://localhost/a", data_key="det", parameters={})
    page = measurement.primary.compose_event_page(
        data={"det": [1.0, 2.0]}, timestamps={"det": [0.0, 0.0]}, seq_num=[1, 2], validate=False
    )
    emitted = [
        ("start", run.start_doc),
        ("descriptor", measurement.primary.descriptor_doc),
        ("resource", resource),
        ("datum", compose_datum(datum_kwargs={})),
        ("datum_page", compose_page(datum_kwargs={"n": [1]})),
        ("stream_resource", stream.stream_resource_doc),
        (
            "stream_datum",
            stream.compose_stream_datum(
                indices={"start": 0, "stop": 2}, seq_nums={"start": 1, "stop": 3},
                descriptor=measurement.primary.descriptor_doc,
            ),
        ),
        ("event_page", page),
        ("stop", run.compose_stop()),
    ]  # fmt: skip
    with Recorder(tmp_path / "runs") as recorder:
        between = list(second.all(9))
        for number, (name, doc) in enumerate(emitted):
            recorder(name, doc)
            recorder(*between[number])
        for name, doc in between[len(emitted) :]:
            recorder(name, doc)
    found = on_record(tmp_path / "runs")
    assert names(found[measurement.uid]) == [name for name, _ in emitted]
    assert names(found[second.uid]) == [name for name, _ in between]


def test_documents_of_a_run_whose_start_was_not_seen_are_left_out(tmp_path):
    measurement = Measurement()
    with Recorder(tmp_path / "runs") as recorder:
        for name, doc in list(measurement.all())[1:]:
            recorder(name, doc)
        assert recorder.handed == 0


def test_an_array_that_a_device_uses_again_is_recorded_as_it_was(tmp_path):
    store = Sleeping(tmp_path / "runs")
    measurement = Measurement()
    image = np.zeros(3)
    with store, Recorder(store) as recorder:
        recorder("start", measurement.run.start_doc)
        recorder("descriptor", measurement.primary.descriptor_doc)
        recorder(*measurement.event(image))
        image[:] = 7
        store.go.set()
    (event,) = [doc for name, doc in on_record(tmp_path / "runs")[measurement.uid] if name == "event"]
    assert event["data"]["det"].tolist() == [0, 0, 0]


def test_handing_over_never_waits_for_the_store(tmp_path):
    store = Sleeping(tmp_path / "runs")
    with store, Recorder(store) as recorder:
        run = recorder.begin({})
        run(given_up())
        assert store.entered.wait(30)
        before = time.perf_counter()
        for number in range(1000):
            run(given_up(number))
        tell(recorder, Measurement(), 1000)
        assert time.perf_counter() - before < 10
        assert recorder.behind == recorder.handed == 2 + 1000 + 1003
        store.go.set()
        until(lambda: recorder.behind == 0)
    assert len(store.calls) <= 3, "what waits is written together"


@pytest.mark.parametrize("after", [0, 1, 3, 7])
def test_a_store_that_fails_for_a_while_loses_doubles_and_reorders_nothing(tmp_path, caplog, after):
    store = Failing(tmp_path / "runs", times=4, after=after)
    measurement = Measurement("abc")
    emitted = list(measurement.all(20))
    with store, Recorder(store) as recorder, caplog.at_level(logging.WARNING):
        run = recorder.begin({"launch": "abc"})
        until(lambda: store.tries == 1)
        for number, (name, doc) in enumerate(emitted):
            run.document(name, doc)
            run(given_up(number))
        run.end("success", "")
        store.go.set()
        until(lambda: recorder.behind == 0)
        assert recorder.problem is None
    found = on_record(tmp_path / "runs")
    assert found[measurement.uid] == emitted
    assert ids(found[run.uid]) == [f"abc-r{number}" for number in range(len(emitted))]
    assert store.tries > 4
    said = [record.message for record in caplog.records if record.name == "skysteer.stores.recorder._recorder"]
    assert len(said) == 2, said
    assert "the disk is full" in said[0]
    assert "nothing is missing" in said[1]


def test_while_it_cannot_write_it_says_why_and_what_waits_and_wakes_those_who_watch(tmp_path):
    store = Failing(tmp_path / "runs", times=10**9)
    seen = []
    store.go.set()
    recorder = Recorder(store)
    woken = threading.Event()
    forget = recorder.when_changed(lambda: (seen.append(recorder.problem), woken.set()))
    tell(recorder, Measurement())
    until(lambda: recorder.behind < 6)
    tell(recorder, Measurement())
    until(lambda: recorder.problem is not None)
    assert woken.wait(30)
    assert recorder.problem == "StoreError: the disk is full"
    assert recorder.behind > 0
    assert "the disk is full" in repr(recorder)
    store.times = 0
    until(lambda: recorder.behind == 0)
    assert (recorder.problem, recorder.written) == (None, 12)
    forget()
    count = len(seen)
    tell(recorder, Measurement())
    recorder.close().result(30)
    assert len(seen) == count
    store.close()


def test_closing_writes_the_rest_and_ends_the_thread(tmp_path):
    store = Sleeping(tmp_path / "runs")
    recorder = Recorder(store)
    measurement = Measurement()
    tell(recorder, measurement)
    closed = recorder.close()
    assert not closed.done()
    assert closed is recorder.closed
    store.go.set()
    closed.result(30)
    assert len(on_record(tmp_path / "runs")[measurement.uid]) == 6
    store.close()


def test_closing_a_recorder_that_can_not_write_does_not_wait_for_ever_and_says_what_is_lost(tmp_path, caplog):
    store = Failing(tmp_path / "runs", times=10**9)
    store.tries = 1
    recorder = Recorder(store)
    tell(recorder, Measurement())
    before = time.monotonic()
    with pytest.raises(StoreError, match="6 documents and decisions are not on record: StoreError: the disk is full"):
        recorder.close().result(30)
    assert time.monotonic() - before < 5
    assert "6 documents" in caplog.text
    assert recorder.closing
    store.close()


def test_a_decision_after_the_end_is_counted_and_said(tmp_path, caplog):
    with Recorder(tmp_path / "runs") as recorder:
        run = recorder.begin({})
        run.end("success", "")
        run.end("fail", "again")
        run(given_up())
    run(given_up())
    assert run.late == 2
    assert "this is not on record: GivenUp" in caplog.text
    assert names(on_record(tmp_path / "runs")[run.uid]) == ["start", "stop"]


def test_a_decision_that_cannot_be_put_on_record_takes_no_other_with_it(tmp_path, caplog):
    with Recorder(tmp_path / "runs") as recorder:
        run = recorder.begin({})
        run(given_up(0))
        run("nonsense")
        run(given_up(1))
        run.end("success", "")
    assert "'nonsense'" in caplog.text
    assert ids(on_record(tmp_path / "runs")[run.uid]) == ["abc-r0", "abc-r1"]


def test_a_decision_waits_a_moment_for_the_event_that_follows_it_and_not_longer(tmp_path):
    store = Sleeping(tmp_path / "runs")
    store.go.set()
    measurement = Measurement()
    with store, Recorder(store) as recorder:
        run = recorder.begin({})
        until(lambda: recorder.behind == 0)
        run(given_up())
        until(lambda: recorder.behind == 0)  # nothing follows
        recorder("start", measurement.run.start_doc)
        recorder("descriptor", measurement.primary.descriptor_doc)
        run(given_up())
        recorder(*measurement.event())
        until(lambda: recorder.behind == 0)
        assert store.calls[-1][-1] == "event"
        assert [name for call in store.calls for name in call].count("event") == 3


def test_the_recorder_of_a_folder_is_found_while_it_is_open(tmp_path):
    assert Recorder.at(tmp_path / "runs") is None
    with Recorder(tmp_path / "runs") as recorder:
        assert Recorder.at(tmp_path / "runs") is recorder
    assert Recorder.at(tmp_path / "runs") is None


def test_a_folder_that_cannot_be_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is a file"):
        Recorder(tmp_path / "file")


def test_memory_does_not_grow_with_what_was_written(tmp_path):
    with Recorder(tmp_path / "runs") as recorder:
        run = recorder.begin({})

        def write(count):
            for start in range(0, count, 500):
                measurement = Measurement()
                for name, doc in measurement.all(500):
                    run.document(name, doc)
                    run(given_up(start))
                until(lambda: recorder.behind == 0)

        write(1000)
        tracemalloc.start()
        try:
            write(500)
            before = tracemalloc.get_traced_memory()[0]
            write(2000)
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        run.end("success", "")
    assert grown < 300_000  # 2000 events and decisions are a few MB


def test_a_recorder_that_nobody_closed_writes_everything_before_the_interpreter_ends(tmp_path):
    code = """
import sys
from skysteer.model import GivenUp
from skysteer.stores import Recorder
run = Recorder(sys.argv[1]).begin({})
for number in range(100):
    run(GivenUp("recommender", str(number), "device", ""))
run.end("success", "")
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "runs")], check=True, timeout=30)
    (entry,) = runs(tmp_path / "runs")
    assert ids(list(documents(entry.path))) == [str(number) for number in range(100)]
    assert entry.exit_status == "success"


def test_what_a_program_that_ends_leaves_unwritten_is_said(tmp_path):
    code = """
import sys, time
from skysteer.model import GivenUp
from skysteer.stores import JSONLines, Recorder
from skysteer.stores.recorder import _recorder
_recorder.GOODBYE = 0.1
class Hanging(JSONLines):
    def write(self, documents):
        time.sleep(60)
run = Recorder(Hanging(sys.argv[1])).begin({})
run(GivenUp("recommender", "0", "device", ""))
"""
    command = [sys.executable, "-c", code, str(tmp_path / "runs")]
    ended = subprocess.run(command, check=True, timeout=30, capture_output=True, text=True)
    assert "2 documents and decisions are not on record: the program ends before that" in ended.stderr


def test_a_store_that_fails_when_it_is_closed_is_said(tmp_path, caplog, monkeypatch):
    close = JSONLines.close

    def failing(store):
        close(store)
        raise StoreError("the disk is gone")

    monkeypatch.setattr(JSONLines, "close", failing)
    with Recorder(tmp_path / "runs") as recorder:
        recorder.begin({}).end("success", "")
    assert "what was written last may not be on the disk: the disk is gone" in caplog.text
    assert isinstance(recorder.closed.exception(), StoreError)


def test_a_document_that_comes_after_the_recorder_was_closed_is_said_once(tmp_path, caplog):
    measurement = Measurement()
    emitted = list(measurement.all())
    with Recorder(tmp_path / "runs") as recorder:
        for name, doc in emitted[:3]:
            recorder(name, doc)
    for name, doc in emitted[3:]:
        recorder(name, doc)
    assert caplog.text.count("is not on record; said once") == 1
    assert names(on_record(tmp_path / "runs")[measurement.uid]) == ["start", "descriptor", "event"]
