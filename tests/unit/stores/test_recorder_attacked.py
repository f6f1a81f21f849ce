"""The recorder, with devices and programs that do unusual things."""

from __future__ import annotations

import pytest

from skysteer.stores import Recorder, _tap, documents, runs

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
