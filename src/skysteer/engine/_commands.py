"""The commands that our engine knows beyond Bluesky's: waiting for latches, and devices with a cache."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, cast

from bluesky.protocols import Status
from bluesky.utils import Msg

from skysteer.handoff import Listening, Transition
from skysteer.protocols import HasCache

__all__ = ["Caching", "wait_for_actions"]


async def wait_for_actions(msg: Msg) -> tuple[str, Transition] | None:
    """Hold until one of the latches changes.

    Expected message: ``Msg("wait_for_actions", None, events, timeout=None, wait_for="set")``,
    answered with the name of the latch and the transition that ended the wait,
    or with None at the timeout.

    As with every message, the answer to one that a pause interrupted is None,
    after it was waited for again; `skysteer.plans.wait_for_actions` sees to that.
    """
    events, kwargs = _argument(msg), cast(Any, msg).kwargs
    timeout, wait_for = kwargs.get("timeout"), kwargs.get("wait_for", "set")
    with Listening(events, wait_for) as heard:
        if heard.first is None:
            await _woken(heard, timeout)
        return heard.first


async def _woken(heard: Listening, timeout: float | None) -> None:
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[None] = loop.create_future()

    def resolve() -> None:
        if heard.first is not None and not waiting.done():
            waiting.set_result(None)

    def wake() -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits there any more
            loop.call_soon_threadsafe(resolve)

    forget = heard.when_heard(wake)
    try:
        resolve()  # it may have happened before we could be woken
        await asyncio.wait([waiting], timeout=timeout)
    finally:
        forget()
        waiting.cancel()


class Caching:
    """The commands ``stash`` and ``clear_cache``.

    A message that is replayed after a pause is not carried out twice: it is
    answered with the status it had, unless that has failed.

    Parameters
    ----------
    replayable
        The messages since the last checkpoint, the present one last.
    add_status
        Has a group wait for a status too: called with device, status, group and command.
    """

    def __init__(
        self, replayable: Callable[[], Iterable[Any]], add_status: Callable[[Any, Status, Any, str], Any]
    ) -> None:
        self._replayable = replayable
        self._add_status = add_status
        self._done: dict[int, tuple[Msg, list[Status]]] = {}

    def forget(self) -> None:
        """There is a new checkpoint: nothing from before is replayed any more."""
        self._done.clear()

    async def stash(self, msg: Msg) -> Status:
        """``Msg("stash", obj, reading, group=...)``: have a device keep a reading; answered with the status."""
        reading = _argument(msg)
        return self._once(msg, lambda device: device.stash(reading))

    async def clear_cache(self, msg: Msg) -> Status:
        """``Msg("clear_cache", obj, group=...)``: have a device forget what it keeps; answered with the status."""
        return self._once(msg, lambda device: device.clear())

    def _once(self, msg: Msg, act: Callable[[HasCache], Any]) -> Status:
        message = cast(Any, msg)
        device, command = message.obj, message.command
        if not isinstance(device, HasCache):
            raise TypeError(
                f"{command}: {getattr(device, 'name', None) or repr(device)} has no cache: found a "
                f"{type(device).__name__}, needed is a device with a name, stash(reading) and clear()"
            )
        times = sum(each is msg for each in self._replayable())
        status = self._earlier(msg, times)
        if status is None:
            answer = act(device)
            if not isinstance(answer, Status):
                raise TypeError(f"{command}: {device.name} must answer with a status, found {answer!r}")
            status = answer
            if times:  # else it is never replayed
                self._done.setdefault(id(msg), (msg, []))[1].append(status)
        self._add_status(device, status, message.kwargs.get("group"), command)
        return status

    def _earlier(self, msg: Msg, times: int) -> Status | None:
        """The status this message had before it was replayed.

        A plan may send one message object twice, so what counts is how often it
        came since the checkpoint, and how often it was carried out.
        """
        _, statuses = self._done.get(id(msg), (msg, []))
        if not 0 < times <= len(statuses):
            return None
        status = statuses[times - 1]
        if status.done and not status.success:
            del statuses[times - 1 :]
            return None
        return status


def _argument(msg: Msg) -> Any:
    message = cast(Any, msg)
    if len(message.args) != 1:
        raise TypeError(f"{message.command} takes one argument beside its keywords, found {message.args!r}")
    return message.args[0]
