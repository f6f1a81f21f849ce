"""The commands of the record, as somebody uses them who was not there when it was made."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import bluesky.plans as bp
import numpy as np
import pytest
from typer.testing import CliRunner

from skysteer import Axis, Judgement, Space, Verdict, adaptive_runs, adaptive_scan, watch
from skysteer.cli import app
from skysteer.cli._wording import number
from skysteer.recommenders import Sobol
from skysteer.testing import SimulatedBeamline

XY = Space(Axis("x", -5.0, 5.0, units="mm"), Axis("y", -5.0, 5.0, units="mm"))
WAIT = 45.0


def here(*arguments: Any, columns: int = 80) -> Any:
    return CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": str(columns)})


def said(*arguments: Any, columns: int = 80) -> str:
    run = here(*arguments, columns=columns)
    assert run.exit_code == 0, run.output
    return " ".join(run.stdout.split())


@pytest.fixture
def beam(RE: Any) -> SimulatedBeamline:
    return SimulatedBeamline(RE, seed=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def scan(RE: Any, beam: SimulatedBeamline, folder: Path) -> Any:
    def scan(points: int = 3, flow: Any = adaptive_scan, **options: Any) -> str:
        plan = flow([beam.det], [beam.x, beam.y], Sobol(XY), objectives=["det"], max_points=points, record=folder,
                    **options)  # fmt: skip
        return RE(plan).result(WAIT).plan_result.uids[-1]

    return scan


def mean(run: Any) -> dict[str, float]:
    return {"det": float(np.mean(run["primary"]["det"]))}


def without_the_last_told(folder: Path) -> None:
    """As if the process had been killed between the stop document of a run and the told point that it is."""
    decisions = next(folder.glob("*.decisions.jsonl"))
    lines = decisions.read_bytes().splitlines(keepends=True)
    streams = {doc["uid"]: doc["name"] for name, doc in map(_parts, lines) if name == "descriptor"}
    told = [n for n, line in enumerate(lines) if streams.get(_parts(line)[1].get("descriptor", "")) == "told"]
    decisions.write_bytes(b"".join(lines[: told[-1]]))
    (folder / "index.jsonl").unlink()


def _parts(line: bytes) -> tuple[str, dict[str, Any]]:
    read = json.loads(line)
    return read["name"], read["doc"]


def test_a_run_of_several_events_is_one_point_of_adaptive_runs(scan, beam, folder):
    scan(
        4,
        adaptive_runs,
        measure=lambda devices: bp.count(devices, 3),
        reduce=mean,
    )
    (line,) = json.loads(here("runs", folder, "--json").stdout)
    assert (line["points"], line["max_points"]) == (4, 4)


@pytest.mark.parametrize("flow", [adaptive_scan, adaptive_runs])
def test_a_point_that_was_told_when_the_scan_went_on_is_one_point(scan, folder, flow):
    options: dict[str, Any] = {"reduce": mean} if flow is adaptive_runs else {}
    scan(3, flow, **options)
    without_the_last_told(folder)
    scan(5, flow, resume="last", **options)
    shown = json.loads(here("show", "--folder", folder, "--json").stdout)
    points = [each for each in shown["timeline"] if each["kind"] == "point"]
    assert [each["number"] for each in points] == [1, 2, 3, 4, 5]
    assert len({(each["run"], each["seq_num"]) for each in points}) == 5
    assert all(each["objectives"] for each in points)
    assert points[2]["why"].endswith("told when it went on")


def test_what_was_decided_is_shown_also_where_points_are_left_out(RE, beam, folder):
    def judge(seen: Any) -> Judgement | None:
        return Judgement(Verdict.KEEP_GOING, "halfway") if seen.seq_num == 40 else None

    RE(watch(bp.count([beam.det], num=80), {"look": judge}, objectives=["det"], record=folder)).result(WAIT)
    text = said("show", "--folder", folder)
    assert "watchdog look: keep going on event 40" in text
    assert text.index("points more; --points 21..") < text.index("halfway") < text.index("..60 shows them ...")
    assert text.startswith("watch + count ")
    assert "the plan that was watched went there" in said("show", "--folder", folder, "--point", 7)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([2.0, 7.5, np.nan]), "3 values from 2 to 7.5"),
        (np.zeros((2, 3)), "2 x 3 values from 0 to 0"),
        ([1, 2], "2 values from 1 to 2"),
        (np.array(["a"]), "1 value"),
        (3.25, "3.25"),
    ],
)
def test_an_array_is_summed_up(values, words):
    assert number(values) == words


@pytest.mark.parametrize(
    "command", [["runs"], ["show", "--folder"], ["replay", "--folder"], ["resume", "last", "--folder"]]
)
def test_the_folder_above_says_where_the_runs_are(scan, folder, command):
    scan()
    run = here(*command, folder.parent)
    assert f"they are in {folder}" in run.output
    empty = folder.parent / "empty"
    empty.mkdir()
    assert "they are in" not in here(*command, empty).output


def test_a_picture_that_cannot_be_written_is_refused_at_once(scan, folder, tmp_path):
    scan()
    for command in ("show", "replay"):
        for file, why in ((tmp_path / "nowhere" / "a.png", "there is no folder"), (tmp_path, "is a folder")):
            run = here(command, "--folder", folder, "--picture", file)
            assert run.exit_code == 1
            assert why in run.stderr
            assert run.stdout == ""


def test_one_point_and_some_points_do_not_go_together(scan, folder):
    scan()
    run = here("show", "--folder", folder, "--point", 1, "--points", "1..2")
    assert run.exit_code == 2
    assert "one of them, please" in run.stderr


def test_the_list_of_single_runs_says_of_which_kind_they_are(scan, folder):
    scan()
    head, *lines = here("runs", folder, "--all").stdout.splitlines()
    assert "kind" in head
    assert {line.split()[4] for line in lines} == {"decisions", "measurement"}


def listed_by_another_process(folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "skysteer.cli", "runs", str(folder), "--json"]
    (line,) = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=150, check=True).stdout)
    return line


class Looking(Sobol):
    # Lists the runs when it knows four points.
    def suggest(self, num_points: int | None = None) -> Any:
        self.questions = getattr(self, "questions", 0) + 1
        if self.questions == 5:
            self.seen = listed_by_another_process(self.folder)
        return super().suggest(num_points)


def test_the_list_says_how_far_a_scan_is_that_is_being_measured(RE, beam, folder):
    looking = Looking(XY)
    looking.folder = folder
    plan = adaptive_scan([beam.det], [beam.x, beam.y], looking, objectives=["det"], max_points=6, record=folder)
    RE(plan).result(WAIT)
    assert (looking.seen["points"], looking.seen["max_points"], looking.seen["state"]) == (4, 6, "running")


def test_the_list_says_how_far_a_plan_is_that_is_being_watched(RE, beam, folder):
    looked: list[dict[str, Any]] = []

    def judge(seen: Any) -> Judgement | None:
        if seen.seq_num == 4:
            looked.append(listed_by_another_process(folder))
            return Judgement(Verdict.ENOUGH, "looked")
        return None

    beam.det.dead_time = 0.02
    RE(watch(bp.count([beam.det], num=5000), {"look": judge}, objectives=["det"], record=folder)).result(WAIT)
    assert looked[0]["state"] == "running"
    assert looked[0]["points"] >= 4
