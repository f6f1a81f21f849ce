"""``skysteer demo --epics``: the same search on a real EPICS server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from skysteer.stores import documents, runs


def demo(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "skysteer.cli", "demo", "--json", "--points", "40", "--out", str(out), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)


def documents_in(folder: Path) -> list[tuple[str, dict]]:
    (measured,) = [entry for entry in runs(folder / "runs") if entry.kind == "measurement"]
    return list(documents(measured.path))


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


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo that would take minutes, in a session of its own as in a terminal, with ten points measured."""
    command = [sys.executable, "-m", "skysteer.cli", "demo", "--epics", "--points", "1000", "--dead-time", "0.05"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "10/1000 points" in line:
                break
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_ctrl_c_is_for_the_plan_and_not_for_the_ioc(running: subprocess.Popen[str], tmp_path: Path) -> None:
    (ioc,) = psutil.Process(running.pid).children()
    ioc.send_signal(signal.SIGINT)
    assert running.stdout is not None
    assert "20/1000 points" in running.stdout.readline()
    os.killpg(running.pid, signal.SIGINT)  # to both, as a terminal does
    _, said = running.communicate(timeout=150)
    assert running.returncode == 130
    assert said.splitlines()[-1].startswith("skysteer demo: interrupted after ")
    stop = documents_in(tmp_path)[-1][1]
    assert (stop["exit_status"], stop["reason"]) == ("abort", "interrupted by Ctrl-C")
    assert not ioc.is_running()
