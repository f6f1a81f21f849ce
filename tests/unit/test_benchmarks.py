"""The benchmarks run, check what they measure, and write what they found. No timing is asserted here."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bluesky.plans import list_scan

from benchmarks import growth, stall
from benchmarks._conditions import Prepared, run
from benchmarks._devices import Beam
from benchmarks._line import Line, ThinkingLine, positions
from benchmarks._probes import Updates, share_delivered
from benchmarks._report import Row, Spread

ROOT = Path(__file__).parents[2]


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=55)


def test_a_table_is_printed_and_the_same_is_written_as_json(tmp_path: Path) -> None:
    done = benchmarks("closed_loop", "--quick", "--reps", "1", "--n", "20", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "closed_loop.json").read_text())
    assert found["settings"] == {"points": 20, "repetitions": 1, "points of the overlap": 10}
    assert set(found["versions"]) >= {"skysteer", "bluesky", "bluesky-adaptive", "ophyd-async"}
    assert found["date"]
    assert found["machine"]["cores"]
    aims = [row for row in found["rows"] if row["target"] is not None]
    assert {(row["quantity"], row["target"]["limit"]) for row in aims} == {
        ("time a point / list_scan", 1.05),
        ("time a point / mov + count", 1.10),
        ("time a point, measuring 50 ms and thinking 50 ms", 1.15),
    }
    assert all(row["condition"].startswith("skysteer") for row in aims)
    for name, counted in found["details"]["census"].items():
        assert counted["events"] == 20, name
    verdicts = done.stdout.count(" met ") + done.stdout.count(" NOT MET ")
    assert verdicts == len(aims)
    for row in found["rows"]:
        assert row["condition"] in done.stdout


def test_an_unknown_benchmark_is_named(tmp_path: Path) -> None:
    done = benchmarks("closed_lop", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "no benchmark is called closed_lop; there are closed_loop, stall, growth" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_condition_that_measures_too_little_is_found_out(RE: Any) -> None:
    beam = Beam.on(RE)

    @contextmanager
    def forgetful(beam, line):
        yield Prepared(list_scan([beam.det], beam.motor, positions(line.n)[1:]), lambda: None)

    with pytest.raises(AssertionError, match="5 points were asked for, 4 measured"):
        run(RE, beam, Line(5), forgetful)


def test_a_recommender_that_is_told_too_little_is_found_out(RE: Any) -> None:
    beam = Beam.on(RE)

    @contextmanager
    def deaf(beam, line):
        yield Prepared(list_scan([beam.det], beam.motor, positions(line.n)), lambda: line.told)

    with pytest.raises(AssertionError, match="5 measured and 0 told"):
        run(RE, beam, Line(5), deaf)


def test_a_ratio_is_taken_inside_a_repetition() -> None:
    slow_for_a_while = [1.0, 10.0, 1.0]
    assert Spread.of_ratios([2.0, 20.0, 2.0], slow_for_a_while) == Spread(2.0, 2.0, 2.0, 3)


@pytest.mark.parametrize(("limit", "worst", "met"), [(2.0, False, True), (2.0, True, False), (3.0, True, True)])
def test_a_target_is_for_the_median_or_for_the_worst(limit: float, worst: bool, met: bool) -> None:
    row = Row.make("ours", "time", "ms", [1.0, 2.0, 3.0], at_most=limit, worst=worst)
    assert row.target is not None
    assert row.target.met is met


def test_an_update_that_comes_after_the_computation_was_not_delivered() -> None:
    window = (10.0, 11.0)
    issued = [(9.9, 1.0), (10.2, 2.0), (10.6, 3.0), (11.0 - Updates.period / 2, 4.0)]
    delivered = [(9.95, 1.0), (10.3, 2.0), (11.1, 3.0), (11.1, 4.0)]
    assert share_delivered(issued, delivered, [window]) == 50.0


@pytest.mark.parametrize("how", ["pause", "abort"])
def test_an_interruption_is_timed_in_the_middle_of_a_computation(RE: Any, tmp_path: Path, how: str) -> None:
    line = ThinkingLine(3, time.sleep, 0.3, tmp_path / "diary")
    condition = stall.CONDITIONS["bluesky-adaptive optimize"]  # computes on the loop: nothing acts before it is over
    took = stall._interrupted(RE, Beam.on(RE), line, condition, tmp_path / "diary", how, delay=0.1)
    assert took > 100.0  # of the 200 ms that are left
    assert RE.state == "idle"


def test_growth_measures_every_point() -> None:
    found = growth.child("skysteer per event, thread", 30)
    assert set(found) == {"ms", "first_ms", "last_ms", "bytes"}
    assert found["last_ms"] > 0
    assert growth.resident() > 10_000_000
