"""A recommender drives a live scan: one event, or one run, a suggestion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skysteer.documents import PerEvent, PerRun
from skysteer.model import AdaptiveResult, Patience
from skysteer.plans import (
    Cleared,
    Measure,
    OnFailure,
    Options,
    Plan,
    TakeReading,
    runs_from_queue,
    scan_from_queue,
)
from skysteer.protocols import Recommender
from skysteer.recommenders import Advisor, Reduce
from skysteer.workers import WorkerKind

from ._asked import Asked, FinallyMove
from ._assembly import Queues, adaptive, listed, patience_of
from ._recording import Record


def adaptive_scan(
    detectors: Sequence[Any],
    motors: Sequence[Any],
    recommender: Recommender | Advisor,
    *,
    objectives: Sequence[str],
    max_points: int,
    initial: Sequence[Mapping[str, Any]] = (),
    batch: int = 1,
    lookahead: int = 0,
    patience: Patience | None = None,
    max_failures: int | None = None,
    on_failure: OnFailure = "skip",
    finally_move: FinallyMove = "stay",
    take_reading: TakeReading | None = None,
    reduce: Reduce | None = None,
    worker: WorkerKind = "thread",
    record: Record | None = None,
    resume: str | Path | None = None,
    md: Mapping[str, Any] | None = None,
) -> Plan[AdaptiveResult]:
    """Measure where a recommender suggests: one run, one event a suggestion.

    Before the run opens everything is checked, and every problem is in one
    `skysteer.errors.PreflightError`. The reason for the end is in the stop
    document, and every event says which suggestion it answers.

    Parameters
    ----------
    detectors
        Devices to trigger and read.
    motors
        Devices to move; their names are the axis names.
    recommender
        Two methods, ``ingest(points)`` and ``suggest(num_points=None)``; or an
        `skysteer.Advisor` that already owns one, and keeps it afterwards.
    objectives
        The values that the recommender is told: data keys of the detectors,
        names of detectors with one hinted field, or what ``reduce`` returns.
    max_points
        Points to measure. A point that fails does not count.
    initial
        Points to measure before the first question; they count in
        ``max_points`` and are marked as nobody's suggestion.
    batch
        Suggestions a question.
    lookahead
        Suggestions to keep ready, or in the making, while a point is
        measured, so that measuring and thinking overlap. The recommender must
        know what is pending (`skysteer.protocols.KnowsPending`).
    patience
        What to do when the recommender is slow, silent or raises; by default
        it is waited for as long as it takes, and an error ends the scan.
    max_failures
        Points that may fail before the scan ends; ``max_points`` by default.
    on_failure
        ``"skip"`` gives a point up whose device fails, ``"retry"`` measures it
        once more before that, ``"stop"`` ends the scan.
    finally_move
        Where the motors go when the plan is over: they ``"stay"``, go back to
        the ``"start"`` (also after an abort or an error), or to the ``"best"``
        point (only after a scan that came to its end).
    take_reading
        Plan stub that reads the devices it is given into one event of the
        primary stream, as `bluesky.plan_stubs.trigger_and_read` does.
    reduce
        Your data reduction: the data of an event (data key to value) to
        objective name to value. It runs in the worker.
    worker
        Where the recommender computes: in a ``"thread"``, which takes any
        object but lets a model in pure Python slow the plan; in a
        ``"process"``, which cannot, and works on a copy; or (a
        ``distributed.Client``) on a worker of a Dask cluster, the same.
    record
        Where documents and decisions are put on record: the path of a folder (made
        where it is not there, in one that is), a `skysteer.stores.JSONLines`, or a
        `skysteer.stores.Recorder` that goes on afterwards. What is measured is
        written before the next point is measured; while it cannot be written, the scan
        holds there.
    resume
        The run to go on with, of a scan that was cut off: its uid, the beginning of it,
        its file, or ``"last"``. The recommender must be as it was when that scan began; it
        is taught again what was measured, and the rest of ``max_points`` is measured in a
        new run that names the old. ``record`` may be left out where it is a file.
    md
        Metadata for the start document.

    Returns
    -------
    AdaptiveResult

    Raises
    ------
    PreflightError
        Before anything moved.
    SkysteerError
        When the recommender or the devices end the scan; what was measured by
        then is in ``error.result``.

    Examples
    --------
    >>> from skysteer import RunEngine, adaptive_scan
    >>> from skysteer.recommenders import Sequence
    >>> from skysteer.testing import SimulatedBeamline
    >>> with RunEngine() as RE:
    ...     beam = SimulatedBeamline(RE)
    ...     points = Sequence([{"x": 0.0}, {"x": 1.0}])
    ...     future = RE(adaptive_scan([beam.det], [beam.x], points, objectives=["det"], max_points=5))
    ...     future.result(timeout=30).plan_result.reason
    'the recommender has nothing more to ask'
    """
    detectors, motors = listed("detectors", detectors), listed("motors", motors)
    asked = Asked(recommender, patience_of(patience), objectives, reduce, worker, finally_move, record, resume, md)
    options = Options(max_points, initial, batch, lookahead, asked.patience, max_failures, on_failure)

    def plan(
        cleared: Cleared, launch: str, queues: Queues, options: Options, start: Mapping[str, Any]
    ) -> Plan[AdaptiveResult]:
        return scan_from_queue(
            detectors, motors, queues.main, options, space=cleared.space, fallback=queues.fallback,
            take_reading=take_reading, launch=launch, md=start,
        )  # fmt: skip

    return (yield from adaptive(detectors, motors, asked, options, PerEvent, plan, "adaptive_scan"))


def adaptive_runs(
    detectors: Sequence[Any],
    motors: Sequence[Any],
    recommender: Recommender | Advisor,
    *,
    objectives: Sequence[str],
    max_points: int,
    initial: Sequence[Mapping[str, Any]] = (),
    batch: int = 1,
    lookahead: int = 0,
    patience: Patience | None = None,
    max_failures: int | None = None,
    on_failure: OnFailure = "skip",
    finally_move: FinallyMove = "stay",
    measure: Measure | None = None,
    reduce: Reduce | None = None,
    worker: WorkerKind = "thread",
    record: Record | None = None,
    resume: str | Path | None = None,
    md: Mapping[str, Any] | None = None,
) -> Plan[AdaptiveResult]:
    """Measure where a recommender suggests: one run a suggestion.

    As `adaptive_scan`, but for what follows. The start document of every run
    carries its suggestion under ``"skysteer"``; the reason for the end is in
    the result, as every run is closed before it is known.

    Parameters
    ----------
    measure
        Plan that makes one run with the devices it is given at the present
        position, such as `bluesky.plans.count`; by default a run of one event.
    reduce
        Your data reduction: a whole run (stream name to data key to array of
        shape (number of events, ...)) to objective name to value. Without it,
        the recommender is told the last event of the run.
    detectors, motors, recommender, objectives, max_points, initial, batch, lookahead, patience, max_failures, \
on_failure, finally_move, worker, record, resume, md
        As for `adaptive_scan`; a point is a run here.
    """
    detectors, motors = listed("detectors", detectors), listed("motors", motors)
    asked = Asked(recommender, patience_of(patience), objectives, reduce, worker, finally_move, record, resume, md)
    options = Options(max_points, initial, batch, lookahead, asked.patience, max_failures, on_failure)

    def plan(
        cleared: Cleared, launch: str, queues: Queues, options: Options, start: Mapping[str, Any]
    ) -> Plan[AdaptiveResult]:
        return runs_from_queue(
            detectors, motors, queues.main, options, space=cleared.space, fallback=queues.fallback,
            measure=measure, launch=launch, md=start,
        )  # fmt: skip

    return (yield from adaptive(detectors, motors, asked, options, PerRun, plan, "adaptive_runs"))
