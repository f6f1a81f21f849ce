"""The benchmark of recording runs, and compares what was promised. No timing is asserted here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks._recorded import Pace

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(240)  # five starts of a Tiled server on a busy machine
def test_what_was_promised_of_recording_is_compared(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "recording", "--quick", "--n", "10", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=230)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    found = json.loads((tmp_path / "recording.json").read_text())
    aims = {(row["condition"], row["quantity"]): row["target"] for row in found["rows"] if row["target"]}
    recorded = [key for key in aims if "time a point / not recorded" in key[1]]
    assert {aims[key]["limit"] for key in recorded if "Tiled" not in key[0]} == {1.03}
    assert {aims[key]["limit"] for key in recorded if "Tiled" in key[0]} == {1.05}
    assert any("stopped" in condition for condition, _ in recorded)
    rest = [(aims[key]["limit"], aims[key]["kind"]) for key in aims if key not in recorded]
    assert sorted(rest) == [(1.0, "at most"), (10.0, "at most"), (2000.0, "at least")]


def test_the_pace_is_taken_between_events() -> None:
    pace = Pace()
    for name in ("start", "descriptor", "event", "event", "event", "stop"):
        pace(name, {})
    assert 0 < pace.seconds < 10
