"""A RunEngine that does not block its caller."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import CancelledError, Future
from concurrent.futures import wait as wait_for_futures
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self, cast

import bluesky.run_engine as stock
from bluesky.run_engine import (
    LoggingPropertyMachine,
    RunEngineResult,
    RunEngineStateMachine,
    TransitionError,  # pyright: ignore[reportPrivateImportUsage]
)
from bluesky.utils import (
    DuringTask,
    Msg,
    Subscribers,
    normalize_subs_input,  # pyright: ignore[reportUnknownVariableType]
)

from skysteer.engine._call import Call
from skysteer.engine._commands import Caching, wait_for_actions
from skysteer.engine._loop import EngineLoop
from skysteer.errors import EngineBusy, SkysteerError

__all__ = ["EngineClosed", "RunEngine"]


_default_scan_id = cast(Callable[[dict[str, Any]], Any], stock.default_scan_id_source)  # pyright: ignore[reportUnknownMemberType]


class EngineClosed(SkysteerError, RuntimeError):
    """The engine was closed and runs nothing any more. Make a new one."""


class _WatchedState(LoggingPropertyMachine):
    """Bluesky's state, which tells the engine when it has become "running"."""

    def __set__(self, obj: RunEngine, value: str) -> None:
        super().__set__(obj, value)  # pyright: ignore[reportUnknownMemberType]
        if value == "running":
            obj._has_begun()  # pyright: ignore[reportPrivateUsage]


class RunEngine(stock.RunEngine):
    """Bluesky's RunEngine, whose calls return futures.

    Every method may be called from any thread but the engine's own loop thread
    (where plans and document callbacks run, and would wait for themselves), and
    from a notebook. There are no signal handlers: Ctrl-C ends the *wait* for a
    future, never the plan.

    Parameters
    ----------
    md, preprocessors, md_validator, md_normalizer, scan_id_source, call_returns_result
        As in `bluesky.RunEngine`; but futures give a `RunEngineResult` unless
        ``call_returns_result=False`` asks for the uids alone.
    loop
        An event loop to run on. It stays the caller's: `close` stops it if this
        engine started it, never closes it, and leaves one that ran already alone.

    Examples
    --------
    >>> from bluesky.plan_stubs import null
    >>> with RunEngine() as RE:
    ...     future = RE(null())
    ...     future.result(timeout=10).exit_status
    'success'
    """

    _state: Any = _WatchedState(RunEngineStateMachine)

    def __init__(
        self,
        md: dict[str, Any] | None = None,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        preprocessors: list[Any] | None = None,
        md_validator: Callable[..., Any] | None = None,
        md_normalizer: Callable[..., Any] | None = None,
        scan_id_source: Callable[[dict[str, Any]], Any] = _default_scan_id,
        call_returns_result: bool = True,
    ) -> None:
        self._present: Call | None = None
        self._plan_name = ""
        self._failures: list[BaseException] = []  # what the present plan raised: none or one
        self._closed = False
        self._gate = threading.Lock()  # who may begin a call; held for no longer than it takes to look
        self._end_lock = threading.Lock()  # one close at a time
        self._caching = Caching(lambda: cast(Any, self)._msg_cache or (), self._add_status_to_group)
        self._engine_loop = EngineLoop(loop)
        try:
            super().__init__(  # pyright: ignore[reportUnknownMemberType]
                md,
                loop=self._engine_loop.loop,
                preprocessors=preprocessors,
                context_managers=[],  # signal handlers are for the main thread, where we never run
                md_validator=md_validator,
                md_normalizer=md_normalizer,
                scan_id_source=scan_id_source,
                during_task=DuringTask(),  # the default one may run a Qt loop, which is not for our thread
                call_returns_result=call_returns_result,
            )
        except BaseException:
            self._engine_loop.give_back(10.0)
            raise
        self.pause_msg = ""
        for command in (wait_for_actions, self._caching.stash, self._caching.clear_cache):
            cast(Any, self).register_command(command.__name__, command)

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, plan: Iterable[Msg], subs: Subscribers | None = None, /, **metadata_kw: Any
    ) -> Future[RunEngineResult]:
        """Start a plan and return at once.

        Parameters
        ----------
        plan
            Generator of messages, or an iterable of them.
        subs
            Callbacks for this call only, as in Bluesky.
        **metadata_kw
            Metadata for every run of this call.

        Returns
        -------
        Future
            Ends as Bluesky's call does: with the `RunEngineResult`, with the
            exception that ended the plan, or with `RunEngineInterrupted` at a pause
            (`resume` gives a new future), abort, stop or halt. Its callbacks are
            called in the thread that waited for the plan, where the next plan may
            be started. ``future.cancel()`` does nothing: `abort` ends a plan.

        Raises
        ------
        EngineBusy
            If a plan runs or is paused; it is not disturbed.
        EngineClosed
            After `close`.
        TypeError
            If `plan` is not a plan.
        """
        self._refuse_on_own_thread("RE(...)")
        _check_plan(plan)
        normalize_subs_input(subs)  # raises here, in the caller, if they are wrong
        with self._gate:
            self._refuse_when_closed("RE(...)")
            if self._present is not None or not self._state.is_idle:
                raise EngineBusy(
                    f"RE(...) was called while the plan {self._plan_name!r} is {self._present_state()}: "
                    + _WHAT_TO_DO.get(str(self.state), "wait for its future to be done, or end it with RE.abort()")
                )
            self._plan_name = getattr(plan, "__name__", "") or type(plan).__name__
            return self._begin(partial(super().__call__, plan, subs, **metadata_kw))

    def resume(self) -> Future[RunEngineResult]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Go on with a paused plan from its last checkpoint.

        Returns
        -------
        Future
            As that of a call.

        Raises
        ------
        TransitionError
            If no plan is paused, or another thread resumes it already.
        """
        self._refuse_on_own_thread("RE.resume()")
        self._wait_for_paused_call()
        with self._gate:
            self._refuse_when_closed("RE.resume()")
            if self._present is not None or not self._state.is_paused:
                raise TransitionError(f"RE.resume() needs a paused plan, but the engine is {self._present_state()}")
            return self._begin(super().resume)

    def abort(self, reason: str = "") -> Any:
        """End a running or paused plan, let it clean up, and mark its run as aborted.

        A plan whose future was just returned is aborted as soon as it has begun.
        For a paused plan this returns when the clean-up is over; for a running one
        before: its future says when.

        Raises
        ------
        TransitionError
            If there is no plan, or it is being ended already.
        """
        return self._interrupt("RE.abort()", lambda: self._abort(reason))

    def stop(self) -> Any:
        """End a running or paused plan, let it clean up, and mark its run as successful. See `abort`."""
        return self._interrupt("RE.stop()", self._stop_coro)

    def halt(self) -> Any:
        """End a running or paused plan without letting it clean up. See `abort`."""
        return self._interrupt("RE.halt()", self._halt_coro)

    def request_pause(self, defer: bool = False) -> None:  # noqa: FBT001, FBT002 - it is Bluesky's
        """Pause a running plan: now, or at its next checkpoint if `defer`.

        The pending future ends with `RunEngineInterrupted` when the plan is paused.

        Raises
        ------
        TransitionError
            If no plan is running.
        """
        self._refuse_on_own_thread("RE.request_pause()")
        self._refuse_when_closed("RE.request_pause()")
        self._wait_for_begin()
        super().request_pause(defer)

    def close(self, *, timeout: float = 10.0) -> None:
        """Abort what runs or is paused, stop the loop, and end every thread of this engine.

        Calling it again does nothing.

        Parameters
        ----------
        timeout
            Seconds to allow for the clean-up of an aborted plan, after which it is
            cancelled, and again for each thread to end.

        Raises
        ------
        TimeoutError
            If the plan or the loop would not end. What is stuck stays behind in a
            daemon thread; ``close()`` may be tried again.
        """
        self._refuse_on_own_thread("RE.close()")
        with self._gate:
            self._closed = True  # from here on nobody begins anything
        with self._end_lock:
            if self._loop.is_running():
                self._end_plan(timeout)
            self._engine_loop.give_back(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- how a call begins and ends

    def _begin(self, work: Callable[[], Any]) -> Future[Any]:
        """Start `work`. The gate is held, and nothing is under way."""
        call = Call()

        def run() -> Any:
            self._failures.clear()
            try:
                return work()
            except TimeoutError as exc:
                # asyncio hands a *copy* of a TimeoutError from thread to thread
                if self._failures and type(self._failures[0]) is type(exc):
                    raise self._failures[0] from None
                raise

        def finish() -> None:
            with self._gate:
                self._present = None
                self._failures.clear()

        self._present = call
        try:
            call.start(run, finish)
        except BaseException:
            self._present = None
            raise
        return call.future

    async def _run(self) -> Any:
        try:
            return await super()._run()
        except BaseException as exc:
            self._failures[:] = [exc]
            raise

    async def _close_run(self, msg: Msg) -> Any:
        """Close a run; one that was aborted is given the reason that `abort` was called with.

        Bluesky's own documentation promises so, but its run_wrapper closes without a reason.
        """
        given = cast(dict[str, Any], cast(Any, msg).kwargs)
        if given.get("exit_status") == "abort" and not given.get("reason"):
            msg = msg._replace(kwargs={**given, "reason": cast(Any, self)._reason})
        return cast(Any, await super()._close_run(msg))  # pyright: ignore[reportUnknownMemberType]

    def _reset_checkpoint_state_meth(self) -> None:
        self._caching.forget()
        super()._reset_checkpoint_state_meth()

    def _clear_call_cache(self) -> None:
        self._caching.forget()
        super()._clear_call_cache()

    def _has_begun(self) -> None:
        if self._present is not None:
            self._present.begun.set()

    def _wait_for_begin(self) -> None:
        """Wait until a plan that was accepted has begun: before, there is nothing to pause or to end."""
        call = self._present
        if call is not None:
            call.begun.wait()

    def _wait_for_paused_call(self) -> None:
        """Wait until the call that was paused has told its future so: until then its thread reads our state."""
        call = self._present
        if call is not None and call.begun.is_set() and self._state.is_paused:
            call.over.wait()

    def _interrupt(self, what: str, ending: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        self._refuse_on_own_thread(what)
        if self.state == "panicked":
            raise RuntimeError(f"{what}: the engine is panicked and cannot be recovered, restart Python")
        if self._closed and (self._state.is_idle or not self._loop.is_running()):
            raise EngineClosed(f"{what} was called on an engine that is closed")
        self._wait_for_begin()
        self._wait_for_paused_call()
        answer, cleaning_up = self._tell_to_end(ending).result()
        if cleaning_up is not None:
            with suppress(CancelledError):
                cleaning_up.result()  # raises what the clean-up raises
        return answer

    def _tell_to_end(self, ending: Callable[[], Coroutine[Any, Any, Any]]) -> Future[tuple[Any, Future[Any] | None]]:
        """Have the loop end the plan. Answers also with the future of a plan that was paused, which nobody waits for.

        Bluesky's own way looks at the state in the caller's thread: a plan that
        pauses just then is left neither paused nor ended. We look on the loop.
        """

        async def end() -> tuple[Any, Future[Any] | None]:
            paused = self._state.is_paused
            answer = await ending()
            if not paused:
                return answer, None
            cast(asyncio.Event, self._run_permit).set()
            return answer, self._task_fut

        return asyncio.run_coroutine_threadsafe(end(), self._loop)

    def _abort(self, reason: str) -> Coroutine[Any, Any, Any]:
        return self._abort_coro(reason)  # pyright: ignore[reportUnknownMemberType]

    def _end_plan(self, timeout: float) -> None:
        """Abort what runs; cancel it if its clean-up does not end in time."""
        call = self._present
        if call is not None and not call.begun.wait(timeout):
            raise TimeoutError(f"the plan {self._plan_name!r} did not begin within {timeout} s, nor can it be aborted")
        plan = cast(Future[Any] | None, self._task_fut)
        if plan is not None and not plan.done():
            with suppress(TransitionError):  # it is ending already
                self._tell_to_end(lambda: self._abort("the engine was closed")).result(timeout)
            if wait_for_futures([plan], timeout).not_done:
                self._loop.call_soon_threadsafe(cast(Any, self)._task.cancel)
                if wait_for_futures([plan], timeout).not_done:
                    raise TimeoutError(f"the plan {self._plan_name!r} was aborted, but did not end within {timeout} s")
        if call is not None:
            call.over.wait(timeout)
            if call.thread is not None and call.thread is not threading.current_thread():
                call.thread.join(timeout)

    # -- what is refused

    def _refuse_on_own_thread(self, what: str) -> None:
        if threading.current_thread() is self._th:
            raise EngineBusy(
                f"{what} was called in the thread of the engine's own loop, where plans and document callbacks run, "
                "and would wait for itself for ever; in a plan use `yield from`, in a callback another thread"
            )

    def _refuse_when_closed(self, what: str) -> None:
        if self._closed:
            raise EngineClosed(f"{what} was called on an engine that is closed: make a new RunEngine()")
        if self.state == "panicked":
            raise RuntimeError(f"{what}: the engine is panicked and cannot be recovered, restart Python")

    def _present_state(self) -> str:
        state = str(self.state)
        return "about to run" if state == "idle" and self._present is not None else state


_WHAT_TO_DO = {
    "paused": "go on with it by RE.resume(), or end it with RE.abort()",
}


def _check_plan(plan: Any) -> None:
    if inspect.isfunction(plan) or inspect.ismethod(plan):
        raise TypeError(f"RE(...) takes a plan, not the function that makes it: RE({plan.__name__}(...))")
    if not isinstance(plan, Iterable) or isinstance(plan, str | bytes | dict):
        raise TypeError(f"RE(...) takes a plan (a generator of messages), got {plan!r}")
