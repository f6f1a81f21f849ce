"""A recommender that can write its state does so while a scan runs and at its end, whatever comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from skysteer.model import Patience
from skysteer.recommenders import Advisor
from skysteer.testing import Fixed

from .conftest import POSITIONS


class Kept(Fixed):
    """Writes how many points it was told, or fails to."""

    def __init__(self, folder, error=None):
        super().__init__([{"x": x} for x in POSITIONS])
        self.folder, self.error = str(folder), error

    def checkpoint(self):
        if self.error is not None:
            raise self.error
        with (Path(self.folder) / "written").open("a") as file:
            file.write(f"{len(self.told)} ")


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_the_state_is_written_before_the_worker_is_gone(RE, beam, flow, tmp_path, worker):
    plan = flow([beam.det], [beam.x], Kept(tmp_path), objectives=["det"], max_points=5, worker=worker)
    assert RE(plan).result(30).plan_result.measured == 5
    assert (tmp_path / "written").read_text() == "5 "


def test_an_advisor_of_ones_own_writes_as_often_as_it_was_told(RE, beam, flow, tmp_path):
    with Advisor(Kept(tmp_path), checkpoint_every=2) as advisor:
        RE(flow([beam.det], [beam.x], advisor, objectives=["det"], max_points=5)).result(30)
    written = [int(number) for number in (tmp_path / "written").read_text().split()]
    assert written[-1] == 5
    assert len(written) == 3


def test_the_state_of_a_fallback_is_written_too(RE, beam, flow, tmp_path):
    patience = Patience(5, "fallback", Kept(tmp_path))
    plan = flow([beam.det], [beam.x], Fixed([]), objectives=["det"], max_points=3, patience=patience)
    result = RE(plan).result(30).plan_result
    assert result.reason == "the recommender has nothing more to ask"
    assert not (tmp_path / "written").exists()  # it was told nothing
    plan = flow(
        [beam.det], [beam.x], Fixed([{"x": 1.0}]), objectives=["det"], max_points=3,
        patience=Patience(5, "fallback", Kept(tmp_path)),
    )  # fmt: skip
    RE(plan).result(30)
    assert (tmp_path / "written").read_text() == "1 "


def test_a_state_that_cannot_be_written_does_not_end_the_scan(RE, beam, flow, tmp_path, caplog):
    plan = flow([beam.det], [beam.x], Kept(tmp_path, OSError("disk full")), objectives=["det"], max_points=3)
    assert RE(plan).result(30).plan_result.exit_status == "success"
    assert "disk full; the scan goes on without" in caplog.text
