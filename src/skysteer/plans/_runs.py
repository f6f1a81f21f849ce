"""Runs whose stop document says why they ended, and runs that say which suggestion they answer."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, Protocol

from bluesky.utils import Msg, RunEngineControlException

from ._asking import End
from ._bluesky import Message, ensure_generator
from ._waiting import Plan


def run_with_reason(plan: Plan[End], md: Mapping[str, Any], opened: Callable[[str], None] | None = None) -> Plan[End]:
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


class Watcher(Protocol):
    """Looks at the messages of a plan that is forwarded."""

    def before(self, message: Message, *, cleaning: bool) -> Generator[Msg, Any, Message]:
        """See a message; yield what is to go first and return what is to go in its place.

        ``cleaning`` says that an exception was thrown into the plan before.
        """
        ...

    def after(self, message: Message, answer: Any) -> None:
        """See the answer to a message."""
        ...

    def thrown(self) -> None:
        """The newest message was answered with an exception."""
        ...


def forward(plan: Any, watcher: Watcher) -> Plan[Any]:
    """Pass the messages of a plan on, and have them looked at."""
    inner = ensure_generator(plan)
    cleaning = False
    try:
        message = next(inner)
        while True:
            try:
                sent = yield from watcher.before(message, cleaning=cleaning)
                answer = yield sent
            except GeneratorExit:
                inner.close()
                raise
            except BaseException as exc:
                cleaning = True
                watcher.thrown()
                message = inner.throw(exc)
            else:
                watcher.after(sent, answer)
                message = inner.send(answer)
    except StopIteration as stop:
        return stop.value
