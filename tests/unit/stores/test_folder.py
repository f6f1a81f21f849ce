"""A folder with one file a run: what is written is what any consumer of documents reads."""

from __future__ import annotations

import itertools
import json
import math
import os
import threading
import time
from pathlib import Path

import event_model
import numpy as np
import pytest
from bluesky.callbacks import LiveTable
from bluesky.callbacks.json_writer import JSONLinesWriter
from event_model import DocumentNames, schema_validators

from skysteer.errors import StoreError
from skysteer.stores import JSONLines, documents, find, runs
from skysteer.stores.jsonl import _folder
from skysteer.testing import RunBuilder, external_key

from .conftest import decisions_of, run_of


def lines_of(path: Path) -> list[tuple[str, dict]]:
    """Read a file as a program would that knows nothing of ours."""
    return [(line["name"], line["doc"]) for line in map(json.loads, path.read_text().splitlines())]


def file_of(folder: Path, run: RunBuilder) -> Path:
    return find(folder, run.uid).path


def test_a_run_comes_back_as_it_was(store, folder):
    run = run_of(3)
    store.write(run.documents)
    assert list(documents(file_of(folder, run))) == run.documents


def test_a_document_is_with_the_operating_system_when_write_returns(store, folder):
    run = run_of(2, stop=False)
    for count, (name, doc) in enumerate(run.documents, start=1):
        store.write([(name, doc)])
        [path] = folder.glob("2*.jsonl")
        assert list(documents(path)) == run.documents[:count]


def test_the_files_of_runs_that_overlap_are_not_mixed(store, folder):
    one, other, third = run_of(3), run_of(5), decisions_of(4)
    turns = itertools.zip_longest(one.documents, other.documents, third.documents)
    store.write([document for turn in turns for document in turn if document is not None])
    for run in (one, other, third):
        assert list(documents(file_of(folder, run))) == run.documents


def test_documents_are_written_in_the_order_over_all_files(store, folder, monkeypatch):
    written = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: (written.append(bytes(data)), write(file, data))[1])
    run, decisions = run_of(2, stop=False), decisions_of(2, stop=False)
    suggested, told = [doc for doc in decisions.documents if doc[0] == "event"]
    store.write([*run.documents[:2], *decisions.documents[:3]])
    written.clear()
    store.write([suggested, run.documents[2], told, run.documents[3]])
    assert [json.loads(line)["doc"]["uid"] for line in written] == [
        doc["uid"] for _, doc in (suggested, run.documents[2], told, run.documents[3])
    ]


def test_what_waits_for_one_file_is_one_write(store, folder, monkeypatch):
    run = run_of(50, stop=False)
    store.write(run.documents[:2])
    written = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: (written.append(len(data)), write(file, data))[1])
    store.write(run.documents[2:])
    assert len(written) == 1


def test_every_kind_of_document_finds_its_run(store, folder):
    run = RunBuilder({"primary": {"x": "number", "frame": external_key()}})
    run.event_page(x=[1.0, 2.0])
    run.file("frame", "file://localhost/nowhere.h5")
    run.frames("frame", 0, 2)
    run.event(x=3.0)
    run.stop()
    start, descriptor = run.documents[0][1], run.documents[1][1]
    resource, compose_datum, compose_page = event_model.compose_resource(
        start=start, spec="TIFF", root="/", resource_path="a", resource_kwargs={}
    )
    resource_of_old = {key: value for key, value in resource.items() if key != "run_start"} | {"uid": "old"}
    run.documents[2:2] = [
        ("resource", resource),
        ("resource", resource_of_old),
        ("datum", compose_datum(datum_kwargs={"n": 1})),
        ("datum", {"resource": "old", "datum_id": "old/1", "datum_kwargs": {}}),
        ("datum_page", compose_page(datum_kwargs={"n": [1, 2]})),
        ("bulk_events", {descriptor["uid"]: []}),
    ]
    store.write(run.documents)
    assert list(documents(file_of(folder, run))) == run.documents


def test_any_consumer_of_documents_reads_the_file(store, folder, capsys):
    run = RunBuilder(
        {"primary": {"x": "number", "det": "number", "image": "array"}}, {"plan_type": "generator", "plan_name": "scan"}
    )
    run.event(x=1.0, det=math.nan, image=np.arange(6, dtype="u2").reshape(2, 3))
    run.event(x=np.float64(2.0), det=2.0, image=np.zeros((2, 3)))
    run.stop()
    store.write(run.documents)
    read = lines_of(file_of(folder, run))
    router, table = event_model.SingleRunDocumentRouter(), LiveTable(["x", "det"])
    for name, doc in read:
        schema_validators[DocumentNames[name]].validate(doc)
        router(name, doc)
    assert router.get_stream_name(read[2][1]) == "primary"
    for name, doc in documents(file_of(folder, run)):
        table(name, doc)
    assert "nan |" in capsys.readouterr().out
    assert read[2][1]["data"] == {"x": 1.0, "det": None, "image": [[0, 1, 2], [3, 4, 5]]}


def test_the_format_is_that_of_blueskys_own_writer(store, folder, tmp_path):
    run = run_of(3)
    theirs = JSONLinesWriter(str(tmp_path), "theirs.jsonl")
    for name, doc in run.documents:
        theirs(name, doc)
    store.write(run.documents)
    assert lines_of(file_of(folder, run)) == lines_of(tmp_path / "theirs.jsonl")
    assert list(documents(tmp_path / "theirs.jsonl")) == run.documents


def test_the_name_of_a_file_says_when_and_which(store, folder):
    run, decisions = run_of(0), decisions_of(0)
    run.documents[0][1].update(time=1795241449.9, uid="ab/c-1234567")
    run.documents[1:] = []
    store.write([*run.documents, *decisions.documents])
    names = sorted(path.name for path in folder.glob("*.jsonl") if path.name != "index.jsonl")
    assert "2026-11-21T06-10-49-abc123.jsonl" in names
    assert any(name.endswith(f"-{decisions.uid[:8]}.decisions.jsonl") for name in names)


def test_names_never_collide(store, folder):
    several = [run_of(1) for _ in range(3)]
    for number, run in enumerate(several):
        run.documents[0] = ("start", run.documents[0][1] | {"uid": f"same-uid-{number}"})
        run.documents[1] = ("descriptor", run.documents[1][1] | {"run_start": f"same-uid-{number}"})
        run.documents[-1] = ("stop", run.documents[-1][1] | {"run_start": f"same-uid-{number}"})
        store.write(run.documents)
    for number, run in enumerate(several):
        assert list(documents(find(folder, f"same-uid-{number}").path)) == run.documents


def test_the_clock_may_step_back(store, folder, monkeypatch):
    now = time.time()
    later, earlier = run_of(3), run_of(3)
    for run, began in ((later, now), (earlier, now - 3600)):
        for number, (_, doc) in enumerate(run.documents):
            doc["time"] = began - number * 60
        store.write(run.documents)
        assert list(documents(file_of(folder, run))) == run.documents
    assert [entry.uid for entry in runs(folder)] == [later.uid, earlier.uid]


def test_a_run_whose_start_was_not_seen_is_left_out_and_said(store, folder, caplog):
    run, whole = run_of(2), run_of(1)
    store.write([*run.documents[1:], ("event", {"no": "descriptor"}), ("start", {}), *whole.documents])
    assert store.written == len(run.documents) - 1 + 2 + len(whole.documents)
    assert [entry.uid for entry in runs(folder)] == [whole.uid]
    assert sum("start was not seen" in record.getMessage() for record in caplog.records) == 1


def test_a_start_that_comes_twice_is_written_once(store, folder, caplog):
    run = run_of(1)
    store.write([run.documents[0], *run.documents])
    assert list(documents(file_of(folder, run))) == run.documents


def test_nothing_grows_with_the_number_of_runs(store):
    for _ in range(200):
        store.write(run_of(1).documents)
    store.flush()
    assert not store._homes.runs
    assert not store._homes._homes
    assert not store._flusher._open
    assert not store._flusher._lines


def test_runs_that_end_quickly_do_not_keep_their_files_open(folder, monkeypatch):
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (time.sleep(0.005), fsync(file))[1])
    monkeypatch.setattr(_folder, "_WAITING", 10)
    before = most = len(os.listdir("/proc/self/fd"))
    with JSONLines(folder) as store:
        for _ in range(120):
            store.write(run_of(1).documents)
            most = max(most, len(os.listdir("/proc/self/fd")))
    assert most - before < 40
    assert len(runs(folder)) == 120


def test_a_closed_store_says_so(folder):
    store = JSONLines(folder)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="was closed"):
        store.write(run_of(1).documents)


def test_a_store_that_wrote_nothing_has_no_thread(folder):
    before = threading.active_count()
    with JSONLines(folder):
        assert threading.active_count() == before


def test_the_folder_stays_when_the_working_directory_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with JSONLines("runs") as store:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        store.write(run_of(1).documents)
    assert len(runs(tmp_path / "runs")) == 1


@pytest.fixture
def synced(monkeypatch) -> list[str]:
    """Names of the files put on the disk, in order."""
    names: list[str] = []
    fsync = os.fsync

    def note(file: int) -> None:
        names.append(os.path.basename(os.readlink(f"/proc/self/fd/{file}")))
        fsync(file)

    monkeypatch.setattr(os, "fsync", note)
    return names


def test_decision_runs_are_put_on_the_disk_first(folder, synced):
    measured, decisions = [run_of(2, stop=False) for _ in range(3)], [decisions_of(2, stop=False) for _ in range(3)]
    with JSONLines(folder, flush_every=1000) as store:
        with store._flusher._flushing:  # the thread is not to flush before everything is written
            store.write([document for run in (*measured, *decisions) for document in run.documents])
        store.flush()
        files = [name for name in synced if name != folder.name]
        assert [".decisions" in name for name in files] == [True] * 3 + [False] * 3


def test_a_run_that_ends_is_put_on_the_disk_at_once(folder, synced):
    with JSONLines(folder, flush_every=1000) as store:
        store.write(run_of(2).documents)
        deadline = time.monotonic() + 30
        while len(synced) < 2 and time.monotonic() < deadline:
            time.sleep(0.001)
        assert synced[0].endswith(".jsonl")
        assert synced[1] == folder.name, "the name of a new file is in the folder"


def test_what_was_written_is_on_the_disk_within_flush_every(folder, synced):
    run = run_of(20, stop=False)
    with JSONLines(folder, flush_every=0.2) as store:
        store.write(run.documents[:3])
        store.flush()
        synced.clear()
        begun = time.monotonic()
        store.write(run.documents[3:])
        while not synced and time.monotonic() < begun + 30:
            time.sleep(0.001)
        waited = time.monotonic() - begun
    assert synced
    assert waited < 2  # a machine that is busy with other things may be late


def test_an_idle_store_sleeps(folder, synced):
    with JSONLines(folder, flush_every=0.01) as store:
        store.write(run_of(2, stop=False).documents)
        store.flush()
        time.sleep(0.1)  # a flush that was due already
        synced.clear()
        time.sleep(0.2)
        assert not synced


def test_writing_does_not_wait_for_the_disk(folder, monkeypatch):
    working, go = threading.Event(), threading.Event()
    monkeypatch.setattr(os, "fsync", lambda file: (working.set(), go.wait(30)))
    run = run_of(5)
    store = JSONLines(folder, flush_every=0.01)
    try:
        store.write(run.documents[:3])
        assert working.wait(30)
        store.write(run.documents[3:])
        assert list(documents(next(folder.glob("2*.jsonl")))) == run.documents
    finally:
        go.set()
        store.close()


@pytest.mark.parametrize("flush_every", [0, -1, math.nan])
def test_a_time_that_cannot_be_is_refused(folder, flush_every):
    with pytest.raises(ValueError, match="flush_every"):
        JSONLines(folder, flush_every=flush_every)
