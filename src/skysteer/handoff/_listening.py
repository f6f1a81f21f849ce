"""Several latches listened to at once, so that not even a short pulse is missed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Any, Self, cast, get_args

from ._latch import SRLatch, State, Transition


class Listening:
    """Hears the transitions of several latches from the moment it is entered until it is left.

    A latch that is in the wanted state when it is entered counts, with its
    newest transition. Entered and left by one thread; the latches are changed
    by any.

    Parameters
    ----------
    events
        Name to latch, as `Action.event_map`; several are joined by ``|``.
    wait_for
        Which transitions count: ``"set"`` or ``"reset"``.

    Raises
    ------
    TypeError
        If `events` is not a mapping of names to latches.
    ValueError
        If it is empty, or `wait_for` is another word.
    """

    def __init__(self, events: Mapping[str, SRLatch], wait_for: State = "set") -> None:
        if wait_for not in get_args(State):
            raise ValueError(f"wait_for must be 'set' or 'reset', found {wait_for!r}")
        self._events = _checked(events)
        self._wait_for: State = wait_for
        self._heard: deque[tuple[str, Transition]] = deque()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for name, latch in self._events.items():
            self._stack.callback(latch.listen(partial(self._hear, name)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def first(self) -> tuple[str, Transition] | None:
        """The first wanted transition and the name of its latch; ``None`` before there was one."""
        return self._heard[0] if self._heard else None

    def when_heard(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have ``wake`` called, from the changing thread, at each change; returns what takes that back."""
        with ExitStack() as stack:
            for latch in self._events.values():
                stack.callback(latch.when_changed(wake))
            return stack.pop_all().close

    def _hear(self, name: str, transition: Transition) -> None:
        if transition.state == self._wait_for:
            self._heard.append((name, transition))


def _checked(events: object) -> dict[str, SRLatch]:
    if not isinstance(events, Mapping):
        raise TypeError(f"events must map names to latches, as Action.event_map does; found {events!r}")
    latches = dict(cast(Mapping[Any, Any], events))
    for name, latch in latches.items():
        if not isinstance(latch, SRLatch):
            raise TypeError(f"the event {name!r} must be an SRLatch, found {latch!r}")
    if not latches:
        raise ValueError("events is empty: there is no latch that could end the wait")
    return latches
