"""A run whose process died is taken over: by one, whole lines only, with the stop document that never came."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from event_model import DocumentNames, schema_validators

from skysteer.errors import RecordError, ResumeError
from skysteer.stores import JSONLines, claim, documents, find, runs
from skysteer.stores.jsonl._claim import ENDED

from .conftest import decisions_of, run_of


def written(folder: Path, *several) -> None:
    with JSONLines(folder) as store:
        for run in several:
            store.write(run.documents)


@pytest.fixture
def launch(folder):
    """A decision run and its measurements, of which the first is complete."""
    decisions = decisions_of(3, stop=False, program={"pid": 4711, "host": "beamline"})
    about = {"decisions": decisions.uid}
    several = [decisions, run_of(2, skysteer=about), run_of(4, stop=False, skysteer=about)]
    for number, run in enumerate(several):
        run.documents[0][1]["time"] += number / 8
    written(folder, *several)
    return several


@pytest.mark.parametrize("which", [0, 1, 2])
def test_all_runs_of_a_launch_are_closed(launch, folder, which):
    with claim(find(folder, launch[which].uid), by="the-next") as claimed:
        assert [entry.uid for entry in claimed.entries] == [run.uid for run in launch]
        assert claimed.closed == (launch[0].uid, launch[2].uid)
        assert claimed.problems == ()
        assert [entry.exit_status for entry in claimed.entries] == ["fail", "success", "fail"]
    for run in launch:
        read = list(documents(find(folder, run.uid).path))
        for name, doc in read:
            schema_validators[DocumentNames[name]].validate(doc)
        name, stop = read[-1]
        assert name == "stop"
        assert stop["run_start"] == run.uid
        if run is not launch[1]:
            assert read[:-1] == run.documents
            assert stop["reason"] == f"{ENDED}; it goes on in the-next"
            assert stop["time"] == run.documents[-1][1]["time"]
    assert stop["num_events"] == {"primary": 4}
    assert [entry.num_points for entry in runs(folder)] == [3, 2, 4]


def test_a_replayed_event_counts_once_in_the_stop_document(folder):
    run = run_of(3, stop=False)
    run.replay(run.documents[-1][1])
    written(folder, run)
    with claim(find(folder, run.uid)):
        pass
    assert list(documents(find(folder, run.uid).path))[-1][1]["num_events"] == {"primary": 3}


def test_pages_and_frames_count_in_the_stop_document(folder):
    from skysteer.testing import RunBuilder, external_key

    run = RunBuilder({"primary": {"x": "number", "frame": external_key()}, "late": {"y": "number"}})
    run.event_page(x=[1.0, 2.0])
    run.file("frame", "file://localhost/nowhere.h5")
    run.frames("frame", 0, 2)
    run.frames("frame", 2, 5)
    written(folder, run)
    with claim(find(folder, run.uid)) as claimed:
        assert claimed.entries[0].num_points == 5
    assert list(documents(find(folder, run.uid).path))[-1][1]["num_events"] == {"primary": 5, "late": 0}


@pytest.mark.parametrize("stop", [True, False], ids=["complete", "not complete"])
def test_a_file_cut_off_at_every_byte_of_its_last_two_lines_is_taken_over(folder, stop):
    run = run_of(3, stop=stop, word="µ and 🧊")
    written(folder, run)
    path = find(folder, run.uid).path
    whole = path.read_bytes()
    starts = [number + 1 for number, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(starts[-3], len(whole) + 1):
        path.write_bytes(whole[:size])
        kept = run.documents[: sum(start <= size for start in starts)]
        complete = kept[-1][0] == "stop"
        with claim(find(folder, run.uid)) as claimed:
            assert bool(claimed.closed) is not complete
            assert bool(claimed.problems) is (size not in starts)
        problems: list[str] = []
        read = list(documents(path, problems))
        assert problems == []
        assert read[: len(kept)] == kept
        assert [name for name, _ in read[len(kept) :]] == ([] if complete else ["stop"])
        entry = find(folder, run.uid)
        assert entry.num_points == sum(name == "event" for name, _ in kept)
        assert entry.exit_status == ("success" if complete else "fail")


@pytest.mark.parametrize("rubbish", [b"\x00" * 5000, b"\x00" * 9 + b"\nrubbish\n", b"\xc3"])
def test_rubbish_at_the_end_is_cut_off(launch, folder, rubbish):
    entry = find(folder, launch[2].uid)
    entry.path.write_bytes(entry.path.read_bytes() + rubbish)
    with claim(entry) as claimed:
        assert len(claimed.problems) == 1
    assert list(documents(entry.path))[:-1] == launch[2].documents


def test_a_bad_line_in_the_middle_is_left_alone(launch, folder):
    entry = find(folder, launch[2].uid)
    content = entry.path.read_bytes().replace(b'"event"', b'"ev\xffnt"', 1)
    entry.path.write_bytes(content)
    with pytest.raises(RecordError, match="line 3"), claim(entry):
        pytest.fail("it was taken over")
    assert entry.path.read_bytes() == content


def test_a_run_that_is_taken_over_again_is_not_closed_again(launch, folder):
    for closed in (2, 0):
        with claim(find(folder, launch[0].uid)) as claimed:
            assert len(claimed.closed) == closed


def test_a_run_that_is_still_written_is_not_taken_over(folder):
    run = decisions_of(3, stop=False, program={"pid": 4711, "host": "beamline"})
    with JSONLines(folder) as store:
        store.write(run.documents)
        with (
            pytest.raises(ResumeError, match=f"{run.uid[:8]} is still running.*process 4711 on beamline holds"),
            claim(find(folder, run.uid)),
        ):
            pytest.fail("it was taken over")
        store.write([("stop", {"uid": "s", "time": 1.0, "run_start": run.uid, "exit_status": "success"})])
    assert find(folder, run.uid).exit_status == "success"


def test_a_claim_holds_until_it_is_given_back(launch, folder):
    with (
        claim(find(folder, launch[0].uid)),
        pytest.raises(ResumeError, match="being taken over"),
        claim(find(folder, launch[2].uid)),
    ):
        pytest.fail("two have it")
    with claim(find(folder, launch[2].uid)):
        pass


def test_a_run_that_goes_on_already_is_not_taken_over_again(launch, folder):
    later = decisions_of(0)
    with claim(find(folder, launch[0].uid)) as claimed:
        claimed.resumed_by(later.uid)
        assert runs(folder)[0].resumed_by == "", "no such run is on record: whoever claimed died before it began"
        written(folder, later)
    assert runs(folder)[0].resumed_by == later.uid
    with pytest.raises(ResumeError, match=f"goes on already in {later.uid[:8]}"), claim(find(folder, launch[2].uid)):
        pytest.fail("it was taken over")


def test_a_run_that_is_gone_is_said(launch, folder):
    entry = find(folder, launch[2].uid)
    entry.path.unlink()
    with pytest.raises(RecordError, match=r"not in .* any more"), claim(entry):
        pytest.fail("it was taken over")


def test_taking_over_leaves_no_file_open(launch, folder):
    before = set(os.listdir("/proc/self/fd"))
    with claim(find(folder, launch[0].uid)):
        pass
    with pytest.raises(RecordError), claim(find(folder, "no such run")):
        pass
    assert set(os.listdir("/proc/self/fd")) == before


def take_over(folder: Path, run: str, ready: Callable[[], None], wait: Callable[[], object]) -> None:
    entry = find(folder, run)
    ready()
    wait()
    try:
        with claim(entry) as claimed:
            written(folder, decisions := decisions_of(0, resumes=run))
            claimed.resumed_by(decisions.uid)
    except ResumeError:
        os._exit(3)
    os._exit(0)


def test_of_processes_that_take_over_at_once_one_wins(folder):
    context = multiprocessing.get_context("fork")
    for _ in range(10):
        dead = decisions_of(2, stop=False)
        written(folder, dead)
        ready, go = context.Semaphore(0), context.Event()
        wait = lambda go=go: go.wait(30)  # noqa: E731
        claimers = [context.Process(target=take_over, args=(folder, dead.uid, ready.release, wait)) for _ in range(3)]
        for claimer in claimers:
            claimer.start()
        for _ in claimers:
            assert ready.acquire(timeout=30)
        go.set()
        for claimer in claimers:
            claimer.join(30)
        assert sorted(claimer.exitcode for claimer in claimers) == [0, 3, 3]
        for claimer in claimers:
            claimer.close()
        assert sum(entry.resumes == dead.uid for entry in runs(folder)) == 1


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[3])
from tests.unit.stores.conftest import run_of
from skysteer.stores import JSONLines
run = run_of(500, stop=False, number=sys.argv[2])
store = JSONLines(sys.argv[1])
for document in run.documents:
    store.write([document])
    print(document[1]["uid"], flush=True)
"""


def test_nothing_that_was_written_is_lost_by_kill_9(folder):
    root = str(Path(__file__).parents[3])
    for number in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(folder), str(number), root], stdout=subprocess.PIPE, text=True
        ) as process:
            handed = [process.stdout.readline().strip() for _ in range(40 + 110 * number)]
            process.kill()
            handed += process.stdout.read().split()
        entry = find(folder, "last")
        assert not entry.running
        read = [doc["uid"] for _, doc in documents(entry.path)]
        assert read[: len(handed)] == handed
        assert len(read) <= len(handed) + 1
        with claim(entry) as claimed:
            assert claimed.closed == (entry.uid,)
    assert [entry.exit_status for entry in runs(folder)] == ["fail"] * 3
