"""``skysteer demo --watchdog``: the same faint sample three times; watchdogs say when it is enough, and when not."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from bluesky.plans import count  # pyright: ignore[reportUnknownVariableType]
from bluesky.preprocessors import monitor_during_wrapper  # pyright: ignore[reportUnknownVariableType]
from rich.console import Console

from skysteer.documents import Fields
from skysteer.engine import RunEngine
from skysteer.handoff import Request, Steering
from skysteer.model import Verdict
from skysteer.plans import steered
from skysteer.protocols import Judge
from skysteer.stores import DecisionRun, Recorder, fields_about, program
from skysteer.testing import SimulatedBeamline
from skysteer.watchdog import Watchdog
from skysteer.watchdog.judges import BeamLost, SignalToNoise

from ._folder import set_aside
from ._follower import Follower
from ._logbook import Logbook
from ._measuring import measure
from ._progress import display_news, say
from ._ring import BACKGROUND, FAINTEST, FULL, Ring, brightness
from ._saved import Outcome, Savings, outcome
from ._tally import ENOUGH, Tally

__all__ = ["WatchSettings", "run_watch_demo"]

PICTURE = "watchdog.png"
"""What is drawn."""
EVERY = 25
"""Points between two plain lines."""
LOST_AT = 0.4
"""The beam is lost after this share of the points that would be enough."""
OUTAGE = (0.3, 5.0)
"""The beam comes back after 100 exposures, but within these seconds."""
GOODBYE = 3.0
"""Seconds that a watchdog is given to be gone."""


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """What a demo was asked for."""

    points: int
    """Of the measurement of fixed length."""
    seed: int
    """Of the sample and its noise."""
    out: Path
    """Folder, which exists and may be written into."""
    worker: Literal["thread", "process"] = "thread"
    """Where the judges compute."""
    exposure: float = 0.01
    """Seconds a point."""
    as_json: bool = False
    """Print a summary in JSON and nothing else."""
    tiled: str | None = None
    """Address of a Tiled server that the record is sent to as well."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One of the three measurements."""

    name: str
    title: str
    outage: float
    """Seconds for which the beam is lost; 0 for not at all."""
    when_lost: Verdict = Verdict.HOLD


@dataclass(frozen=True, slots=True)
class Watched:
    """One measurement that is over."""

    tally: Tally
    """What it brought."""
    ring: Ring
    """Under which ring."""
    outcome: Outcome
    """Beside the fixed length."""


def run_watch_demo(settings: WatchSettings) -> Savings:
    """Measure, and print what was saved.

    Must be called in the main thread, where Ctrl-C arrives.

    Raises
    ------
    skysteer.cli._measuring.Interrupted
        By Ctrl-C, after the run was closed.
    """
    console = Console(stderr=settings.as_json, highlight=False)
    outage = min(max(100 * settings.exposure, OUTAGE[0]), OUTAGE[1])
    cases = [
        _Case("enough", "a noisy sample, counted until it is good enough", 0.0),
        _Case("beam lost", "again, and the beam is lost for good", math.inf, Verdict.ABORT),
        _Case("hold", f"again, and the beam is down for {outage:g} s", outage),
    ]
    with Logbook(settings.out, settings.tiled) as logbook:
        aside = set_aside(settings.out, [PICTURE])
        if not settings.as_json:
            needed = math.ceil(_needed(FAINTEST))
            say(console, f"fixed length: {settings.points} points (the faintest of such samples needs about {needed})")
            if aside is not None:
                say(console, f"the picture of an earlier run is now in {aside}")
        watched: list[Watched] = []
        with Recorder(logbook.store) as recorder, RunEngine() as RE:
            for number, case in enumerate(cases):
                if not settings.as_json:
                    say(console, f"{number + 1}. {case.title}")
                watched.append(_measure(RE, case, number, settings, console, recorder))
    files = {"picture": str(settings.out / PICTURE), "record": str(logbook.folder)}
    savings = Savings([each.outcome for each in watched], files, settings.seed, logbook.arrival())
    _draw(Path(files["picture"]), watched)
    if settings.as_json:
        Console(soft_wrap=True).print(savings.as_json(), markup=False, highlight=False)
    else:
        say(console, "\n" + savings.as_text())
        say(console, logbook.words("what was decided, by whom and why"))
    return savings


def _measure(
    RE: RunEngine, case: _Case, number: int, settings: WatchSettings, console: Console, recorder: Recorder
) -> Watched:
    """Run one measurement to its end, put it on record and show how it goes."""
    signal = brightness(settings.seed)
    lost_after = max(1, int(LOST_AT * min(_needed(signal), settings.points))) if case.outage else None
    ring = Ring(lost_after, exposure=settings.exposure, outage=case.outage)
    beam = SimulatedBeamline(RE, seed=3 * settings.seed + number, dead_time=settings.exposure)
    beam.det.truth = ring.lighting(signal + BACKGROUND)

    steering = Steering()
    tally = Tally(settings.points, settings.exposure, steering)
    md = {"purpose": "skysteer demo", "measurement": case.name, "seed": settings.seed}
    good_enough = SignalToNoise("det", ENOUGH, noise="poisson", background=BACKGROUND)
    judges: list[tuple[str, Judge, Fields]] = [("good enough", good_enough, _fields("det", "primary"))]
    if case.outage:
        # of the monitored current: it goes on while the plan is held
        light = BeamLost("ring_current", FULL / 3, FULL / 2, units="mA", verdict=case.when_lost)
        judges.append(("beam", light, _fields("ring_current", f"{ring.current.name}_monitor")))
    with ExitStack() as stack:
        decisions = stack.enter_context(_on_record(recorder, RE, judges, settings, md))
        stack.callback(steering.listen(decisions))
        dogs = [stack.enter_context(_watchdog(*each, steering, settings)) for each in judges]
        for dog in dogs:
            dog.listen(decisions)
        shown = stack.enter_context(display_news(console, tally, every=0 if settings.as_json else EVERY))

        def follow(name: str, doc: Mapping[str, Any]) -> None:
            for request in tally.take(name, doc):
                if not settings.as_json:
                    say(console, f"{tally.pace():>8}  {_words(request)}")
            shown.measured()

        follower = stack.enter_context(Follower(follow))
        # A verdict is no document, but is told as it comes, while a held plan sends none.
        stack.callback(steering.when_changed(lambda: follower("verdict", {})))
        plan = count(
            [beam.det, ring.current], num=settings.points,
            md=md,
        )  # fmt: skip
        plan = monitor_during_wrapper(plan, [ring.current])  # pyright: ignore[reportUnknownVariableType]
        measure(
            RE, steered(plan, steering, watch=dogs), follower,  # pyright: ignore[reportUnknownArgumentType]
            lambda: f"interrupted after {tally.count} of {settings.points} points; "
            f"they are in {recorder.store.folder}",
        )  # fmt: skip
    follower.ended.result()
    return Watched(tally, ring, outcome(case.name, tally, ring))


@contextmanager
def _watchdog(
    name: str, judge: Judge, fields: Fields, steering: Steering, settings: WatchSettings
) -> Generator[Watchdog]:
    dog = Watchdog(judge, steering, fields, worker=settings.worker, name=name)
    try:
        yield dog
    finally:
        dog.close()
        with suppress(TimeoutError):  # a warning was logged
            dog.closed.result(GOODBYE)


@contextmanager
def _on_record(
    recorder: Recorder,
    RE: RunEngine,
    judges: Sequence[tuple[str, Judge, Fields]],
    settings: WatchSettings,
    md: Mapping[str, Any],
) -> Generator[DecisionRun]:
    """What is measured and decided is put on record, until everybody who decides is gone."""
    watchdogs = [
        {
            "name": name,
            "judge": repr(judge),
            "every": "event",
            "worker": settings.worker,
            "fields": fields_about(fields),
        }
        for name, judge, fields in judges
    ]
    decisions = recorder.begin({"flow": "watch", "watchdogs": watchdogs, "program": program(), "md": md})
    engine: Any = RE  # its methods are not typed
    token = engine.subscribe(partial(decisions.document))  # the engine would hold the method weakly
    try:
        yield decisions
    finally:
        engine.unsubscribe(token)
        decisions.end(*(decisions.closed_as or ("fail", "nothing was measured")))


def _fields(key: str, stream: str) -> Fields:
    return Fields({}, {key: key}, stream)


def _needed(signal: float) -> float:
    """Points that are good enough on average, where the noise is that of the counts."""
    return ENOUGH**2 * (signal + BACKGROUND) / signal**2


def _words(request: Request) -> str:
    return f"{request.verdict.value.upper()}, {request}"


def _draw(path: Path, watched: list[Watched]) -> None:
    from ._watch_picture import draw  # matplotlib takes a second

    draw(path, [(each.outcome, each.tally, each.ring) for each in watched])
