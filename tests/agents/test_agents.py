"""Every agent runs as it is, against the simulated beamline, and says what it did."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

AGENTS = Path(__file__).parents[2] / "agents"


def lines_of(name: str, tmp_path: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, AGENTS / name], cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False
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


def settings(**values: object) -> list[str]:
    return [argument for name, value in values.items() for argument in ("--set", f"{name}={value}")]


def run(name: str, folder: Path, **values: object) -> list[str]:
    """The lines that an agent says with these settings."""
    done = subprocess.run(
        [sys.executable, "-m", "skysteer.cli", "run", AGENTS / name, *settings(**values)],
        cwd=folder, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def positions(line: str) -> dict[str, float]:
    return {name: float(value) for name, value in re.findall(r"(\w) = (-?[\d.]+) mm", line)}


@pytest.mark.parametrize("values", [{}, {"DIMENSIONS": 1, "MAX_POINTS": 30}, {"WORKER": "process"}], ids=str)
def test_peak_hunter_drives_to_the_peak(tmp_path: Path, values: dict[str, object]) -> None:
    as_a_script = not values
    lines = lines_of("peak_hunter.py", tmp_path) if as_a_script else run("peak_hunter.py", tmp_path, **values)
    points, found, true, there = lines
    budget = values.get("MAX_POINTS", 60)
    assert points == f"{budget} points: max_points={budget} reached"
    assert found.startswith("found: ")
    assert list(positions(found)) == list(positions(true)) == ["x", "y"][: values.get("DIMENSIONS", 2)]
    for axis, position in positions(found).items():
        assert position == pytest.approx(positions(true)[axis], abs=0.25)
    share = re.fullmatch(r"there it counts (\d+)% of the top", there)
    assert 90 <= int(share[1]) <= 100


@pytest.mark.parametrize(("recommender", "points", "part"), [("library", 100, 0.75), ("gpcam", 49, 0.75)])
def test_phase_mapper_is_wrong_on_less_of_the_map_than_an_even_grid(
    tmp_path: Path, recommender: str, points: int, part: float
) -> None:
    done, wrong, picture = run("phase_mapper.py", tmp_path, RECOMMENDER=recommender, MAX_POINTS=points)
    assert done == f"{points} points: max_points={points} reached"
    mine, even_points, even = re.fullmatch(
        r"wrong phase on ([\d.]+)% of the map; with (\d+) even points ([\d.]+)%", wrong
    ).groups()
    assert int(even_points) == points
    assert 0 < float(mine) < part * float(even)
    assert picture == "picture: phase_map.png"
    image = matplotlib.image.imread(tmp_path / "phase_map.png")
    assert image.shape[0] > 400
    assert image.shape[1] > 900
    assert len(np.unique((image[::4, ::4, :3] * 15).astype(int).reshape(-1, 3), axis=0)) > 8  # not empty


def test_phase_mapper_writes_nothing_where_no_picture_and_no_record_is_wanted(tmp_path: Path) -> None:
    lines = run("phase_mapper.py", tmp_path, MAX_POINTS=16, PICTURE="", RECORD="")
    assert len(lines) == 2
    assert list(tmp_path.iterdir()) == []


def test_spectrum_scout_finds_the_three_kinds_of_pattern_and_where_they_are(tmp_path: Path) -> None:
    runs, kinds, right = lines_of("spectrum_scout.py", tmp_path)
    assert runs == "60 runs, of 324 samples: max_points=60 reached"
    found = re.fullmatch(r"3 kinds of pattern; of each so many samples: \[(\d+), (\d+), (\d+)\]", kinds)
    assert sum(int(number) for number in found.groups()) == 324
    share = re.fullmatch(r"([\d.]+)% of all samples are given their true phase", right)
    assert float(share[1]) > 90


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
