"""What the tests of the folder of runs have in common."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from skysteer.stores import JSONLines
from skysteer.testing import RunBuilder


def run_of(points: int, *, stop: bool = True, **start: Any) -> RunBuilder:
    """Return a run with that many points."""
    run = RunBuilder({"primary": {"x": "number", "det": "number"}}, {"plan_name": "scan", "scan_id": 7, **start})
    for number in range(points):
        run.event(x=number / 4, det=float(number))
    if stop:
        run.stop()
    return run


def decisions_of(points: int, *, stop: bool = True, plan: str = "decisions", **about: Any) -> RunBuilder:
    """Return a decision run that was told that many points."""
    run = RunBuilder(
        {
            "runs": {"run": "string", "moment": "string"},
            "told": {"origin": "string", "number": "integer", "replay": "boolean"},
        },
        {"plan_name": plan, "skysteer": {"kind": "decisions", "recommender": {"name": "Grid"}, **about}},
    )
    for number in range(points):
        run.event("told", origin="recommender", number=number, replay=False)
    if stop:
        run.stop()
    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the store of the test keeps its runs."""
    return tmp_path / "runs"


@pytest.fixture
def store(folder: Path) -> Iterator[JSONLines]:
    """A store that is closed after the test."""
    with JSONLines(folder) as store:
        yield store
