"""Flows on record: the documents and the decisions, complete however the plan ends."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import suppress

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import event_model
import pytest
from bluesky.utils import RunEngineInterrupted

from skysteer import Advisor, Judgement, Patience, Steering, Verdict, adaptive_runs, adaptive_scan, watch
from skysteer.errors import PreflightError, StoreError, TooManyFailures
from skysteer.flows import _recording
from skysteer.recommenders import Sequence
from skysteer.stores import JSONLines, Recorder, documents, runs
from skysteer.stores.recorder import _recorder as recorder_module
from skysteer.testing import Silent, SimulatedBeamline

from .conftest import POSITIONS, along_x

WHERE = [0.0, 0.4, -0.3]
MOST = 90


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs"


class Record:
    """What a folder says, looked at as a reader of documents would; every document passes its schema."""

    def __init__(self, folder):
        self.entries = runs(folder)
        self.documents = {entry.uid: list(documents(entry.path)) for entry in self.entries}
        for found in self.documents.values():
            for name, doc in found:
                event_model.schema_validators[event_model.DocumentNames[name]].validate(doc)

    def one(self, flow):
        """The only decision run of a flow."""
        (entry,) = [e for e in self.entries if e.kind == "decisions" and e.flow == flow]
        return entry.uid

    def measurements(self):
        return [entry.uid for entry in self.entries if entry.kind == "measurement"]

    def start(self, uid):
        return self.documents[uid][0][1]

    def stop(self, uid):
        name, doc = self.documents[uid][-1]
        assert name == "stop", f"{uid} has no stop document"
        return doc

    def stream(self, uid, stream):
        names = {doc["uid"]: doc["name"] for name, doc in self.documents[uid] if name == "descriptor"}
        return [
            doc["data"] for name, doc in self.documents[uid] if name == "event" and names[doc["descriptor"]] == stream
        ]

    def column(self, uid, stream, key):
        return [data[key] for data in self.stream(uid, stream)]


class Sleeping(JSONLines):
    """Holds every write of an event of the measurement until it is let go."""

    def __init__(self, folder):
        self.go, self.held = threading.Event(), threading.Event()
        super().__init__(folder)

    def write(self, documents):
        if any(name == "event" and "det" in doc["data"] for name, doc in documents) and not self.go.is_set():
            self.held.set()
            assert self.go.wait(20)
        super().write(documents)


class Failing(JSONLines):
    """Cannot write events for the given number of tries, from the n-th event on."""

    def __init__(self, folder, times, first=1):
        self.times, self.first, self.events = times, first, 0
        self.failed = threading.Event()
        super().__init__(folder)

    def write(self, documents):
        for number, (name, _) in enumerate(documents):
            self.events += name == "event"
            if name == "event" and self.events >= self.first and self.times > 0:
                self.times -= 1
                self.events -= 1
                super().write(documents[:number])
                self.failed.set()
                raise StoreError("the disk is full")
        super().write(documents)


@pytest.fixture
def quick_tries(monkeypatch):
    monkeypatch.setattr(recorder_module, "FIRST_TRY", 0.002)
    monkeypatch.setattr(recorder_module, "GOODBYE", 0.2)
    monkeypatch.setattr(_recording, "GOODBYE", 0.5)


def as_emitted(found):
    """Documents as JSON keeps them: a tuple is a list."""
    return json.loads(json.dumps(found))


def wait_for_the_recorder():
    """A plan that is ended at its very end does not wait for it."""
    for thread in threading.enumerate():
        if thread.name == "skysteer-recorder":
            thread.join(30)


# ------------------------------------------------------------ the whole life


def test_a_scan_is_on_record_as_it_was_emitted_and_linked_both_ways(RE, beam, documents, folder, flow):
    plan = flow([beam.det], [beam.x], along_x(), objectives=["det"], max_points=3, record=folder, md={"sample": "A7"})
    result = RE(plan).result(20).plan_result
    record = Record(folder)
    decisions = record.one(flow.__name__)
    assert record.measurements() == list(result.uids)
    assert [pair for uid in result.uids for pair in as_emitted(record.documents[uid])] == as_emitted(documents)
    for uid in result.uids:
        assert record.start(uid)["skysteer"]["decisions"] == decisions
        assert record.start(uid)["skysteer"]["launch"] == record.start(decisions)["skysteer"]["launch"]
        assert record.start(uid)["sample"] == "A7"
    opened = [data["run"] for data in record.stream(decisions, "runs") if data["moment"] == "opened"]
    assert opened == list(result.uids)
    assert (record.stop(decisions)["exit_status"], record.stop(decisions)["reason"]) == ("success", result.reason)


def test_the_decision_run_says_what_was_told_and_suggested_and_why(RE, beam, folder, flow):
    RE(flow([beam.det], [beam.x], along_x(), objectives=["det"], max_points=9, record=str(folder))).result(20)
    record = Record(folder)
    uid = record.one(flow.__name__)
    assert record.column(uid, "suggestions", "suggested_x") == POSITIONS
    assert record.column(uid, "told", "told_x") == POSITIONS
    assert record.column(uid, "told", "number") == record.column(uid, "suggestions", "told") == [0, 1, 2, 3, 4]
    assert record.column(uid, "told", "suggestion_id") == record.column(uid, "suggestions", "id")
    measured = [(m, data["det"]) for m in record.measurements() for data in record.stream(m, "primary")]
    assert list(zip(record.column(uid, "told", "run"), record.column(uid, "told", "told_det"), strict=True)) == measured
    (refused,) = record.stream(uid, "refusals")
    assert (refused["kind"], refused["reason"]) == ("finished", "the recommender has nothing more to ask")
    about = record.start(uid)["skysteer"]
    assert about["recommender"]["class"] == "skysteer.recommenders._sequence:Sequence"
    assert about["space"][0]["name"] == "x"
    assert about["options"]["max_points"] == 9
    assert about["fields"] == {"axes": {"x": "x"}, "objectives": {"det": "det"}, "stream": "primary", "reduced": False}


def test_a_suggestion_is_on_record_before_the_event_that_answers_it(RE, beam, folder, monkeypatch):
    written = []
    write = JSONLines.write

    def note(self, documents):
        write(self, documents)
        written.extend(doc["data"] for name, doc in documents if name == "event")

    monkeypatch.setattr(JSONLines, "write", note)
    plan = adaptive_scan([beam.det], [beam.x], along_x(), objectives=["det"], max_points=5, batch=2, record=folder)
    RE(plan).result(20)
    suggested = {data["id"]: number for number, data in enumerate(written) if "parts" in data}
    answered = {data["suggestion_id"]: n for n, data in enumerate(written) if "suggestion_origin" in data}
    assert len(answered) == 5
    assert all(suggested[each] < number for each, number in answered.items())


def test_the_fallback_and_silence_are_on_record(RE, beam, folder):
    patience = Patience(2.0, "fallback", Sequence([{"x": 4.0}, {"x": 3.0}]))
    silent = Silent(along_x(), 1)
    plan = adaptive_scan(
        [beam.det], [beam.x], silent, objectives=["det"], max_points=2, patience=patience, record=folder
    )
    RE(plan).result(20)
    silent.release()
    record = Record(folder)
    uid = record.one("adaptive_scan")
    assert record.column(uid, "suggestions", "origin") == ["recommender", "fallback"]
    assert "silent" in record.column(uid, "refusals", "kind")
    assert set(record.column(uid, "told", "origin")) >= {"fallback"}
    assert record.start(uid)["skysteer"]["fallback"]["name"] == "Sequence"
    assert record.start(uid)["skysteer"]["options"]["patience"] == {"timeout": 2.0, "on_timeout": "fallback"}


def test_a_given_advisor_is_heard_for_this_scan_only_and_one_recorder_serves_many_scans(RE, beam, folder):
    with Recorder(folder) as recorder, Advisor(along_x()) as advisor:
        for points in (2, 1):
            plan = adaptive_scan([beam.det], [beam.x], advisor, objectives=["det"], max_points=points, record=recorder)
            RE(plan).result(20)
        RE(adaptive_scan([beam.det], [beam.x], advisor, objectives=["det"], max_points=1)).result(20)
        assert not recorder.closing
    record = Record(folder)
    decisions = [entry.uid for entry in record.entries if entry.kind == "decisions"]
    assert [len(record.stream(uid, "told")) for uid in decisions] == [2, 1]
    assert len(record.measurements()) == 2


def test_a_store_that_is_given_stays_open(RE, beam, folder):
    with JSONLines(folder) as store:
        for _ in range(2):
            RE(adaptive_scan([beam.det], [beam.x], along_x(), objectives=["det"], max_points=1, record=store)).result(
                20
            )
        store.flush()
    assert len(Record(folder).measurements()) == 2


def test_recording_without_decisions_is_a_subscription(RE, beam, documents, folder):
    with Recorder(folder) as recorder:
        token = RE.subscribe(recorder)
        RE(bp.count([beam.det], 3)).result(20)
        RE(adaptive_scan([beam.det], [beam.x], along_x(), objectives=["det"], max_points=2, record=folder)).result(20)
        RE.unsubscribe(token)
    record = Record(folder)
    found = [pair for uid in record.measurements() for pair in record.documents[uid]]
    assert as_emitted(found) == as_emitted(documents)
    assert len(list(folder.glob("2*.jsonl"))) == 3  # the path found the recorder of the folder: nothing is there twice


def test_without_a_record_nothing_is_made(RE, beam, tmp_path, seen):
    RE(adaptive_scan([beam.det], [beam.x], along_x(), objectives=["det"], max_points=2)).result(20)
    assert list(tmp_path.iterdir()) == []
    assert "decisions" not in seen.named("start")[0]["skysteer"]


# ------------------------------------------------------------ watch


def enough_at(number):
    def judge(observation):
        return Judgement(Verdict.ENOUGH, f"point {number}") if observation.seq_num == number else None

    return judge


def test_what_a_watchdog_says_and_what_a_person_does_are_on_record(RE, beam, folder):
    steering, entered = Steering(), threading.Event()

    def hold_at_two(observation):
        if observation.seq_num == 2:
            entered.set()
            return Judgement(Verdict.HOLD, "look at this")
        return None

    future = RE(watch(bp.count([beam.det], 2000, delay=0.002), {"dog": hold_at_two}, steering=steering, record=folder))
    assert entered.wait(30)
    deadline = time.monotonic() + 30
    while not steering.requests and time.monotonic() < deadline:
        time.sleep(0.002)
    steering.request(Verdict.ENOUGH, "seen it", author="Ada")
    future.result(20)
    record = Record(folder)
    uid = record.one("watch")
    assert [(v["watchdog"], v["verdict"], v["seq_num"]) for v in record.stream(uid, "verdicts")] == [("dog", "hold", 2)]
    steered = [(s["author"], s["verdict"], s["reason"], s["accepted"]) for s in record.stream(uid, "steering")]
    assert steered == [("dog", "hold", "look at this", True), ("Ada", "enough", "seen it", True)]
    (measured,) = record.measurements()
    assert set(record.column(uid, "runs", "run")) == {measured}
    assert record.stop(uid)["reason"] == record.stop(measured)["reason"] == "Ada: seen it"
    assert record.start(uid)["skysteer"]["watchdogs"][0]["name"] == "dog"
    assert "skysteer" not in record.start(measured)


def test_a_watched_scan_with_the_same_folder_twice_is_on_record_once(RE, beam, documents, folder):
    scan = adaptive_scan([beam.det], [beam.x], along_x(), objectives=["det"], max_points=9, record=folder)
    RE(watch(scan, enough_at(3), record=folder)).result(20)
    record = Record(folder)
    (measured,) = record.measurements()
    assert as_emitted(record.documents[measured]) == as_emitted(documents)
    for flow in ("watch", "adaptive_scan"):
        assert set(record.column(record.one(flow), "runs", "run")) == {measured}
        assert "point 3" in record.stop(record.one(flow))["reason"]
    assert record.start(measured)["skysteer"]["decisions"] == record.one("adaptive_scan")
    assert len(record.stream(record.one("adaptive_scan"), "told")) == len(record.stream(measured, "primary"))


def test_a_run_that_the_plan_leaves_open_is_on_record_to_its_stop_document(RE, beam, folder):
    def careless():
        yield from bps.open_run()
        yield from bps.trigger_and_read([beam.det])

    RE(watch(careless(), enough_at(99), record=folder)).result(20)
    wait_for_the_recorder()
    record = Record(folder)
    (measured,) = record.measurements()
    assert record.stop(measured)["num_events"] == {"primary": 1}
    assert record.column(record.one("watch"), "runs", "moment") == ["opened", "closed"]
    assert record.stop(record.one("watch"))


# ------------------------------------------------------------ the gate


def test_nothing_is_measured_before_the_last_point_is_written_and_the_loop_stays_free(RE, beam, documents, folder):
    with Sleeping(folder) as store:
        future = RE(adaptive_scan([beam.det], [beam.x], along_x(), objectives=["det"], max_points=3, record=store))
        assert store.held.wait(30)
        lags = []
        for _ in range(30):
            before = time.perf_counter()
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), RE.loop).result(30)
            lags.append(time.perf_counter() - before)
            time.sleep(0.005)
        assert sorted(lags)[len(lags) // 2] < 0.5
        held = [doc for name, doc in documents if name == "event"]
        assert len(held) == 1, "it measured on although the point before was not written"
        store.go.set()
        assert future.result(20).plan_result.measured == 3
    assert len(Record(folder).documents) == 2


def test_a_pause_in_the_gate_is_resumed(RE, beam, folder):
    with Sleeping(folder) as store:
        future = RE(adaptive_scan([beam.det], [beam.x], along_x(), objectives=["det"], max_points=3, record=store))
        assert store.held.wait(30)
        RE.request_pause()
        with pytest.raises(RunEngineInterrupted):
            future.result(30)
        future = RE.resume()
        store.go.set()
        assert future.result(20).plan_result.measured == 3
    record = Record(folder)
    assert record.column(record.one("adaptive_scan"), "told", "told_x") == POSITIONS[:3]


def test_an_abort_in_the_gate_ends_the_scan(RE, beam, folder):
    with Sleeping(folder) as store:
        future = RE(adaptive_scan([beam.det], [beam.x], along_x(), objectives=["det"], max_points=3, record=store))
        assert store.held.wait(30)
        threading.Timer(0.1, store.go.set).start()
        RE.abort("enough of it")
        with pytest.raises(RunEngineInterrupted):
            future.result(30)
    record = Record(folder)
    assert record.stop(record.one("adaptive_scan"))["reason"] == "enough of it"
    assert len(record.stream(record.measurements()[0], "primary")) == 1


@pytest.mark.parametrize("first", [1, 2, 4, 7])
def test_a_store_that_fails_in_the_middle_holds_the_scan_and_nothing_is_missing(
    RE, beam, documents, folder, quick_tries, caplog, first
):
    with Failing(folder, times=5, first=first) as store:
        future = RE(adaptive_scan([beam.det], [beam.x], along_x(), objectives=["det"], max_points=5, record=store))
        assert future.result(20).plan_result.measured == 5
        assert store.failed.is_set()
        assert store.times == 0
    record = Record(folder)
    (measured,) = record.measurements()
    assert as_emitted(record.documents[measured]) == as_emitted(documents)
    uid = record.one("adaptive_scan")
    assert record.column(uid, "told", "number") == [0, 1, 2, 3, 4]
    assert record.column(uid, "suggestions", "suggested_x")[:5] == POSITIONS
    warned = [r.message for r in caplog.records if r.name == "skysteer.stores.recorder._recorder"]
    assert len(warned) == 2, warned


def test_a_scan_that_is_over_waits_until_its_last_point_is_written(RE, beam, documents, folder, quick_tries):
    with Failing(folder, times=10**9) as store:
        future = RE(adaptive_scan([beam.det], [beam.x], along_x(), objectives=["det"], max_points=1, record=store))
        assert store.failed.wait(30)
        time.sleep(0.6)  # longer than a plan that was ended waits
        assert not future.done()
        store.times = 0
        assert future.result(20).plan_result.measured == 1
    record = Record(folder)
    assert as_emitted(record.documents[record.measurements()[0]]) == as_emitted(documents)
    assert record.stop(record.one("adaptive_scan"))


def test_a_store_that_never_works_again_holds_the_scan_until_it_is_aborted(RE, beam, documents, folder, quick_tries):
    with Failing(folder, times=10**9, first=4) as store:
        future = RE(adaptive_scan([beam.det], [beam.x], along_x(), objectives=["det"], max_points=5, record=store))
        assert store.failed.wait(30)
        time.sleep(0.1)
        events = sum(name == "event" for name, _ in documents)
        assert events <= 2
        assert not future.done()
        before = time.monotonic()
        RE.abort("the disk is full")
        with pytest.raises(RunEngineInterrupted):
            future.result(30)
        assert time.monotonic() - before < 8


def test_a_watched_plan_holds_at_a_checkpoint_while_nothing_can_be_written(RE, beam, documents, folder, quick_tries):
    with Failing(folder, times=10**9, first=3) as store, Recorder(store) as recorder:
        future = RE(watch(bp.count([beam.det], 200, delay=0.001), enough_at(9999), record=recorder))
        assert store.failed.wait(30)
        deadline, events = time.monotonic() + 30, -1
        while (now := sum(name == "event" for name, _ in documents)) > events:  # it comes to a checkpoint
            assert time.monotonic() < deadline
            events = now
            time.sleep(0.2)
        assert now < 200
        assert not future.done()
        store.times = 0
        future.result(20)
    record = Record(folder)
    assert as_emitted(record.documents[record.measurements()[0]]) == as_emitted(documents)


def test_a_scan_whose_recorder_was_closed_ends_rather_than_measure_unrecorded(RE, beam, folder):
    recorder = Recorder(folder)

    class Closing:
        def ingest(self, points): ...

        def suggest(self, num_points=None):
            return [{"x": 1.0}]

    closer = Closing()
    suggest = closer.suggest
    calls = []

    def close_at_third(num_points=None):
        calls.append(1)
        if len(calls) == 3:
            recorder.close().result(30)
        return suggest()

    closer.suggest = close_at_third
    with pytest.raises(StoreError, match="not put on record any more") as caught:
        RE(adaptive_scan([beam.det], [beam.x], closer, objectives=["det"], max_points=9, record=recorder)).result(20)
    assert caught.value.result.measured <= 3


# ------------------------------------------------------------ before anything moves


def test_a_folder_that_cannot_be_written_is_a_problem_of_the_preflight(RE, beam, documents, tmp_path, flow):
    (tmp_path / "file").write_text("")
    plan = flow([beam.det], [beam.x], along_x(), objectives=["nothing"], max_points=3, record=tmp_path / "file")
    with pytest.raises(PreflightError) as caught:
        RE(plan).result(20)
    assert len(caught.value.problems) == 2
    assert "is a file" in str(caught.value)
    assert documents == []
    assert beam.x.position == 0.0


def test_a_watch_is_refused_too(RE, beam, documents, tmp_path):
    with pytest.raises(PreflightError, match="is not there"):
        RE(watch(bp.count([beam.det]), enough_at(1), record=tmp_path / "missing" / "runs")).result(20)
    assert documents == []


def test_a_recorder_that_is_closed_is_refused(RE, beam, documents, folder):
    with Recorder(folder) as recorder:
        pass
    with pytest.raises(PreflightError, match="closed"):
        RE(adaptive_scan([beam.det], [beam.x], along_x(), objectives=["det"], max_points=3, record=recorder)).result(20)
    assert documents == []


# ------------------------------------------------------------ however it ends


class At:
    """Does something when the engine comes to message number ``at``."""

    def __init__(self, RE, at, do):
        self.at, self.do, self.number, self.command = at, do, 0, None
        RE.msg_hook = self

    def __call__(self, message):
        self.number += 1
        if self.number == self.at:
            self.command = message.command
            self.do()


def check_complete(record, documents, where, flow):
    """Every document that was emitted is on record, and every event was told."""
    emitted = {}
    owner = {}
    for name, doc in documents:
        uid = doc["uid"] if name == "start" else doc.get("run_start") or owner[doc["descriptor"]]
        if name == "descriptor":
            owner[doc["uid"]] = uid
        emitted.setdefault(uid, []).append((name, doc))
    assert set(record.measurements()) == emitted.keys(), where
    for uid, found in emitted.items():
        assert as_emitted(record.documents[uid]) == as_emitted(found), where
    uids = [entry.uid for entry in record.entries if entry.kind == "decisions"]
    if not uids:
        assert not emitted, where
        return
    uid = record.one(flow.__name__)
    record.stop(uid)
    assert set(record.column(uid, "runs", "run")) == emitted.keys(), where


@pytest.mark.timeout(240)
@pytest.mark.parametrize("way", ["pause", "abort"])
def test_the_record_is_complete_whatever_happens_at_any_message(RE, documents, tmp_path, flow, way):
    beam = SimulatedBeamline(RE)
    do = RE._request_pause_coro if way == "pause" else lambda: RE._abort_coro("the user left")
    for number in range(1 + (flow is adaptive_runs), MOST, 2 if way == "pause" else 3):
        documents.clear()
        folder = tmp_path / f"runs-{number}"
        hook = At(RE, number, lambda: asyncio.ensure_future(do()))
        plan = flow([beam.det], [beam.x], along_x(WHERE), objectives=["det"], max_points=3, record=folder)
        future = RE(plan)
        with suppress(RunEngineInterrupted):
            future.result(20)
        if RE.state == "paused":
            RE.resume().result(20)
        where = f"{way} at message {number} ({hook.command})"
        if not folder.exists():
            continue
        wait_for_the_recorder()
        record = Record(folder)
        check_complete(record, documents, where, flow)
        if way == "pause":
            uid = record.one(flow.__name__)
            once = [data["told_x"] for data in record.stream(uid, "told") if not data["replay"]]
            assert once == pytest.approx(WHERE), where
            again = len(record.stream(uid, "told")) - 3
            events = sum(len(record.stream(each, "primary")) for each in record.measurements())
            assert again <= 1, where
            if flow is adaptive_scan:
                assert again == events - 3, where
        if hook.command is None:
            return
    raise AssertionError("the scan has more messages than expected")


def test_a_halt_leaves_a_complete_record_and_no_thread(RE, beam, documents, folder):
    started = threading.Event()
    RE.subscribe(lambda name, doc: started.set(), "event")
    silent = Silent(along_x(), 1)
    future = RE(adaptive_scan([beam.det], [beam.x], silent, objectives=["det"], max_points=3, record=folder))
    assert started.wait(30)
    RE.halt()
    with pytest.raises(RunEngineInterrupted):
        future.result(30)
    silent.release()
    wait_for_the_recorder()
    record = Record(folder)
    (measured,) = record.measurements()
    assert as_emitted(record.documents[measured]) == as_emitted(documents)
    assert record.stop(record.one("adaptive_scan"))["exit_status"] == record.stop(measured)["exit_status"]


def test_a_scan_that_a_device_ends_is_on_record_with_the_words_of_the_error(RE, beam, documents, folder, flow):
    beam.det.fail_at = {2}
    options = {"objectives": ["det"], "max_points": 3, "on_failure": "stop", "record": folder}
    with pytest.raises(TooManyFailures):
        RE(flow([beam.det], [beam.x], along_x(), **options)).result(20)
    record = Record(folder)
    assert [pair for uid in record.measurements() for pair in as_emitted(record.documents[uid])] == as_emitted(
        documents
    )
    stop = record.stop(record.one(flow.__name__))
    assert stop["exit_status"] == "fail"
    assert "trigger 2 failed" in stop["reason"]
    assert stop["reason"].startswith("TooManyFailures: ")
    if flow is adaptive_scan:
        assert stop["reason"] == record.stop(record.measurements()[0])["reason"]


def test_a_point_that_fails_is_given_up_on_record_with_the_words_of_the_device(RE, beam, folder, flow):
    beam.det.fail_at = {2}
    RE(flow([beam.det], [beam.x], along_x(), objectives=["det"], max_points=3, record=folder)).result(20)
    record = Record(folder)
    (given_up,) = record.stream(record.one(flow.__name__), "given_up")
    assert given_up["kind"] == "device"
    assert "trigger 2 failed" in given_up["reason"]
    assert given_up["suggestion_id"] == record.column(record.one(flow.__name__), "suggestions", "id")[1]


def test_a_subscriber_that_raises_does_not_keep_the_record_from_being_complete(RE, beam, folder):
    def careless(name, doc):
        if name == "event":
            raise ValueError("no")

    RE.subscribe(careless)
    with pytest.raises(ValueError, match="no"):
        RE(adaptive_scan([beam.det], [beam.x], along_x(), objectives=["det"], max_points=3, record=folder)).result(20)
    record = Record(folder)
    assert record.stop(record.one("adaptive_scan"))["exit_status"] == "fail"
    assert record.stop(record.measurements()[0])["exit_status"] == "fail"


def test_a_flow_on_record_runs_on_a_stock_engine(stock_RE, folder):
    beam = SimulatedBeamline(stock_RE)
    stock_RE(adaptive_runs([beam.det], [beam.x], along_x(), objectives=["det"], max_points=3, record=folder))
    record = Record(folder)
    assert len(record.measurements()) == 3
    assert record.column(record.one("adaptive_runs"), "told", "told_x") == POSITIONS[:3]
