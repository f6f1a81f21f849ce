"""``skysteer runs``, ``show`` and ``replay``: a run is explained to somebody who was not there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import bluesky.plans as bp
import pytest
from typer.testing import CliRunner

from skysteer import Axis, Judgement, Patience, Space, Steering, Verdict, adaptive_runs, adaptive_scan, watch
from skysteer.cli import app
from skysteer.cli._teller import account_of
from skysteer.recommenders import Sequence, Sobol
from skysteer.recommenders.gaussian import GaussianProcess
from skysteer.simulation import Random
from skysteer.stores import JSONLines, Record, Recorder
from skysteer.testing import Dying, Raising, SimulatedBeamline

XY = Space(Axis("x", -5.0, 5.0, units="mm"), Axis("y", -5.0, 5.0, units="mm"))
WAIT = 45.0


def here(*arguments: Any, columns: int = 80) -> Any:
    return CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": str(columns)})


def said(*arguments: Any, columns: int = 80) -> str:
    run = here(*arguments, columns=columns)
    assert run.exit_code == 0, run.output
    return run.stdout


@pytest.fixture
def beam(RE: Any) -> SimulatedBeamline:
    return SimulatedBeamline(RE, seed=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def scan(RE: Any, beam: SimulatedBeamline, folder: Path) -> Any:
    def scan(recommender: Any, points: int = 6, flow: Any = adaptive_scan, **options: Any) -> str:
        plan = flow([beam.det], [beam.x, beam.y], recommender, **{"objectives": ["det"], "max_points": points,
                    "record": folder, **options})  # fmt: skip
        return RE(plan).result(WAIT).plan_result.uids[-1]

    return scan


def peak_finder(seed: int = 0) -> GaussianProcess:
    return GaussianProcess(XY, maximize="det", counts=True, seed=seed)


def in_one_line(text: str) -> str:
    return " ".join(text.split())


# -- runs


def test_a_launch_is_one_line_with_how_far_it_came(scan, folder):
    first, second = scan(peak_finder()), scan(Sobol(XY), 4, adaptive_runs)
    lines = said("runs", folder, columns=120).splitlines()
    assert lines[0].split() == ["begun", "run", "plan", "recommender", "points", "state", "why"]
    assert len(lines) == 3
    assert first[:8] in lines[1]
    assert "adaptive_scan  GaussianProcess" in lines[1]
    assert "6/6  complete  max_points=6 reached" in lines[1]
    assert "adaptive_runs  Sobol" in lines[2]
    assert "4/4  complete" in lines[2]
    assert second[:8] not in lines[2]  # four runs: it is called as their decision run
    everything = said("runs", folder, "--all")
    assert first[:8] in everything
    assert second[:8] in everything
    assert len(everything.splitlines()) == 8


def test_a_plan_that_was_watched_is_one_line_with_its_verdicts_reason(RE, beam, folder):
    plan = watch(
        bp.count([beam.det], num=50, delay=0.02), {"snr": lambda seen: Judgement(Verdict.ENOUGH, "good enough")},
        objectives=["det"], record=folder,
    )  # fmt: skip
    RE(plan).result(WAIT)
    head, line = said("runs", folder, columns=120).splitlines()
    assert "watch + count" in line
    assert "complete  snr: good enough" in line
    assert "recommender" not in head


def test_the_list_as_json_names_all_runs_and_files(scan, folder):
    uid = scan(peak_finder())
    (line,) = json.loads(said("runs", folder, "--json"))
    assert (line["uid"], line["points"], line["max_points"], line["state"]) == (uid, 6, 6, "complete")
    assert len(line["runs"]) == len(line["files"]) == 2


def test_the_list_fits_into_80_columns(scan, folder):
    scan(peak_finder())
    assert all(len(line) <= 80 for line in said("runs", folder).splitlines())


def test_of_many_runs_the_newest_are_listed(RE, beam, folder):
    recorder = Recorder(folder)
    token = RE.subscribe(recorder)
    for _ in range(3):
        RE(bp.count([beam.det])).result(WAIT)
    RE.unsubscribe(token)
    recorder.close().result(WAIT)
    text = said("runs", folder, "--limit", "2")
    assert "the newest 2 of 3" in text
    assert text.count("complete") == 2


def test_what_was_cut_off_says_how_to_go_on(scan, folder):
    uid = scan(peak_finder())
    cut_off(folder)
    text = said("runs", folder)
    assert "cut off" in text
    assert f"skysteer resume {uid[:8]} --folder {folder} goes on" in in_one_line(text)


def test_an_empty_folder_is_no_error_and_a_missing_one_is(folder, tmp_path, monkeypatch):
    JSONLines(folder).close()
    assert "no runs in" in said("runs", folder)
    monkeypatch.chdir(tmp_path)
    for arguments in (["runs"], ["runs", "nowhere"], ["show"]):
        run = here(*arguments)
        assert run.exit_code == 1
        assert "skysteer-runs" in run.stderr or "nowhere" in run.stderr


def cut_off(folder: Path) -> None:
    """As if the process had been killed: no stop documents."""
    for path in folder.glob("2*.jsonl"):
        lines = path.read_bytes().splitlines(keepends=True)
        assert b'"stop"' in lines[-1][:20]
        path.write_bytes(b"".join(lines[:-1]))
    (folder / "index.jsonl").unlink()


# -- show


def test_every_point_says_why_it_was_measured(scan, folder):
    uid = scan(peak_finder(), initial=[{"x": 0.0, "y": 0.0}], lookahead=1, md={"sample": "copper 12"})
    text = said("show", "--folder", folder)
    assert text.startswith(f"adaptive_scan {uid}\n")
    assert "GaussianProcess (skysteer " in text
    assert "looking for the highest det" in in_one_line(text)
    assert "x from -5 to 5 mm; y from -5 to 5 mm" in text
    assert "sample: copper 12" in text
    assert "-- the scan ended, success: max_points=6 reached" in text
    assert [line for line in text.splitlines() if len(line) > 80] == []
    wide = said("show", "--folder", folder, columns=170)
    rows = [line for line in wide.splitlines() if re.match(r" *\d+  +\d+\.\d\d ", line)]
    assert len(rows) == 6
    assert rows[0].endswith("given at the start")
    assert rows[1].endswith("before the model leads, 2 of 5; knew nothing, 1 on the way")
    assert rows[5].endswith(
        "emptiest place, as nothing stands out and the readings look like noise; knew 4, 1 on the way"
    )
    assert "what the one who suggested this place said of it" in in_one_line(text)
    assert "thought" in wide
    assert "\x1b" not in text  # plain where it is no terminal


def test_of_a_recommender_that_does_not_say_why_the_question_is_named(scan, folder):
    scan(Random(XY, seed=0), 3)
    text = said("show", "--folder", folder, columns=120)
    rows = [line for line in text.splitlines() if re.match(r" *\d+  +\d+\.\d\d ", line)]
    assert [row.rpartition("  ")[2] for row in rows] == [
        "question 1; knew nothing", "question 2; knew 1", "question 3; knew 2",
    ]  # fmt: skip
    assert "the question that the recommender answered with this place" in in_one_line(text)


def test_where_there_are_few_columns_a_point_has_two_lines(scan, folder):
    scan(peak_finder(), 3)
    lines = said("show", "--folder", folder, columns=60).splitlines()
    (head,) = [n for n, line in enumerate(lines) if line.endswith("where, and why there")]
    (end,) = [n for n, line in enumerate(lines) if "the scan ended" in line]
    assert all(len(line) <= 60 for line in lines[head:end])
    (first,) = [n for n, line in enumerate(lines) if re.match(r" *2  +\d+\.\d\d  x = ", line)]
    assert "emptiest place before the model" in lines[first + 1]


def test_each_point_of_a_batch_has_its_own_reason(scan, folder):
    scan(Sequence([{"x": 1.0, "y": 1.0}, {"x": 2.0, "y": 2.0}]), 2, batch=2)
    rows = [line for line in said("show", "--folder", folder, columns=140).splitlines() if "of the 2 given" in line]
    assert [row.rpartition("  ")[2] for row in rows] == [
        "question 1 (1 of 2): point 1 of the 2 given",
        "question 1 (2 of 2): point 2 of the 2 given; knew nothing",
    ]


def test_what_was_decided_in_between_is_in_its_place(scan, beam, folder):
    beam.det.fail_at = {2}
    scan(Raising(Sobol(XY), at=4), patience=Patience(timeout=20.0, on_timeout="fallback", fallback=Random(XY, seed=0)))
    lines = said("show", "--folder", folder, columns=140).splitlines()
    given_up = next(n for n, line in enumerate(lines) if "* given up: x = " in line)
    assert "det: trigger 2 failed" in lines[given_up]
    assert re.match(r" *1 .*Sobol sequence, number 1", lines[given_up - 1])
    failed = next(n for n, line in enumerate(lines) if "* the recommender failed: " in line)
    assert re.match(r" *3 .*the fallback; knew 2", lines[failed + 1])
    assert "1 question without an answer" in " ".join(lines)


def test_a_worker_that_died_is_told_of(scan, folder, tmp_path):
    scan(Dying(Sobol(XY), at=2, once=tmp_path / "died"), 3, worker="process")
    assert "the worker process died in suggest and was replaced (for the first time)" in in_one_line(
        said("show", "--folder", folder)
    )


def test_a_resumed_scan_is_told_as_one(scan, folder):
    first = scan(peak_finder(), 3)
    second = scan(peak_finder(), 6, resume="last")
    text = in_one_line(said("show", "--folder", folder, columns=140))
    assert f"resumed {first[:8]} -> {second[:8]}" in text
    assert f"run {second[:8]} goes on where run {first[:8]} ended" in text
    assert "came to 6 points" in text
    assert f"resumed by {second[:8]}" in said("runs", folder, columns=140)
    assert "another run went on from here" in said("show", first, "--folder", folder)


def test_a_point_that_was_measured_and_not_told_is_shown(scan, folder):
    scan(peak_finder())
    cut_off(folder)
    (decisions,) = folder.glob("*.decisions.jsonl")
    lines = decisions.read_bytes().splitlines(keepends=True)
    sixth = next(n for n, line in enumerate(lines) if b'"number":5,' in line)
    decisions.write_bytes(b"".join(lines[:sixth]))
    text = in_one_line(said("show", "--folder", folder, columns=120))
    assert "came to 6 points" in text
    assert "the readings look like noise; not told any more" in text


def test_an_event_that_was_measured_again_is_no_point_of_its_own(scan, folder):
    scan(peak_finder())
    record = Record.read(folder)
    newest = record.told[-1]
    again = account_of(replace(record, decisions=(*record.decisions, replace(newest, replay=True))))
    assert len(again.points) == 6
    assert [each.kind for each in again.remarks] == ["again", "end"]


def test_verdicts_and_people_are_named_between_the_points(RE, beam, folder):
    steering = Steering()

    def judge(observation):
        if observation.seq_num == 2:
            steering.request(Verdict.HOLD, "beam dump announced", author="anna")
            steering.request(Verdict.KEEP_GOING, "beam is back", author="anna")
        return Judgement(Verdict.ENOUGH, "good enough") if observation.seq_num == 4 else None

    beam.det.dead_time = 0.05
    plan = watch(bp.count([beam.det], num=50), {"snr": judge}, objectives=["det"], steering=steering, record=folder)
    RE(plan).result(WAIT)
    text = in_one_line(said("show", "--folder", folder, columns=140))
    assert "anna asked for 'hold': beam dump announced" in text
    assert re.search(r"watchdog snr: enough on event 4, [\d.]+ m?s after it: good enough", text)
    assert text.count("good enough") >= 2  # and in how it ended
    assert "watchdog snr" in text
    assert "times steered by hand" in text


def test_one_point_is_audited_with_all_that_was_known(scan, folder):
    uid = scan(peak_finder(), 9)
    text = in_one_line(said("show", "--folder", folder, "--point", 8))
    assert f"point 8 of run {uid[:8]}" in text
    assert "GaussianProcess suggested it" in text
    assert "(question 8)" in text
    assert "It said of this point: " in text
    assert "It looks for the highest det." in text
    assert "it knew 7 points; the newest 5:" in text
    assert "the best reading of these: point" in text
    assert "nothing: no other point was being measured" in text
    assert re.search(r"state [0-9a-f]{32}", text)
    facts = json.loads(said("show", "--folder", folder, "--point", 8, "--json"))
    assert [each["number"] for each in facts["known"]] == list(range(1, 8))
    assert facts["asked_for"].keys() == {"x", "y"}
    assert facts["told"] == 7


def test_a_point_that_is_not_there_is_an_error(scan, folder):
    scan(peak_finder())
    for arguments in (["--point", 7], ["--points", "9..12"], ["--points", "a..b"]):
        run = here("show", "--folder", folder, *arguments)
        assert run.exit_code == 1
        assert "points 1 to 6" in run.stderr or "must be N..M" in run.stderr


def test_of_many_points_the_first_and_the_last_are_shown(scan, folder):
    scan(Sobol(XY), 70)
    text = said("show", "--folder", folder)
    assert "... 30 points more; --points 21..50 shows them ..." in text
    middle = said("show", "--folder", folder, "--points", "21..23")
    assert len(re.findall(r"Sobol sequence, number 2[123]\n", middle)) == 3
    assert len(json.loads(said("show", "--folder", folder, "--json"))["timeline"]) == 71


def test_json_has_every_point_and_remark(scan, folder):
    uid = scan(peak_finder(), lookahead=1)
    facts = json.loads(said("show", uid[:8], "--folder", folder, "--json"))
    assert facts["measured"] == 6
    assert facts["units"] == {"x": "mm", "y": "mm", "det": "counts"}
    points = [each for each in facts["timeline"] if each["kind"] == "point"]
    assert [each["number"] for each in points] == [1, 2, 3, 4, 5, 6]
    assert points[3]["told"] == 2
    assert len(points[3]["pending"]) == 1


def test_a_run_without_decisions_shows_what_there_is(RE, beam, folder):
    recorder = Recorder(folder)
    token = RE.subscribe(recorder)
    RE(bp.scan([beam.det], beam.x, -1, 1, 3)).result(WAIT)
    RE.unsubscribe(token)
    recorder.close().result(WAIT)
    text = in_one_line(said("show", "--folder", folder))
    assert "recorded without decisions" in text
    assert "came to 3 points" in text


def test_a_run_that_is_cut_off_is_shown_to_where_it_came(scan, folder):
    scan(peak_finder())
    cut_off(folder)
    text = in_one_line(said("show", "--folder", folder))
    assert "cut off: the process ended here without closing the run" in text
    assert "has no stop document" in text


def test_a_run_that_is_being_measured_is_shown_as_far_as_it_is(RE, beam, folder):
    looked: list[str] = []

    def judge(observation):
        if observation.seq_num == 4:
            command = [sys.executable, "-m", "skysteer.cli", "show", "--folder", str(folder)]
            looked.append(subprocess.run(command, capture_output=True, text=True, timeout=150, check=False).stdout)
            return Judgement(Verdict.ENOUGH, "looked")
        return None

    beam.det.dead_time = 0.02
    RE(watch(bp.count([beam.det], num=5000), {"look": judge}, objectives=["det"], record=folder)).result(WAIT)
    assert "it is still being measured: this is what is on record so far" in in_one_line(looked[0])


def test_a_run_that_is_not_there_says_which_there_are(scan, folder):
    uid = scan(peak_finder())
    run = here("show", "deadbeef", "--folder", folder)
    assert run.exit_code == 1
    assert "there is no run 'deadbeef'" in run.stderr
    assert uid[:8] in run.stderr


def test_pictures_are_written(scan, beam, folder, tmp_path):
    beam.det.fail_at = {2}
    scan(peak_finder(), 3, lookahead=1)
    scan(peak_finder(), 6, resume="last", lookahead=1)
    text = said("show", "--folder", folder, "--picture", tmp_path / "run.png")
    assert f"picture: {tmp_path / 'run.png'}" in text
    assert (tmp_path / "run.png").read_bytes()[:4] == b"\x89PNG"


# -- replay


def test_the_recommender_on_record_is_made_again_and_suggests_the_same(scan, folder, tmp_path):
    for recommender in (peak_finder(3), Sobol(XY), Random(XY, seed=5)):
        uid = scan(recommender)
        assert said("replay", uid, "--folder", folder).startswith("6 of 6 suggestions are the same")
    run = here("replay", uid, "--folder", folder, "--seed", 4, "--picture", tmp_path / "both.png")
    assert run.exit_code == 3
    assert "the first difference is at point 1: recorded x = " in run.stdout
    assert "seed: recorded 5, now 4" in run.stdout
    assert (tmp_path / "both.png").read_bytes()[:4] == b"\x89PNG"


def test_another_recommender_is_asked_what_it_would_have_done(scan, folder):
    scan(Sobol(XY))
    text = said("replay", "--folder", folder, "--recommender", "gaussian")
    assert text.startswith("GaussianProcess in place of Sobol: ")
    facts = json.loads(said("replay", "--folder", folder, "--recommender", "random", "--json"))
    assert facts["recommender"] == "Random"
    assert len(facts["steps"]) == 6


def test_one_that_cannot_be_made_from_its_record_is_to_be_named(scan, folder, tmp_path):
    scan(Sequence([{"x": 1.0, "y": 0.0}, {"x": 2.0, "y": 0.0}], space=XY))
    run = here("replay", "--folder", folder)
    assert run.exit_code == 1
    assert "Sequence of run" in run.stderr
    assert "--recommender path/to/file.py:function" in run.stderr
    file = tmp_path / "mine.py"
    file.write_text(
        "from skysteer.recommenders import Sequence\n"
        "def make(space):\n"
        "    return Sequence([{'x': 1.0, 'y': 0.0}, {'x': 2.0, 'y': 0.0}], space=space)\n"
    )
    assert "2 of 2 suggestions are the same" in said("replay", "--folder", folder, "--recommender", f"{file}:make")


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom skysteer.cli import app\n"
        "for name in ('runs', 'show', 'replay'):\n"
        "    assert CliRunner().invoke(app, [name, '--help']).exit_code == 0\n"
        "print([name for name in ('bluesky', 'matplotlib', 'scipy', 'event_model') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=150, check=False)
    assert run.stdout.strip() == "[]", run.stdout + run.stderr
