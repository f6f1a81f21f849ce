"""The recorder, with devices and programs that do unusual things."""

from __future__ import annotations

import subprocess
import sys

import pytest

from skysteer.stores import Recorder, documents, runs
from skysteer.stores.recorder import _tap

from .test_recorder import Measurement


@pytest.mark.parametrize("between", [0, 60], ids=["at once", "after many runs"])
def test_what_a_device_wrote_in_a_later_run_of_one_staging_is_on_record(tmp_path, monkeypatch, between):
    monkeypatch.setattr(_tap, "REMEMBERED", 10)
    first, second = Measurement(), Measurement()
    resource, datum, _ = first.run.compose_resource(spec="AD", root="/", resource_path="a.h5", resource_kwargs={})
    with Recorder(tmp_path / "runs") as recorder:
        recorder("start", first.run.start_doc)
        recorder("resource", resource)
        recorder("datum", datum(datum_kwargs={"point_number": 0}))
        recorder("stop", first.run.compose_stop())
        for _ in range(between):
            for document in Measurement().all():
                recorder(*document)
        recorder("start", second.run.start_doc)
        recorder("datum", datum(datum_kwargs={"point_number": 1}))
        recorder("stop", second.run.compose_stop())
    found = {entry.uid: [name for name, _ in documents(entry.path)] for entry in runs(tmp_path / "runs")}
    assert found[first.uid] == ["start", "resource", "datum", "stop"]
    assert found[second.uid] == ["start", "datum", "stop"]


FORKED = """
import os, sys, time
from skysteer.stores import Recorder
recorder = Recorder(sys.argv[1])
began = time.monotonic()
child = os.fork()
if not child:
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert time.monotonic() - began < 8  # it would wait ten seconds
recorder.close().result(20)
"""


def test_a_forked_process_ends_without_waiting_for_the_recorder_of_its_parent(tmp_path):
    subprocess.run([sys.executable, "-c", FORKED, tmp_path / "runs"], check=True, timeout=50)
