"""One run, one recommendation: the names of ``bluesky_adaptive.per_start`` (0.x)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from queue import Queue
from typing import Any
from uuid import uuid4

from skysteer.documents import PerRun
from skysteer.flows import adaptive_runs
from skysteer.model import AdaptiveResult
from skysteer.plans import Plan, runs_from_queue

from ._adapted import QueueLike
from ._bluesky import count
from ._callback import ToRecommender
from ._plans import adaptive, drain

TakeRun = Callable[..., Plan[Any]]

__all__ = ["adaptive_plan", "recommender_factory"]


def recommender_factory(
    adaptive_obj: Any,
    independent_keys: Sequence[str],
    dependent_keys: Sequence[str],
    *,
    max_count: int = 10,
    queue: QueueLike | None = None,
) -> tuple[ToRecommender, QueueLike]:
    """Make what `adaptive_plan` is given: the callback and the queue.

    As `skysteer.compat.per_event.recommender_factory`, for runs: the
    recommender is told every event of the primary stream of a run, at its end.

    Parameters
    ----------
    max_count
        The highest ``batch_count`` after which it is still asked. Runs are counted from 0: as in
        0.x, ``max_count + 2`` of them are made.
    adaptive_obj, independent_keys, dependent_keys, queue
        As there.
    """
    where: QueueLike = Queue[Any]() if queue is None else queue
    return ToRecommender(PerRun, adaptive_obj, independent_keys, dependent_keys, max_count, where), where


def adaptive_plan(
    dets: Sequence[Any],
    first_point: Mapping[Any, Any],
    *,
    to_recommender: Any,
    from_recommender: QueueLike,
    md: Mapping[str, Any] | None = None,
    take_reading: Any = count,
) -> Plan[AdaptiveResult]:
    """Measure a first point and then what the recommender says: one run each.

    Parameters
    ----------
    dets, first_point, to_recommender, from_recommender
        As for `skysteer.compat.per_event.adaptive_plan`. What an earlier plan left in the queue is dropped.
    md
        Metadata for every start document, beside ``batch_id`` and ``batch_count``.
    take_reading
        Called with the devices and ``md=``: makes one run, as `bluesky.plans.count` does.
    """
    drain(from_recommender)
    plan: TakeRun = count if take_reading is None else take_reading
    about = {"batch_id": str(uuid4()), **(md or {})}
    made = 0

    def run(devices: Sequence[Any]) -> Plan[Any]:
        nonlocal made
        uid = yield from plan(list(devices), md={**about, "batch_count": made})
        made += 1
        return uid

    return (
        yield from adaptive(
            adaptive_runs, runs_from_queue, dets, first_point, to_recommender, from_recommender,
            {"plan_name": "adaptive_plan", **about}, points_beyond=2, strict=plan is count, measure=run,
        )
    )  # fmt: skip
