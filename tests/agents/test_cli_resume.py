"""``skysteer resume``: what a command began goes on by itself, and what cannot says what would be right."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from skysteer import Axis, Space, adaptive_scan
from skysteer.cli import app
from skysteer.recommenders import Sobol
from skysteer.stores import JSONLines, Record, documents, find
from skysteer.testing import SimulatedBeamline

AGENTS = Path(__file__).parents[2] / "agents"
LONG = 100.0
"""Seconds after which a process that should have ended is a failure."""


def killed(*words: Any, cwd: Path, folder: Path, events: int) -> None:
    """Run a command and kill it as soon as so many events are on disk."""
    with subprocess.Popen(
        [sys.executable, "-m", "skysteer.cli", *map(str, words)], cwd=cwd, stdout=subprocess.DEVNULL
    ) as process:
        end = time.monotonic() + LONG
        while sum(measured(file) for file in folder.glob("*.jsonl")) < events:
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < end
            time.sleep(0.005)
        process.kill()
    assert process.returncode == -9


def measured(file: Path) -> int:
    return 0 if "decisions" in file.name or file.name == "index.jsonl" else file.read_bytes().count(b'{"name":"event"')


def points(folder: Path) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    record = Record.read(folder)
    return [(each.axes, each.objectives) for one in (*record.chain, record) for each in one.observations]


@pytest.mark.timeout(120)
def test_a_demo_that_was_killed_ends_as_if_it_had_not_been(tmp_path):
    folder = tmp_path / "skysteer-demo" / "runs"
    killed("demo", "--points", 25, "--seed", 3, "--dead-time", 0.1, cwd=tmp_path, folder=folder, events=8)
    done = resumed(folder)
    assert (done.exit_code, done.stderr) == (0, "")
    found, *_ = done.stdout.splitlines()
    assert re.fullmatch(
        r"run \w{8}, adaptive_scan by GaussianProcess: \d+ of 25 points measured, the last on .+; "
        r"cut off in the middle of point \d+\. It goes on\.",
        found,
    )
    assert "points     25 in " in done.stdout
    whole = CliRunner().invoke(app, ["demo", "--points", "25", "--seed", "3", "--out", str(tmp_path / "whole")])
    assert whole.exit_code == 0
    assert points(folder) == points(tmp_path / "whole" / "runs")
    again = resumed(folder)
    assert again.exit_code == 1
    assert "is complete: 25 of 25 points were measured; to measure more" in again.stderr


@pytest.mark.timeout(120)
def test_an_agent_goes_on_with_its_settings_from_any_folder(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (here / "hunter.py").write_text((AGENTS / "peak_hunter.py").read_text())
    words = ("run", "hunter.py", "--set", "MAX_POINTS=25", "--set", "DIMENSIONS=1", "--set", "RECORD=kept")
    killed(*words, cwd=here, folder=here / "kept", events=8)
    (here / "kept").rename(here / "moved")
    monkeypatch.chdir(there)
    done = resumed(Path("../here/moved"), "--points", "27")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "of 27 points measured" in done.stdout
    assert "27 points: max_points=27 reached" in done.stdout
    assert len(points(here / "moved")) == 27
    assert not (here / "kept").exists()


# ------------------------------------------------------------ without a process of its own


@pytest.fixture
def scan(RE: Any, tmp_path: Path) -> Path:
    """The folder of a scan of three points, which a script of ours made."""
    beam = SimulatedBeamline(RE)
    space = Space(Axis("x", -5.0, 5.0, units="mm"))
    plan = adaptive_scan([beam.det], [beam.x], Sobol(space), objectives=["det"], max_points=3, record=tmp_path / "runs")
    RE(plan).result(30)
    return tmp_path / "runs"


def cut_off(folder: Path, to: Path, argv: list[str]) -> Path:
    """The same, cut off behind its first point, and made by another command."""
    record = Record.read(folder)
    with JSONLines(to) as store:
        for entry in (record.entry, *record.measurements):
            for name, doc in documents(entry.path):
                if name == "start" and "program" in doc["skysteer"]:
                    doc["skysteer"]["program"] |= {"argv": argv, "cwd": str(to.parent)}
                if name == "stop" or (name == "event" and doc["seq_num"] > 1 and entry.kind == "measurement"):
                    break
                store.write([(name, doc)])
    return to


def resumed(folder: Path, *words: str, run: str = "last") -> Result:
    return CliRunner().invoke(app, ["resume", run, "--folder", str(folder), *words])


def test_a_script_is_told_which_line_goes_on(scan, tmp_path):
    folder = cut_off(scan, tmp_path / "cut", ["measure.py", "--fast"])
    done = resumed(folder)
    assert done.exit_code == 1
    uid = Record.read(folder).entry.uid
    assert "was begun by a program of its own (measure.py --fast)" in done.stderr
    assert f"adaptive_scan(..., record={str(folder)!r}, resume={uid!r})" in done.stderr
    assert "skysteer run AGENT --resume" in done.stderr
    assert find(folder, uid).exit_status == "", "nothing was changed"


AGENT = """
from skysteer import Axis, RunEngine, Space, adaptive_scan
from skysteer.recommenders import Sobol
from skysteer.testing import SimulatedBeamline

RECORD = "elsewhere"

def main({arguments}):
    with RunEngine() as RE:
        beam = SimulatedBeamline(RE)
        sobol = Sobol(Space(Axis("x", -5.0, 5.0, units="mm")))
        plan = adaptive_scan(
            [beam.det], [beam.x], sobol, objectives=["det"], max_points=3, record=RECORD, resume={resume}
        )
        print(RE(plan).result(30).plan_result.measured, "points")
"""


def test_an_agent_whose_main_takes_no_run_is_told_how_it_would(scan, tmp_path):
    (tmp_path / "agent.py").write_text(AGENT.format(arguments="", resume=None))
    folder = cut_off(scan, tmp_path / "cut", ["/usr/bin/skysteer", "run", "agent.py"])
    done = resumed(folder)
    assert done.exit_code == 1
    assert "cannot go on with a run, its main() takes none: let it be main(resume=None)" in done.stderr


def test_an_agent_goes_on_by_its_file_too(scan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agent2.py").write_text(AGENT.format(arguments="resume=None", resume="resume"))
    folder = cut_off(scan, tmp_path / "cut", ["agent2.py"])
    run = Record.read(folder).entry.path
    done = CliRunner().invoke(app, ["run", "agent2.py", "--resume", str(run)])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "3 points\n", "")
    assert [axes for axes, _ in points(folder)] == [axes for axes, _ in points(scan)]
    done = CliRunner().invoke(app, ["run", "agent2.py", "--resume", "last"])
    assert done.exit_code == 1
    assert "--resume last: expected the path of the file of a run, in its folder of runs" in done.stderr


def test_an_agent_without_a_budget_among_its_settings_says_so(scan, tmp_path):
    (tmp_path / "agent3.py").write_text(AGENT.format(arguments="resume=None", resume="resume"))
    folder = cut_off(scan, tmp_path / "cut", ["skysteer", "run", "agent3.py"])
    done = resumed(folder, "--points", "9")
    assert done.exit_code == 1
    assert "has no setting MAX_POINTS or MAX_RUNS" in done.stderr


def test_a_run_that_is_complete_or_not_there_says_so(scan):
    done = resumed(scan)
    assert done.exit_code == 1
    assert re.search(r"run \w{8} is complete: 3 of 3 points were measured; to measure more", done.stderr)
    done = resumed(scan, run="nothere")
    assert done.exit_code == 1
    assert "there is no run 'nothere'" in done.stderr


def test_a_run_that_is_still_written_says_by_whom(scan, tmp_path):
    record = Record.read(scan)
    with JSONLines(tmp_path / "cut") as store:
        for name, doc in [*documents(record.entry.path)][:3]:
            store.write([(name, doc)])
        done = resumed(tmp_path / "cut")
    assert done.exit_code == 1
    assert re.search(r"run \w{8} is still running: process \d+ on \S+ writes", done.stderr)
