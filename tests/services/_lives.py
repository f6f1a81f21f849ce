"""Scans with several lives: start them, kill them, resume them, and read what is on disk afterwards.

What is on disk is read here with nothing but `json`: the code under test does not judge itself.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ._scan_process import Job

SCRIPT = Path(__file__).with_name("_scan_process.py")
LONG = 40.0
"""Seconds after which a process that should have ended is a failure."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Environment of a process that is forked: what has threads of its own cannot be."""
Point = tuple[float, float]
Identity = tuple[str, int]
"""Run and seq_num of an event."""


@dataclass(frozen=True)
class Ended:
    """How a scan's process ended."""

    code: int
    """Exit code, or minus the signal."""
    outcome: dict[str, Any]
    """What it said of itself; empty for one that was killed."""

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Nest:
    """The process that is forked for each scan."""

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ONE_THREAD},
        )
        try:
            assert self._answer() == "ready"
        except BaseException:
            self.close()
            raise

    def start(self, job: Job) -> int:
        """Start a scan; its pid."""
        Path(job.notes).mkdir(exist_ok=True)
        (Path(job.notes) / "printed").touch()
        pid = self._order(start=asdict(job))
        self._jobs[pid] = job
        return pid

    def wait(self, pid: int, timeout: float = LONG) -> Ended:
        """Wait for its end."""
        code = self._order(wait=pid, timeout=timeout)
        job = self._jobs.pop(pid)
        printed = Path(job.notes) / "printed"
        if code is None:
            os.kill(pid, signal.SIGKILL)
            self._order(wait=pid, timeout=timeout)
            raise AssertionError(f"the scan did not end within {timeout} s; it printed:\n{printed.read_text()}")
        outcome = Path(job.notes) / f"outcome-{pid}.json"
        if code == 0:
            return Ended(code, json.loads(outcome.read_text()))
        assert code < 0, f"the scan's process failed; it printed:\n{printed.read_text()}"
        return Ended(code, {})

    def run(self, job: Job, kill_after: float | None = None) -> Ended:
        """Start a scan and wait for its end; or kill it from outside after some seconds, if it still runs."""
        pid = self.start(job)
        if kill_after is not None:
            time.sleep(kill_after)
            os.kill(pid, signal.SIGKILL)
        return self.wait(pid)

    def orphans(self, timeout: float = LONG) -> list[str]:
        """What scans left running."""
        return self._order(orphans=timeout)

    def end_all(self) -> None:
        """Kill what a test that failed left running."""
        for pid in list(self._jobs):
            os.kill(pid, signal.SIGKILL)  # it is not waited for yet: the pid is its own
            self.wait(pid)
        self.orphans()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(LONG)

    def _order(self, **order: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process of the scans ended"
        return json.loads(line)


def until(condition: Callable[[], Any], what: str, timeout: float = LONG) -> Any:
    """Wait for something that another process does."""
    end = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.002)
    return found


def stop(pid: int) -> None:
    """Stop a process, and wait until it stands: a thread in the middle of a write ends it first."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: stands(pid), f"process {pid} to stand")


def stands(pid: int) -> bool:
    """Whether all its threads are stopped."""
    try:
        stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    except (FileNotFoundError, ProcessLookupError):  # a thread ended meanwhile
        return False
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


def can_be_locked(path: Path) -> bool:
    """Whether no process writes it."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


# ------------------------------------------------------------ what is on disk


def lines(path: Path) -> list[Any]:
    """Every complete line of a file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


@dataclass(frozen=True)
class Run:
    """One file of the folder."""

    path: Path
    documents: tuple[tuple[str, dict[str, Any]], ...]

    @property
    def start(self) -> dict[str, Any]:
        return self.documents[0][1]

    @property
    def about(self) -> dict[str, Any]:
        return self.start.get("skysteer", {})

    @property
    def decides(self) -> bool:
        return self.about.get("kind") == "decisions"

    @property
    def stop(self) -> dict[str, Any] | None:
        name, doc = self.documents[-1]
        return doc if name == "stop" else None

    def events(self, stream: str) -> list[dict[str, Any]]:
        """Events of a stream, in order; of those replayed after a pause the first."""
        descriptors = {doc["uid"] for name, doc in self.documents if name == "descriptor" and doc["name"] == stream}
        found = {
            doc["seq_num"]: doc
            for name, doc in reversed(self.documents)
            if name == "event" and doc["descriptor"] in descriptors
        }
        return [found[number] for number in sorted(found)]


@dataclass(frozen=True)
class Folder:
    """All runs of a folder, read from their files."""

    path: Path

    @cached_property
    def runs(self) -> list[Run]:
        files = [path for path in sorted(self.path.glob("*.jsonl")) if path.name != "index.jsonl"]
        read = {path: tuple((line["name"], line["doc"]) for line in lines(path)) for path in files}
        return [Run(path, documents) for path, documents in read.items() if documents]

    def chain(self, seed: int) -> list[Run]:
        """The decision runs of a scan, from the first to the last: those of a recommender of this seed."""
        decisions = [run for run in self.runs if run.decides and run.about["recommender"]["seed"] == seed]
        resumed = {run.about.get("resumes") for run in decisions}
        found = [run for run in decisions if run.start["uid"] not in resumed]
        assert len(found) <= 1, f"two lives go on with the same: {[run.path.name for run in found]}"
        while found and (earlier := found[0].about.get("resumes")) is not None:
            found = [*(run for run in decisions if run.start["uid"] == earlier), *found]
        return found

    def measured(self, decisions: Run) -> list[Run]:
        """The measurement runs of a decision run, in order."""
        mine = [run for run in self.runs if not run.decides and run.about.get("decisions") == decisions.start["uid"]]
        return sorted(mine, key=lambda run: run.start.get("scan_id", 0))


@dataclass
class Lives:
    """One scan and what became of it."""

    nest: Nest
    job: Job
    kills: int = 0
    outcome: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Folder:
        return Folder(Path(self.job.folder))

    def chain(self) -> list[Run]:
        return self.folder.chain(self.job.seed)

    def newest(self) -> str | None:
        """What there is to resume."""
        chain = self.chain()
        return chain[-1].start["uid"] if chain else None

    def live(self, die: Mapping[str, Any] | None = None, **other: Any) -> bool:
        """Start it, or resume it where there is something to resume; whether it came to its end.

        It is killed as `Job.die` says, or, with ``{"after": seconds}``, from outside.
        """
        die = dict(die or {})
        after = die.pop("after", None)
        return self.ended(self.nest.run(replace(self.job, resume=self.newest(), die=die, **other), after))

    def start(self, die: Mapping[str, Any] | None = None, **other: Any) -> int:
        """As `live`, without waiting for the end; the pid."""
        return self.nest.start(replace(self.job, **{"resume": self.newest(), "die": die or {}, **other}))

    def ended(self, ended: Ended) -> bool:
        """Take in how it ended; whether it came to its end."""
        if ended.killed:
            self.kills += 1
            return False
        if ended.outcome["error"] == "ResumeError" and len(self.points()) == self.job.points:
            assert "is complete" in ended.outcome["text"]  # it was killed when everything was measured
            self.outcome = {}
            return True
        assert ended.outcome["error"] is None, f"{ended.outcome['error']}: {ended.outcome['text']}"
        self.outcome = ended.outcome
        return True

    def live_through(self, deaths: Iterator[Mapping[str, Any]]) -> None:
        """Let it be killed as told, and resume it until it is complete."""
        for death in deaths:
            if self.live(death):
                return
        assert self.live()

    # -------------------------------------------------------- questions

    def points(self) -> list[dict[str, Any]]:
        """The data of the events that count, in the order in which they were measured."""
        found: list[dict[str, Any]] = []
        for decisions in self.chain():
            for run in self.folder.measured(decisions):
                if self.job.flow == "scan" or (run.stop or {}).get("exit_status") == "success":
                    found += [event["data"] for event in run.events("primary")]
        return found

    def trajectory(self) -> list[Point]:
        return [(data["x"], data["y"]) for data in self.points()]

    def identities(self) -> list[Identity]:
        """Every event that counts."""
        return [identity for decisions in self.chain() for identity in self._identities(decisions)]

    def told(self) -> list[Identity]:
        """Every event that the recommender was told, as its decision runs say."""
        return [identity for decisions in self.chain() for identity in self._told(decisions)]

    def told_in_order(self) -> bool:
        """Whether each life was told what it measured from the first on, in order."""
        chain = [(self._identities(decisions), self._told(decisions)) for decisions in self.chain()]
        return all(told == measured[: len(told)] for measured, told in chain)

    def _identities(self, decisions: Run) -> list[Identity]:
        return [
            (run.start["uid"], event["seq_num"])
            for run in self.folder.measured(decisions)
            if self.job.flow == "scan" or (run.stop or {}).get("exit_status") == "success"
            for event in run.events("primary")
        ]

    def _told(self, decisions: Run) -> list[Identity]:
        return [
            (event["data"]["run"], event["data"]["seq_num"])
            for event in decisions.events("told")
            if event["data"]["origin"] == "recommender" and not event["data"]["replay"]
        ]

    def ingested(self) -> dict[int, list[dict[str, Any]]]:
        """What each process of the recommender ingested, in order."""
        found: dict[int, list[dict[str, Any]]] = {}
        for line in lines(Path(self.job.notes) / "calls.jsonl"):
            if line["call"] == "ingest":
                found.setdefault(line["pid"], []).extend(line["argument"])
        return found

    def triggers(self) -> list[Point]:
        return [(x, y) for x, y in lines(Path(self.job.notes) / "triggers.jsonl")]

    def failing(self) -> set[Point]:
        """Where the detector failed."""
        return {point for point in self.triggers() if self.job.bad[0] < point[0] < self.job.bad[1]}

    def check(self, expected: list[Point], lost: int = 0) -> None:
        """Everything that is promised of a scan that was killed and resumed.

        A power cut may have taken some measured points from the disk: how many were ``lost``.
        """
        points, trajectory = self.points(), self.trajectory()
        assert trajectory == expected, "another way than the uninterrupted scan's"
        if self.outcome:
            self._check_outcome(self.outcome)
        identities, told = self.identities(), self.told()
        assert len(set(told)) == len(told), "an event was told twice"
        assert lost or set(told) <= set(identities), "told what is not on disk"
        # Those that were told nobody any more when a life ended are told when the next one begins.
        assert lost or self.told_in_order(), "told one event before an earlier one"
        for process in self.ingested().values():
            seen = [(point["x"], point["y"]) for point in process]
            assert seen == expected[: len(seen)], "a recommender was told an event twice, not, or in another order"
        if self.outcome and (processes := list(self.ingested().values())):
            assert [(point["x"], point["y"], point["det"]) for point in processes[-1]] == [
                (data["x"], data["y"], data["det"]) for data in points
            ]
        triggers, failing = Counter(self.triggers()), self.failing()
        assert triggers.keys() == {*expected, *failing}
        again = {point: triggers[point] - 1 for point in expected if triggers[point] > 1}
        assert sum(again.values()) <= self.kills + lost, f"measured again for {self.kills} kills: {again}"

    def _check_outcome(self, outcome: dict[str, Any]) -> None:
        """What its last life says of itself."""
        result, chain = outcome["result"], self.chain()
        runs = [run for decisions in chain for run in self.folder.measured(decisions)]
        assert (result["measured"], result["exit_status"]) == (self.job.points, "success"), result
        assert sorted(result["uids"]) == sorted(run.start["uid"] for run in runs)
        assert result["failed"] == len(self.failing())
        for run in (*chain, *runs):
            assert run.stop is not None, f"{run.path.name} has no stop document"
            assert can_be_locked(run.path), f"{run.path.name} is still locked"
        assert outcome["threads"] == [], "threads left"
        assert outcome["open"] == [], "files left open"


@dataclass(frozen=True)
class World:
    """Makes scans, and knows where the same ones went undisturbed."""

    nest: Nest
    path: Path
    known: dict[str, list[Point]] = field(default_factory=dict)
    sizes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def lives(self, folder: str | Path | None = None, **job: Any) -> Lives:
        here = Path(tempfile.mkdtemp(dir=self.path))
        return Lives(self.nest, Job(str(folder or here / "runs"), str(here / "notes"), **job))

    def undisturbed(self, **job: Any) -> list[Point]:
        """The way of a scan that nobody disturbs."""
        key = json.dumps(job, sort_keys=True)
        if key not in self.known:
            lives = self.lives(**job)
            assert lives.live()
            self.known[key] = lives.trajectory()
            lives.check(self.known[key])
        return self.known[key]

    def size(self, what: str, **job: Any) -> Any:
        """How many ``"messages"`` an undisturbed scan has, or ``"writes"``; or how many ``"seconds"`` it takes."""
        key = json.dumps(job, sort_keys=True)
        if key not in self.sizes:
            began, lives = time.monotonic(), self.lives(**job)
            assert lives.live()
            self.sizes[key] = {**lives.outcome, "seconds": time.monotonic() - began}
        return self.sizes[key][what]
