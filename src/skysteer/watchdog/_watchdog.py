"""Shows a judge what is measured, and does to the running plan what it says."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Literal

from skysteer.documents import Fields, PerEvent
from skysteer.errors import WorkerDied
from skysteer.handoff import Listeners, Steering
from skysteer.model import DecisionListener, Judged, Judgement, Observation, Verdict
from skysteer.protocols import Judge
from skysteer.workers import Desk, WorkerKind

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WatchdogStatus:
    """How a watchdog is doing."""

    judged: int = 0
    """Observations judged."""
    passed_over: int = 0
    """Observations passed over for a newer one (``every="latest"``)."""
    waiting: int = 0
    """Observations that wait."""
    lag: float | None = None
    """Seconds from the newest judged event to its judgement; ``None`` before the first."""
    last: Judgement | None = None
    """The newest judgement."""
    errors: int = 0
    """How often the judge raised, died or returned nonsense."""
    last_error: str = ""
    """What went wrong last."""
    restarts: int = 0
    """How often its process died and was replaced; the new judge starts afresh."""
    busy_for: float | None = None
    """Seconds it has been judging one observation; ``None`` when it is not."""
    silent: bool = False
    """Whether that is longer than ``silent_after``."""
    alive: bool = True
    """Whether it watches: not closed, and not silent."""


@dataclass(frozen=True, slots=True)
class _Seen:
    observation: Observation
    launch: int
    arrived: float


class _Servant:
    """The calls that the worker makes."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def judge(self, observation: Observation) -> Any:
        return self._judge(observation)

    def reset(self) -> None:
        reset = getattr(self._judge, "reset", None)
        if reset is not None:
            reset()


class Watchdog:
    """Runs a judge on its own worker, never on the engine's loop, and steers the running plan by it.

    It is a document callback: give it to ``steered(plan, steering, watch=[...])``
    or subscribe it to the engine. A judgement counts for the launch in which
    its data was taken, and for no other. A judge that fails or falls silent
    leaves the plan as it would be without one, and `status` says so.

    Parameters
    ----------
    judge
        Called with each observation; see `skysteer.protocols.Judge`. One with
        a method ``reset()`` is reset when a new launch begins.
    steering
        What it steers. Several watchdogs may hold the same one: abort beats
        enough beats hold, and *keep going* ends only the hold of the same watchdog.
    fields
        Which values of which stream it is shown. With ``Fields(..., reduced=True)``
        it is shown all data of the event, arrays too. To release a plan that is
        held it must be shown something that goes on meanwhile: a monitored signal
        (``stream="<signal>_monitor"``).
    every
        When judging is slower than measuring: ``"event"`` judges all, later;
        ``"latest"`` passes over all but the newest, and counts them.
    worker
        ``"thread"``, or ``"process"`` for a judge that computes in pure Python,
        or a ``distributed.Client`` to have it judge on a worker of a Dask cluster.
    on_error
        ``"ignore"``, or ``"abort"`` to end the measurement when the judge
        raises, dies, returns nonsense, or (noticed at the next event) is silent.
    name
        The author of what it requests; by default the name of the judge's class.
    silent_after
        Seconds for one judgement after which it counts as silent.
    """

    def __init__(
        self,
        judge: Judge,
        steering: Steering,
        fields: Fields,
        *,
        every: Literal["event", "latest"] = "event",
        worker: WorkerKind = "thread",
        on_error: Literal["ignore", "abort"] = "ignore",
        name: str | None = None,
        silent_after: float = 10.0,
    ) -> None:
        if not callable(judge) or isinstance(judge, type):
            raise TypeError(f"{judge!r} is no judge: it must be callable with an observation")
        if every not in ("event", "latest"):
            raise ValueError(f"every must be 'event' or 'latest', found {every!r}")
        if on_error not in ("ignore", "abort"):
            raise ValueError(f"on_error must be 'ignore' or 'abort', found {on_error!r}")
        if not silent_after > 0:
            raise ValueError(f"silent_after must be a positive number of seconds, found {silent_after!r}")
        self.name = name or getattr(judge, "__name__", type(judge).__name__)
        """The author of what it requests."""
        self._steering = steering
        self._every = every
        self._on_error = on_error
        self._silent_after = silent_after
        self._adapter = PerEvent(fields, self.tell)
        self._lock = threading.Lock()
        self._status = WatchdogStatus()
        self._listeners = Listeners()
        self._launch = 0
        self._newest: dict[tuple[str, str], int] = {}
        self._desk: Desk[_Seen | None] = Desk("watchdog", self.name, worker, _Servant(judge), self._take)

    # ------------------------------------------------------------ from any thread

    def __call__(self, name: str, doc: Any) -> None:
        """Take a document; on the engine's loop, where it only hands over."""
        self._adapter(name, doc)

    def start(self) -> None:
        """Start its worker now, without waiting, rather than at the first event."""
        self._desk.post(None)

    def listen(self, listener: DecisionListener) -> Callable[[], None]:
        """Have a listener told of every judgement, and of every failure to judge; returns what ends that."""
        return self._listeners.add(listener)

    def tell(self, observation: Observation) -> None:
        """Show it an observation that comes from elsewhere."""
        seen = _Seen(observation, self._steering.launch_number, time.monotonic())
        self._desk.post(seen)
        busy = self._desk.busy
        if busy is not None and busy[1] > self._silent_after and self._on_error == "abort":
            reason = f"no judgement for {busy[1]:.1f} s"
            self._say(None, reason, seen, accepted=self._steer(Judgement(Verdict.ABORT, reason), seen.launch))

    @property
    def status(self) -> WatchdogStatus:
        """How it is doing now."""
        busy = self._desk.busy
        silent = busy is not None and busy[1] > self._silent_after
        with self._lock:
            return replace(
                self._status,
                waiting=self._desk.waiting,
                busy_for=None if busy is None else busy[1],
                silent=silent,
                alive=not silent and not self._desk.closing,
            )

    @property
    def closed(self) -> Future[None]:
        """Done when its thread and its process have ended."""
        return self._desk.closed

    def close(self) -> bool:
        """End it; False if the judge is stuck in a thread, which ends when the judge returns."""
        return self._desk.close()

    def __enter__(self) -> Watchdog:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        status = self.status
        return f"<Watchdog {self.name}, judged {status.judged}, {'alive' if status.alive else 'silent or closed'}>"

    # ------------------------------------------------------------ in its own thread

    def _take(self, waiting: list[_Seen | None]) -> None:
        if None in waiting:
            self._start()
        items = [item for item in waiting if item is not None]
        if self._every == "latest" and items:
            with self._lock:
                self._status = replace(self._status, passed_over=self._status.passed_over + len(items) - 1)
            items = items[-1:]
        for item in items:
            if self._desk.closing:
                return
            self._judge(item)

    def _start(self) -> None:
        try:
            self._desk.start()
        except Exception as exc:
            if not self._desk.closing:
                self._failed(f"{type(exc).__name__}: {exc}", None)

    def _judge(self, item: _Seen) -> None:
        observation = item.observation
        if observation.seq_num <= self._newest.get((observation.run, observation.stream), 0):
            return  # measured again after a pause: it was judged
        self._newest = {(observation.run, observation.stream): observation.seq_num}
        try:
            if item.launch != self._launch:
                self._launch = item.launch
                self._desk.call("reset", "reset")
            judgement = self._desk.call("judge", "judge", observation)
        except WorkerDied as exc:
            if self._desk.closing:
                return
            self._desk.restart()
            with self._lock:
                self._status = replace(self._status, restarts=self._status.restarts + 1)
            self._failed(str(exc), item)
        except BaseException as exc:  # SystemExit, ... would end this thread, and nobody would watch
            self._failed(f"{type(exc).__name__}: {exc}", item)
        else:
            self._judged(judgement, item)

    def _judged(self, judgement: Any, item: _Seen) -> None:
        if judgement is not None and not isinstance(judgement, Judgement):
            self._failed(f"it returned {judgement!r}, expected a Judgement or None", item)
            return
        if judgement is not None:
            accepted = self._steer(judgement, item.launch)
            self._say(judgement.verdict, judgement.reason, item, accepted=accepted)
        with self._lock:
            last = self._status.last if judgement is None else judgement
            lag = time.monotonic() - item.arrived
            self._status = replace(self._status, judged=self._status.judged + 1, lag=lag, last=last)

    def _steer(self, judgement: Judgement, launch: int) -> bool:
        """Do as it says; whether it has any effect."""
        if judgement.verdict is Verdict.KEEP_GOING and not self._steering.held_by(self.name):
            return False
        return self._steering.request(judgement.verdict, judgement.reason, author=self.name, launch=launch).accepted

    def _failed(self, error: str, item: _Seen | None) -> None:
        log.warning("the judge of watchdog %s failed: %s", self.name, error)
        with self._lock:
            self._status = replace(self._status, errors=self._status.errors + 1, last_error=error)
        launch = self._steering.launch_number if item is None else item.launch
        accepted = self._on_error == "abort" and self._steer(
            Judgement(Verdict.ABORT, f"the judge failed: {error}"), launch
        )
        self._say(None, error, item, accepted=accepted)

    def _say(self, verdict: Verdict | None, reason: str, item: _Seen | None, *, accepted: bool) -> None:
        if not self._listeners:
            return
        if item is None:
            launch = self._steering.launch_number
            self._listeners.tell(Judged(self.name, verdict, reason, "", "", 0, launch, accepted, 0.0))
            return
        seen, lag = item.observation, time.monotonic() - item.arrived
        self._listeners.tell(
            Judged(self.name, verdict, reason, seen.run, seen.stream, seen.seq_num, item.launch, accepted, lag)
        )
