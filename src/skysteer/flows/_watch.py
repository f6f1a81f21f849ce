"""Watchdogs and a steering around any plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar

from skysteer.documents import Fields
from skysteer.handoff import Steering
from skysteer.plans import Plan, steered
from skysteer.protocols import Judge
from skysteer.watchdog import Watchdog
from skysteer.workers import WorkerKind

from ._owners import closing

T = TypeVar("T")


def watch(
    plan: Plan[T],
    judges: Judge | Sequence[Judge] | Mapping[str, Judge],
    *,
    objectives: Sequence[str] = (),
    stream: str = "primary",
    steering: Steering | None = None,
    every: Literal["event", "latest"] = "event",
    worker: WorkerKind = "thread",
    on_error: Literal["ignore", "abort"] = "ignore",
    silent_after: float = 10.0,
) -> Plan[T | None]:
    """Let judges end, hold or abort a plan that knows nothing of them.

    Parameters
    ----------
    plan
        Any plan.
    judges
        One, several, or by name (the author in the stop document): see
        `skysteer.watchdog` and `skysteer.protocols.Judge`. Each has a worker of its own.
    objectives
        Data keys that the judges are shown; by default all data of an event, arrays too.
    stream
        The stream they are shown. A judge that is to release a plan it holds needs one that
        goes on meanwhile: a monitored signal's (``"<signal>_monitor"``).
    steering
        The latches, for those who want to steer by hand too.
    every, worker, on_error, silent_after
        As for `skysteer.Watchdog`.

    Returns
    -------
    Any
        What the plan returns; ``None`` if it was ended early. The stop document says why.
    """
    wheel = Steering() if steering is None else steering
    fields = Fields({}, {key: key for key in objectives}, stream, reduced=not objectives)
    named: list[tuple[str, Judge]]
    if isinstance(judges, Mapping):
        named = list(judges.items())
    else:
        named = _named(judges if isinstance(judges, Sequence) else [judges])
    if not named:
        raise ValueError("no judges were given: give one, several, or a mapping of name to judge")
    dogs = [
        Watchdog(
            judge, wheel, fields, every=every, worker=worker, on_error=on_error, name=name, silent_after=silent_after
        )
        for name, judge in named
    ]
    for dog in dogs:
        dog.start()
    return (yield from closing(steered(plan, wheel, watch=dogs), dogs))


def _named(judges: Sequence[Judge]) -> list[tuple[str, Judge]]:
    """Each judge with a name of its own, as keep going ends the hold of the same author only."""
    named: dict[str, Judge] = {}
    for judge in judges:
        name = first = getattr(judge, "__name__", type(judge).__name__)
        number = 1
        while name in named:
            number += 1
            name = f"{first} {number}"
        named[name] = judge
    return list(named.items())
