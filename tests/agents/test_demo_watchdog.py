"""``skysteer demo --watchdog`` through its real entry points."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from skysteer import stores
from skysteer.cli import app
from skysteer.cli._progress import display_news
from skysteer.cli._tally import DOSE_RATE, Tally
from skysteer.handoff import Steering

POINTS = 300
EXPOSURE = 0.01


def skysteer_here(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["demo", "--watchdog", *[str(argument) for argument in arguments]])


class Documents:
    """The documents of a demo, run by run."""

    def __init__(self, folder: Path) -> None:
        measured = [entry for entry in stores.runs(folder / "runs") if entry.kind == "measurement"]
        self.named = [document for entry in measured for document in stores.documents(entry.path)]
        self.starts = [doc for name, doc in self.named if name == "start"]
        self.stops = [doc for name, doc in self.named if name == "stop"]

    def events(self, number: int, stream: str = "primary") -> list[dict[str, Any]]:
        run = self.starts[number]["uid"]
        uids = {
            doc["uid"]
            for name, doc in self.named
            if name == "descriptor" and doc["run_start"] == run and doc["name"] == stream
        }
        return [doc for name, doc in self.named if name == "event" and doc["descriptor"] in uids]

    def counts(self, number: int) -> list[float]:
        return [event["data"]["det"] for event in self.events(number)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A whole demo in a process of its own, with the default seed and numbers."""
    out = tmp_path_factory.mktemp("demo") / "not" / "there" / "yet"
    command = [sys.executable, "-m", "skysteer.cli", "demo", "--watchdog", "--json", "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False), out


@pytest.fixture
def summary(finished: tuple[subprocess.CompletedProcess[str], Path]) -> dict[str, Any]:
    return json.loads(finished[0].stdout)


@pytest.fixture
def documents(finished: tuple[subprocess.CompletedProcess[str], Path]) -> Documents:
    return Documents(finished[1])


def test_with_json_the_summary_is_all_that_is_printed(
    finished: tuple[subprocess.CompletedProcess[str], Path], summary: dict[str, Any]
) -> None:
    run, out = finished
    assert (run.returncode, run.stderr) == (0, "")
    assert [each["name"] for each in summary["measurements"]] == ["enough", "beam lost", "hold"]
    assert summary["files"] == {"picture": str(out / "watchdog.png"), "record": str(out / "runs")}


def test_a_measurement_ends_with_success_when_the_signal_to_noise_is_reached(
    summary: dict[str, Any], documents: Documents
) -> None:
    enough = summary["measurements"][0]
    assert (enough["verdict"], enough["exit_status"]) == ("enough", "success")
    found = re.fullmatch(
        r"good enough: signal to noise of det is ([\d.]+) after (\d+) points .*, 30 wanted", enough["reason"]
    )
    assert found
    assert float(found[1]) >= 30
    # those that were under way when it was said come on top
    assert int(found[2]) <= enough["points"] < POINTS
    counts = documents.counts(0)[: int(found[2])]
    ratio = (sum(counts) - 5 * len(counts)) / np.sqrt(sum(counts))
    assert ratio == pytest.approx(float(found[1]), rel=1e-3)
    before = counts[:-1]
    assert (sum(before) - 5 * len(before)) / np.sqrt(sum(before)) < 30


def test_a_measurement_is_aborted_when_the_beam_is_lost(summary: dict[str, Any], documents: Documents) -> None:
    lost = summary["measurements"][1]
    assert (lost["verdict"], lost["exit_status"]) == ("abort", "abort")
    assert lost["reason"].startswith("beam: beam lost: ring_current is 0 mA")
    assert 0 < lost["seconds_to_act"] < 1.5  # the rest of a fixed length takes more than 2 s
    assert lost["dark"] < 150 < 200 < lost["dark_fixed"]
    assert [event["data"]["ring_current"] for event in documents.events(1, "ring_current_monitor")] == [300.0, 0.0]


def test_a_measurement_is_held_while_the_beam_is_down_and_then_goes_on(
    summary: dict[str, Any], documents: Documents
) -> None:
    hold = summary["measurements"][2]
    assert (hold["verdict"], hold["exit_status"]) == ("enough", "success")
    assert 0.2 < hold["seconds_held"] < 5.0  # of the second without beam
    currents = [event["data"]["ring_current"] for event in documents.events(2, "ring_current_monitor")]
    assert currents == [300.0, 0.0, 300.0]
    assert hold["dark"] == sum(event["data"]["ring_current"] == 0 for event in documents.events(2))
    assert hold["dark_fixed"] > hold["dark"] + 10  # nobody holds a fixed length
    gaps = np.diff([event["time"] for event in documents.events(2)])
    assert max(gaps) > 0.8 * hold["seconds_held"]


def test_the_documents_say_the_same_as_the_summary(summary: dict[str, Any], documents: Documents) -> None:
    for number, each in enumerate(summary["measurements"]):
        assert each["uid"] == documents.starts[number]["uid"]
        stop = documents.stops[number]
        assert (each["exit_status"], each["reason"]) == (stop["exit_status"], stop["reason"])
        assert each["points"] == len(documents.events(number))
        assert each["seconds"] == pytest.approx(stop["time"] - documents.starts[number]["time"])


def test_what_was_saved_is_counted_from_the_documents(summary: dict[str, Any], documents: Documents) -> None:
    point = DOSE_RATE * EXPOSURE
    enough, lost, hold = summary["measurements"]
    for each in (enough, lost, hold):
        assert each["points_fixed"] == POINTS
        assert each["dose_kGy"] == pytest.approx(point * (each["points"] - each["dark"]))
        assert each["dose_fixed_kGy"] == pytest.approx(point * (POINTS - each["dark_fixed"]))
        assert each["seconds_saved"] == pytest.approx(each["seconds_fixed"] - each["seconds"])
        assert each["dose_saved_kGy"] == pytest.approx(each["dose_fixed_kGy"] - each["dose_kGy"])
    pace = np.median(np.diff([event["time"] for event in documents.events(0)]))
    assert enough["seconds_saved"] == pytest.approx(pace * (POINTS - enough["points"]), abs=1.5)
    assert lost["dose_saved_kGy"] == pytest.approx(0.0, abs=2 * point)  # no beam, no dose
    assert summary["seconds_saved"] == pytest.approx(sum(each["seconds_saved"] for each in (enough, lost, hold)))
    assert summary["dose_saved_kGy"] == pytest.approx(sum(each["dose_saved_kGy"] for each in (enough, lost, hold)))


def test_the_picture_is_a_png_with_content(finished: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    path = finished[1] / "watchdog.png"
    assert path.read_bytes().startswith(b"\x89PNG\r\n")
    pixels = matplotlib.image.imread(path)
    assert pixels.shape[0] > 600
    assert pixels.shape[1] > 1000
    assert len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)) > 200


def test_the_same_seed_gives_the_same_counts_in_a_thread_and_in_a_process(documents: Documents, tmp_path: Path) -> None:
    result = skysteer_here("--points", "30", "--worker", "process", "--json", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    again = Documents(tmp_path).counts(0)
    assert again == documents.counts(0)[:30]
    other = skysteer_here("--points", "30", "--seed", "1", "--json", "--out", tmp_path / "other")
    assert other.exit_code == 0, other.output
    assert Documents(tmp_path / "other").counts(0) != again


def test_verdicts_are_told_as_they_come_and_a_second_run_keeps_the_files_of_the_first(tmp_path: Path) -> None:
    for _ in range(2):
        result = skysteer_here("--out", tmp_path)
        assert result.exit_code == 0, result.output
    assert f"the picture of an earlier run is now in {tmp_path / 'earlier-1'}" in result.stdout
    assert (tmp_path / "earlier-1" / "watchdog.png").exists()
    said = [
        line.split("s  ", 1)[1].split(":")[0] for line in result.stdout.splitlines() if re.match(r" +[\d.]+ s ", line)
    ]
    assert said == ["ENOUGH, good enough", "ABORT, beam", "HOLD, beam", "KEEP GOING, beam", "ENOUGH, good enough"]
    assert re.search(r"^ 25/300 points, S/N [\d.]+ of 30, dose 5.0 kGy, ring 300 mA, ", result.stdout, re.MULTILINE)
    assert "stop document: abort, beam: beam lost" in result.stdout
    assert re.search(r"^in all     saved [\d.]+ of [\d.]+ s and [\d.]+ of [\d.]+ kGy$", result.stdout, re.MULTILINE)
    assert "\x1b" not in result.stdout


def test_a_measurement_that_nothing_ends_has_saved_nothing(tmp_path: Path) -> None:
    result = skysteer_here("--points", "3", "--json", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    first = json.loads(result.stdout)["measurements"][0]
    assert (first["verdict"], first["exit_status"], first["points"]) == ("", "success", 3)
    assert (first["seconds_saved"], first["dose_saved_kGy"]) == (0.0, pytest.approx(0.0))


def test_on_a_terminal_the_progress_fits_into_80_columns() -> None:
    tally = Tally(300, 0.01, Steering())
    tally.take("descriptor", {"uid": "d", "name": "primary"})
    event = {"descriptor": "d", "seq_num": 1, "time": 1.0, "data": {"det": 1000.0, "ring_current": 300.0}}
    tally.take("event", event)
    tally.take("event", event)  # again, after a pause
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    with display_news(console, tally, every=0) as shown:
        shown.measured()
    text = console.file.getvalue()
    assert "  1/300 points" in text
    assert "S/N 31.5 of 30, dose 0.2 kGy, ring 300 mA" in text


@pytest.mark.parametrize(
    ("arguments", "words"), [(["--epics"], "--epics is for the search"), (["--points", "100001"], "at most 100000")]
)
def test_what_cannot_be_is_refused_before_anything_runs(arguments: list[str], words: str, tmp_path: Path) -> None:
    result = skysteer_here(*arguments, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert not (tmp_path / "out").exists()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo in a session of its own as in a terminal, held until its beam is back."""
    command = [sys.executable, "-m", "skysteer.cli", "demo", "--watchdog", "--points", "20", "--dead-time", "0.05"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "HOLD, beam" in line:
                break
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_ctrl_c_closes_a_held_run_and_keeps_what_was_measured(running: subprocess.Popen[str], tmp_path: Path) -> None:
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=150)
    assert running.returncode == 130
    documents = Documents(tmp_path)
    stop = documents.stops[-1]
    assert (len(documents.stops), stop["exit_status"], stop["reason"]) == (3, "abort", "interrupted by Ctrl-C")
    # told as it was said, not when the beam was back
    assert documents.events(2, "ring_current_monitor")[-1]["data"]["ring_current"] == 0
    where = tmp_path / "runs"
    count = len(documents.events(2))
    assert said == f"skysteer demo: interrupted after {count} of 20 points; they are in {where}\n"
