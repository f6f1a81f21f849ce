"""The index: quick, and never believed where the files say otherwise."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from skysteer.errors import RecordError
from skysteer.stores import JSONLines, find, runs
from skysteer.stores.jsonl._line import encode

from .conftest import decisions_of, run_of

RUNS = 10_000


def written(folder: Path, *several) -> None:
    with JSONLines(folder) as store:
        for run in several:
            store.write(run.documents)


@pytest.fixture
def launch(folder):
    """A decision run and its two measurements, and a run of somebody else."""
    decisions = decisions_of(5, launch="abc", flow="adaptive_runs", options={"max_points": 9})
    about = {"launch": "abc", "decisions": decisions.uid}
    several = [decisions, run_of(2, skysteer=about), run_of(3, skysteer=about, time_of="day"), run_of(1)]
    for number, run in enumerate(several):
        run.documents[0][1]["time"] += number / 8
    several[2].documents[-1][1].update(exit_status="abort", reason="the beam was lost")
    written(folder, *several)
    return several


def test_an_entry_says_what_the_run_was(launch, folder):
    decisions, one, other, alone = entries = runs(folder)
    assert [entry.uid for entry in entries] == [run.uid for run in launch]
    assert [entry.kind for entry in entries] == ["decisions", "measurement", "measurement", "measurement"]
    assert [entry.num_points for entry in entries] == [5, 2, 3, 1]
    assert [entry.exit_status for entry in entries] == ["success", "success", "abort", "success"]
    assert other.reason == "the beam was lost"
    assert [entry.plan_name for entry in entries] == ["decisions", "scan", "scan", "scan"]
    assert (decisions.flow, decisions.recommender, decisions.max_points) == ("adaptive_runs", "Grid", 9)
    assert (one.flow, one.recommender, one.max_points, one.launch) == ("adaptive_runs", "Grid", 9, "abc")
    assert one.scan_id == 7
    assert decisions.measurements == (one.uid, other.uid)
    assert (decisions.decisions, one.decisions, alone.decisions) == (decisions.uid, decisions.uid, "")
    assert not any(entry.running for entry in entries)
    assert all(entry.path.parent == folder and entry.path.exists() for entry in entries)
    assert decisions.stopped > decisions.time > 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda index: index.unlink(),
        lambda index: index.write_bytes(b""),
        lambda index: index.write_bytes(b"\x00" * 100 + b"\n[]\n{}\nnull\n"),
        lambda index: index.write_bytes(index.read_bytes()[:-7]),
        lambda index: index.write_bytes(index.read_bytes()[: index.stat().st_size // 2]),
        lambda index: index.write_bytes(index.read_bytes().split(b"\n", 1)[1]),
        lambda index: (index.unlink(), index.mkdir()),
    ],
    ids=["missing", "empty", "rubbish", "torn", "half", "first line lost", "a folder"],
)
def test_a_damaged_index_is_repaired_from_the_files(launch, folder, damage):
    before = runs(folder)
    damage(folder / "index.jsonl")
    for _ in range(2):  # read from the files, then from the repaired index
        assert sorted(runs(folder), key=lambda entry: entry.uid) == sorted(before, key=lambda entry: entry.uid)


@pytest.mark.parametrize("cut", [0, 7], ids=["missing", "torn"])
def test_a_repaired_index_is_not_repaired_again(launch, folder, cut):
    index = folder / "index.jsonl"
    index.write_bytes(index.read_bytes()[:-cut]) if cut else index.unlink()
    runs(folder)
    repaired = index.read_bytes()
    runs(folder)
    assert index.read_bytes() == repaired
    for line in repaired.splitlines()[-1:]:
        assert json.loads(line), "what was added stands behind half a line"


def test_every_size_of_a_cut_index_gives_the_same_runs(launch, folder):
    index, before = folder / "index.jsonl", {entry.uid: entry for entry in runs(folder)}
    whole = index.read_bytes()
    for size in range(0, len(whole), 11):
        index.write_bytes(whole[:size])
        assert {entry.uid: entry for entry in runs(folder)} == before


def test_runs_whose_files_are_gone_are_not_listed(launch, folder):
    find(folder, launch[1].uid).path.unlink()
    assert [entry.uid for entry in runs(folder)] == [launch[0].uid, launch[2].uid, launch[3].uid]
    assert runs(folder)[0].measurements == (launch[2].uid,)


def test_a_file_that_was_cut_off_after_it_was_complete_is_not_complete(launch, folder):
    entry = find(folder, launch[2].uid)
    content = entry.path.read_bytes()
    entry.path.write_bytes(content[: content.rstrip(b"\n").rfind(b"\n") + 1])
    now = find(folder, launch[2].uid)
    assert (now.exit_status, now.num_points, now.running) == ("", 3, False)


def test_files_that_are_no_runs_are_not_listed(launch, folder):
    (folder / "notes.txt").write_text("hello")
    (folder / "table.jsonl").write_text('{"a": 1}\n')
    (folder / "empty.jsonl").touch()
    (folder / "cut-off.jsonl").write_bytes(encode("start", {"uid": "u", "time": 1.0})[:-1])
    (folder / "folder.jsonl").mkdir()
    assert [entry.uid for entry in runs(folder)] == [run.uid for run in launch]


def test_runs_that_were_copied_here_are_listed(launch, folder, tmp_path):
    copied = run_of(6)
    copied.documents[0][1]["time"] += 1e6
    (folder / "copied.jsonl").write_bytes(b"".join(encode(name, doc) for name, doc in copied.documents))
    assert runs(folder)[-1].uid == copied.uid
    assert runs(folder)[-1].num_points == 6
    assert runs(folder)[-1].exit_status == "success"


@pytest.mark.parametrize("name", ["a copy.jsonl", "2999-copy.jsonl"])
def test_a_copy_of_a_run_is_not_another_run(launch, folder, name):
    before = runs(folder)
    for entry in before:
        (folder / f"{entry.uid} {name}").write_bytes(entry.path.read_bytes()[:-7])
    assert runs(folder) == before
    (folder / "index.jsonl").unlink()
    assert {entry.uid: entry.path for entry in runs(folder)} == {entry.uid: entry.path for entry in before}


def test_a_measurement_that_only_its_decision_run_names_is_linked(folder):
    run, decisions = run_of(2), decisions_of(0, stop=False, flow="watch")
    decisions.event("runs", run=run.uid, moment="opened")
    decisions.stop()
    run.documents[0][1]["time"] += 0.5
    written(folder, decisions, run)
    for _ in range(2):
        listed, measured = runs(folder)
        assert listed.measurements == (run.uid,)
        assert (measured.decisions, measured.flow) == (decisions.uid, "watch")
        (folder / "index.jsonl").unlink()


def test_who_goes_on_is_said(folder):
    first, second = decisions_of(3, stop=False), decisions_of(0, stop=False)
    measured = run_of(3, stop=False, skysteer={"decisions": first.uid})
    measured.documents[0][1]["time"] += 0.5
    written(folder, first, measured)
    assert runs(folder)[0].resumed_by == ""
    second.documents[0][1]["skysteer"]["resumes"] = first.uid
    again = run_of(1, skysteer={"decisions": second.uid, "resumes": first.uid})
    for run in (second, again):
        run.documents[0][1]["time"] -= 3600  # the clock stepped back between the two
    written(folder, second, again)
    for _ in range(2):
        listed = runs(folder)
        assert [entry.uid for entry in listed] == [first.uid, measured.uid, second.uid, again.uid]
        assert [entry.resumed_by for entry in listed] == [second.uid, second.uid, "", ""]
        assert listed[2].resumes == first.uid
        (folder / "index.jsonl").unlink()


@pytest.mark.parametrize("replayed", [False, True])
def test_points_are_counted_while_a_run_goes_on(store, folder, replayed):
    run, decisions = run_of(3, stop=False), decisions_of(3, stop=False)
    if replayed:
        run.replay(run.documents[-1][1])
        decisions.event("told", origin="recommender", number=3, replay=True)
    decisions.event("told", origin="fallback", number=17, replay=False)
    store.write([*run.documents, *decisions.documents])
    for entry in runs(folder):
        assert (entry.num_points, entry.running, entry.exit_status) == (3, True, "")


def test_a_run_is_running_until_its_store_is_closed(folder):
    with JSONLines(folder) as store:
        store.write(run_of(3, stop=False).documents)
        assert runs(folder)[0].running
    assert not runs(folder)[0].running


def test_points_of_a_long_run_are_counted_from_its_end(folder):
    run = run_of(4000, stop=False)
    written(folder, run)
    assert find(folder, run.uid).path.stat().st_size > 1 << 19
    begun = time.thread_time()
    assert runs(folder)[0].num_points == 4000
    assert time.thread_time() - begun < 0.05


# -- finding one


@pytest.mark.parametrize(
    "way",
    [
        lambda entry: entry.uid,
        lambda entry: entry.uid[:8],
        lambda entry: entry.uid[:4],
        lambda entry: entry.path.name,
        lambda entry: str(entry.path),
    ],
    ids=["uid", "short", "shortest", "name", "path"],
)
def test_a_run_is_found(launch, folder, way):
    for entry in runs(folder):
        assert find(folder, way(entry)) == entry


def test_the_path_of_a_file_is_enough(launch, folder, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    entry = runs(folder)[1]
    assert find(tmp_path / "elsewhere", str(entry.path)) == entry
    monkeypatch.chdir(folder)
    assert find(tmp_path / "elsewhere", entry.path.name) == entry


def test_the_last_run_is_the_one_that_was_begun_last(launch, folder):
    assert find(folder, "last").uid == launch[-1].uid


def test_a_run_that_is_not_there_is_said_with_those_that_are(launch, folder):
    with pytest.raises(RecordError, match=f"no run 'nothing' in {folder}; the newest are {launch[-1].uid[:8]}"):
        find(folder, "nothing")
    with pytest.raises(RecordError, match="first 4 letters"):
        find(folder, launch[0].uid[:3])


def test_an_ambiguous_beginning_is_said(folder):
    several = [run_of(1), run_of(1)]
    for number, run in enumerate(several):
        run.documents[0][1]["uid"] = f"abcdef-{number}"
        run.documents[1:] = []
    written(folder, *several)
    with pytest.raises(RecordError, match=r"2 runs begin with 'abcde': abcdef-1 .*, abcdef-0 .*; give more"):
        find(folder, "abcde")
    assert find(folder, "abcdef-1").uid == "abcdef-1"


def test_an_empty_folder_is_said(folder):
    folder.mkdir()
    assert runs(folder) == []
    with pytest.raises(RecordError, match="there is no run in"):
        find(folder, "last")


def test_runs_are_listed_where_nothing_can_be_written(launch, folder, monkeypatch):
    before = runs(folder)
    (folder / "index.jsonl").unlink()
    real = os.open

    def read_only(path, flags, *more, **named):
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise PermissionError(13, "read-only")
        return real(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", read_only)
    assert runs(folder) == before
    assert not (folder / "index.jsonl").exists()


# -- how quickly, and by how many at once


def test_ten_thousand_runs_are_listed_from_the_index_alone(folder):
    folder.mkdir()
    one = folder.with_name("one")
    one.write_bytes(b"x")
    lines = []
    for number in range(RUNS):
        name = f"2026-11-21T06-10-49-{number:08}.jsonl"
        os.link(one, folder / name)  # quicker than another file
        lines.append(
            b'{"run":"%08d","file":"%s","time":%d.0,"kind":"measurement","plan_name":"scan","scan_id":1,"launch":"",'
            b'"decisions":"","flow":"","recommender":"","resumes":"","max_points":null}\n{"stop":"%s","size":1,'
            b'"exit_status":"success","reason":"","stopped":1.0,"num_points":5}\n'
            % (number, name.encode(), number, name.encode())
        )
    (folder / "index.jsonl").write_bytes(b"".join(lines))
    listed = runs(folder)  # how long that takes is in benchmarks/recording.py
    assert len(listed) == RUNS
    assert {entry.num_points for entry in listed} == {5}


def record_some(folder: Path, number: int, ready, go) -> None:
    ready.release()
    go.wait(30)
    with JSONLines(folder) as store:
        for part in range(20):
            run = run_of(3, writer=number, part=part)
            for document in run.documents:
                store.write([document])
    os._exit(0)


def test_processes_that_record_into_one_folder_do_not_mix(folder):
    context = multiprocessing.get_context("fork")
    ready, go = context.Semaphore(0), context.Event()
    writers = [context.Process(target=record_some, args=(folder, number, ready, go)) for number in range(3)]
    for writer in writers:
        writer.start()
    for _ in writers:
        assert ready.acquire(timeout=30)
    go.set()
    listed = 0
    while any(writer.is_alive() for writer in writers):
        listed = max(listed, len(runs(folder)) if folder.exists() else 0)  # read and repaired meanwhile
    for writer in writers:
        writer.join(30)
        assert writer.exitcode == 0
        writer.close()
    entries = runs(folder)
    assert len(entries) == 60
    assert {(entry.num_points, entry.exit_status, entry.running) for entry in entries} == {(3, "success", False)}
    index = (folder / "index.jsonl").read_bytes()
    assert index.endswith(b"\n")
    assert b"}{" not in index
    (folder / "index.jsonl").unlink()
    assert {entry.uid for entry in runs(folder)} == {entry.uid for entry in entries}
