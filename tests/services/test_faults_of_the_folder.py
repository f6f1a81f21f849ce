"""Disks that are full, processes that share a folder, clocks that step back, and what cannot be resumed."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from skysteer.stores import runs

from ._lives import Lives, World, stop, until

pytestmark = pytest.mark.timeout(120)

MOMENTS = 30


@contextmanager
def said(seed: Any, *lives: Lives) -> Iterator[None]:
    """Name the seed and the folders of what goes wrong."""
    try:
        yield
    except BaseException as exc:
        exc.add_note(f"seed {seed!r}, everything is in {[each.job.notes for each in lives]}, {lives[0].job.folder}")
        raise


# ------------------------------------------------------------ a full disk


def mounted(where: Path, options: str) -> bool:
    """Mount a file system in memory, where one may."""
    return not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(where)], capture_output=True, check=False
    ).returncode


def unmounted(where: Path) -> None:
    subprocess.run(["umount", str(where)], check=True)


def may_mount() -> bool:
    where = Path(tempfile.mkdtemp())
    try:
        if found := mounted(where, "size=64k"):
            unmounted(where)
        return found
    except OSError:
        return False
    finally:
        where.rmdir()


class SmallDisk:
    """A file system of half a megabyte, full but for so many bytes; the first 64 KiB are asked for at the start."""

    complaint = "No space left"

    def __init__(self, path: Path, room: int) -> None:
        self.folder = path / f"runs-{room}"
        self.job: dict[str, Any] = {}
        self._filler = path / "filler"
        free = shutil.disk_usage(path).free
        with self._filler.open("wb") as file:
            file.write(b"x" * (free - room // 4096 * 4096))

    def make_room(self, pid: int | None) -> None:
        self._filler.unlink()


class SmallFiles:
    """A process whose files may have some bytes: works for everybody."""

    complaint = "File too large"

    def __init__(self, path: Path, room: int) -> None:
        self.folder = path / f"runs-{room}"
        self.job: dict[str, Any] = {"file_limit": room}

    def make_room(self, pid: int | None) -> None:
        if pid is not None:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


KINDS = [SmallFiles, *([SmallDisk] if may_mount() else [])]


@pytest.fixture(params=KINDS)
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[int], Any]]:
    """Makes what is soon full."""
    if request.param is SmallFiles:
        yield lambda room: SmallFiles(tmp_path, room)
        return
    assert mounted(tmp_path, "size=512k")
    try:
        yield lambda room: SmallDisk(tmp_path, room)
    finally:
        unmounted(tmp_path)


def test_a_full_disk_holds_the_scan_until_there_is_room(world: World, small: Callable[[int], Any]) -> None:
    """It goes on by itself, or is killed while it is held, and resumed. Nothing is missing, nothing doubled."""
    job: dict[str, Any] = {"points": 45, "options": {"batch": 2, "lookahead": 1}}
    expected = world.undisturbed(**job)
    for number in range(MOMENTS // len(KINDS)):
        moments = random.Random(f"full {number}")
        disk = small(moments.randint(70_000, 100_000))
        lives = world.lives(disk.folder, **job)
        printed = Path(lives.job.notes) / "printed"
        with said(f"full {number}", lives):
            pid = lives.start(**disk.job)
            until(lambda printed=printed, disk=disk: disk.complaint in printed.read_text(), "the complaint")
            time.sleep(0.1)  # it would be over by now
            held = len(lives.triggers())
            assert held < 45
            assert held <= len(lives.trajectory()) + 2, "measured on, though nothing can be written"
            if number % 2:
                os.kill(pid, signal.SIGKILL)
            disk.make_room(None if number % 2 else pid)
            if not lives.ended(world.nest.wait(pid)):
                assert lives.live()
            lives.check(expected, lost=lives.kills)
            assert printed.read_text().count(disk.complaint) <= 3, "a warning again and again"
            shutil.rmtree(disk.folder)


# ------------------------------------------------------------ several processes


def test_two_processes_record_into_one_folder_are_killed_and_resumed(world: World) -> None:
    job: dict[str, Any] = {"points": 10, "options": {"lookahead": 1}}
    expected = [world.undisturbed(seed=seed, **job) for seed in (1, 2)]
    messages = world.size("messages", seed=1, **job)
    kills = number = 0
    while kills < MOMENTS:
        moments = random.Random(f"two {number}")
        first = world.lives(seed=1, **job)
        second = world.lives(first.job.folder, seed=2, **job)
        with said(f"two {number}", first, second):
            left = [first, second]
            for life in range(8):
                deaths = [{"message": moments.randint(1, messages)} if life < 4 else {} for _ in left]
                pids = [each.start(die) for each, die in zip(left, deaths, strict=True)]
                left = [each for each, pid in zip(left, pids, strict=True) if not each.ended(world.nest.wait(pid))]
                if not left:
                    break
            first.check(expected[0])
            second.check(expected[1])
            assert {entry.uid for entry in runs(first.job.folder)} == {run.start["uid"] for run in first.folder.runs}
        kills, number = kills + first.kills + second.kills, number + 1


def test_of_two_that_resume_the_same_one_goes_on_and_the_other_is_told(world: World) -> None:
    job: dict[str, Any] = {"points": 10}
    expected, messages = world.undisturbed(**job), world.size("messages", **job)
    for number in range(MOMENTS):
        moments = random.Random(f"same {number}")
        first = world.lives(**job)
        second = world.lives(first.job.folder, **job)
        with said(f"same {number}", first, second):
            assert not first.live({"message": moments.randint(messages // 3, messages - 5)})
            before, resume = len(first.triggers()), first.newest()
            pids = [each.start(resume=resume) for each in (first, second)]
            ends = [world.nest.wait(pid) for pid in pids]
            errors = [end.outcome["error"] for end in ends]
            assert sorted(errors, key=str) == [None, "ResumeError"], [end.outcome for end in ends]
            winner, loser = (first, second) if errors[0] is None else (second, first)
            told = ends[errors.index("ResumeError")].outcome
            assert "goes on already in" in told["text"] or "taken over" in told["text"]
            assert told["motors"] == [0.0, 0.0]
            assert len(loser.triggers()) == (before if loser is first else 0)
            assert winner.trajectory() == expected
            assert winner.ended(ends[errors.index(None)])


# ------------------------------------------------------------ the clock


@pytest.mark.parametrize("job", [{"options": {"lookahead": 1}}, {"flow": "runs", "points": 8}], ids=["scan", "runs"])
def test_a_clock_that_steps_back_changes_nothing(world: World, job: dict[str, Any]) -> None:
    """In the middle of a scan, and between a crash and its resume."""
    expected, messages = world.undisturbed(**job), world.size("messages", **job)
    kills = number = 0
    while kills < MOMENTS // 2:
        moments, lives, by = random.Random(f"clock {number}"), world.lives(**job), 0
        with said(f"clock {number}", lives):
            for life in range(7):
                death = {"message": moments.randint(1, messages)} if life < 6 else {}
                step: dict[str, Any] = {"by": by - 3600}
                if moments.random() < 0.5:
                    step["message"] = moments.randint(1, messages)
                if lives.live(death, clock=step):
                    break
                by -= 3600
            lives.check(expected)
            chain = [run.start["uid"] for run in lives.chain()]
            assert [entry.uid for entry in runs(lives.job.folder) if entry.uid in chain] == chain
        kills, number = kills + lives.kills, number + 1


# ------------------------------------------------------------ what cannot be resumed


def refused(lives: Lives, **other: Any) -> str:
    """The words of the refusal; nothing has moved, and nothing was written."""
    files, before = contents(lives), len(lives.triggers())
    outcome = lives.nest.wait(lives.start(**other)).outcome
    assert outcome["error"] in ("ResumeError", "PreflightError"), outcome
    assert outcome["motors"] == [0.0, 0.0]
    assert len(lives.triggers()) == before
    assert outcome["threads"] == []
    assert contents(lives) == files
    return outcome["text"]


def contents(lives: Lives) -> dict[str, bytes]:
    return {run.path.name: run.path.read_bytes() for run in lives.folder.runs}


@pytest.fixture
def cut_off(world: World) -> Lives:
    """A scan that was killed in the middle."""
    lives = world.lives(points=8)
    assert not lives.live({"message": world.size("messages", points=8) // 2})
    return lives


def test_a_complete_run_is_not_resumed(world: World) -> None:
    lives = world.lives(points=4)
    assert lives.live()
    words = refused(lives)
    assert "complete" in words
    assert "4 of 4 points" in words


def test_more_points_may_be_asked_of_a_complete_run(world: World) -> None:
    lives = world.lives(points=4)
    assert lives.live()
    assert lives.live(points=8)
    assert lives.trajectory() == world.undisturbed(points=8)


def test_a_run_that_is_still_measured_is_not_resumed(world: World) -> None:
    lives = world.lives(points=200, dead_time=0.05)
    pid = lives.start()
    try:
        until(lambda: lives.chain() and lives.trajectory(), "a point")
        stop(pid)  # it is as much alive as before, and the files do not grow
        words = refused(lives)
        assert str(pid) in words
        assert os.uname().nodename in words
    finally:
        os.kill(pid, signal.SIGKILL)
    assert not lives.ended(world.nest.wait(pid))
    assert lives.live(points=len(lives.trajectory()) + 2)


def test_another_recommender_does_not_go_on(cut_off: Lives) -> None:
    words = refused(cut_off, recommender="sobol")
    assert "Hashed" in words
    assert "Sobol" in words


def test_another_seed_does_not_go_on(cut_off: Lives) -> None:
    words = refused(cut_off, seed=7)
    assert "seed" in words
    assert "7" in words


def test_another_space_does_not_go_on(cut_off: Lives) -> None:
    words = refused(cut_off, reach=4.0)
    assert "4" in words
    assert "5" in words
    assert "mm" in words


def test_another_flow_does_not_go_on(cut_off: Lives) -> None:
    words = refused(cut_off, flow="runs")
    assert "adaptive_scan" in words
    assert "adaptive_runs" in words


def test_what_is_not_on_record_is_not_resumed(cut_off: Lives) -> None:
    files = contents(cut_off)
    outcome = cut_off.nest.wait(cut_off.start(resume="0123abcd")).outcome
    assert outcome["error"] in ("RecordError", "PreflightError")
    assert "0123abcd" in outcome["text"]
    assert contents(cut_off) == files


def test_a_run_that_was_resumed_names_the_newest(cut_off: Lives, world: World) -> None:
    first = cut_off.newest()
    assert cut_off.live()
    newest = cut_off.newest()
    words = refused(cut_off, resume=first)
    assert newest is not None
    assert newest[:8] in words


def test_a_stop_document_that_never_came_is_written_when_the_run_goes_on(cut_off: Lives, world: World) -> None:
    """It says what is true: the process ended."""
    decisions = cut_off.chain()[0]
    [measurement] = cut_off.folder.measured(decisions)
    assert (decisions.stop, measurement.stop) == (None, None)
    events = len(measurement.events("primary"))
    assert cut_off.live()
    decisions = cut_off.chain()[0]
    [measurement] = cut_off.folder.measured(decisions)
    for run in (decisions, measurement):
        assert run.stop is not None
        assert run.stop["exit_status"] == "fail"
        assert "ended without closing this run" in run.stop["reason"]
    assert measurement.stop["num_events"]["primary"] == events
    cut_off.check(world.undisturbed(points=8))
