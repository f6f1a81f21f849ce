"""What it costs that nothing is lost: recording, a Tiled server, resuming, and finding a run again.

Ours, and Bluesky's own writers, which write on the engine's loop.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bluesky.callbacks.json_writer import JSONLinesWriter

from skysteer import RunEngine, adaptive_runs, adaptive_scan
from skysteer.stores import Recorder
from skysteer.stores.tiled import TiledStore, deliver

from ._conditions import Condition, run
from ._devices import Beam
from ._line import Line
from ._recorded import Pace, documents, fill, forget_index, recorded, written_by
from ._report import Report, Row, Spread
from ._settings import Settings, progress
from ._tiled import Server, serving

RECORDED_LIMIT = 1.03
TILED_LIMIT = 1.05
RESUME_LIMIT = 10.0
"""Seconds, of 10,000 points."""
LIST_LIMIT = 1.0
"""Seconds, of 10,000 runs."""
DRAIN_LIMIT = 2000.0
"""Events a second, of a spool of 10,000 events."""
EXPOSURE = 0.01
"""Seconds that a detector measures where points are not of the shortest."""
OFF = "not recorded"
Group = dict[str, Condition]


def measure(settings: Settings) -> Report:
    """Run it."""
    n, reps = settings.choose(settings.n, 300, 20), settings.choose(settings.reps, 9, 1)
    many = 50 if settings.quick else 10_000
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(serving(folder / "server"))
        RE = stack.enter_context(RunEngine())
        shortest, longer = Beam.on(RE), Beam.on(RE, EXPOSURE)
        store = _store(folder)
        writer = _writer(folder)
        sent = stack.enter_context(TiledStore(folder / "sent", server.url, api_key=server.key))
        tiled = _tiled(sent)
        sent.drained(120)
        groups = _groups(shortest, longer, n, store, writer, tiled, server)
        seconds: dict[str, dict[str, list[float]]] = {
            what: {name: [] for name in group} for what, (_, _, group) in groups.items()
        }
        shuffled = random.Random(1)
        for rep in range(reps):
            progress(f"recording: repetition {rep + 1} of {reps}")
            for what, (beam, points, group) in groups.items():
                for name in shuffled.sample(list(group), len(group)):
                    pace = Pace()
                    run(RE, beam, Line(points), group[name], pace)
                    seconds[what][name].append(pace.seconds)
        resumed, listed, found = _afterwards(folder / "afterwards", many, min(reps, 3))
        drained = [_drain(folder / f"spool-{number}", many) for number in range(min(reps, 3))]

    rows: list[Row] = []
    for what, found_seconds in seconds.items():
        rows += [
            Row.make(name, f"{what}: time a point", "ms", [1e3 * value for value in values], digits=3)
            for name, values in found_seconds.items()
        ]
        rows += [
            Row.make(
                name, f"{what}: time a point / {OFF}", "x", Spread.of_ratios(values, found_seconds[OFF]), digits=3,
                at_most=_limit(name),
            )
            for name, values in found_seconds.items()
            if name != OFF
        ]  # fmt: skip
    rows += [
        Row.make(
            "skysteer", f"resuming {many} points, beyond the recommender's own ingest", "s", resumed,
            at_most=RESUME_LIMIT,
        ),
        Row.make("skysteer", f"listing {many} runs", "s", listed, digits=3, at_most=LIST_LIMIT),
        Row.make("skysteer", f"listing {many} runs without their index", "s", found),
        Row.make(
            "skysteer", f"spool of {many} events into a fresh server", "events/s",
            [each for each, _ in drained], digits=0, at_least=DRAIN_LIMIT,
        ),
        Row.make(
            "TiledWriter alone", f"spool of {many} events into a fresh server", "events/s",
            [each for _, each in drained], digits=0,
        ),
    ]  # fmt: skip
    return Report(
        name="recording",
        title="Recording: what it costs that nothing is lost",
        settings={"points": n, "repetitions": reps, "points, runs and events kept": many},
        rows=rows,
        notes=[
            "Time a point: from the first event to the last; opening and closing a store is not in it. "
            "Bluesky's writers write on the engine's loop."
        ],
        details={"seconds a point": seconds},
    )


def _groups(
    shortest: Beam, longer: Beam, n: int, store: Any, writer: Any, tiled: Any, server: Server
) -> dict[str, tuple[Beam, int, Group]]:
    few = max(10, n // 3)
    return {
        "shortest points": (
            shortest,
            n,
            {
                OFF: recorded(adaptive_scan, "thread", None),
                "skysteer": recorded(adaptive_scan, "thread", store),
                "JSONLinesWriter": written_by(adaptive_scan, "thread", writer),
            },
        ),
        "shortest points, process": (
            shortest,
            n,
            {
                OFF: recorded(adaptive_scan, "process", None),
                "skysteer": recorded(adaptive_scan, "process", store),
            },
        ),
        "shortest points, a run each": (
            shortest,
            few,
            {
                OFF: recorded(adaptive_runs, "thread", None),
                "skysteer": recorded(adaptive_runs, "thread", store),
            },
        ),
        f"points of {1e3 * EXPOSURE:g} ms": (
            longer,
            few,
            {
                OFF: recorded(adaptive_scan, "thread", None),
                "skysteer": recorded(adaptive_scan, "thread", store),
                "JSONLinesWriter": written_by(adaptive_scan, "thread", writer),
                "skysteer, Tiled": recorded(adaptive_scan, "thread", tiled),
                "skysteer, Tiled, its server stopped": _while(server.stopped, recorded(adaptive_scan, "thread", tiled)),
                "TiledWriter": written_by(adaptive_scan, "thread", _tiled_writer(server)),
            },
        ),
    }


def _limit(name: str) -> float | None:
    if not name.startswith("skysteer"):
        return None
    return TILED_LIMIT if "Tiled" in name else RECORDED_LIMIT


def _while(
    state: Callable[[], AbstractContextManager[None]], condition: Condition
) -> Callable[[Beam, Line], AbstractContextManager[Any]]:
    """A condition during which something is the case; it begins when the store was opened."""

    @contextmanager
    def during(beam: Beam, line: Line) -> Iterator[Any]:
        with condition(beam, line) as prepared, state():
            yield prepared

    return during


def _store(folder: Path) -> Callable[[], AbstractContextManager[Any]]:
    @contextmanager
    def opened() -> Iterator[Recorder]:
        recorder = Recorder(folder / "runs")
        yield recorder
        recorder.close().result(60)

    return opened


def _tiled(store: TiledStore) -> Callable[[], AbstractContextManager[Any]]:
    @contextmanager
    def opened() -> Iterator[Any]:
        yield store
        if not store.drained(120):  # what is still sent would slow whatever is measured next
            raise AssertionError(f"not everything arrived: {store.status}")

    return opened


def _writer(folder: Path) -> Callable[[], AbstractContextManager[Any]]:
    @contextmanager
    def opened() -> Iterator[Any]:
        with tempfile.TemporaryDirectory(dir=folder) as own:
            yield JSONLinesWriter(own)

    return opened


def _tiled_writer(server: Server) -> Callable[[], AbstractContextManager[Any]]:
    @contextmanager
    def opened() -> Iterator[Any]:
        from bluesky_tiled_plugins import TiledWriter

        yield TiledWriter.from_uri(server.url, api_key=server.key)

    return opened


def _afterwards(folder: Path, many: int, reps: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds to resume, to list, and to list without an index; each in a fresh process."""
    resumed: list[float] = []
    for rep in range(reps):
        progress(f"recording: resuming {many} points, repetition {rep + 1} of {reps}")
        own = folder / f"resume-{rep}"
        own.mkdir(parents=True)
        _process("make", own, many)
        resumed.append(json.loads(_process("resume", own, many))["seconds"])
    progress(f"recording: writing {many} runs")
    library = folder / "many"
    library.mkdir(parents=True)
    fill(library, many, 1)
    listed = [_list(library, many) for _ in range(max(reps, 3))]
    forget_index(library)
    return resumed, listed, [_list(library, many)]


def _list(folder: Path, many: int) -> float:
    found = json.loads(_process("list", folder))
    if found["runs"] != many:
        raise AssertionError(f"{many} runs were written, {found['runs']} listed")
    return found["seconds"]


def _process(what: str, *arguments: Any) -> str:
    command = [sys.executable, "-m", "benchmarks._recorded", what, *map(str, arguments)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600)
    wanted = -9 if what == "make" else 0
    if done.returncode != wanted:
        raise RuntimeError(f"{' '.join(command)} failed with exit code {done.returncode}:\n{done.stderr}")
    return done.stdout.strip().splitlines()[-1] if what != "make" else ""


def _drain(folder: Path, many: int) -> tuple[float, float]:
    """Events a second into a fresh server: ours from the spool, and TiledWriter's from memory."""
    from bluesky_tiled_plugins import TiledWriter

    progress(f"recording: {many} events into a fresh server")
    spool = folder / "spool"
    spool.mkdir(parents=True)
    fill(spool, 1, many)
    with serving(folder / "server") as server:
        delivered = deliver(spool, server.url, api_key=server.key, timeout=300)
        ours = many / delivered.seconds  # without the start of its process, as TiledWriter's client is made before
        if delivered.waiting:
            raise AssertionError(f"not everything arrived: {delivered}")
        writer = TiledWriter.from_uri(server.url, api_key=server.key)
        begun = time.perf_counter()
        for name, doc in documents(many):
            writer(name, dict(doc))
        theirs = many / (time.perf_counter() - begun)
    shutil.rmtree(folder)
    return ours, theirs
