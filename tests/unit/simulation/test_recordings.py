"""Truths that are made of a recorded run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from skysteer.errors import FieldError, PointError, RecordError, StoreError
from skysteer.model import Axis, Choice, Space
from skysteer.recommenders import Sobol
from skysteer.simulation import Emulator, Recorded, read_recording, simulate
from skysteer.stores import Recorder, runs

Document = tuple[str, dict[str, Any]]
PLACES = np.random.default_rng(0).uniform(-4, 4, size=(40, 2)).round(3).tolist()
POINTS = [{"x": x, "y": y, "det": 50 * np.exp(-(x**2 + y**2) / 8) + 1.0} for x, y in PLACES]


def run_of(
    points: list[dict[str, Any]], *, motors: list[str] | None = None, hints: dict[str, Any] | None = None, **start: Any
) -> list[Document]:
    """The documents of a run, as the engine makes them."""
    motors = ["x", "y"] if motors is None else motors
    keys: dict[str, dict[str, Any]] = {name: {"dtype": "number", "shape": [], "source": "sim"} for name in points[0]}
    keys["x"] |= {"units": "mm", "limits": {"control": {"low": -5.0, "high": 5.0}}}
    keys["det"] |= {"units": "counts"}
    times = dict.fromkeys(points[0], 1.0)
    documents: list[Document] = [
        ("start", {"uid": "run", "time": 1.0, "motors": motors, "detectors": ["det"], **start}),
        (
            "descriptor",
            {"uid": "d", "run_start": "run", "time": 1.0, "name": "primary", "data_keys": keys, "hints": hints or {}},
        ),
    ]
    for number, point in enumerate(points, start=1):
        event = {"uid": str(number), "descriptor": "d", "time": 1.0, "seq_num": number, "data": point}
        documents.append(("event", {**event, "timestamps": times, "filled": {}}))
    return [*documents, ("stop", {"uid": "s", "run_start": "run", "time": 2.0, "exit_status": "success"})]


def write(path: Path, documents: list[Document], line: Callable[[Document], Any]) -> Path:
    path.write_text("".join(json.dumps(line(document)) + "\n" for document in documents))
    return path


def test_a_file_of_documents_says_itself_what_axes_objectives_limits_and_units_are(tmp_path: Path) -> None:
    path = write(tmp_path / "run.jsonl", run_of(POINTS), lambda d: {"name": d[0], "doc": d[1]})
    recording = read_recording(path)
    assert recording.points == tuple(POINTS)
    assert recording.space["x"] == Axis("x", -5.0, 5.0, "mm")  # the motor's limits
    y = recording.space["y"]  # no limits are known: as far as the points reach
    assert y == Axis("y", min(p["y"] for p in POINTS), max(p["y"] for p in POINTS))
    assert (recording.objectives, recording.units, recording.dropped) == (("det",), {"det": "counts"}, 0)


def test_documents_points_and_a_table_give_the_same_points(tmp_path: Path) -> None:
    names: dict[str, Any] = {"axes": ["x", "y"], "objectives": "det"}
    sources = [
        run_of(POINTS),
        POINTS,
        pd.DataFrame(POINTS),
        write(tmp_path / "pairs.jsonl", run_of(POINTS), list),
        str(write(tmp_path / "named.jsonl", run_of(POINTS), lambda d: {"name": d[0], "doc": d[1]})),
    ]
    assert [read_recording(source, **names).points for source in sources] == [tuple(POINTS)] * 5


def test_an_event_that_was_measured_again_counts_once() -> None:
    documents = run_of(POINTS[:3])
    again = ("event", {**documents[3][1], "uid": "again", "data": {**POINTS[1], "det": 7.0}})
    points = read_recording([*documents[:4], again, *documents[4:]]).points
    assert [point["det"] for point in points] == [POINTS[0]["det"], 7.0, POINTS[2]["det"]]


def test_the_start_document_names_the_objectives_of_an_adaptive_scan() -> None:
    points = [{**point, "ring": 300.0} for point in POINTS]
    assert read_recording(run_of(points, objectives=["ring"])).objectives == ("ring",)
    assert read_recording(run_of(points, objectives=["ring"]), objectives=["det"]).objectives == ("det",)


def test_a_motor_whose_data_key_has_another_name_is_found_by_its_hints() -> None:
    documents = run_of(POINTS, motors=["stage_x", "y"], hints={"stage_x": {"fields": ["x"]}})
    recording = read_recording(documents)
    assert list(recording.space) == ["stage_x", "y"]
    assert recording.points[0]["stage_x"] == POINTS[0]["x"]
    assert list(read_recording(documents, axes={"horizontal": "x"}).space) == ["horizontal"]


def test_points_that_are_not_finite_are_left_out_and_counted() -> None:
    bad = [{**POINTS[0], "det": None}, {**POINTS[0], "det": np.nan}, {**POINTS[0], "x": np.inf}]
    recording = read_recording([*POINTS, *bad], axes=["x", "y"], objectives=["det"])
    assert (len(recording.points), recording.dropped) == (40, 3)
    with pytest.raises(PointError, match="has no point with a finite value of x, y, det"):
        read_recording(bad, axes=["x", "y"], objectives=["det"])


def test_words_become_a_choice() -> None:
    points = [{"x": 1.0, "filter": "Cu", "det": 1.0}, {"x": 2.0, "filter": "Al", "det": 2.0}]
    space = read_recording(points, axes=["x", "filter"], objectives="det").space
    assert space["filter"] == Choice("filter", ("Al", "Cu"))


@pytest.mark.parametrize(
    ("source", "options", "error", "words"),
    [
        (POINTS, {}, FieldError, r"say which are axes=\[...\] and .*; the points have: x, y, det"),
        (POINTS, {"axes": ["x", "z"], "objectives": "det"}, FieldError, "point 0 has no z; it has: x, y, det"),
        (run_of(POINTS), {"axes": ["z"]}, FieldError, "axis 'z' is to be read from 'z', which is not there"),
        (run_of(POINTS), {"objectives": "q"}, FieldError, "objective 'q' is to be read from 'q', which is not there"),
        (run_of(POINTS), {"stream": "other"}, FieldError, "a run with events in stream 'other' is needed"),
        (run_of(POINTS, motors=[]), {}, FieldError, r"names no motors or no detectors: say axes=.* of det, x, y"),
        ([{**p, "y": 1.0} for p in POINTS], {"axes": ["y"], "objectives": "det"}, PointError, "axis 'y' is 1.0 at all"),
        (42, {}, TypeError, "a recorded run is a path, documents, points or a table, found a int"),
        ([], {"axes": ["x"], "objectives": "det"}, PointError, "has no point"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_an_error_that_says_what_there_is(
    source: Any, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        read_recording(source, **options)


@pytest.mark.parametrize("line", [list, lambda d: {"name": d[0], "doc": d[1]}], ids=["pairs", "documents"])
def test_a_line_that_is_cut_off_is_left_out_and_a_bad_one_in_the_middle_is_an_error(
    tmp_path: Path, line: Callable[[Document], Any]
) -> None:
    path = write(tmp_path / "d.jsonl", run_of(POINTS), line)
    whole = path.read_text()
    path.write_text(whole + '{"name": "ev')
    assert read_recording(path).points == tuple(POINTS)
    path.write_text(whole.replace('"event"', '"ev', 1))
    with pytest.raises(RecordError, match=r"line 3 .*is no.* document: .*expected"):
        read_recording(path)


@pytest.mark.parametrize(("text", "words"), [("", "has no document; expected a document a line"), ("[", "no document")])
def test_a_file_without_documents_is_an_error(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "d.jsonl").write_text(text)
    with pytest.raises(RecordError, match=words):
        read_recording(tmp_path / "d.jsonl")
    with pytest.raises(StoreError, match=r"nowhere\.jsonl cannot be read: No such file"):
        read_recording(tmp_path / "nowhere.jsonl")


# -- a folder of runs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two runs of forty points and of two, one with an infinity, each with the run of its decisions."""
    with Recorder(tmp_path / "runs") as recorder:
        for number, points in enumerate([POINTS, [*POINTS[:2], {**POINTS[2], "det": np.inf}]]):
            decisions = recorder.begin({"launch": f"launch {number}"})
            for name, doc in run_of(points, skysteer={"launch": f"launch {number}"}):
                shown = {
                    **doc,
                    **{key: f"{doc[key]}{number}" for key in ("uid", "run_start", "descriptor") if key in doc},
                }
                decisions.document(name, shown)
            decisions.end("success", "")
    return tmp_path / "runs"


def test_of_a_folder_of_runs_the_newest_measurement_is_taken_and_of_a_file_that_one(folder: Path) -> None:
    assert read_recording(folder).points == tuple(POINTS[:2])
    assert read_recording(folder).dropped == 1
    first = next(entry for entry in runs(folder) if entry.uid == "run0")
    assert read_recording(first.path).points == tuple(POINTS)
    assert read_recording(str(first.path)).name == first.path.name


def test_decisions_are_no_measurement_and_it_is_said_which_file_is(folder: Path) -> None:
    decisions = next(entry for entry in runs(folder) if entry.kind == "decisions")
    measured = next(entry for entry in runs(folder) if entry.uid == "run0")
    with pytest.raises(RecordError, match=rf"which is run run0: give {re.escape(measured.path.name)}, which is beside"):
        read_recording(decisions.path)
    measured.path.unlink()
    with pytest.raises(RecordError, match="which is run run0: its file is not beside it"):
        read_recording(decisions.path)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="there is no measurement in the folder"):
        read_recording(tmp_path)


# -- the nearest measured point


def test_a_recorded_run_answers_with_the_nearest_point_and_says_how_far_it_was() -> None:
    run = Recorded([{"x": 0.0, "det": 5.0}, {"x": 4.0, "det": 9.0}], axes=["x"], objectives="det")
    assert run({"x": 1.9}) == {"det": 5.0}
    assert run.distance({"x": 3.0}) == pytest.approx(0.25)
    result = simulate(Sobol(Space(Axis("x", 0, 8))), run, budget=16)
    assert set(result.read.tolist()) == {5.0, 9.0}
    # suggestions beyond the recorded region are answered, and their distance is told
    far = max(point.point["x"] for point in result.points)
    assert result.farthest == pytest.approx((far - 4.0) / 4.0)
    assert f"the nearest recorded point was up to {result.farthest:.2g} of the ranges away" in str(result)


def test_the_best_of_a_recorded_run_is_its_best_reading() -> None:
    run = Recorded(POINTS, axes=["x", "y"], objectives="det")
    best = max(point["det"] for point in POINTS)
    assert simulate(Sobol(run.space), run, budget=2).reference == best
    assert simulate(Sobol(run.space), run, budget=2, goal="minimize").reference == min(p["det"] for p in POINTS)


def test_a_map_of_a_recorded_run_is_judged_on_its_points() -> None:
    run = Recorded(POINTS, axes=["x", "y"], objectives="det")
    measured = [{"x": p["x"], "y": p["y"]} for p in POINTS]

    class Replay(Sobol):
        def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
            return [measured.pop(0)]

    result = simulate(Replay(run.space), run, budget=40, goal="map", checkpoints=[20, 40])
    assert result.errors[20] > 0.05
    assert result.errors[40] == pytest.approx(0.0, abs=1e-9)


# -- the emulator


def test_an_emulator_is_close_to_the_truth_between_its_points_and_knows_the_noise() -> None:
    generator = np.random.default_rng(1)
    points = [
        {"x": x, "y": y, "det": float(np.sin(x) + 0.3 * y + generator.normal(0, 0.05))}
        for x, y in generator.uniform(-2, 2, size=(120, 2))
    ]
    emulator = Emulator(points, axes=["x", "y"], objectives="det")
    others = generator.uniform(-1.8, 1.8, size=(50, 2))
    errors = [emulator({"x": x, "y": y})["det"] - (np.sin(x) + 0.3 * y) for x, y in others]
    assert np.sqrt(np.mean(np.square(errors))) < 0.05
    assert emulator.noise["det"] == pytest.approx(0.05, rel=0.3)
    result = simulate(Sobol(emulator.space), emulator, budget=100)
    assert (result.read - result.true).std() == pytest.approx(emulator.noise["det"], rel=0.3)
    assert result.farthest is not None
    assert 0.0 < result.farthest < 0.3


def test_an_emulator_of_counts_counts() -> None:
    emulator = Emulator(POINTS, axes=["x", "y"], objectives="det", counts=True)
    assert emulator({"x": 0.0, "y": 0.0})["det"] == pytest.approx(51, abs=4)
    result = simulate(Sobol(emulator.space), emulator, budget=10)
    assert all(value == int(value) >= 0 for value in result.read)
    with pytest.raises(PointError, match="'det' has the value -1, which is no number of counts"):
        Emulator([*POINTS, {**POINTS[0], "det": -1.0}], axes=["x", "y"], objectives="det", counts=True)


def test_an_emulator_is_the_same_each_time_it_is_made() -> None:
    one, other = (Emulator(POINTS, axes=["x", "y"], objectives="det")({"x": 0.3, "y": 1.0}) for _ in range(2))
    assert one == other


def test_an_emulator_needs_three_points() -> None:
    with pytest.raises(PointError, match="recorded points has 2 points; an emulator needs three or more"):
        Emulator(POINTS[:2], axes=["x", "y"], objectives="det")


def test_readings_that_are_all_the_same_can_be_emulated() -> None:
    flat = Emulator([{**point, "det": 3.0} for point in POINTS], axes=["x", "y"], objectives="det")
    assert flat({"x": 0.0, "y": 0.0})["det"] == pytest.approx(3.0)
