"""``skysteer demo --epics``: the same search on a real EPICS server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def demo(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "skysteer.cli", "demo", "--json", "--points", "40", "--out", str(out), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)


def documents_in(folder: Path) -> list[tuple[str, dict]]:
    lines = [json.loads(line) for line in (folder / "documents.jsonl").read_text().splitlines()]
    return [(line["name"], line["doc"]) for line in lines]


def points_in(folder: Path) -> list[tuple[float, float, float]]:
    events = [doc["data"] for name, doc in documents_in(folder) if name == "event"]
    return [(data["x"], data["y"], data["det"]) for data in events]


def test_the_search_on_epics_is_the_one_on_simulated_devices(tmp_path: Path) -> None:
    on_epics, simulated = demo(tmp_path / "epics", "--epics"), demo(tmp_path / "simulated")
    assert (on_epics.returncode, simulated.returncode) == (0, 0), on_epics.stderr + simulated.stderr
    assert points_in(tmp_path / "epics") == points_in(tmp_path / "simulated")
    assert len(points_in(tmp_path / "epics")) == 40
    summary, expected = json.loads(on_epics.stdout), json.loads(simulated.stdout)
    assert summary["beamline"] == "epics"
    for key in ("best", "truth", "share_of_top", "reason", "grid_points"):
        assert summary[key] == expected[key]


def test_the_readings_come_through_channel_access(tmp_path: Path) -> None:
    assert demo(tmp_path, "--epics", "--points", "3").returncode == 0
    (descriptor,) = [doc for name, doc in documents_in(tmp_path) if name == "descriptor"]
    for key, units in {"x": "mm", "y": "mm", "det": "counts"}.items():
        assert descriptor["data_keys"][key]["source"].startswith("ca://")
        assert descriptor["data_keys"][key]["units"] == units
    assert (tmp_path / "search.png").read_bytes().startswith(b"\x89PNG")
