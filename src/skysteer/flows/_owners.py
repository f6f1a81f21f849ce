"""A plan with the workers it started: they end with it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol, TypeVar

from skysteer.plans import Plan, wait_until

log = logging.getLogger(__name__)
T = TypeVar("T")

GOODBYE = 2.0
"""Seconds that a plan waits at its end for the workers it started to be gone."""


class Owner(Protocol):
    """Owns a worker: an advisor or a watchdog."""

    @property
    def closed(self) -> Future[None]:
        """Done when the worker is gone."""
        ...

    def close(self) -> bool:
        """End the worker; False where it is stuck."""
        ...


def closing(plan: Plan[T], owners: Sequence[Owner]) -> Plan[T]:
    """Close the owners when a plan is over, however it ended, and wait a little until their workers are gone."""
    try:
        result = yield from plan
    except GeneratorExit:
        _close(owners)
        raise
    except BaseException:
        yield from _gone(_close(owners))
        raise
    yield from _gone(_close(owners))
    return result


def result_of(future: Future[T], deadline: float | None = None) -> Plan[T]:
    """Wait for a future of another thread.

    Raises
    ------
    TimeoutError
        If the deadline (on the monotonic clock, in seconds) comes first.
    """

    def watch(wake: Callable[[], None]) -> Callable[[], None]:
        future.add_done_callback(lambda _: wake())
        return lambda: None

    if not (yield from wait_until(future.done, watch, deadline)):
        raise TimeoutError("no answer in time")
    return future.result()


def _close(owners: Sequence[Owner]) -> list[Owner]:
    """Close them; those that end at once."""
    return [each for each in owners if each.close()]


def _gone(owners: Sequence[Owner]) -> Plan[None]:
    deadline = time.monotonic() + GOODBYE
    for each in owners:
        try:
            yield from result_of(each.closed, deadline)
        except TimeoutError:
            log.warning("%r has not ended within %.0f s", each, GOODBYE)
