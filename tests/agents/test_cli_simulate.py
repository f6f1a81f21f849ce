"""``skysteer simulate`` and ``skysteer compare``, through their real entry points."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from skysteer.cli import app
from skysteer.stores import JSONLines, runs

MINE = '''
import os
import signal

from skysteer.recommenders import Sobol
from skysteer.simulation import Truth

calls = 0


def height(point):
    return 4.0 - point["x"] ** 2


def two(point):
    return {"signal": point["x"], "dose": 1.0}


def nothing(point):
    return None


def stopped(point):
    """Presses Ctrl-C at the 2000th value: 1536 are looked at for the best."""
    global calls
    calls += 1
    if calls == 2000:
        os.kill(os.getpid(), signal.SIGINT)
    return point["x"]


KNOWN = Truth("known", height, best=4.0)


class Middle(Sobol):
    """Asks for the middle again and again."""

    def suggest(self, num_points=None):
        return [{"x": 0.0}]


class Outside(Sobol):
    def suggest(self, num_points=None):
        return [{"x": 9.0}] if len(self._turns._done) + self._turns._low > 3 else super().suggest(num_points)
'''


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the shell is."""
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)  # of another folder
    return tmp_path


def here(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def in_a_process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "skysteer.cli", *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False, env=env)


def recorded(folder: Path) -> str:
    """A folder with one run, as `skysteer demo` writes it; the path of its file."""
    keys = {name: {"dtype": "number", "shape": [], "source": "sim", "units": units} for name, units in UNITS.items()}
    generator = np.random.default_rng(0)
    with JSONLines(folder) as store:
        start = {"uid": "run", "time": 0.0, "motors": ["x", "y"], "objectives": ["det"]}
        descriptor = {"uid": "d", "run_start": "run", "time": 0.0, "name": "primary", "data_keys": keys}
        store.write([("start", start), ("descriptor", descriptor)])
        for number, (x, y) in enumerate(generator.uniform(-2, 2, size=(40, 2)).tolist(), start=1):
            data = {"x": x, "y": y, "det": 100 * np.exp(-(x**2) - y**2)}
            event = {"uid": str(number), "descriptor": "d", "time": 0.0, "seq_num": number, "data": data}
            store.write([("event", {**event, "timestamps": dict.fromkeys(data, 0.0), "filled": {}})])
    return str(runs(folder)[0].path)


UNITS = {"x": "mm", "y": "mm", "det": "counts"}


def test_a_simulation_ends_with_a_summary_a_picture_and_the_numbers(folder: Path) -> None:
    run = here("simulate", "sobol", "--truth", "branin", "--budget", "20", "--out", "out/there")
    assert run.exit_code == 0, run.output
    lines = run.stdout.splitlines()
    assert lines[0] == "Sobol on branin: 20 points, budget of 20 points spent"
    assert lines[1].startswith("best true value ")
    assert lines[-2:] == ["numbers: out/there/simulation.json", "picture: out/there/simulation.png"]
    assert run.stderr == ""
    assert len(json.loads((folder / "out/there/simulation.json").read_text())["regret"]) == 20
    assert matplotlib.image.imread(folder / "out/there/simulation.png").shape[1] > 1000


def test_with_json_the_numbers_are_all_that_is_printed() -> None:
    run = in_a_process("simulate", "sobol", "--truth", "peak", "--budget", "5", "--json")
    assert (run.returncode, run.stderr) == (0, "")
    read = json.loads(run.stdout)
    assert (read["truth"], read["units"], len(read["points"])) == ("peak", {"det": "counts"}, 5)
    assert read["files"]["picture"] == "skysteer-simulation/simulation.png"


def test_a_seed_gives_the_same_points_again() -> None:
    def points(seed: str) -> list[object]:
        run = here("simulate", "random", "--budget", "4", "--seed", seed, "--json")
        return [point["read"] for point in json.loads(run.stdout)["points"]]

    assert points("1") == points("1") != points("2")


def test_the_files_of_an_earlier_simulation_are_kept(folder: Path) -> None:
    for budget in ("3", "4"):
        here("simulate", "sobol", "--truth", "branin", "--budget", budget)
    old = json.loads((folder / "skysteer-simulation/earlier-1/simulation.json").read_text())
    assert len(old["points"]) == 3


@pytest.mark.parametrize("truth", ["mine.py:height", "mine.py:KNOWN", "mine:height"])
def test_a_function_of_ones_own_is_a_truth(truth: str) -> None:
    run = here(
        "simulate", "sobol", "--truth", truth, "--axis", "x=-1:1:mm", "--budget", "8", "--noise", "0.1", "--json"
    )
    assert run.exit_code == 0, run.stderr
    read = json.loads(run.stdout)
    assert read["goal"] == "maximize"
    assert read["reference"] == pytest.approx(4.0, abs=1e-4)
    assert all(point["read"] != point["true"] for point in read["points"])


def test_objective_and_goal_are_those_of_the_options() -> None:
    run = here(
        "simulate", "sobol", "--truth", "mine.py:two", "--axis", "x=-1:1", "--objective", "signal", "--minimize",
        "--budget", "4", "--json",
    )  # fmt: skip
    read = json.loads(run.stdout)
    assert (read["objectives"], read["goal"]) == (["signal"], "minimize")
    assert read["reference"] == pytest.approx(-1.0, abs=1e-3)
    mapped = here(
        "simulate", "sobol", "--truth", "mine.py:height", "--axis", "x=-1:1", "--map", "--budget", "10", "--json"
    )
    assert json.loads(mapped.stdout)["map_error"]["10"] < 0.3


def test_a_recorded_run_is_a_truth_as_itself_and_emulated(folder: Path) -> None:
    path = recorded(folder / "runs")
    name = Path(path).name
    read = [
        json.loads(here("simulate", "sobol", "--truth", truth, "--budget", "9", "--json", *more).stdout)
        for truth, *more in ([path], [path, "--nearest"], ["runs", "--noise", "counts"])
    ]
    assert [each["truth"] for each in read] == [f"emulator of {name}", name, f"emulator of {name}"]
    assert all(0 < each["farthest"] < 0.5 for each in read)
    nearest = [point["true"]["det"] for point in read[1]["points"]]
    assert nearest == [point["read"]["det"] for point in read[1]["points"]]
    assert all(point["read"]["det"] == int(point["read"]["det"]) for point in read[2]["points"])


def test_a_comparison_ends_with_a_table_a_picture_and_the_numbers(folder: Path) -> None:
    run = here("compare", "mine.py:Middle", "sobol", "--truth", "mine.py:height", "--axis", "x=-1:1", "--budget", "8",
               "--seeds", "3")  # fmt: skip
    assert run.exit_code == 0, run.output
    lines = run.stdout.splitlines()
    assert lines[0] == "height, maximize det: regret, median and quartiles over 3 seeds"
    names = [line.split()[0] for line in lines[3:] if re.match(r"\w+ +\S+ +\S+ +\S+ +\S+ +\S+ +3$", line)]
    assert names == ["Middle", "random", "sobol", "grid"]
    assert lines[-2:] == ["numbers: skysteer-comparison/comparison.json", "picture: skysteer-comparison/comparison.png"]
    assert matplotlib.image.imread(folder / "skysteer-comparison/comparison.png").shape[1] > 900
    written = json.loads((folder / "skysteer-comparison/comparison.json").read_text())
    assert written["recommenders"]["Middle"]["median"] == [0.0] * 8


def test_a_recommender_that_fails_is_in_the_table_with_its_error_and_in_the_exit_code() -> None:
    run = here(
        "compare", "mine.py:Outside", "--truth", "mine.py:height", "--axis", "x=-1:1", "--budget", "8", "--seeds", "2"
    )
    assert run.exit_code == 1
    assert "Outside failed in 2 of 2 runs; seed 0: SuggestionError: bad suggestion from Outside: x=9" in run.stdout
    assert "picture: " in run.stdout


def test_ctrl_c_prints_the_table_so_far_and_keeps_it(folder: Path) -> None:
    run = in_a_process("compare", "gaussian", "--truth", "mine.py:stopped", "--axis", "x=-1:1", "--budget", "50",
                       "--seeds", "100")  # fmt: skip
    assert (run.returncode, run.stderr) == (130, "")
    assert "interrupted: runs of " in run.stdout
    assert "gaussian" in run.stdout
    assert json.loads((folder / "skysteer-comparison/comparison.json").read_text())["interrupted"] is True


def test_a_terminal_sees_a_bar_beside_what_is_printed() -> None:
    arguments = ("compare", "sobol", "--truth", "branin", "--budget", "40", "--seeds", "1")
    run = in_a_process(*arguments, TTY_COMPATIBLE="1", TTY_INTERACTIVE="1", NO_COLOR="1")
    assert run.returncode == 0
    assert re.search(r"grid, seed 0 .* 120/120", run.stderr)
    assert "branin, minimize det" in run.stdout
    assert "120/120" not in run.stdout
    assert in_a_process(*arguments, "--json", TTY_COMPATIBLE="1").stderr == ""


def test_ctrl_c_in_a_simulation_shows_and_keeps_what_there_is(folder: Path) -> None:
    run = in_a_process("simulate", "sobol", "--truth", "mine.py:stopped", "--axis", "x=-1:1", "--budget", "1000")
    assert (run.returncode, run.stderr) == (130, "")
    assert run.stdout.startswith("Sobol on stopped: 463 points, interrupted after 463 of 1000 points\n")
    assert len(json.loads((folder / "skysteer-simulation/simulation.json").read_text())["points"]) == 463


def test_one_that_asks_for_the_impossible_fails_with_what_was_measured_by_then(folder: Path) -> None:
    run = here("simulate", "mine.py:Outside", "--truth", "mine.py:height", "--axis", "x=-1:1")
    assert run.exit_code == 1
    assert run.stdout.startswith("Outside on height: 4 points, SuggestionError: ")
    assert run.stderr == "skysteer simulate: bad suggestion from Outside: x=9 is outside [-1, 1]\n"
    assert len(json.loads((folder / "skysteer-simulation/simulation.json").read_text())["points"]) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--truth", "peek"], "there is no truth named 'peek'; known are branin, himmelblau, hartmann6, peak"),
        (["--truth", "mine.py:hight"], "mine.py:hight: mine.py has no 'hight'"),
        (["--truth", "nowhere.py:f"], "there is no file"),
        (["--truth", "run.jsonl"], "there is no file"),
        (["--truth", "mine.py:nothing", "--axis", "x=-1:1"], "the truth 'nothing' returned None for 'det' at {x:"),
        (["--truth", "mine.py:two", "--axis", "x=-1:1"], "returned ['dose', 'signal'] at {x:"),
        (["--axis", "z=0:1"], "the truth 'peak' has the axes x, y, but suggestions have z"),
        (["--noise", "much"], "--noise must be a standard deviation or 'counts', found 'much'"),
        (["--noise", "-1"], "noise must be a standard deviation, 'counts' or a function, found -1.0"),
        (["--map", "--maximize"], "--maximize and --map: one goal, please"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["simulate", "compare"])
def test_what_cannot_be_is_said_in_a_line(command: str, arguments: list[str], words: str) -> None:
    run = here(command, "sobol", *arguments, "--budget", "4")
    assert run.exit_code in (1, 2)
    assert words in run.stderr
    assert "Traceback" not in run.stderr


def test_an_error_shows_its_traceback_when_that_is_wanted() -> None:
    with pytest.raises(ValueError, match="there is no truth named 'peek'"):
        CliRunner().invoke(app, ["simulate", "sobol", "--truth", "peek", "--debug"], catch_exceptions=False)


@pytest.mark.parametrize("command", ["simulate", "compare"])
def test_help_is_quick_and_says_the_exit_codes(command: str) -> None:
    script = (
        "import sys; from skysteer.cli import app\n"
        f"try: app(['{command}', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'numpy', 'matplotlib', 'sklearn', 'bluesky', 'scipy'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=150, check=True)
    assert "Exit code: 0 when" in run.stdout
    assert run.stdout.splitlines()[-1] == "[]"
