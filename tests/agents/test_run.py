"""``skysteer run``: an agent from its file, with other settings, and what is said when it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from skysteer.cli import app

AGENTS = Path(__file__).parents[2] / "agents"

AGENT = '''
"""Says its settings."""

POINTS = 12
"""How many
points."""
STEP = 0.5
"""In mm."""
SAMPLE = "nickel"
FAST = False
LIMITS = (1, 2)
NOTE: str | None = None
_HIDDEN = 1
lower = 2


def main():
    print(POINTS, STEP, repr(SAMPLE), FAST, LIMITS, repr(NOTE))
'''

FAILS = """
from bluesky.plan_stubs import mv

from skysteer import RunEngine
from skysteer.testing import SimulatedBeamline


def main():
    with RunEngine() as RE:
        beam = SimulatedBeamline(RE)
        RE(mv(beam.x, 1e3)).result()
"""

INTERRUPTED = '''
import os
import signal

from skysteer import Axis, RunEngine, Space, adaptive_scan
from skysteer.recommenders import Sobol
from skysteer.testing import SimulatedBeamline


def main():
    """Presses Ctrl-C at the third point."""

    def follow(name, doc):
        if name == "event" and doc["seq_num"] == 3:
            os.kill(os.getpid(), signal.SIGINT)
        if name == "stop":
            print("run closed:", doc["exit_status"])

    with RunEngine() as RE:
        beam = SimulatedBeamline(RE)
        RE.subscribe(follow)
        sobol = Sobol(Space(Axis("x", -5, 5)))
        RE(adaptive_scan([beam.det], [beam.x], sobol, objectives=["det"], max_points=1_000_000)).result()
'''


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the shell is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def written(text: str, name: str = "agent.py") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def here(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["run", *arguments])


def in_a_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "skysteer.cli", "run", *arguments],
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip


def said(result: Result) -> str:
    """The only line that a failing command says."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("skysteer run: ")
    return line.removeprefix("skysteer run: ")


def test_an_agent_of_ours_runs_by_its_path_from_anywhere() -> None:
    done = in_a_process(str(AGENTS / "peak_hunter.py"), "--set", "DIMENSIONS=1", "--set", "MAX_POINTS=12")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("12 points: max_points=12 reached\nfound: x = ")


def test_an_agent_runs_with_its_own_settings() -> None:
    result = here(written(AGENT))
    assert (result.exit_code, result.output) == (0, "12 0.5 'nickel' False (1, 2) None\n")


def test_settings_have_other_values_of_the_same_type() -> None:
    sets = ["POINTS=3", "STEP=2", "SAMPLE=iron oxide", "FAST=True", "LIMITS=(3, 4)", "NOTE=5"]
    result = here(written(AGENT), *(argument for each in sets for argument in ("--set", each)))
    assert (result.exit_code, result.output) == (0, "3 2.0 'iron oxide' True (3, 4) 5\n")


@pytest.mark.parametrize(
    ("value", "sample"), [("12", "12"), ("'12'", "12"), ("a=b", "a=b"), ("", ""), ("None", "None"), ("1e3", "1e3")]
)
def test_a_setting_that_is_a_text_stays_one(value: str, sample: str) -> None:
    result = here(written(AGENT), "--set", f"SAMPLE={value}")
    assert result.output == f"12 0.5 {sample!r} False (1, 2) None\n"


def test_the_last_of_several_values_counts() -> None:
    result = here(written(AGENT), "--set", "POINTS=3", "--set", "POINTS = 4")
    assert result.output.startswith("4 ")


@pytest.mark.parametrize("assignment", ["POINT=3", "POINTS", "=3", "lower=3", "_HIDDEN=3", "main=3", "points=3", ""])
def test_what_is_no_setting_is_refused_and_the_settings_are_named(assignment: str) -> None:
    assert said(here(written(AGENT), "--set", assignment)) == (
        f"--set {assignment}: expected NAME=VALUE with one of the settings of the file: "
        "POINTS, STEP, SAMPLE, FAST, LIMITS, NOTE"
    )


@pytest.mark.parametrize(
    ("assignment", "complaint"),
    [
        ("POINTS=many", "'many' is of type str, expected int as in POINTS = 12"),
        ("POINTS=1.5", "1.5 is of type float, expected int as in POINTS = 12"),
        ("POINTS=True", "True is of type bool, expected int as in POINTS = 12"),
        ("STEP=True", "True is of type bool, expected float as in STEP = 0.5"),
        ("STEP=", "'' is of type str, expected float as in STEP = 0.5"),
        ("FAST=1", "1 is of type int, expected bool as in FAST = False"),
        ("FAST=true", "'true' is of type str, expected bool as in FAST = False"),
        ("LIMITS={[]: 1}", "'{[]: 1}' is of type str, expected tuple as in LIMITS = (1, 2)"),
    ],
)
def test_a_value_of_another_type_is_refused(assignment: str, complaint: str) -> None:
    assert said(here(written(AGENT), "--set", assignment)) == f"--set {assignment}: {complaint}"


def test_a_wrong_setting_runs_nothing() -> None:
    result = here(written(AGENT), "--set", "POINTS=3", "--set", "POINT=4")
    assert "--set POINT=4" in said(result)


def test_settings_are_listed_with_what_they_are_and_nothing_runs() -> None:
    result = here(written(AGENT), "--settings", "--set", "POINTS=7")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "POINTS = 7",
        "    How many points.",
        "STEP = 0.5",
        "    In mm.",
        "SAMPLE = 'nickel'",
        "FAST = False",
        "LIMITS = (1, 2)",
        "NOTE = None",
    ]


@pytest.mark.parametrize("agent", sorted(AGENTS.glob("*.py")), ids=lambda path: path.stem)
def test_each_of_our_agents_says_what_its_settings_are(agent: Path) -> None:
    lines = here(str(agent), "--settings").stdout.splitlines()
    names, texts = lines[::2], lines[1::2]
    assert all(" = " in name and name.split(" = ")[0].isupper() for name in names)
    assert all(text.startswith("    ") and text.strip() for text in texts)
    assert len(names) == len(texts) > 0


def test_a_file_in_utf_8_is_read_whatever_the_locale() -> None:
    agent = written('UNIT = "Å"\n\n\ndef main():\n    print(len(UNIT))\n')
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "skysteer.cli", "run", agent, "--set", "UNIT=nm"],
        capture_output=True, text=True, timeout=150, check=False, env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")


def test_an_agent_may_import_what_lies_beside_it() -> None:
    Path("deep").mkdir()
    written("NUMBER = 5\n", "deep/beside_the_agent.py")
    agent = written("import beside_the_agent\n\n\ndef main():\n    print(beside_the_agent.NUMBER)\n", "deep/agent.py")
    try:
        assert here(agent).output == "5\n"
    finally:
        sys.modules.pop("beside_the_agent", None)


@pytest.mark.parametrize("name", ["not_there.py", "."])
def test_a_missing_file_is_named(name: str) -> None:
    assert name in said(here(name))


def test_what_is_no_python_file_is_refused() -> None:
    assert said(here(written(AGENT, "agent.txt"))) == (
        "agent.txt is no agent: expected a Python file, its name ending in .py"
    )


@pytest.mark.parametrize("text", ["", "main = 3\n"])
def test_a_file_without_a_main_is_no_agent(text: str) -> None:
    assert said(here(written(text))) == "agent.py is no agent: it has no function main()"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("def main(:\n", "SyntaxError: invalid syntax"),
        ("import not_installed_at_all\n", "ModuleNotFoundError: No module named 'not_installed_at_all'"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_file_that_cannot_be_run_says_why(text: str, complaint: str) -> None:
    assert complaint in said(here(written(text)))


def test_an_error_in_main_is_one_line() -> None:
    text = "def main():\n    raise KeyError('two\\n  lines')\n"
    assert said(here(written(text))) == r"'two\n lines'"
    assert said(here(written("def main():\n    raise OSError\n", "other.py"))) == "OSError"


def test_an_error_of_the_engine_is_one_line_without_a_traceback() -> None:
    done = in_a_process(written(FAILS))
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("skysteer run: ")
    assert "1000" in line


def test_with_debug_the_traceback_and_the_logs_are_shown() -> None:
    done = in_a_process(written(FAILS), "--debug")
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "in main" in done.stderr


def test_ctrl_c_ends_the_plan_in_order_and_exits_with_130() -> None:
    done = in_a_process(written(INTERRUPTED))
    assert done.returncode == 130
    assert done.stderr == "skysteer run: interrupted\n"
    assert "run closed: abort\n" in done.stdout


def test_an_agent_may_end_with_a_code_of_its_own() -> None:
    assert here(written("import sys\n\n\ndef main():\n    sys.exit(4)\n")).exit_code == 4


def test_help_says_what_an_agent_is_and_how_to_deploy_one() -> None:
    text = " ".join(here("--help").output.replace("│", " ").split())
    assert "Run an agent: a Python file with settings in capitals at the top and a function main." in text
    for word in ("--set", "--settings", "--debug", "Exit code"):
        assert word in text
    assert "run" in CliRunner().invoke(app, ["--help"]).output
