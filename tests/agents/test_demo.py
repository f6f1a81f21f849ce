"""``skysteer demo`` on simulated devices, through its real entry points."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

import skysteer
from skysteer.cli import app
from skysteer.cli._course import Course
from skysteer.cli._demo import Settings, run_demo
from skysteer.cli._grid import equal_grid
from skysteer.cli._progress import display
from skysteer.cli._stopwatch import TimedQueue
from skysteer.stores import documents, runs
from skysteer.stores.jsonl._runfile import RunFile
from skysteer.testing import Peak, SimulatedBeamline

POINTS = 60


def skysteer_in_a_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "skysteer.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)


def skysteer_here(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def documents_in(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """What the newest demo measured."""
    newest = [entry for entry in runs(folder / "runs") if entry.kind == "measurement"][-1]
    return list(documents(newest.path))


def points_in(folder: Path) -> list[tuple[float, float, float]]:
    events = [doc["data"] for name, doc in documents_in(folder) if name == "event"]
    return [(data["x"], data["y"], data["det"]) for data in events]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A whole demo in a process of its own, with the default seed and number of points."""
    out = tmp_path_factory.mktemp("demo") / "not" / "there" / "yet"
    return skysteer_in_a_process("demo", "--json", "--out", str(out)), out


def test_with_json_the_summary_is_all_that_is_printed(
    finished: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    run, out = finished
    assert (run.returncode, run.stderr) == (0, "")
    summary = json.loads(run.stdout)
    assert summary["points"] == POINTS
    assert summary["reason"] == f"max_points={POINTS} reached"
    assert summary["files"] == {"picture": str(out / "search.png"), "record": str(out / "runs")}
    assert 0 < summary["seconds_a_suggestion"] < summary["seconds"]


def test_the_default_demo_finds_the_peak_and_tells_the_truth(
    finished: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    summary = json.loads(finished[0].stdout)
    peak = Peak.random(summary["seed"])
    best = summary["best"]
    assert summary["truth"] == {"x": peak.x, "y": peak.y, "counts": peak.height}
    assert summary["distance_mm"] == pytest.approx(math.dist((best["x"], best["y"]), (peak.x, peak.y)))
    assert summary["share_of_top"] == pytest.approx(peak(best["x"], best["y"]) / peak.height)
    assert summary["found"]
    assert summary["share_of_top"] > 0.9
    assert summary["grid_points"] > 10 * POINTS
    assert (best["x"], best["y"], best["counts"]) in points_in(finished[1])


def test_every_event_on_file_names_its_suggestion(finished: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    run, out = finished
    summary = json.loads(run.stdout)
    documents = documents_in(out)
    assert [name for name, _ in documents] == ["start", "descriptor", *["event"] * POINTS, "stop"]
    start, stop = documents[0][1], documents[-1][1]
    assert summary["uids"] == [start["uid"]] == [stop["run_start"]]
    assert (stop["exit_status"], stop["reason"]) == ("success", summary["reason"])
    events = [doc for name, doc in documents if name == "event"]
    assert [event["seq_num"] for event in events] == list(range(1, POINTS + 1))
    assert len({event["data"]["suggestion_id"] for event in events}) == POINTS


def test_the_picture_is_a_png_with_content(finished: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    path = finished[1] / "search.png"
    assert path.read_bytes().startswith(b"\x89PNG\r\n")
    pixels = matplotlib.image.imread(path)
    assert pixels.shape[0] > 600
    assert pixels.shape[1] > 1000
    assert len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)) > 500


def test_the_same_seed_gives_the_same_points_in_a_thread_and_in_a_process(
    finished: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path
) -> None:
    result = skysteer_here("demo", "--points", "35", "--worker", "process", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert points_in(tmp_path) == points_in(finished[1])[:35]


def test_another_seed_gives_another_peak_and_other_points(tmp_path: Path) -> None:
    for seed in (1, 2):
        result = skysteer_here("demo", "--json", "--points", "2", "--seed", str(seed), "--out", tmp_path / str(seed))
        assert result.exit_code == 0, result.output
        truth = json.loads(result.stdout)["truth"]
        assert {"x": truth["x"], "y": truth["y"]} == Peak.random(seed).position
    assert points_in(tmp_path / "1") != points_in(tmp_path / "2")


def test_where_it_is_no_terminal_plain_lines_tell_how_it_goes(tmp_path: Path) -> None:
    result = skysteer_here("demo", "--points", "20", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split(",")[0] for line in lines if ", best so far " in line] == ["10/20 points", "20/20 points"]
    assert "\x1b" not in result.stdout
    assert f"true peak  x = {Peak.random(0).x:+.3f} mm" in result.stdout
    assert str(tmp_path / "search.png") in result.stdout
    assert lines[-1].endswith(f": skysteer show last --folder {tmp_path / 'runs'}")


def test_on_a_terminal_the_progress_fits_into_80_columns() -> None:
    course = Course()
    course.take("event", {"seq_num": 1, "data": {"x": -1.25, "y": 3.5, "det": 1020.0}})
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    with display(console, course, TimedQueue(), 1000, silent=True) as shown:
        shown.measured()
    text = console.file.getvalue()
    assert "1/1000 points" in text
    assert "best so far 1020 counts at x = -1.25 mm, y = +3.50 mm" in text


def test_a_second_run_keeps_the_picture_and_the_record_of_the_first(tmp_path: Path) -> None:
    assert skysteer_here("demo", "--points", "2", "--out", tmp_path).exit_code == 0
    again = skysteer_here("demo", "--points", "3", "--out", tmp_path)
    assert again.exit_code == 0
    assert "the picture of an earlier run is now in" in again.stdout
    assert (tmp_path / "earlier-1" / "search.png").exists()
    measured = [entry.num_points for entry in runs(tmp_path / "runs") if entry.kind == "measurement"]
    assert measured == [2, 3]


def test_a_folder_that_cannot_be_written_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skysteer.cli._demo.RunEngine", None)  # would fail otherwise
    (tmp_path / "file").touch()
    result = skysteer_here("demo", "--out", tmp_path / "file" / "folder")
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("skysteer demo: cannot write into the folder")
    assert line.endswith("choose another with --out")


@pytest.mark.parametrize("points", ["0", "-3", "many", "2.5"])
def test_a_number_of_points_that_cannot_be_is_refused(points: str, tmp_path: Path) -> None:
    result = skysteer_here("demo", "--points", points, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "--points" in result.stderr
    assert not (tmp_path / "out").exists()


def test_without_the_extra_epics_is_refused_and_the_extra_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "skysteer.testing.epics", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    result = skysteer_here("demo", "--epics", "--out", tmp_path)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.endswith("pip install 'skysteer[epics]'")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def broken_beamline(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(RE: Any, **options: Any) -> SimulatedBeamline:
        return SimulatedBeamline(RE, **{**options, "failure_rate": 1.0})

    monkeypatch.setattr("skysteer.cli._demo.SimulatedBeamline", broken)


@pytest.mark.usefixtures("broken_beamline")
def test_a_failure_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    result = skysteer_here("demo", "--json", "--out", tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1].startswith("skysteer demo: max_failures=3")
    assert "Traceback" not in result.stderr
    assert documents_in(tmp_path)[-1][1]["exit_status"] == "fail"


@pytest.mark.usefixtures("broken_beamline")
def test_with_debug_a_failure_is_raised(tmp_path: Path) -> None:
    result = skysteer_here("demo", "--debug", "--out", tmp_path)
    assert type(result.exception).__name__ == "TooManyFailures"


def test_while_nothing_can_be_written_the_search_holds_and_then_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    append = RunFile.append
    full: list[int] = []

    def full_disk(self: RunFile, line: bytes) -> None:
        if b'"seq_num":3,' in line and len(full) < 2:
            full.append(1)
            raise OSError(errno.ENOSPC, "no space left on device")
        append(self, line)

    monkeypatch.setattr(RunFile, "append", full_disk)
    result = skysteer_here("demo", "--points", "6", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert len(full) == 2
    assert "the disk is full: free some space" in caplog.text
    assert [doc["seq_num"] for name, doc in documents_in(tmp_path) if name == "event"] == [1, 2, 3, 4, 5, 6]


@pytest.fixture(params=["thread", "process"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo that would take minutes, in a session of its own as in a terminal, with ten points measured."""
    command = [sys.executable, "-m", "skysteer.cli", "demo", "--points", "1000", "--dead-time", "0.05"]
    command += ["--worker", request.param, "--out", str(tmp_path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "10/1000 points" in line:
                break
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_ctrl_c_closes_the_run_and_keeps_what_was_measured(running: subprocess.Popen[str], tmp_path: Path) -> None:
    os.killpg(running.pid, signal.SIGINT)  # to its children too, as a terminal does
    rest, said = running.communicate(timeout=150)
    assert running.returncode == 130
    assert all("/1000 points, best so far" in line for line in rest.splitlines())
    documents = documents_in(tmp_path)
    stop = documents[-1][1]
    assert (stop["exit_status"], stop["reason"]) == ("abort", "interrupted by Ctrl-C")
    count = len(points_in(tmp_path))
    assert count >= 10
    goes_on = f"skysteer resume last --folder {tmp_path / 'runs'}"
    assert said == f"skysteer demo: interrupted after {count} of 1000 points; it goes on with: {goes_on}\n"


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """What is left of the demo of the fixture `finished` that was killed half way."""
    command = [sys.executable, "-m", "skysteer.cli", "demo", "--dead-time", "0.05", "--out", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "20/60 points" in line:
            break
    process.kill()
    process.communicate()
    return tmp_path


def test_a_killed_demo_goes_on_as_if_it_had_never_been(
    killed: Path, finished: tuple[subprocess.CompletedProcess[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(points_in(killed))
    assert 19 <= before < POINTS  # the newest may have been shown and not yet written
    summary = run_demo(Settings(POINTS, 0, killed, resume="last"))
    assert f"{POINTS} points, {before} of them measured before" in capsys.readouterr().out
    measured = [entry.path for entry in runs(killed / "runs") if entry.kind == "measurement"]
    events = [doc["data"] for path in measured for name, doc in documents(path) if name == "event"]
    assert [(data["x"], data["y"], data["det"]) for data in events] == points_in(finished[1])
    assert (len(summary.uids), summary.points) == (2, POINTS)
    assert json.loads(finished[0].stdout)["best"] == asdict(summary.best)
    assert (killed / "search.png").exists()


def test_a_course_goes_on_after_the_points_of_earlier_runs() -> None:
    course = Course.of([{"x": 0.0, "y": 1.0, "det": 7.0}, {"x": 1.0, "y": 1.0, "det": 3.0}])
    for seq_num in (1, 1, 2):  # the second is the first again, after a pause
        course.take("event", {"seq_num": seq_num, "data": {"x": 2.0, "y": 2.0, "det": 5.0 + seq_num}})
    assert [(each.number, each.counts) for each in course.readings] == [(1, 7.0), (2, 3.0), (3, 6.0), (4, 7.0)]
    assert course.best is course.readings[0]


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_the_equal_grid_has_one_node_on_average_where_the_peak_reaches_the_share(share: float) -> None:
    grid = equal_grid(Peak(x=0, y=0), share)
    generator = np.random.default_rng(1)
    nodes = np.arange(-10, 11) * grid.spacing
    hits = []
    for x, y, tilt in generator.uniform(0, 1, (400, 3)):
        peak = Peak(x=x * grid.spacing, y=y * grid.spacing, tilt=tilt * math.pi)
        hits.append(sum(peak(a, b) >= share * peak.height for a in nodes for b in nodes))
    assert grid.points == grid.side**2
    assert np.mean(hits) == pytest.approx(1.0, abs=0.15)


def test_a_grid_is_not_asked_for_more_than_a_reading_can_tell() -> None:
    assert equal_grid(Peak(x=0, y=0), 1.0) == equal_grid(Peak(x=0, y=0), 0.99)
    assert equal_grid(Peak(x=0, y=0), 0.01).points == 1


def test_the_version_and_help_are_told_quickly() -> None:
    assert skysteer_here("--version").stdout == f"skysteer {skysteer.__version__}\n"
    help_text = skysteer_here("demo", "--help").stdout
    assert all(option in help_text for option in ("--points", "--seed", "--out", "--json", "--epics", "--worker"))
    code = "import sys, skysteer.cli; print('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=150, check=True)
    heavy = {"bluesky", "numpy", "scipy", "sklearn", "matplotlib", "ophyd_async"}
    assert not heavy & set(run.stdout.split())
