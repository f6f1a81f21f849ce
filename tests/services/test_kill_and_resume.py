"""Whatever is killed, and whenever: the scan is resumed and goes the way it would have gone.

Every test draws its moments from a seed, and says it when it fails.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from skysteer.stores import Record, resume_from

from ._lives import ONE_THREAD, Folder, Lives, World, lines, until

pytestmark = pytest.mark.timeout(120)

MOMENTS = 30
"""Kills that a fault is tried with at least, in all its tests together."""

SCANS: dict[str, dict[str, Any]] = {
    "one by one": {},
    "batches": {"points": 13, "options": {"batch": 3}},
    "looking ahead": {"options": {"batch": 2, "lookahead": 3}},
    "looking ahead, slowly": {"options": {"batch": 1, "lookahead": 1}, "think": 0.003},
    "one run a point": {"flow": "runs", "points": 8},
    "one run a point, looking ahead": {"flow": "runs", "points": 8, "options": {"batch": 1, "lookahead": 2}},
    "initial points": {"options": {"initial": [{"x": 1.0, "y": 2.0}, {"x": -3.0, "y": 0.5}], "lookahead": 1}},
    "points that fail": {"points": 10, "bad": (1.0, 3.0), "options": {"batch": 2, "lookahead": 1}},
}


@contextmanager
def said(seed: Any, lives: Lives) -> Iterator[None]:
    """Name the seed and the folder of what goes wrong."""
    try:
        yield
    except BaseException as exc:
        exc.add_note(f"seed {seed!r}, {lives.kills} kills so far, everything is in {Path(lives.job.notes).parent}")
        raise


def killed_again_and_again(
    world: World, job: Mapping[str, Any], kills: int, death: Callable[[random.Random], dict[str, Any]]
) -> None:
    """Kill a scan and what resumes it, up to six times a scan, until there were so many kills."""
    expected, done, number = world.undisturbed(**job), 0, 0
    while done < kills:
        seed, lives = f"{json.dumps(job)} {number}", world.lives(**job)
        moments = random.Random(seed)
        with said(seed, lives):
            lives.live_through(death(moments) for _ in range(6))
            lives.check(expected)
        done, number = done + lives.kills, number + 1
    assert world.nest.orphans() == []


@pytest.mark.parametrize("job", SCANS.values(), ids=SCANS)
def test_killed_at_a_random_message_and_resumed_it_goes_the_same_way(world, job):
    messages = world.size("messages", **job)
    killed_again_and_again(world, job, 8, lambda moments: {"message": moments.randint(1, messages)})


@pytest.mark.parametrize("job", SCANS.values(), ids=SCANS)
def test_killed_in_the_middle_of_a_write_and_resumed_it_goes_the_same_way(world, job):
    writes = world.size("writes", **job)

    def death(moments):
        return {"write": moments.randint(1, writes), "part": moments.choice([0.0, 1.0, moments.random()])}

    killed_again_and_again(world, job, 5, death)


@pytest.mark.parametrize("recommender", ["sobol", "gaussian"])
def test_our_own_recommenders_go_the_same_way(world, recommender):
    job = {"recommender": recommender, "points": 14, "options": {"lookahead": 1}}
    messages = world.size("messages", **job)
    killed_again_and_again(world, job, 6, lambda moments: {"message": moments.randint(1, messages)})


def test_killed_from_outside_at_a_random_time_and_resumed_it_goes_the_same_way(world):
    job = {"options": {"batch": 2, "lookahead": 2}, "dead_time": 0.002, "think": 0.002}
    seconds = world.size("seconds", **job)
    killed_again_and_again(world, job, MOMENTS, lambda moments: {"after": moments.uniform(0, 0.8 * seconds)})


# ------------------------------------------------------------ the recommender's process


IN_A_PROCESS = {"points": 16, "options": {"worker": "process", "lookahead": 1}}


@pytest.mark.parametrize("method", ["ingest", "suggest"])
def test_a_worker_that_is_killed_in_a_call_is_replaced_and_the_scan_goes_the_same_way(world, method):
    expected = world.undisturbed(**{**IN_A_PROCESS, "options": {"lookahead": 1}})
    died = number = 0
    while died < MOMENTS:
        seed = f"{method} {number}"
        # The third death in one call ends the scan, as it should: every second call, at most.
        deaths = [[method, 2 * place] for place in random.Random(seed).sample(range(1, 12), 7)]
        lives = world.lives(**IN_A_PROCESS, worker_deaths=deaths)
        with said(seed, lives):
            assert lives.live()
            lives.check(expected)
            restarts = len(processes(lives)) - 1
            assert restarts >= 5
            assert len(replaced(lives)) == restarts, "a death that is not on record"
        died, number = died + restarts, number + 1
    assert world.nest.orphans() == []


def test_a_worker_that_is_killed_at_a_random_time_is_replaced_and_the_scan_goes_the_same_way(world):
    """By somebody else, such as the kernel when memory is short."""
    job = {**IN_A_PROCESS, "dead_time": 0.02, "think": 0.01}
    expected = world.undisturbed(**{**IN_A_PROCESS, "options": {"lookahead": 1}})
    killed = number = 0
    while killed < 12:
        seed, lives = f"worker {number}", world.lives(**job)
        killer = Killer(lives, random.Random(seed))
        with said(seed, lives):
            killer.start()
            try:
                assert lives.live()
            finally:
                killer.over.set()
                killer.join()
            lives.check(expected)
            # The last may have died after the last call: nobody needed it any more.
            assert len(killer.victims) - 1 <= len(replaced(lives)) <= len(killer.victims)
        killed, number = killed + len(killer.victims), number + 1
    assert world.nest.orphans() == []


class Killer(threading.Thread):
    """Kills the worker of a scan, whenever; but not two that have not yet answered one after the other.

    A call in which the third worker dies ends the scan, as it should.
    """

    def __init__(self, lives: Lives, moments: random.Random) -> None:
        super().__init__()
        self.over = threading.Event()
        self.victims: list[int] = []
        self._lives, self._moments = lives, moments

    def run(self) -> None:
        patient = True
        while not self.over.wait(self._moments.uniform(0.0, 0.08)):
            calls = lines(Path(self._lives.job.notes) / "calls.jsonl")
            newest = calls[-1]["pid"] if calls else None
            answered = sum(call["pid"] == newest and call["call"] == "suggest" for call in calls) >= 2
            if newest is None or newest in self.victims or not (answered or patient):
                continue
            with suppress(ProcessLookupError):
                os.kill(newest, signal.SIGKILL)
                self.victims.append(newest)
                patient = answered


def test_with_a_worker_process_the_whole_is_killed_and_resumed(world):
    """And the worker, at some calls, too; no process is left of either."""
    expected = world.undisturbed(**{**IN_A_PROCESS, "options": {"lookahead": 1}})
    messages = world.size("messages", **IN_A_PROCESS)
    killed = number = 0
    while killed < 12:
        seed = f"whole {number}"
        moments = random.Random(seed)
        deaths = [["ingest", moments.randint(2, 20)], ["suggest", moments.randint(2, 20)]]
        lives = world.lives(**IN_A_PROCESS, worker_deaths=deaths)
        with said(seed, lives):
            lives.live_through({"message": moments.randint(messages // 5, messages)} for _ in range(6))
            lives.check(expected)
        killed, number = killed + lives.kills, number + 1
    assert world.nest.orphans() == []


def processes(lives: Lives) -> list[int]:
    """Pids of the recommender's processes, in order."""
    return list(dict.fromkeys(line["pid"] for line in lines(Path(lives.job.notes) / "calls.jsonl")))


def replaced(lives: Lives) -> list[dict[str, Any]]:
    return [event["data"] for run in lives.chain() for event in run.events("workers")]


# ------------------------------------------------------------ power cuts


def test_after_a_power_cut_that_leaves_what_was_synced_it_goes_the_same_way(world):
    """Files end anywhere behind what was synced, in the middle of a line too; a measurement never knows more
    than its decisions, which are synced before."""
    job = {"points": 14, "options": {"batch": 2, "lookahead": 2}}
    expected, messages = world.undisturbed(**job), world.size("messages", **job)
    for number in range(MOMENTS):
        seed, lives = f"power {number}", world.lives(**job)
        moments = random.Random(seed)
        with said(seed, lives):
            if lives.live({"message": moments.randint(messages // 8, messages)}):
                continue
            lost = cut_power(lives, moments)
            assert lives.live()
            lives.check(expected, lost)


def cut_power(lives: Lives, moments: random.Random) -> int:
    """Take from the files what a power cut may take; how many measured points that were."""
    before = len(lives.identities())
    synced: dict[str, int] = {}
    written: list[tuple[str, int]] = []
    for what, name, size in map(json.loads, (Path(lives.job.notes) / "writes.jsonl").read_text().splitlines()):
        if what == "synced":
            synced[name] = size
        else:
            written.append((name, size))
    last = moments.randrange(len(written))
    for path in lives.folder.path.iterdir():
        sizes = [size for name, size in written[: last + 1] if name == path.name]
        least, size = synced.get(path.name, 0), path.stat().st_size
        if "decisions" in path.name:
            least = max([least, *sizes])
            keep = moments.randint(least, size)
        else:
            keep = moments.randint(least, max([least, *sizes]))
        if keep or moments.random() < 0.5:
            with path.open("rb+") as file:
                file.truncate(keep)
        else:
            path.unlink()  # the folder was not synced either
    return before - len(lives.identities())


def test_files_that_end_anywhere_lose_no_more_than_what_is_cut_off(world):
    """Also where a measurement knows more than its decisions: every event on disk is told once, and it goes on."""
    job = {"points": 12, "options": {"batch": 2, "lookahead": 2}}
    messages = world.size("messages", **job)
    for number in range(MOMENTS):
        seed, lives = f"anywhere {number}", world.lives(**job)
        moments = random.Random(seed)
        with said(seed, lives):
            if lives.live({"message": moments.randint(messages // 4, messages)}):
                continue
            for path in lives.folder.path.iterdir():
                content = path.read_bytes()
                start = content.find(b"\n") + 1
                path.write_bytes(content[: moments.randint(start, len(content))])
            kept = lives.trajectory()
            assert lives.live()
            assert lives.trajectory()[: len(kept)] == kept
            assert Counter(lives.identities()).most_common(1)[0][1] == 1
            assert len(lives.identities()) == 12
            assert [(p["x"], p["y"]) for p in list(lives.ingested().values())[-1]] == lives.trajectory()


def test_a_file_that_ends_at_any_byte_of_its_last_two_lines_counts_up_to_the_last_whole_one(world):
    """And what goes on from there measures what is missing, and nothing twice."""
    lives = world.lives(points=8)
    assert not lives.live({"message": world.size("messages", points=8) // 2})
    folder, expected = lives.folder.path, world.undisturbed(points=8)
    for path in [path for path in sorted(folder.iterdir()) if path.name != "index.jsonl"]:
        content = path.read_bytes()
        first = content.rindex(b"\n", 0, content.rindex(b"\n", 0, len(content) - 1)) + 1
        whole: dict[int, Any] = {}
        for end in range(first, len(content) + 1):
            path.write_bytes(content[:end])
            resumption = resume_from(Record.read(folder, "last"))
            found = resumption.progress, dict(resumption.histories)
            complete = content.rindex(b"\n", 0, end) + 1
            assert found == whole.setdefault(complete, found), f"{path.name} cut at byte {end}"
        assert len(whole) == 3
        for complete in whole:
            path.write_bytes(content[:complete])
            again = world.lives(points=8)
            shutil.copytree(folder, again.job.folder)
            assert again.live()
            assert len(set(again.identities())) == 8
            assert [(p["x"], p["y"]) for p in next(iter(again.ingested().values()))] == again.trajectory()
            if "decisions" not in path.name:
                assert again.trajectory() == expected
        path.write_bytes(content)


# ------------------------------------------------------------ at the shell


def test_a_demo_that_is_killed_goes_on_at_the_shell(tmp_path):
    """And the shell says what cannot: what still runs, and what is complete."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert skysteer("demo", "--out", whole, "--points", 9).returncode == 0
    demo = subprocess.Popen(
        [sys.executable, "-m", "skysteer.cli", "demo", "--out", cut, "--points", "9", "--dead-time", "0.5"],
        stdout=subprocess.DEVNULL, env={**os.environ, **ONE_THREAD},
    )  # fmt: skip
    try:
        until(lambda: len(demo_points(cut)) >= 4, "four points")
        demo.send_signal(signal.SIGSTOP)
        still = skysteer("resume", "last", "--folder", cut / "runs")
        assert still.returncode == 1
        assert f"still running: process {demo.pid}" in " ".join(still.stderr.split())
    finally:
        demo.kill()
        demo.wait()
    kept = len(demo_points(cut))
    assert 4 <= kept < 9
    resumed = skysteer("resume", "last", "--folder", cut / "runs")
    assert resumed.returncode == 0, resumed.stderr
    assert f"{kept} of 9 points" in " ".join(resumed.stdout.split())
    assert demo_points(cut) == demo_points(whole)
    again = skysteer("resume", "last", "--folder", cut / "runs")
    assert again.returncode == 1
    assert "is complete" in " ".join(again.stderr.split())


def skysteer(*arguments: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "skysteer.cli", *map(str, arguments)],
        capture_output=True, text=True, timeout=90, check=False, env={**os.environ, **ONE_THREAD, "COLUMNS": "200"},
    )  # fmt: skip


def demo_points(out: Path) -> list[tuple[float, float, float]]:
    """Where a demo measured, and what, over all its lives."""
    folder = Folder(out / "runs")
    chain = folder.chain(0) if folder.path.exists() else []
    events = [event for run in chain for each in folder.measured(run) for event in each.events("primary")]
    return [(event["data"]["x"], event["data"]["y"], event["data"]["det"]) for event in events]
