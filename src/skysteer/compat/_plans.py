"""The adaptive plan of 0.x, once for each moment, on our plans."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from queue import Empty
from typing import Any, cast

from bluesky.utils import Msg, RunEngineControlException

from skysteer.errors import PreflightError
from skysteer.model import AdaptiveResult
from skysteer.plans import Options, Plan, describe, preflight

from ._adapted import ROWS, QueueLike
from ._bluesky import Callbacks, normalize_subs_input, subs_wrapper
from ._callback import ToRecommender
from ._from_queue import FromQueue

Flow = Callable[..., Plan[AdaptiveResult]]


def adaptive(
    flow: Flow,
    from_queue: Flow,
    dets: Sequence[Any],
    first_point: Mapping[Any, Any],
    to_recommender: Any,
    from_recommender: QueueLike,
    md: dict[str, Any],
    *,
    points_beyond: int,
    strict: bool,
    **options: Any,
) -> Plan[AdaptiveResult]:
    """Measure the first point and then what the recommender, or somebody else, puts into the queue.

    Parameters
    ----------
    flow
        `skysteer.adaptive_scan` or `skysteer.adaptive_runs`: for a callback of our own factory.
    from_queue
        `skysteer.plans.scan_from_queue` or `runs_from_queue`: for anybody else's.
    points_beyond
        How many points 0.x measures beyond ``max_count``.
    strict
        Whether only ``dets`` can have measured the dependent keys.
    options
        How a point is measured, as ``flow`` and ``from_queue`` are told it.
    """
    motors = list(first_point)
    first = {motor.name: position for motor, position in first_point.items()}
    detectors = _others(dets, motors)
    callbacks = normalize_subs_input({} if to_recommender is None else to_recommender)
    ours = _ours(callbacks, from_recommender)
    if ours is None:
        plan = _by_hand(from_queue, detectors, motors, first, from_recommender, md, options)
    else:
        problems = [
            f"motor {name!r} is not among the independent keys {', '.join(ours.independent_keys)}"
            for name in first
            if name not in ours.independent_keys
        ]
        if strict:
            problems += yield from _missing(ours, [*detectors, *motors])
        if problems:
            raise PreflightError(problems)
        plan = flow(
            detectors,
            motors,
            ours.for_axes(list(first)),
            objectives=[key for key in ours.dependent_keys if key not in first] or [ROWS],
            reduce=ours.reduce,
            initial=[first],
            max_points=ours.max_count + points_beyond,
            on_failure="stop",
            md=md,
            **options,
        )
    others = {kind: [each for each in found if each is not ours] for kind, found in callbacks.items()}
    return (yield from subs_wrapper(plan, others))


def drain(queue: QueueLike) -> None:
    """Throw away what an earlier plan left in a queue."""
    try:
        while True:
            queue.get(block=False)
    except Empty:
        return


def _by_hand(
    from_queue: Flow,
    detectors: Sequence[Any],
    motors: Sequence[Any],
    first: Mapping[str, Any],
    source: QueueLike,
    md: Mapping[str, Any],
    options: Mapping[str, Any],
) -> Plan[AdaptiveResult]:
    """As long as somebody puts points into the queue."""
    endless = Options(sys.maxsize, initial=[first], on_failure="stop")
    # What is told to whom is the business of the callbacks: nothing of ours looks at a value.
    cleared = yield from preflight(
        detectors, motors, endless, space=None, objectives=["whatever the callbacks take"], reduced=True
    )
    answers = FromQueue(source, list(first))
    about = {"num_points": None, **md}
    return (yield from from_queue(detectors, motors, answers.queue, endless, space=cleared.space, md=about, **options))


def _ours(callbacks: Callbacks, queue: QueueLike) -> ToRecommender | None:
    """The callback of our own factory, where it is one and this is its queue."""
    found = [each for each in callbacks.get("all", ()) if isinstance(each, ToRecommender) and each.queue is queue]
    return found[0] if len(found) == 1 else None


def _others(dets: Sequence[Any], motors: Sequence[Any]) -> list[Any]:
    """The detectors, each once, and none that is moved: 0.x takes those too, and reads them once."""
    seen = {id(motor) for motor in motors}
    return [each for each in dets if not (id(each) in seen or seen.add(id(each)))]


def _missing(ours: ToRecommender, devices: Sequence[Any]) -> Generator[Msg, Any, list[str]]:
    """Keys that no device has."""
    there: set[str] = set()
    for device in devices:
        try:
            there |= set(cast("Mapping[str, Any]", (yield from describe(device))))
        except RunEngineControlException:
            raise
        except Exception:  # it cannot say before it is staged: the first reading will tell
            return []
    keys = [*ours.independent_keys, *ours.dependent_keys]
    have = ", ".join(sorted(there))
    return [f"key {key!r} is measured by no device (they have {have})" for key in keys if key not in there]
