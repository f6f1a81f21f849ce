"""The shell, with recommenders and truths that print, exit and raise."""

import json
import subprocess
import sys

import bluesky.plans as bp
import pytest
from typer.testing import CliRunner

from skysteer import watch
from skysteer.cli import app
from skysteer.model import Judgement, Verdict
from skysteer.testing import SimulatedBeamline

MINE = """
print("imported")

class Middle:
    def __init__(self, space, seed=0):
        self.asked = 0
    def ingest(self, points):
        pass
    def suggest(self, num_points=None):
        return [{"x": 0.5}]

class Talking(Middle):
    def __init__(self, space, seed=0):
        super().__init__(space)
        print("made")
    def suggest(self, num_points=None):
        print("thinking")
        return super().suggest(num_points)

class Exiting(Middle):
    def suggest(self, num_points=None):
        raise SystemExit(7)

class Unclosed(Middle):
    def close(self):
        raise OSError("gone")

def height(point):
    return -abs(point["x"])

def dump(point):
    raise ValueError("beam dump")
"""
AXIS = ("--axis", "x=-5:5:mm")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))


def here(*arguments):
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    "command", [["check"], ["simulate", "--budget", "2"], ["compare", "--budget", "2", "--seeds", "1"]]
)
def test_what_a_recommender_prints_is_not_in_the_json(command):
    truth = [] if command == ["check"] else ["--truth", "mine.py:height"]
    run = here(*command, "mine.py:Talking", *AXIS, *truth, "--json")
    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout)
    assert {"imported", "made", "thinking"} <= set(run.stderr.split())


def test_what_a_recommender_prints_in_a_process_of_its_own_is_not_in_the_json():
    command = [sys.executable, "-m", "skysteer.cli", "check", "mine.py:Talking", *AXIS, "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["ok"]
    assert {"imported", "made", "thinking"} <= set(run.stderr.split())


def test_a_recommender_that_exits_ends_a_simulation_with_an_error():
    run = here("simulate", "mine.py:Exiting", "--truth", "mine.py:height", *AXIS, "--budget", "2")
    assert run.exit_code == 1
    assert "Exiting raised SystemExit in suggest, after 0 points: 7" in run.stderr


def test_a_recommender_that_cannot_be_closed_does_not_end_a_comparison(caplog):
    run = here("compare", "mine.py:Unclosed", "--truth", "mine.py:height", *AXIS, "--budget", "2", "--seeds", "1")
    assert run.exit_code == 0, run.output
    assert "Unclosed raised in close() after seed 0" in caplog.text


def test_an_error_of_a_truth_says_where():
    run = here("simulate", "sobol", "--truth", "mine.py:dump", *AXIS, "--budget", "2")
    assert run.exit_code == 1
    assert "beam dump in the truth 'dump' at {'x': " in run.stderr


def test_half_of_a_character_in_what_a_judge_said_does_not_keep_a_record_from_being_shown(RE, tmp_path):
    beam = SimulatedBeamline(RE, seed=1)
    said = Judgement(Verdict.ENOUGH, "file \ud800.h5 is full")
    RE(watch(bp.count([beam.det], None), lambda seen: said, record=tmp_path / "runs")).result(30)  # it ends by that
    command = [sys.executable, "-m", "skysteer.cli", "show", "last", "--folder", str(tmp_path / "runs")]
    shown = subprocess.run(command, capture_output=True, timeout=150, check=False)
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert b"file ?.h5 is full" in b" ".join(shown.stdout.split())
