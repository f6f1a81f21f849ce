"""Scans that are killed: a process that imports everything once, and is forked for each scan.

Run as a file. Every line of stdin is an order and every line of stdout its
answer, in JSON: ``{"start": job}`` is answered with the pid of the scan,
``{"wait": pid, "timeout": s}`` with how it ended, ``{"orphans": s}`` with the
command lines of what scans left running. See `Job` for what a scan is told.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import random
import select
import signal
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skysteer import RunEngine, adaptive_runs, adaptive_scan
from skysteer.model import Axis, Space
from skysteer.recommenders import Sobol
from skysteer.testing import SimulatedBeamline

SPACE = Space(Axis("x", -5.0, 5.0, "mm"), Axis("y", -5.0, 5.0, "mm"))
REACH = 5.0
GRACE = 1.0
"""Seconds that threads have to end when a scan is over."""
SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl: a worker whose scan was killed becomes our child, so that we see it."""
CALLS = "SCAN_PROCESS_CALLS"
"""Environment: the file in which `Hashed` notes its calls; a worker process inherits it."""
DEATHS = "SCAN_PROCESS_DEATHS"
"""Environment: ``[[method, number of the call], ...]`` at which `Hashed` kills its process, in JSON."""
THINK = "SCAN_PROCESS_THINK"
"""Environment: seconds that `Hashed` thinks."""


@dataclass(frozen=True)
class Job:
    """One scan, in a process of its own."""

    folder: str
    """Folder of runs."""
    notes: str
    """Folder for what the scan notes beside: its calls, its triggers, its result, what it prints."""
    flow: str = "scan"
    """``"scan"`` or ``"runs"``."""
    recommender: str = "hashed"
    seed: int = 1
    reach: float = REACH
    """Of the space, in mm."""
    points: int = 12
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further options of the flow, as they are."""
    resume: str | None = None
    die: Mapping[str, Any] = field(default_factory=dict)
    """``{"message": n}``: killed at message n; ``{"write": n, "part": share}``: in the middle of a write to the
    folder."""
    worker_deaths: Sequence[Sequence[Any]] = ()
    """As in `DEATHS`."""
    think: float = 0.0
    """Seconds that a suggestion takes."""
    dead_time: float = 0.0
    """Seconds that the detector takes."""
    bad: tuple[float, float] = (0.0, 0.0)
    """Between these positions of x the detector fails."""
    clock: Mapping[str, Any] = field(default_factory=dict)
    """``{"by": seconds}`` from the start on, or ``{"by": seconds, "message": n}`` from message n on."""
    file_limit: int | None = None
    """Bytes that a file may have: a disk that is full for it."""


class Hashed:
    """Asks where a hash of all it knows says: what it is told twice, not, or in another order leads elsewhere."""

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        self.space = space
        self.seed = seed
        self._told: list[str] = []
        self._failed: list[str] = []
        self._pending: list[str] = []

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        _noted("ingest", [dict(point) for point in points])
        self._told += [repr(sorted(point.items())) for point in points]

    def register_failures(self, suggestions: Sequence[Mapping[str, Any]]) -> None:
        _noted("failed", [dict(point) for point in suggestions])
        self._failed += [repr(sorted(point.items())) for point in suggestions]

    def set_pending(self, points: Sequence[Mapping[str, Any]]) -> None:
        self._pending = [repr(sorted(point.items())) for point in points]

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        _noted("suggest", num_points)
        time.sleep(float(os.environ.get(THINK) or 0))
        first = len(self._told) + len(self._failed) + len(self._pending)
        known = (self.seed, self._told, sorted(self._failed), self._pending)
        return [self._point(known, first, number) for number in range(num_points or 1)]

    def _point(self, known: Any, first: int, number: int) -> dict[str, Any]:
        drawn = struct.unpack("<4Q", hashlib.sha256(repr((known, number)).encode()).digest())
        reached = {
            axis.name: axis.low + (axis.high - axis.low) * d / 2**64
            for axis, d in zip(self.space.axes, drawn, strict=False)
        }
        return {**reached, "_id": f"h{first + number}"}


def _noted(method: str, argument: Any) -> None:
    """Write a call to the file of calls, and die there where that was asked."""
    line = json.dumps({"pid": os.getpid(), "call": method, "argument": argument}) + "\n"
    calls = Path(os.environ[CALLS])
    with calls.open("a") as file:
        file.write(line)
    deaths = json.loads(os.environ.get(DEATHS) or "[]")
    if deaths:
        number = sum(json.loads(each)["call"] == method for each in calls.read_text().splitlines())
        if [method, number] in deaths:
            os.kill(os.getpid(), signal.SIGKILL)


# ------------------------------------------------------------ a scan, in a fork


def scan(job: Job) -> dict[str, Any]:
    """Do what a job says; returns what is to be known of it."""
    notes = Path(job.notes)
    os.environ[CALLS] = str(notes / "calls.jsonl")
    os.environ[DEATHS] = json.dumps([list(death) for death in job.worker_deaths])
    os.environ[THINK] = str(job.think)
    random.seed()
    _limit(job)
    writes = Writes(job.folder, None if job.file_limit else notes, **(job.die if "write" in job.die else {}))
    if job.clock and "message" not in job.clock:
        _step_clock(float(job.clock["by"]))
    space = Space(Axis("x", -job.reach, job.reach, "mm"), Axis("y", -job.reach, job.reach, "mm"))
    flow = adaptive_scan if job.flow == "scan" else adaptive_runs
    outcome: dict[str, Any] = {"error": None, "text": ""}
    messages = 0

    def hook(message: Any) -> None:
        nonlocal messages
        messages += 1
        if messages == job.die.get("message"):
            os.kill(os.getpid(), signal.SIGKILL)
        if messages == job.clock.get("message"):
            _step_clock(float(job.clock["by"]))

    with RunEngine() as RE:
        beam = SimulatedBeamline(RE, noise=False, dead_time=job.dead_time)
        beam.det.truth = _noting(beam.det.truth, notes / "triggers.jsonl", job.bad)
        RE.msg_hook = hook
        plan = flow(
            [beam.det], [beam.x, beam.y], RECOMMENDERS[job.recommender](space, job.seed), objectives=["det"],
            max_points=job.points, record=job.folder, resume=job.resume, **job.options,
        )  # fmt: skip
        try:
            result = RE(plan).result().plan_result
            outcome["result"] = {
                "measured": result.measured, "reason": result.reason, "exit_status": result.exit_status,
                "uids": list(result.uids), "failed": result.failed, "fallen_back": result.fallen_back,
            }  # fmt: skip
        except Exception as exc:
            traceback.print_exc()
            outcome |= {"error": type(exc).__name__, "text": str(exc)}
        outcome["motors"] = [beam.x.position, beam.y.position]
        outcome |= {"messages": messages, "writes": writes.count}
    outcome["threads"] = _threads_left(GRACE)
    outcome["open"] = [file for file in _open_files() if file.startswith(job.folder)]
    return outcome


def _gaussian(space: Space, seed: int) -> Any:
    from skysteer.recommenders.gaussian import GaussianProcess

    return GaussianProcess(space, maximize="det", seed=seed)


RECOMMENDERS: dict[str, Callable[[Space, int], Any]] = {
    "hashed": lambda space, seed: Hashed(space, seed=seed),
    "sobol": lambda space, seed: Sobol(space, seed=seed),
    "gaussian": _gaussian,
}


def _noting(truth: Callable[..., float], file: Path, bad: Sequence[float]) -> Callable[..., float]:
    def noted(x: float, y: float) -> float:
        with file.open("a") as triggers:
            triggers.write(json.dumps([x, y]) + "\n")
        if bad[0] < x < bad[1]:
            raise RuntimeError(f"no signal at x = {x:g} mm")
        return truth(x, y)

    return noted


class Writes:
    """Notes what is written to a folder and what is synced; in the middle of one write it kills."""

    def __init__(self, folder: str, notes: Path | None, write: int | None = None, part: float = 0.0) -> None:
        self.count = 0
        self._folder, self._notes, self._deadly, self._part = folder, notes, write, part
        self._write, self._lock = os.write, threading.Lock()
        os.write = self
        os.fsync, os.fdatasync = self._syncing(os.fsync), self._syncing(os.fdatasync)

    def __call__(self, descriptor: int, data: Any, /) -> int:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if not path.startswith(self._folder):
            return self._write(descriptor, data)
        with self._lock:
            self.count += 1
            if self.count == self._deadly:
                self._write(descriptor, bytes(data)[: int(self._part * len(data))])
                os.kill(os.getpid(), signal.SIGKILL)
            written = self._write(descriptor, data)
            self._note("written", path, os.fstat(descriptor).st_size)
            return written

    def _syncing(self, sync: Callable[[Any], None]) -> Callable[[Any], None]:
        def synced(descriptor: Any, /) -> None:
            number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
            size, path = os.fstat(number).st_size, os.readlink(f"/proc/self/fd/{number}")
            sync(descriptor)
            if path.startswith(self._folder):
                self._note("synced", path, size)

        return synced

    def _note(self, what: str, path: str, size: int) -> None:
        if self._notes is not None:
            with (self._notes / "writes.jsonl").open("a") as file:
                file.write(json.dumps([what, Path(path).name, size]) + "\n")


def _step_clock(by: float) -> None:
    now = time.time
    time.time = lambda: now() + by


def _limit(job: Job) -> None:
    if job.file_limit is not None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (job.file_limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def _threads_left(grace: float) -> list[str]:
    """Names of the threads that do not end within some seconds."""
    deadline = time.monotonic() + grace
    left = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    for thread in left:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [thread.name for thread in left if thread.is_alive()]


def _open_files() -> list[str]:
    found: list[str] = []
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return found


# ------------------------------------------------------------ the process that is forked


def main() -> None:
    """Take orders until the end of stdin."""
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    _warm_up()
    deadline = time.monotonic() + 30.0
    while len(os.listdir("/proc/self/task")) > 1:  # a fork takes one thread with it: the others must be gone
        assert time.monotonic() < deadline, threading.enumerate()
        time.sleep(0.005)
    ended: dict[int, int] = {}
    _answer("ready")
    for line in sys.stdin:
        order = json.loads(line)
        if "start" in order:
            _answer(_fork(Job(**order["start"])))
        elif "wait" in order:
            _answer(_wait(order["wait"], order["timeout"], ended))
        else:
            _answer(_orphans(order["orphans"], ended))


def _warm_up() -> None:
    """Import what a scan imports when it runs. Nothing is recorded, so that nothing is remembered of this process."""
    import scipy.stats.qmc  # noqa: F401  # pyright: ignore[reportUnusedImport]

    import skysteer.stores  # noqa: F401  # pyright: ignore[reportUnusedImport]

    with RunEngine() as RE:
        beam = SimulatedBeamline(RE)
        RE(adaptive_scan([beam.det], [beam.x, beam.y], _gaussian(SPACE, 0), objectives=["det"], max_points=9)).result()


def _fork(job: Job) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        notes = Path(job.notes)
        printed = os.open(notes / "printed", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for descriptor, here in ((nothing, 0), (printed, 1), (printed, 2)):
            os.dup2(descriptor, here)
        outcome = scan(job)
        (notes / f"outcome-{os.getpid()}.json").write_text(json.dumps(outcome))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(pid: int, timeout: float, ended: dict[int, int]) -> int | None:
    """How it ended: its exit code, or minus its signal; None if it still runs."""
    if pid not in ended:
        descriptor = os.pidfd_open(pid)
        try:
            if not select.select([descriptor], [], [], timeout)[0]:
                return None
        finally:
            os.close(descriptor)
        ended[pid] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return ended.pop(pid)


def _orphans(timeout: float, ended: dict[int, int]) -> list[str]:
    """Reap what has ended; the command lines of the children that still run when the time is over."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return []
        if pid:
            ended[pid] = os.waitstatus_to_exitcode(status)
        elif time.monotonic() > deadline:
            return _children()
        else:
            time.sleep(0.005)


def _children() -> list[str]:
    here = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [f"{pid}: " + Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") for pid in here]


def _answer(what: Any) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
