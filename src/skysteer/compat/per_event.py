"""One event, one recommendation: the names of ``bluesky_adaptive.per_event`` (0.x)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from queue import Queue
from typing import Any

from skysteer.documents import PerEvent
from skysteer.flows import adaptive_scan
from skysteer.model import AdaptiveResult
from skysteer.plans import Plan, scan_from_queue

from ._adapted import QueueLike
from ._bluesky import trigger_and_read
from ._callback import ToRecommender
from ._plans import adaptive

__all__ = ["adaptive_plan", "recommender_factory"]


def recommender_factory(
    recommender: Any,
    independent_keys: Sequence[str],
    dependent_keys: Sequence[str],
    *,
    max_count: int = 10,
    queue: QueueLike | None = None,
) -> tuple[ToRecommender, QueueLike]:
    """Make what `adaptive_plan` is given: the callback and the queue.

    Parameters
    ----------
    recommender
        With ``tell_many(xs, ys)`` and ``ask(n)``, or ``ingest_many(xs, ys)`` and ``suggest(n)``.
        It may raise `NoRecommendation` (the plan ends), `RequestPause` (it pauses, and asks again
        when it is resumed), and Bluesky's ``RequestStop`` and ``RequestAbort``.
    independent_keys
        Names of the motors, in the order of the numbers that it recommends.
    dependent_keys
        Data keys that it is told.
    max_count
        How many recommendations it is asked for: as in 0.x, ``max_count + 1`` points are measured.
    queue
        What to use as the queue; what others put into it is measured before the recommender is asked.

    Returns
    -------
    callback, queue
        Both also serve a plan of your own: subscribe the callback, take one answer a reading.
    """
    where: QueueLike = Queue[Any]() if queue is None else queue
    return ToRecommender(PerEvent, recommender, independent_keys, dependent_keys, max_count, where), where


def adaptive_plan(
    dets: Sequence[Any],
    first_point: Mapping[Any, Any],
    *,
    to_recommender: Any,
    from_recommender: QueueLike,
    md: Mapping[str, Any] | None = None,
    take_reading: Any = trigger_and_read,
) -> Plan[AdaptiveResult]:
    """Measure a first point and then, in the same run, what the recommender says: one event each.

    Parameters
    ----------
    dets
        Devices to trigger and read.
    first_point
        Motor to position.
    to_recommender, from_recommender
        What `recommender_factory` returned; or any callbacks (or ``None``) and any queue into which
        somebody puts a mapping of motor name to position, ``None`` for the end, or an exception.
    md
        Metadata for the start document.
    take_reading
        Called with the devices and ``name="primary"``: makes one event.
    """
    about: dict[str, Any] = {"plan_name": "adaptive_plan", **(md or {})}
    if "hints" in about:  # as in 0.x: what is given stays, and the dimensions are added
        dimensions = [(getattr(motor, "hints", {}).get("fields", [motor.name]), "primary") for motor in first_point]
        about["hints"] = {"dimensions": dimensions, **about["hints"]}
    stock = take_reading in (None, trigger_and_read)

    def reading(devices: Sequence[Any]) -> Any:
        return take_reading(list(devices), name="primary")

    return (
        yield from adaptive(
            adaptive_scan, scan_from_queue, dets, first_point, to_recommender, from_recommender, about,
            points_beyond=1, strict=stock, take_reading=None if stock else reading,
        )
    )  # fmt: skip
