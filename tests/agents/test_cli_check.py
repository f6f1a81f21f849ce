"""``skysteer check``, and how the shell names a recommender and a space."""

import json
import subprocess
import sys

import cloudpickle
import pytest
from typer.testing import CliRunner

from skysteer.cli import app
from skysteer.cli._named import SHORT_NAMES, make_named, parse_space
from skysteer.model import Axis, Choice, Space
from skysteer.protocols import Recommender
from skysteer.testing import RECOMMENDER_PROMISES
from skysteer.workers import ProcessWorker

MINE = '''
"""A scientist's own file."""
import zlib

from skysteer.errors import PointError

CENTRE = 1.5

class Middle:
    def __init__(self, space, *, maximize, seed=0):
        self.space_, self.maximize, self.seed, self.known = space, maximize, seed, 0
    def ingest(self, points):
        self.known += len(points)
    def suggest(self, num_points=None):
        return [{"x": CENTRE}]

class Outside(Middle):
    def suggest(self, num_points=None):
        return [{"x": 7.25}]

class NoSuggest:
    def ingest(self, points):
        pass

class Wants:
    def __init__(self, space, temperature): ...

class Fails:
    def __init__(self): raise OSError("no licence")

class Interrupts(Middle):
    def suggest(self, num_points=None):
        raise KeyboardInterrupt

def made(space, objectives, /, goal):
    one = Middle(space, maximize=objectives[0])
    one.goal = goal
    return one

number = 5
'''
LINE = Space(Axis("x", -5, 5, units="mm"))
AXIS = ("--axis", "x=-5:5:mm")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the file, where the shell is."""
    (tmp_path / "my_own_recommender.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("my_own_recommender")]:
        del sys.modules[name]


def run(*arguments):
    return CliRunner().invoke(app, ["check", *arguments])


# -- the command


def test_a_recommender_that_keeps_all_passes_with_a_line_for_each_promise_and_the_times():
    done = run("sobol", *AXIS)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0] == "Checking sobol on x with the objective det"
    for line, (name, promise) in zip(lines[1:], RECOMMENDER_PROMISES.items(), strict=False):
        assert name in line
        assert promise.says in line
        assert line.startswith(("passed  ", "not applicable  "))
    times = [line for line in lines if " ms │" in line]
    assert [line.split("│")[1].strip() for line in times] == ["10", "100", "1000"]
    assert lines[-1].startswith("Sobol: ")
    assert lines[-1].endswith(" promises kept, 0 broken, 4 not applicable")


def test_a_broken_promise_is_shown_with_code_to_paste_and_exit_code_1(here):
    done = run("my_own_recommender.py:Outside", *AXIS, "--exempt", "process")
    assert done.exit_code == 1
    assert "\nFound: suggestion 0 of the answer [{'x': 7.25}]: x=7.25 is outside [-5, 5] mm\n" in done.output
    code = done.output.split("This shows it again:\n\n")[1].split("\n\n")[0]
    assert code.startswith("from skysteer.model import Axis, Choice, Space\nimport runpy\nOutside = runpy.run_path(")
    assert code.endswith("a.suggest(1)  # [{'x': 7.25}]")
    names = {}
    exec(code, names)
    assert names["a"].suggest() == [{"x": 7.25}]
    assert names["a"].space_ == LINE


def test_json_is_all_that_is_printed(here):
    done = run("my_own_recommender:Middle", *AXIS, "--objective", "flux", "--json", "--exempt", "process")
    report = json.loads(done.stdout)
    assert done.exit_code == 0
    assert (report["recommender"], report["ok"]) == ("Middle", True)
    assert report["promises"]["process"] == {
        "promise": RECOMMENDER_PROMISES["process"].says,
        "outcome": "not applicable",
        "why": "exempt",
        "seconds": 0.0,
        "reproduce": None,
    }
    assert set(report["suggestion_seconds"]) == {"10", "100", "1000"}


def test_the_command_of_a_shell_finds_a_file_in_its_folder(here):
    command = [sys.executable, "-m", "skysteer.cli", "check", "my_own_recommender:Middle", *AXIS, "--impure"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "(pure=False was given)" in done.stdout
    assert " process " in done.stdout


def test_what_cannot_be_checked_is_said_in_one_line(here):
    for arguments, words in {
        ("my_own_recommender.py:Fails",): "my_own_recommender.py:Fails() raised OSError: no licence",
        ("nobody",): "'nobody' names no recommender: expected one of gaussian",
        ("sobol", "--axis", "x=5:-5"): "axis 'x': low must be below high, found low=5, high=-5",
        ("sobol", "--exempt", "purity"): "exempt names purity; the promises are made, cold",
    }.items():
        done = run(*arguments)
        assert done.exit_code == 1
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("skysteer check: ")


def test_ctrl_c_ends_the_check_with_130(here):
    done = run("my_own_recommender:Interrupts", *AXIS)
    assert (done.exit_code, done.stderr) == (130, "skysteer check: interrupted\n")


def test_two_goals_are_refused():
    done = run("sobol", "--minimize", "--map")
    assert done.exit_code == 2
    assert "give --minimize or --map, not both" in done.stderr


# -- a recommender by name


@pytest.mark.parametrize("name", SHORT_NAMES)
@pytest.mark.parametrize("goal", ["maximize", "minimize", "map"])
def test_ours_have_short_names(name, goal):
    space = parse_space(["x=-5:5:mm", "y=0:1", "filter=Al,Cu"])
    one = make_named(name, space=space, objective="det", goal=goal)(3)
    assert isinstance(one, Recommender)
    assert space.problems(one.suggest(1)[0]) == []


def test_a_class_is_given_what_it_takes(here):
    named = make_named("my_own_recommender:Middle", space=LINE, objective="flux")
    one = named(7)
    assert (one.space_, one.maximize, one.seed) == (LINE, "flux", 7)
    assert named(8).seed == 8
    assert named.code(7).splitlines()[-1] == (
        "make = lambda: Middle(space=Space(Axis(name='x', low=-5, high=5, units='mm', step=None)), "
        "maximize='flux', seed=7)"
    )


def test_a_function_of_a_file_is_given_what_it_takes(here):
    one = make_named("my_own_recommender.py:made", space=LINE, objective="flux", goal="map")(0)
    assert (one.space_, one.maximize, one.goal) == (LINE, "flux", "map")


def test_a_class_of_a_file_travels_to_a_process(here):
    one = make_named(str(here / "my_own_recommender.py") + ":Middle", space=LINE)(0)
    worker = ProcessWorker(one, "mine")
    worker.start()
    try:
        worker.call("ingest", [{"x": 1.0, "det": 2.0}])
        assert worker.call("suggest", 1) == [{"x": 1.5}]
    finally:
        worker.close()


def test_a_class_of_a_file_travels_to_where_the_file_is_not(here):
    one = make_named("my_own_recommender.py:Middle", space=LINE)(0)
    sent = cloudpickle.dumps(one)
    del sys.modules[type(one).__module__]
    assert cloudpickle.loads(sent).suggest(1) == [{"x": 1.5}]


def test_a_file_has_no_name_in_the_way_of_pythons_own_modules(here):
    import random

    (here / "random.py").write_text(MINE)
    assert make_named("random.py:Middle", space=LINE)(0).suggest() == [{"x": 1.5}]
    assert sys.modules["random"] is random
    assert make_named("random", space=LINE)(0).suggest(1)


@pytest.mark.parametrize(
    ("spec", "words"),
    {
        "my_own_recommender.py": "which class or function: expected my_own_recommender.py:Name; it has Middle",
        "my_own_recommender.py:Nobody": "my_own_recommender.py has no 'Nobody'; it has Middle, Outside, Interrupts$",
        "my_own_recommender.py:NoSuggest": r"NoSuggest, which is no recommender: it has no suggest\(num_points",
        "my_own_recommender.py:Wants": "requires temperature, which the shell cannot give .it gives space, objective",
        "my_own_recommender.py:Fails": r"my_own_recommender.py:Fails\(\) raised OSError: no licence",
        "my_own_recommender.py:number": "is an object of int; expected a class of recommenders, or a function",
        "not_here.py:Middle": "there is no file .*not_here.py",
        "not_here:Middle": "there is no module 'not_here' to import",
        "broken.py:Middle": "running .*broken.py raised ZeroDivisionError: division by zero",
        "broken:Middle": "importing broken raised ZeroDivisionError: division by zero",
        "needs_more:Middle": "needs_more needs the module 'not_installed_at_all', which is not installed",
        "skysteer.model:Axis": "requires name, low, high, which the shell cannot give",
        "nobody": "expected one of gaussian, .*, module:Name or path/to/file.py:Name",
        ":Middle": "names no recommender",
    }.items(),
)
def test_what_cannot_be_made_is_said_with_what_would_do(here, spec, words):
    (here / "broken.py").write_text("1 / 0\n")
    (here / "needs_more.py").write_text("import not_installed_at_all\n")
    with pytest.raises(ValueError, match=words):
        make_named(spec, space=LINE)(0)
    assert not [name for name in sys.modules if name.startswith(("broken", "needs_more"))]


# -- a space by its axes


def test_axes_are_read_with_limits_units_steps_and_choices():
    space = parse_space(["x=-5:5:mm", " y = 0 : 1e3 ", "n=1:9::2", "filter=Al,Cu,none", "sample=1,2.5"])
    assert space == Space(
        Axis("x", -5, 5, units="mm"),
        Axis("y", 0, 1000.0),
        Axis("n", 1, 9, step=2),
        Choice("filter", ("Al", "Cu", "none")),
        Choice("sample", (1, 2.5)),
    )


def test_without_axes_there_are_x_and_y():
    assert parse_space() == Space(Axis("x", -5, 5, units="mm"), Axis("y", -5, 5, units="mm"))


@pytest.mark.parametrize(
    ("axis", "words"),
    {
        "x": "the axis 'x' cannot be read: expected name=low:high",
        "x=": "the axis 'x=' cannot be read",
        "x=1": "the axis 'x=1' has one value: expected",
        "x=a:5": "the axis 'x=a:5' has 'a' where a number is expected",
        "x=1:2:mm:big": "has 'big' where a number is expected",
        "x=1:2:3:4:5": "has 5 parts between colons",
        "x=5:1": "axis 'x': low must be below high",
        "x=a,a": "choice 'x': expected two or more different options",
    }.items(),
)
def test_an_axis_that_cannot_be_is_said(axis, words):
    with pytest.raises(ValueError, match=words):
        parse_space([axis])
