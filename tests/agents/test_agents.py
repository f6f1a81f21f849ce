"""Every agent runs as it is, against the simulated beamline, and says what it did."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

AGENTS = Path(__file__).parents[2] / "agents"


def lines_of(name: str, tmp_path: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, AGENTS / name], cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_signal_to_noise_ends_a_count_when_it_is_good_enough(tmp_path: Path) -> None:
    *samples, saved = lines_of("signal_to_noise.py", tmp_path)
    found = [re.match(r"(\w+): (\d+) of 300 points, success, (.+)", line) for line in samples]
    assert [match[1] for match in found if match] == ["bright", "fainter", "faint", "empty"]
    points = [int(match[2]) for match in found if match]
    assert points[0] < points[2] < points[3] == 300
    for match, count in zip(found[:3], points, strict=False):
        said = re.match(r"good enough: signal to noise of det is ([\d.]+) after (\d+) points", match[3])
        assert float(said[1]) >= 100
        assert int(said[2]) <= count < int(said[2]) + 20
    assert found[3][3] == "never good enough"
    assert saved.startswith(f"saved {1200 - sum(points)} of 1200 points, ")


def test_dose_watchdog_aborts_at_the_limit_and_holds_while_the_beam_is_down(tmp_path: Path) -> None:
    lines = lines_of("dose_watchdog.py", tmp_path)
    said = [line.split(":")[0] for line in lines]
    assert said[:3] == ["hold", "keep going", "abort"]
    (stop, points, _) = lines[-3:]
    assert stop.startswith("abort: dose: dose by dose is 20")
    measured, dark, had = re.match(
        r"(\d+) of 500 points, (\d+) of them without beam; the sample had ([\d.]+) kGy", points
    ).groups()
    assert int(dark) < 20  # a whole second of them, if it had not been held
    assert 20 <= float(had) < 24
    assert float(had) == pytest.approx(0.2 * (int(measured) - int(dark)), abs=0.1)


@pytest.mark.parametrize("path", sorted(AGENTS.glob("*.py")), ids=lambda path: path.stem)
def test_an_agent_has_settings_at_the_top_and_main_below_and_uses_public_names_only(path: Path) -> None:
    tree = ast.parse(path.read_text())
    kinds = [type(node) for node in tree.body]
    settings = [number for number, kind in enumerate(kinds) if kind is ast.Assign]
    functions = [number for number, kind in enumerate(kinds) if kind is ast.FunctionDef]
    assert settings
    assert max(settings) < min(functions)
    assert tree.body[functions[-1]].name == "main"
    assert isinstance(tree.body[-1], ast.If)
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert any(module.startswith("skysteer") for module in imported)
    used = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    names = [part for module in imported for part in module.split(".")]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert [name for name in [*names, *used] if name.startswith("_")] == []
