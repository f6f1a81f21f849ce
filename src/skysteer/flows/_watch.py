"""Watchdogs and a steering around any plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

from skysteer.documents import Fields
from skysteer.errors import PreflightError
from skysteer.handoff import Steering
from skysteer.plans import Plan, steered
from skysteer.protocols import Judge
from skysteer.stores import fields_about, program
from skysteer.watchdog import Watchdog
from skysteer.workers import WorkerKind

from ._owners import closing
from ._recording import Record, Recording

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
    record: Record | None = None,
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
    record
        Where the documents of the plan, every verdict and everything done by hand are
        put on record, as for `skysteer.adaptive_scan`. While nothing can be written,
        the plan holds at its next checkpoint.

    Returns
    -------
    Any
        What the plan returns; ``None`` if it was ended early. The stop document says why.

    Raises
    ------
    PreflightError
        If nothing can be put on record. Nothing has moved.
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
    watchdogs = [
        {
            "name": name,
            "judge": _words(judge),
            "every": every,
            "worker": worker if isinstance(worker, str) else "dask",
            "on_error": on_error,
            "silent_after": silent_after,
        }
        for name, judge in named
    ]
    recording = Recording(record)
    if problems := recording.open():
        raise PreflightError(problems)

    def watched() -> Plan[T | None]:
        for dog in dogs:
            dog.start()
        yield from recording.begin(_about(fields, watchdogs), [*dogs, wheel])
        return (yield from steered(recording.holding(plan), wheel, watch=dogs))

    return (yield from recording.keeping(closing(watched(), dogs), recording.as_measured))


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


def _about(fields: Fields, watchdogs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the start document of the decision run says."""
    return {
        "flow": "watch",
        "fields": fields_about(fields),
        "objectives": list(fields.objectives),
        "watchdogs": watchdogs,
        "program": program(),
    }


def _words(judge: Judge) -> str:
    """A judge with its settings, where its ``repr`` says them; else its class or its name."""
    name = getattr(judge, "__qualname__", type(judge).__qualname__)
    words = repr(judge)
    return f"{getattr(judge, '__module__', '?')}:{name}" if " at 0x" in words else words
