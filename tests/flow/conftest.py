"""What every test of a flow needs: the two flows, a beamline, and questions to the documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from skysteer import adaptive_runs, adaptive_scan
from skysteer.recommenders import Sequence
from skysteer.testing import Recorder, SimulatedBeamline

Document = dict[str, Any]


@dataclass
class Seen:
    """The documents of a test, looked at as a user would."""

    documents: list[tuple[str, Document]]

    def named(self, name: str) -> list[Document]:
        return [doc for kind, doc in self.documents if kind == name]

    @property
    def primary(self) -> list[Document]:
        """Events of the primary stream, replayed ones too."""
        uids = {doc["uid"] for doc in self.named("descriptor") if doc["name"] == "primary"}
        return [event for event in self.named("event") if event["descriptor"] in uids]

    @property
    def points(self) -> dict[tuple[str, int], Document]:
        """The data of each point: (run, seq_num) to data of its newest event."""
        run = {doc["uid"]: doc["run_start"] for doc in self.named("descriptor")}
        return {(run[event["descriptor"]], event["seq_num"]): event["data"] for event in self.primary}

    def column(self, key: str) -> list[Any]:
        return [data[key] for data in self.points.values()]

    @property
    def stops(self) -> list[tuple[str, str]]:
        return [(doc["exit_status"], doc.get("reason", "")) for doc in self.named("stop")]


@pytest.fixture
def seen(documents: list[tuple[str, Document]]) -> Seen:
    return Seen(documents)


@pytest.fixture
def beam(RE: Any) -> SimulatedBeamline:
    return SimulatedBeamline(RE)


@pytest.fixture(params=[adaptive_scan, adaptive_runs], ids=["per event", "per run"])
def flow(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return request.param


POSITIONS = [0.0, 1.0, -2.0, 3.0, 0.5]


def along_x(positions: list[float] = POSITIONS) -> Sequence:
    return Sequence([{"x": position} for position in positions])


def told(recorder: Recorder) -> list[dict[str, Any]]:
    """Every point that a recorder was told, in order."""
    return [point for call in recorder.calls if call.name == "ingest" for point in call.argument]
