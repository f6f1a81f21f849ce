"""Puts a flow on record: its documents, and the decisions beside them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from bluesky.utils import Msg, RunEngineControlException
from bluesky.utils import ensure_generator as ensure_generator_of_any  # pyright: ignore[reportUnknownVariableType]

from skysteer.errors import StoreError
from skysteer.model import DecisionListener
from skysteer.plans import Plan, wait_until
from skysteer.stores import DecisionRun, JSONLines, Recorder

from ._owners import result_of

log = logging.getLogger(__name__)
T = TypeVar("T")

Record = Recorder | JSONLines | str | Path
"""Where a flow is put on record: a recorder, a store, or the path of a folder."""
BRISK = 0.005
"""Seconds a point below which a wake-up costs more than it saves."""
GOODBYE = 5.0
"""Seconds that a plan which was ended waits until what it did is on record."""


class Speaker(Protocol):
    """Says what it decides: an advisor, a queue, a watchdog, a steering."""

    def listen(self, listener: DecisionListener) -> Callable[[], None]:
        """Have a listener told; returns what ends that."""
        ...


@dataclass
class _Shared:
    recorder: Recorder
    users: int = 0


_lock = threading.Lock()
_shared: dict[Path, _Shared] = {}
"""The recorders that flows made themselves, by folder: nested flows write through the same."""


class Recording:
    """The record of one flow, opened before anything moves and closed when the plan is over."""

    def __init__(self, record: Record | None) -> None:
        self._record = record
        self._shared: _Shared | None = None
        self._recorder: Recorder | None = None
        self._run: DecisionRun | None = None
        self._token: Any = None
        self._ends: list[Callable[[], Any]] = []
        self._held = -BRISK
        """When the newest point was about to be measured."""

    @property
    def on(self) -> bool:
        """Whether anything is put on record."""
        return self._record is not None

    @property
    def uid(self) -> str | None:
        """Uid of the decision run, once it has begun."""
        return None if self._run is None else self._run.uid

    def open(self) -> list[str]:
        """Open the store; what is wrong with it, one sentence each."""
        if self._record is None:
            return []
        if isinstance(self._record, Recorder):
            if self._record.closing:
                return [f"{self._record!r}: nothing can be put on record, it is closed"]
            self._recorder = self._record
            return []
        folder = (
            self._record.folder if isinstance(self._record, JSONLines) else Path(self._record).expanduser()
        ).resolve()
        try:
            with _lock:
                shared = _shared.get(folder)
                if shared is None or shared.recorder.closing:
                    other = Recorder.at(folder)
                    if other is not None:
                        self._recorder = other
                        return []
                    shared = _shared[folder] = _Shared(Recorder(self._record))
                shared.users += 1
                self._recorder, self._shared = shared.recorder, shared
        except StoreError as exc:
            return [f"nothing can be put on record: {exc}"]
        return []

    def begin(self, about: Mapping[str, Any], speakers: Iterable[Speaker]) -> Plan[None]:
        """Begin the decision run, and listen to documents and decisions."""
        if self._recorder is None:
            return
        run = self._run = self._recorder.begin(about)
        self._ends = [speaker.listen(run) for speaker in speakers]
        # Not the method itself: the engine would hold it weakly, and when the run of an earlier scan dies in
        # another thread in this moment, it forgets the new subscription with the old.
        self._token = yield Msg("subscribe", None, partial(run.document), "all")

    def hold(self) -> Plan[None]:
        """Wait until what was measured so far, and all that was decided before it, is written; no message where it is.

        Raises
        ------
        StoreError
            If the recorder has ended.
        """
        recorder = self._recorder
        if recorder is None:
            return
        if recorder.written < recorder.newest_event or recorder.closing:
            yield from self._written(recorder.newest_event)
        before, self._held = self._held, time.monotonic()
        if self._held - before > BRISK:
            recorder.hurry()  # during the exposure, rather than with the event, when the recommender is to think

    def everything(self) -> Plan[None]:
        """As `hold`, for everything that was handed over."""
        if self._recorder is not None:
            self._recorder.hurry()
            yield from self._written(self._recorder.handed)

    def _written(self, wanted: int) -> Plan[None]:
        recorder = self._recorder
        assert recorder is not None, "there is something to wait for"
        yield from _until_written(recorder, wanted)
        if recorder.written < wanted or recorder.closing:
            raise StoreError(f"{recorder!r}: what is measured is not put on record any more")

    def holding(self, plan: Any) -> Any:
        """Run somebody's plan; while nothing can be written, hold it after its next checkpoint."""
        return self._holding(plan) if self.on else plan

    def _holding(self, plan: Any) -> Plan[Any]:
        inner = cast("Any", ensure_generator_of_any(plan))
        assert self._recorder is not None, "it is opened before the plan begins"
        answer: Any = None
        try:
            message: Any = next(inner)
            while True:
                try:
                    answer = yield message
                    if message.command == "checkpoint" and self._recorder.problem is not None:
                        yield from self.hold()
                except GeneratorExit:
                    inner.close()
                    raise
                except BaseException as exc:
                    message = inner.throw(exc)
                else:
                    message = inner.send(answer)
        except StopIteration as stop:
            return stop.value

    def keeping(self, plan: Plan[T], ended_as: Callable[[T], tuple[str, str]]) -> Plan[T]:
        """Run a plan; when it is over, however it ended, close the decision run and wait until all is written.

        Parameters
        ----------
        plan
            The whole flow, with the workers it starts.
        ended_as
            Exit status and reason of what the plan returns.
        """
        try:
            result = yield from plan
            yield from self._unsubscribed()
            yield from self.everything()
        except GeneratorExit:
            self._over(*self._in_words("abort", ""))
            raise
        except BaseException as exc:
            closed = self._over(*self._in_words(*_status(exc)))
            yield from self._unsubscribed()
            yield from self._complete(closed)
            raise
        yield from self._complete(self._over(*ended_as(result)))
        return result

    def as_measured(self, _: object = None) -> tuple[str, str]:
        """Exit status and reason of the newest run that was measured."""
        return (self._run and self._run.closed_as) or ("success", "")

    def _in_words(self, status: str, reason: str) -> tuple[str, str]:
        """The engine's own abort and stop carry no words, but the run that they ended does."""
        if not reason and self._run is not None and self._run.closed_as is not None:
            return self._run.closed_as
        return status, reason

    def _unsubscribed(self) -> Plan[None]:
        """An outer plan may go on for days. A run that was left open is closed by others: it is still listened to."""
        token, self._token = self._token, None
        if self._run is not None and token is not None and not self._run.open_runs:
            yield Msg("unsubscribe", None, token)

    def _complete(self, closed: Future[None] | None) -> Plan[None]:
        """Wait until all is written; not for ever, as the plan is over."""
        recorder = self._recorder
        if recorder is None or (self._run is not None and self._run.open_runs):
            return
        deadline = time.monotonic() + GOODBYE + 1.0
        try:
            if closed is not None:
                yield from result_of(closed, deadline)
            else:
                recorder.hurry()
                if not (yield from _until_written(recorder, recorder.handed, deadline)):
                    raise TimeoutError
        except TimeoutError:
            log.warning("%r has not written everything within %.0f s", recorder, GOODBYE)
        except OSError as exc:
            log.error("the record is not complete: %s", exc)

    def _over(self, status: str, reason: str) -> Future[None] | None:
        """Nothing more is decided; the future of the recorder where it ends now."""
        for end in self._ends:
            end()
        self._ends = []
        found: list[Future[None] | None] = [None]

        def end_all() -> None:
            if self._run is not None:
                self._run.end(status, reason)
            found[0] = self._release()

        if self._run is None:
            end_all()
        else:
            self._run.when_quiet(end_all)
        return found[0]

    def _release(self) -> Future[None] | None:
        shared, self._shared = self._shared, None
        if shared is None:
            return None
        with _lock:
            shared.users -= 1
            if shared.users:
                return None
            for folder in [folder for folder, each in _shared.items() if each is shared]:
                del _shared[folder]
        return shared.recorder.close()


def _until_written(recorder: Recorder, wanted: int, deadline: float | None = None) -> Plan[bool]:
    return wait_until(lambda: recorder.written >= wanted or recorder.closed.done(), recorder.when_changed, deadline)


def _status(exc: BaseException) -> tuple[str, str]:
    """Exit status and reason of what ended a plan, as the stop document of a run has them."""
    if isinstance(exc, RunEngineControlException):
        return getattr(exc, "exit_status", "abort"), str(exc)
    return "fail", f"{type(exc).__name__}: {exc}"
