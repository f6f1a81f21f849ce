"""The benchmarks run, check what they measure, and write what they found. No timing is asserted here."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bluesky.plans import list_scan

from benchmarks import _stopping as stopping
from benchmarks import _watching as watching
from benchmarks import growth, stall, steering
from benchmarks._conditions import Prepared, run
from benchmarks._devices import Beam, StoppableDetector
from benchmarks._judges import EnoughAt
from benchmarks._line import Line, ThinkingLine, positions
from benchmarks._probes import Updates, share_delivered
from benchmarks._report import Of, Row, Spread
from skysteer.model import Observation

pytestmark = pytest.mark.timeout(180)  # programs that measure, on a busy machine

ROOT = Path(__file__).parents[2]


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150)


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


def test_what_was_promised_of_steering_is_compared(tmp_path: Path) -> None:
    done = benchmarks("steering", "--quick", "--reps", "1", "--n", "10", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    found = json.loads((tmp_path / "steering.json").read_text())
    aims = [(row["quantity"], row["target"]["limit"], row["target"]["of"]) for row in found["rows"] if row["target"]]
    assert set(aims) == {
        ("latch set until the plan acts", 0.5, "median"),
        ("the same, 95th percentile", 3.0, "p95"),
        ("abort until the last further trigger", 1.0, "p95"),
        ("abort in an exposure of 60 s until the stop document", 20.0, "worst"),
        ("event until the latch is set", 1.0, "median"),
        ("time a point of 50 ms beyond count's", 1.0, "median"),
        ("shortest points, nothing waited for: time a point / list_scan", 1.05, "median"),
        ("shortest points, something waited for: time a point / list_scan", 1.25, "median"),
    }


def test_an_unknown_benchmark_is_named(tmp_path: Path) -> None:
    done = benchmarks("closed_lop", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "no benchmark is called closed_lop; there are closed_loop, stall, growth, steering, recording" in done.stderr
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


@pytest.mark.parametrize(
    ("limit", "of", "met"),
    [
        (50.0, "median", True), (49.0, "median", False), (95.0, "p95", True), (94.0, "p95", False),
        (100.0, "worst", True), (99.0, "worst", False),
    ],
)  # fmt: skip
def test_a_target_is_for_the_median_or_what_else_is_said(limit: float, of: Of, met: bool) -> None:
    row = Row.make("ours", "time", "ms", [float(value) for value in range(101)], at_most=limit, of=of)
    assert row.target is not None
    assert row.target.met is met


def test_an_update_that_comes_after_the_computation_was_not_delivered() -> None:
    window = (10.0, 11.0)
    issued = [(9.9, 1.0), (10.2, 2.0), (10.6, 3.0), (11.0 - Updates.period / 2, 4.0)]
    delivered = [(9.95, 1.0), (10.3, 2.0), (11.1, 3.0), (11.1, 4.0)]
    assert share_delivered(issued, delivered, [window]) == 50.0


@pytest.mark.parametrize("how", ["pause", "abort"])
def test_an_interruption_is_timed_in_the_middle_of_a_computation(RE: Any, tmp_path: Path, how: str) -> None:
    line = ThinkingLine(3, time.sleep, 1.0, tmp_path / "diary")
    condition = stall.CONDITIONS["bluesky-adaptive optimize"]  # computes on the loop: nothing acts before it is over
    took = stall._interrupted(RE, Beam.on(RE), line, condition, tmp_path / "diary", how, delay=0.1)
    assert took > 100.0  # of the 900 ms that are left
    assert RE.state == "idle"


def test_growth_measures_every_point() -> None:
    found = growth.child("skysteer per event, thread", 30)
    assert set(found) == {"ms", "first_ms", "last_ms", "bytes"}
    assert found["last_ms"] > 0
    assert growth.resident() > 10_000_000


def test_every_way_to_stop_a_plan_stops_it(RE: Any) -> None:
    RE.register_command("poll_for_actions", stopping.poll_for_actions)
    beam = Beam.on(RE, steering.EXPOSURE)
    for name, way in {**steering.LOOPS, **steering.WAITS}.items():
        found = stopping.attempt(RE, beam, way, random.Random(1))
        assert RE.state == "idle", name
        assert (0 < found.acted < 5_000) is not name.startswith("suspender"), name
        assert found.after_event <= found.acted, name
        assert math.isfinite(found.closed) is (name in steering.LOOPS and not name.startswith("suspender")), name


def test_an_exposure_of_a_minute_is_ended(RE: Any) -> None:
    beam = Beam.on(RE, 60.0, StoppableDetector)
    for way in steering.EXPOSURES.values():
        assert 0 < stopping.attempt(RE, beam, way, random.Random(1)).closed < 5_000


def test_a_plan_that_ends_by_itself_is_found_out(RE: Any) -> None:
    @contextmanager
    def way(RE, beam, noted):
        yield stopping.Stoppable(list_scan([beam.det], beam.motor, [0.0]), lambda: None)

    with pytest.raises(AssertionError, match="came to its end by itself"):
        stopping.attempt(RE, Beam.on(RE), way, random.Random(1))


@pytest.mark.parametrize("beam", ["at once", "on the loop"])
def test_a_watched_plan_measures_what_it_would_unwatched(RE: Any, beam: str) -> None:
    where = Beam.at_once() if beam == "at once" else Beam.on(RE)
    found = watching.repeat(RE, where, watching.SHORTEST, 5, 1, random.Random(1))
    assert set(found) == set(watching.SHORTEST)


def test_a_watchdog_that_sees_nothing_is_found_out(RE: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PATIENCE", 0.1)
    monkeypatch.setattr(watching, "steered", lambda plan, steering, watch=(): plan)
    with pytest.raises(AssertionError, match="should have been shown 6 events"):
        run(RE, Beam.on(RE), Line(5), watching.SHORTEST["steered(list_scan), watchdog in a thread"])


def test_the_latch_is_set_after_the_event_and_before_the_plan_acts(RE: Any) -> None:
    to_latch, to_plan = watching.latencies(RE, Beam.on(RE, steering.EXPOSURE), "thread", 3)
    assert len(to_latch) == len(to_plan) == 3
    assert all(0 < latch <= plan for latch, plan in zip(to_latch, to_plan, strict=True))


def test_a_judge_says_enough_of_one_event() -> None:
    judge = EnoughAt(2)
    verdicts = [judge(Observation("run", "primary", number, 0.0, {})) for number in (1, 2, 3)]
    assert [verdict is not None for verdict in verdicts] == [False, True, False]
