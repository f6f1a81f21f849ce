"""``skysteer demo``: an autonomous search for a narrow peak, from the devices to the picture."""

from __future__ import annotations

import signal
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from bluesky.run_engine import RunEngineResult
from bluesky.utils import Msg
from rich.console import Console

from skysteer.engine import RunEngine
from skysteer.errors import SkysteerError
from skysteer.flows import adaptive_scan
from skysteer.model import AdaptiveResult, Axis, Space
from skysteer.recommenders import Advisor
from skysteer.recommenders.gaussian import GaussianProcess
from skysteer.testing import Peak, SimulatedBeamline

from ._course import Course
from ._folder import set_aside
from ._follower import Follower
from ._logbook import Logbook, points_of
from ._measuring import measure
from ._progress import display, say
from ._stopwatch import TimedQueue
from ._summary import Summary, summarize

__all__ = ["Settings", "run_demo"]

SPACE = Space(Axis("x", -5.0, 5.0, units="mm"), Axis("y", -5.0, 5.0, units="mm"))
"""Where the peak may be."""
PICTURE = "search.png"
"""What is drawn."""
MAX_FAILURES = 3
"""Points that may fail: simulated devices do not, so the IOC is gone."""
GOODBYE = 3.0
"""Seconds that the recommender is given to finish, and again to be gone."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a demo was asked for."""

    points: int
    """To measure."""
    seed: int
    """Of the beamline and of the search."""
    out: Path
    """Folder, which exists and may be written into."""
    worker: Literal["thread", "process"] = "thread"
    """Where the recommender computes."""
    epics: bool = False
    """Measure on a soft IOC instead of simulated devices."""
    dead_time: float = 0.0
    """Seconds that each reading takes."""
    as_json: bool = False
    """Print a summary in JSON and nothing else."""
    tiled: str | None = None
    """Address of a Tiled server that the record is sent to as well."""
    resume: str | None = None
    """A run of an earlier demo that was cut off, and goes on."""


class _Beamline(Protocol):
    """What the demo needs of a beamline; `SimulatedBeamline` and `EpicsBeamline` have it."""

    x: Any
    y: Any
    det: Any
    true_peak: Peak


def run_demo(settings: Settings) -> Summary:
    """Search, and print what came of it.

    Must be called in the main thread, where Ctrl-C arrives.

    Raises
    ------
    Interrupted
        By Ctrl-C, after the run was closed.
    """
    console = Console(stderr=settings.as_json, highlight=False)
    with ExitStack() as stack:
        course = Course() if settings.resume is None else Course.of(points_of(settings.out, settings.resume))
        RE = stack.enter_context(RunEngine())
        beam = stack.enter_context(_beamline(RE, settings, course))
        logbook = stack.enter_context(Logbook(settings.out, settings.tiled))
        aside = set_aside(settings.out, [PICTURE])
        if not settings.as_json:
            beyond = f", {len(course.readings)} of them measured before" if settings.resume else ""
            say(console, f"searching {_where(settings)} for a narrow peak, {settings.points} points{beyond}")
            if aside is not None:
                say(console, f"the picture of an earlier run is now in {aside}")
        result, seconds = _search(RE, beam, settings, console, course, logbook)
    files = {"picture": settings.out / PICTURE, "record": logbook.folder}
    top = course.best
    summary = summarize(
        result, beam.true_peak, fallback=None if top is None else {"x": top.x, "y": top.y, "det": top.counts},
        seconds=seconds, files=files, seed=settings.seed, beamline="epics" if settings.epics else "simulated",
        tiled=logbook.arrival(),
    )  # fmt: skip
    _draw(files["picture"], course, summary, beam.true_peak, settings)
    if settings.as_json:
        Console(soft_wrap=True).print(summary.as_json(), markup=False, highlight=False)
    else:
        say(console, "\n" + summary.as_text())
        say(console, logbook.words("each point, and why it was measured"))
    return summary


def recommender(seed: int) -> GaussianProcess:
    """Return the one that searches: made again with the same points, it knows the same."""
    return GaussianProcess(SPACE, maximize="det", counts=True, seed=seed)


def _search(
    RE: RunEngine, beam: _Beamline, settings: Settings, console: Console, course: Course, logbook: Logbook
) -> tuple[AdaptiveResult, float]:
    """Run the plan to its end and show how it goes; also return the seconds it took."""
    queue = TimedQueue()
    advisor = Advisor(recommender(settings.seed), worker=settings.worker, objectives=["det"])
    advisor.queue = queue
    queue.connect(advisor)
    with ExitStack() as stack:
        stack.callback(_end, advisor)
        advisor.start().result()
        shown = stack.enter_context(display(console, course, queue, settings.points, silent=settings.as_json))

        def follow(name: str, doc: Mapping[str, Any]) -> None:
            course.take(name, doc)
            shown.measured()

        follower = stack.enter_context(Follower(follow))
        done, seconds = measure(
            RE, _plan(beam, advisor, settings, logbook), follower,
            lambda: f"interrupted after {len(course.readings)} of {settings.points} points; "
            f"it goes on with: skysteer resume last --folder {logbook.folder}",
        )  # fmt: skip
    follower.ended.result()
    return _plan_result(done), seconds


def _plan(
    beam: _Beamline, advisor: Advisor, settings: Settings, logbook: Logbook
) -> Generator[Msg, Any, AdaptiveResult]:
    return adaptive_scan(
        [beam.det], [beam.x, beam.y], advisor, objectives=["det"], max_points=settings.points,
        max_failures=MAX_FAILURES, md={"purpose": "skysteer demo", "seed": settings.seed},
        record=logbook.store, resume=settings.resume,
    )  # fmt: skip


def _plan_result(done: RunEngineResult) -> AdaptiveResult:
    result: Any = done.plan_result
    if not isinstance(result, AdaptiveResult):
        raise TypeError(f"the plan ended without a result, found {result!r}")
    return result


def _end(advisor: Advisor) -> None:
    """Let it finish what it is at, and end it."""
    with suppress(TimeoutError, SkysteerError):
        advisor.best().result(GOODBYE)  # answered after all that it was asked before
    advisor.close()
    with suppress(TimeoutError):  # a warning was logged
        advisor.closed.result(GOODBYE)


@contextmanager
def _beamline(RE: RunEngine, settings: Settings, course: Course) -> Generator[_Beamline]:
    if not settings.epics:
        beam = SimulatedBeamline(RE, seed=settings.seed, dead_time=settings.dead_time)
        beam.det.relive((reading.x, reading.y) for reading in course.readings)
        yield beam
        return
    from skysteer.testing.epics import EpicsBeamline

    # A terminal sends Ctrl-C to the IOC too. It inherits that it is blocked: the
    # plan has to end in order first. Ours comes as soon as it is let through again.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        beam = EpicsBeamline(RE, seed=settings.seed, dead_time=settings.dead_time)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    with beam:
        yield beam


def _draw(path: Path, course: Course, summary: Summary, peak: Peak, settings: Settings) -> None:
    from ._picture import draw  # matplotlib takes a second

    model = recommender(settings.seed)
    model.ingest([{"x": reading.x, "y": reading.y, "det": reading.counts} for reading in course.readings])
    draw(path, course, summary, peak, model)


def _where(settings: Settings) -> str:
    return "an EPICS soft IOC on this machine" if settings.epics else "a simulated beamline"
