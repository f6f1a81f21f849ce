"""Runs whose stop document says why they ended, and runs that say which suggestion they answer."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from bluesky.utils import Msg, RunEngineControlException, ensure_generator

from ._asking import End
from ._waiting import Plan


def run_with_reason(
    plan: Plan[End], md: Mapping[str, Any], opened: Callable[[str], None] | None = None
) -> Plan[End]:
    """Enclose a plan in a run; the stop document carries the status and reason it ends with.

    As `bluesky.preprocessors.run_wrapper`, which has no place for a reason.
    ``opened`` is told the uid of the run.
    """
    uid = yield Msg("open_run", None, **md)
    if opened is not None and uid is not None:
        opened(uid)
    try:
        end = yield from plan
    except RunEngineControlException as exc:
        # The engine's own abort and stop carry no words: the engine that made
        # them knows the reason and fills it in.
        status = getattr(exc, "exit_status", "abort")
        yield Msg("close_run", None, exit_status=status, reason=str(exc) or None)
        raise
    except Exception as exc:
        yield Msg("close_run", None, exit_status="fail", reason=f"{type(exc).__name__}: {exc}")
        raise
    yield Msg("close_run", None, exit_status=end.exit_status, reason=end.reason)
    return end


Before = Callable[[Msg, bool], Generator[Msg, Any, Msg]]
"""Called with each message of a plan, and whether the plan is cleaning up after an
exception; yields what is to go first and returns what is to go in its place."""
After = Callable[[Msg, Any], None]
"""Called with each message and its answer."""


def forward(plan: Any, before: Before, after: After) -> Plan[Any]:
    """Pass the messages of a plan on, and look at them."""
    inner = ensure_generator(plan)
    cleaning = False
    try:
        message = next(inner)
        while True:
            try:
                sent = yield from before(message, cleaning)
                answer = yield sent
            except GeneratorExit:
                inner.close()
                raise
            except BaseException as exc:
                cleaning = True
                message = inner.throw(exc)
            else:
                after(sent, answer)
                message = inner.send(answer)
    except StopIteration as stop:
        return stop.value
