"""What the README shows works as it is printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def example(number):
    return re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[number]


def test_the_example_pasted_into_an_empty_file_runs(tmp_path):
    code = example(0)
    script = tmp_path / "mine.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "AdaptiveResult(reason='max_points=40 reached', exit_status='success'" in done.stdout
    assert done.stderr == ""


def test_the_example_runs_with_a_process_although_it_has_no_main_guard(tmp_path):
    code = example(0)
    script = tmp_path / "mine.py"
    script.write_text("print('top level')\n" + code.replace("max_points=40", "max_points=5, worker='process'"))
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("top level") == 1
    assert "measured=5" in done.stdout


def test_the_example_of_a_watchdog_runs(tmp_path):
    script = tmp_path / "watched.py"
    script.write_text(example(1))
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "signal to noise of det is" in done.stdout
    assert done.stderr == ""


def test_the_commands_it_names_are_targets_of_the_makefile():
    makefile = (README.parent / "Makefile").read_text()
    named = set(re.findall(r"`?make (\w+)", README.read_text()))
    assert {"demo", "test"} <= named
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in named)
