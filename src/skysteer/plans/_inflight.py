"""What a user may have done beside the readings of a running plan, by pressing a button."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self, cast, get_args

from bluesky.protocols import Status
from bluesky.utils import IllegalMessageSequence, Msg, RunEngineControlException

from skysteer.handoff import Action, Transition

from ._bluesky import Message
from ._runs import forward
from ._settling import settle
from ._waiting import Plan

log = logging.getLogger(__name__)

ActionPlan = Callable[..., Generator[Msg, Any, Any]]
"""Plan function of a push-button, called with nothing, or of a togglable action, called with True and False."""
Actions = Mapping[Action, ActionPlan] | Sequence[tuple[Action, ActionPlan]]
"""Which plan each action runs."""
OnActionError = Literal["log", "stop"]
"""What an action that fails does to the plan it is part of: nothing, or its end."""


class InFlight:
    """Runs the plan of an action when its latch is thrown; no press is lost.

    A push-button's latch is reset when its plan is over; pressing it meanwhile
    is the same press. A togglable action is on while its latch is set.
    """

    def __init__(self, actions: Actions, on_error: OnActionError = "log") -> None:
        if on_error not in get_args(OnActionError):
            raise ValueError(f"on_action_error must be 'log' or 'stop', found {on_error!r}")
        self._plans = _checked(actions)
        self._on_error = on_error
        self._heard: deque[tuple[Action, Transition]] = deque()
        self._on: dict[Action, None] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for action in self._plans:
            self._stack.callback(action.latch.listen(partial(self._hear, action)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if pending := {action.name for action, transition in self._heard if transition.state == "set"}:
            log.warning("pressed too late to be run: %s", ", ".join(sorted(pending)))

    @property
    def waiting(self) -> bool:
        """Whether there is something to run."""
        return bool(self._heard)

    def when_changed(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have ``wake`` called, from the changing thread, when an action is thrown; returns what takes that back."""
        with ExitStack() as stack:
            for action in self._plans:
                stack.callback(action.latch.when_changed(wake))
            return stack.pop_all().close

    def run(self) -> Plan[None]:
        """Run what was asked for, in the order in which it was."""
        while self._heard:
            action, transition = self._heard.popleft()
            if action.togglable:
                on = transition.state == "set"
                if on == (action in self._on):  # as at first, when nothing is on
                    continue
                yield from self._switch(action, on=on)
            else:
                try:
                    yield from self._try(action, self._plans[action]())
                finally:
                    action.latch.reset("done")
            # A pause later on must not replay the action.
            yield Msg("checkpoint")

    def switch_off(self) -> Plan[None]:
        """Switch off whatever is on, because the plan is over."""
        for action in list(self._on):
            yield from self._switch(action, on=False)
            action.latch.reset("the plan is over")

    def _hear(self, action: Action, transition: Transition) -> None:
        if transition.state == "set" or action.togglable:
            self._heard.append((action, transition))

    def _switch(self, action: Action, *, on: bool) -> Plan[None]:
        if on:
            self._on[action] = None
        else:
            del self._on[action]
        yield from self._try(action, self._plans[action](on))

    def _try(self, action: Action, plan: Generator[Msg, Any, Any]) -> Plan[None]:
        begun = _Begun()
        try:
            yield from forward(plan, begun)
        except RunEngineControlException:
            raise
        except Exception as exc:
            # What it began and what it left open must not land in the next reading.
            yield from settle(begun.statuses)
            with suppress(IllegalMessageSequence):
                yield Msg("drop")
            if self._on_error == "stop":
                raise
            log.exception("the action %r failed, the plan goes on: %s", action.name, exc)


@dataclass(slots=True)
class _Begun:
    """Watches an action for what it sets off."""

    statuses: list[Status] = field(default_factory=list[Status])

    def before(self, message: Message, *, cleaning: bool) -> Generator[Msg, Any, Message]:
        return message
        yield

    def after(self, message: Message, answer: Any) -> None:
        if isinstance(answer, Status):
            self.statuses.append(answer)

    def thrown(self) -> None:
        return


def _checked(actions: Actions) -> dict[Action, ActionPlan]:
    pairs = cast(list[Any], list(actions.items() if isinstance(actions, Mapping) else actions))
    plans: dict[Action, ActionPlan] = {}
    for pair in pairs:
        try:
            action, plan = pair
        except (TypeError, ValueError):
            action = plan = None
        if not isinstance(action, Action) or not callable(plan):
            raise TypeError(f"actions are pairs of an Action and the plan function it runs, found {pair!r}")
        if action in plans:
            raise ValueError(f"the action {action.name!r} is given two plans")
        plans[action] = cast(ActionPlan, plan)
    return plans
