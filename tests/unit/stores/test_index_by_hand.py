"""The index, when people and odd metadata had their hands in the folder."""

from __future__ import annotations

import json
import os
import shutil
import threading

import pytest

from skysteer.errors import RecordError
from skysteer.stores import JSONLines, find, runs

from .conftest import run_of


def begun(when: float, **start):
    """A run that began at a time."""
    run = run_of(1, **start)
    run.documents[0][1]["time"] = when
    return run


def put(folder, *several):
    with JSONLines(folder) as store:
        for run in several:
            store.write(run.documents)


def plans(folder):
    return [entry.plan_name for entry in runs(folder)]


@pytest.mark.parametrize("again", [1, 2])
def test_after_the_index_was_lost_the_last_run_is_still_the_last(folder, again):
    put(folder, begun(10.0, plan_name="first"), begun(20.0, plan_name="second"))
    (folder / "index.jsonl").unlink()
    put(folder, begun(30.0, plan_name="third"))
    for _ in range(again):  # from the files, and from the index that was repaired
        assert plans(folder) == ["first", "second", "third"]
    assert find(folder, "last").plan_name == "third"


def test_an_old_run_that_is_copied_here_is_not_the_last(folder, tmp_path):
    put(folder, begun(20.0, plan_name="here"))
    put(tmp_path / "other", begun(10.0, plan_name="there"))
    shutil.copy(runs(tmp_path / "other")[0].path, folder)
    assert plans(folder) == plans(folder) == ["there", "here"]


def test_runs_begun_after_the_index_was_repaired_come_behind_although_the_clock_stepped_back(folder):
    put(folder, begun(20.0, plan_name="first"))
    (folder / "index.jsonl").unlink()
    assert plans(folder) == ["first"]
    put(folder, begun(10.0, plan_name="second"))
    assert plans(folder) == ["first", "second"]


def test_files_whose_names_were_exchanged_are_listed_with_what_is_in_them(folder):
    put(folder, begun(10.0, plan_name="one"), begun(20.0, plan_name="another"))
    one, other = (entry.path for entry in runs(folder))
    os.rename(one, folder / "meanwhile")
    os.rename(other, one)
    os.rename(folder / "meanwhile", other)
    for _ in range(2):
        assert {entry.plan_name: entry.path for entry in runs(folder)} == {"one": other, "another": one}


@pytest.mark.parametrize("field", ["scan_id", "kind", "plan_name", "num_points", "stopped", "size", "time"])
def test_an_index_that_was_edited_is_not_believed(folder, field):
    put(folder, run_of(3))
    before = runs(folder)
    index = folder / "index.jsonl"
    lines = [json.loads(line) for line in index.read_text().splitlines()]
    edited = [line | ({field: ["something"]} if field in line else {}) for line in lines]
    assert edited != lines
    index.write_text("".join(json.dumps(line) + "\n" for line in edited))
    assert runs(folder) == before


@pytest.mark.parametrize("start", [{"plan_name": "half \ud800"}, {"scan_id": 10**30}], ids=["text", "number"])
def test_metadata_that_is_no_json_stops_neither_the_flusher_nor_the_list(folder, start):
    run = begun(10.0, **start)
    run.documents[-1][1]["reason"] = "of a file: \udcff"
    with JSONLines(folder, flush_every=0.05) as store:
        store.write(run.documents)
        store.flush()
        store.write(begun(20.0).documents)
        store.flush()
        assert [thread for thread in threading.enumerate() if thread.name == "skysteer-flusher"]
    odd, plain = runs(folder)
    assert (odd.num_points, plain.num_points) == (1, 1)
    (odd.plan_name + odd.reason).encode()  # it can be shown
    (folder / "index.jsonl").unlink()
    assert runs(folder) == [odd, plain]


def test_what_else_lies_in_the_folder_does_not_matter(folder):
    put(folder, run_of(1))
    (folder / "a.jsonl").mkdir()
    (folder / "b.jsonl").symlink_to("b.jsonl")
    (folder / "c.jsonl").symlink_to("nothing")
    (folder / "d.jsonl").touch()
    assert len(runs(folder)) == 1


@pytest.mark.parametrize("name", ["x" * 5000, "~nobody-of-this-name", "\0run", "..", "/"])
def test_what_can_be_no_run_is_not_found(folder, name):
    put(folder, run_of(1))
    with pytest.raises(RecordError, match="there is no run"):
        find(folder, name)
