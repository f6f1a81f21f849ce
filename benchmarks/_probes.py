"""What looks at the engine's loop while something else runs. Times are of the system's monotonic clock."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bluesky.preprocessors import plan_mutator
from bluesky.utils import Msg
from ophyd_async.core import soft_signal_r_and_setter

from ._devices import connect

Windows = list[tuple[float, float]]
"""From when to when something was going on."""
Arrivals = list[tuple[float, float]]
"""When which value came."""


class Lag:
    """A coroutine on a loop that sleeps and notes when it woke."""

    period = 0.005
    """Seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._rows: Windows = []
        self._stopped = False
        self._done = asyncio.run_coroutine_threadsafe(self._run(), loop)

    async def _run(self) -> None:
        while not self._stopped:
            begin = time.monotonic()
            await asyncio.sleep(self.period)
            self._rows.append((begin, time.monotonic()))

    def stop(self) -> Windows:
        """From when to when each sleep lasted."""
        self._stopped = True
        self._done.result(10)
        return self._rows


class Updates:
    """Two signals that a thread updates at 100 Hz: one monitored by the engine, one subscribed to directly.

    A context: the thread lives inside it. Enter it again for another run.
    """

    period = 0.01
    """Seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.signal, self._put_monitored = soft_signal_r_and_setter(float, 0.0, name="monitored")
        self.direct, self._put_direct = soft_signal_r_and_setter(float, 0.0, name="direct")
        self.issued: Arrivals = []
        self.documents: Arrivals = []
        self.callbacks: Arrivals = []

    @classmethod
    def on(cls, RE: Any) -> Updates:
        """On the loop of an engine."""
        updates = cls(RE.loop)
        connect(RE, updates.signal, updates.direct)

        async def subscribe() -> None:
            updates.direct.subscribe_reading(updates._called)

        asyncio.run_coroutine_threadsafe(subscribe(), RE.loop).result(10)
        return updates

    def monitored(self, plan: Any) -> Generator[Msg, Any, Any]:
        """Monitor the signal in the first run that a plan opens."""
        begun: list[Msg] = []

        def after_open(message: Msg) -> Any:
            if message.command != "open_run" or begun:
                return None, None
            begun.append(message)

            def monitor() -> Generator[Msg, Any, None]:
                yield Msg("monitor", self.signal, name="monitored", run=message.run)

            return None, monitor()

        return plan_mutator(plan, after_open)

    def document(self, name: str, doc: Mapping[str, Any]) -> None:
        """Subscriber: notes when an event of the monitored signal came."""
        if name == "event" and "monitored" in doc["data"]:
            self.documents.append((time.monotonic(), doc["data"]["monitored"]))

    def _called(self, reading: Mapping[str, Any]) -> None:
        self.callbacks.append((time.monotonic(), reading["direct"]["value"]))

    def __enter__(self) -> Updates:
        for arrivals in (self.issued, self.documents, self.callbacks):
            arrivals.clear()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="benchmark-updates", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join(10)

    def _run(self) -> None:
        value, due = 0.0, time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            value, due = value + 1.0, due + self.period
            self.issued.append((time.monotonic(), value))
            self._loop.call_soon_threadsafe(self._put_monitored, value)
            self._loop.call_soon_threadsafe(self._put_direct, value)


def share_delivered(issued: Arrivals, delivered: Arrivals, windows: Windows) -> float:
    """Percentage of the updates issued in the windows that came before the window was over.

    Those of the last 10 ms of a window are left out: they may just as well come after it.
    """
    came = {value: when for when, value in delivered}
    counted = [
        came.get(value, float("inf")) <= until
        for when, value in issued
        for since, until in windows
        if since <= when <= until - Updates.period
    ]
    return 100.0 * sum(counted) / len(counted)


def read_diary(diary: Path) -> Windows:
    """From when to when a `benchmarks._line.ThinkingLine` computed."""
    times: dict[str, list[float]] = {"begin": [], "end": []}
    for line in diary.read_text().splitlines():
        what, when = line.split()
        times[what].append(float(when))
    return list(zip(times["begin"], times["end"], strict=True))


def wait_for_diary(diary: Path, computations: int, timeout: float = 60.0) -> None:
    """Wait until that many computations have begun. The recommender may be in another process: a poll."""
    deadline = time.monotonic() + timeout
    while _lines(diary).count("begin") < computations:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the recommender did not begin to compute {computations} times within {timeout} s")
        time.sleep(0.001)


def _lines(diary: Path) -> Sequence[str]:
    return [line.split()[0] for line in diary.read_text().splitlines()] if diary.exists() else []
