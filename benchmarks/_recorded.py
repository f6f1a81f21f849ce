"""Scans that are recorded, and processes that record, resume and list: what `recording` compares.

``python -m benchmarks._recorded make FOLDER N`` measures N points and dies, so that the run can be resumed;
``resume FOLDER N`` goes on with it; ``list FOLDER`` lists what is there. The last two print what they took, as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal

import event_model

from skysteer import Advisor, RunEngine, adaptive_scan

from ._conditions import Prepared
from ._devices import Beam
from ._line import Line

Store = Callable[[], AbstractContextManager[Any]]
"""Makes what ``record=`` takes, and takes it down."""


def recorded(
    scan: Any, worker: Literal["thread", "process"], store: Store | None
) -> Callable[[Beam, Line], AbstractContextManager[Prepared]]:
    """One of our scans, recorded or not; opening and closing the store is not timed."""

    @contextmanager
    def condition(beam: Beam, line: Line) -> Iterator[Prepared]:
        with Advisor(line, worker=worker, objectives=["det"]) as advisor:
            advisor.start().result(60)
            options = {"objectives": ["det"], "max_points": line.n}
            if store is None:
                yield Prepared(scan([beam.det], [beam.motor], advisor, **options), lambda: advisor.told)
            else:
                with store() as record:
                    plan = scan([beam.det], [beam.motor], advisor, record=record, **options)
                    yield Prepared(plan, lambda: advisor.told)
        advisor.closed.result(60)

    return condition


def written_by(
    scan: Any, worker: Literal["thread", "process"], writer: Callable[[], AbstractContextManager[Any]]
) -> Callable[[Beam, Line], AbstractContextManager[Prepared]]:
    """One of our scans with somebody else's writer subscribed to the engine, as usual."""

    @contextmanager
    def condition(beam: Beam, line: Line) -> Iterator[Prepared]:
        with recorded(scan, worker, None)(beam, line) as prepared, writer() as subscriber:
            yield Prepared(prepared.plan, prepared.told, (subscriber,))

    return condition


class Pace:
    """A document callback: seconds a point, from the first event to the last."""

    def __init__(self) -> None:
        self._first = self._last = 0.0
        self._events = 0

    def __call__(self, name: str, doc: Mapping[str, Any]) -> None:
        if name == "event":
            self._last = time.perf_counter()
            if not self._events:
                self._first = self._last
            self._events += 1

    @property
    def seconds(self) -> float:
        """A point."""
        return (self._last - self._first) / (self._events - 1)


class TimedLine(Line):
    """Notes when it is first asked, and how long it was told before."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.asked = 0.0
        self.ingesting = 0.0

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        begun = time.perf_counter()
        super().ingest(points)
        self.ingesting += time.perf_counter() - begun

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        self.asked = self.asked or time.perf_counter()
        return super().suggest(num_points)


def make(folder: Path, n: int) -> None:
    """Measure n points of n + 10, and die."""

    def die(name: str, doc: Mapping[str, Any]) -> None:
        if name == "event" and doc["seq_num"] == n + 1:
            os.kill(os.getpid(), signal.SIGKILL)

    with RunEngine() as RE:
        beam = Beam.on(RE)
        plan = adaptive_scan(
            [beam.det], [beam.motor], TimedLine(n + 10), objectives=["det"], max_points=n + 10, record=folder
        )
        RE(plan, die).result(600)


def resume(folder: Path, n: int) -> dict[str, float]:
    """Go on with what `make` left; seconds until the recommender is asked, without its own ``ingest``."""
    line = TimedLine(n + 10)
    with RunEngine() as RE:
        beam = Beam.on(RE)
        begun = time.perf_counter()
        plan = adaptive_scan(
            [beam.det], [beam.motor], line, objectives=["det"], max_points=n + 10, record=folder, resume="last"
        )
        result = RE(plan).result(600).plan_result
    if result.measured != n + 10 or line.told != n + 10:
        raise AssertionError(f"{n + 10} points were to be measured and told, found {result.measured} and {line.told}")
    return {"seconds": line.asked - begun - line.ingesting, "ingest": line.ingesting}


def fill(folder: Path, runs: int, events: int) -> list[tuple[str, Mapping[str, Any]]]:
    """Write so many runs of so many events into a folder; the documents of the last one."""
    from skysteer.stores import JSONLines

    last: list[tuple[str, Mapping[str, Any]]] = []
    with JSONLines(folder) as store:
        for _ in range(runs):
            last = documents(events)
            store.write(last)
    return last


def documents(events: int) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the documents of a run, as a scan makes them."""
    run = event_model.compose_run(metadata={"plan_name": "benchmark"})
    number: dict[str, Any] = {"source": "benchmark", "dtype": "number", "shape": []}
    stream = run.compose_descriptor(name="primary", data_keys={"det": number, "motor": number})
    found: list[tuple[str, Mapping[str, Any]]] = [("start", run.start_doc), ("descriptor", stream.descriptor_doc)]
    now = time.time()
    for seq_num in range(1, events + 1):
        data = {"det": float(seq_num), "motor": seq_num / 7}
        stamps = {"det": now, "motor": now}
        found.append(
            ("event", stream.compose_event(data=data, timestamps=stamps, seq_num=seq_num, time=now, validate=False))
        )
    found.append(("stop", run.compose_stop()))
    return found


def listing(folder: Path) -> dict[str, float]:
    """List the runs of a folder; how many, and the seconds it took."""
    from skysteer.stores import runs

    begun = time.perf_counter()
    found = runs(folder)
    return {"seconds": time.perf_counter() - begun, "runs": len(found)}


def forget_index(folder: Path) -> None:
    """Leave only the files of the runs."""
    for path in folder.glob("index*"):
        path.unlink() if path.is_file() else shutil.rmtree(path)


def main(what: str, folder: str, *numbers: str) -> None:
    """Be the process that makes, resumes or lists."""
    if what == "make":
        make(Path(folder), int(numbers[0]))
        return
    print(json.dumps(resume(Path(folder), int(numbers[0])) if what == "resume" else listing(Path(folder))))


if __name__ == "__main__":
    main(*sys.argv[1:])
