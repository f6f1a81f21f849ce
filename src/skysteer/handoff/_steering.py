"""The three things that may be done to a running measurement, by watchdogs, people and code alike."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from skysteer.model import DecisionListener, Steered, Verdict

from ._action import Action
from ._latch import SRLatch, Transition
from ._listeners import Listeners

KEPT = 1000
"""How many requests are remembered."""


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody wanted something of the running measurement."""

    verdict: Verdict
    reason: str
    author: str
    """Who: a watchdog's name, a person, a piece of code."""
    time: float
    """Seconds since the epoch."""
    launch: int
    """The launch it was meant for."""
    accepted: bool
    """False if there was no such launch any more (or not yet): it was counted and ignored."""

    def __str__(self) -> str:
        return _words(self.author, self.reason) or self.verdict.value


class Steering:
    """*Keep going*, *enough* and *abort*, as latches that a plan obeys.

    A plan that can be steered begins a *launch*: a new generation, with all
    latches back at their start. What was requested before it, or names an
    earlier one, is counted and ignored. Whoever watches holds the steering,
    not the launch.

    All methods may be called from any thread. The latches of the actions may
    also be thrown directly; that counts for the present launch.
    """

    def __init__(self) -> None:
        self.keep_going = Action(
            "keep going", "Run on; off holds at the next safe point", togglable=True, toggle_states=("Run", "Hold")
        )
        """Starts set. Reset holds at the next safe point until it is set again, or enough or abort comes."""
        self.enough = Action("enough", "End this measurement successfully")
        """Ends the measurement at the next event boundary."""
        self.abort = Action("abort", "End this measurement now, and mark it as aborted")
        """Ends the measurement at once."""
        self._lock = threading.Lock()
        self._launch = 0
        self._running = False
        self._ignored = 0
        self._requests: deque[Request] = deque(maxlen=KEPT)
        self._holds: dict[str, str] = {}
        self._latches = self.keep_going.latch, self.enough.latch, self.abort.latch
        self._listeners = Listeners()
        self._hears = False
        self._acting: int | None = None
        self._thrown: deque[Steered] = deque()
        self.keep_going.latch.set()

    # ------------------------------------------------------------ for whoever steers

    def request(self, verdict: Verdict, reason: str = "", *, author: str = "", launch: int | None = None) -> Request:
        """Ask for something.

        Parameters
        ----------
        verdict
            What.
        reason
            Why, for people; it goes into the stop document.
        author
            Who. *Keep going* ends the hold of the same author; without an
            author it ends every hold.
        launch
            The launch it is meant for, where that is known (`launch_number`
            when the data was taken); by default the one that runs.

        Returns
        -------
        Request
            As it was remembered; ``accepted`` tells whether it counts.
        """
        with self._acts():
            accepted = self._running and launch in (None, self._launch)
            request = Request(
                verdict, reason, author, time.time(), self._launch if launch is None else launch, accepted
            )
            self._requests.append(request)
            if accepted:
                self._obey(request)
            else:
                self._ignored += 1
        if self._listeners:
            self._listeners.tell(Steered(verdict, reason, author, request.launch, accepted, request.time))
        return request

    def listen(self, listener: DecisionListener) -> Callable[[], None]:
        """Have a listener told of every request, and of every latch that is thrown directly; returns what ends that."""
        forget = self._listeners.add(listener)
        with self._acts():  # what a latch says of its state now is no news
            if not self._hears:
                self._hears = True
                for latch in self._latches:
                    latch.listen(partial(self._hear, latch))
                    latch.when_changed(self._tell_thrown)
        return forget

    @property
    def requests(self) -> tuple[Request, ...]:
        """The newest requests, oldest first: who wanted what, why and when."""
        with self._lock:
            return tuple(self._requests)

    def held_by(self, author: str) -> bool:
        """Whether this author holds the plan."""
        return author in self._holds

    @property
    def ignored(self) -> int:
        """How many requests came too early or too late."""
        return self._ignored

    @property
    def launch_number(self) -> int:
        """Number of the newest launch; 0 before the first."""
        return self._launch

    @property
    def running(self) -> bool:
        """Whether a plan is being steered."""
        return self._running

    # ------------------------------------------------------------ for the plan that is steered

    def launch(self) -> int:
        """Begin a launch: latches back to their start. Returns its number."""
        with self._acts():
            self._ignored += (
                self.enough.latch.is_set() + self.abort.latch.is_set() + (not self.keep_going.latch.is_set())
            )
            self._launch += 1
            self._running = True
            self._to_start()
            return self._launch

    def end(self, launch: int) -> None:
        """The launch is over: nothing is accepted for it any more."""
        with self._acts():
            if launch == self._launch:
                self._running = False
                self._to_start()

    @property
    def wanted(self) -> tuple[Verdict, str] | None:
        """What the plan is to do now, and why; ``None`` to run on. Abort beats enough beats hold."""
        going, enough, abort = self._latches  # looked at before every message of a plan
        if abort.is_set():
            return Verdict.ABORT, abort.last.cause
        if enough.is_set():
            return Verdict.ENOUGH, enough.last.cause
        if not going.is_set():
            return Verdict.HOLD, going.last.cause
        return None

    def when_changed(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have ``wake`` called, from the changing thread, at each change; returns what takes that back."""
        with ExitStack() as stack:
            for action in (self.keep_going, self.enough, self.abort):
                stack.callback(action.latch.when_changed(wake))
            return stack.pop_all().close

    @contextmanager
    def _acts(self) -> Generator[None]:
        """Hold the lock; latches that this thread throws meanwhile are not thrown directly."""
        with self._lock:
            self._acting = threading.get_ident()
            try:
                yield
            finally:
                self._acting = None

    def _obey(self, request: Request) -> None:
        cause = str(request)
        match request.verdict:
            case Verdict.KEEP_GOING:
                self._release(request.author, cause)
            case Verdict.HOLD:
                self._holds[request.author] = cause
                self.keep_going.latch.reset(cause)
            case Verdict.ENOUGH:
                self.enough.latch.set(cause)
            case Verdict.ABORT:
                self.abort.latch.set(cause)

    def _hear(self, latch: SRLatch, transition: Transition) -> None:
        """Under the lock of the latch: only put away that it was thrown directly."""
        if self._acting == threading.get_ident():
            return
        going, enough, _ = self._latches
        reason = transition.cause
        if latch is going:
            verdict = Verdict.KEEP_GOING if transition.state == "set" else Verdict.HOLD
        elif transition.state == "set":
            verdict = Verdict.ENOUGH if latch is enough else Verdict.ABORT
        else:
            verdict = Verdict.KEEP_GOING
            reason = _words("enough is taken back" if latch is enough else "abort is taken back", reason)
        self._thrown.append(Steered(verdict, reason, "", self._launch, self._running, transition.time))

    def _tell_thrown(self) -> None:
        while self._thrown:
            with suppress(IndexError):  # another thread took it
                self._listeners.tell(self._thrown.popleft())

    def _release(self, author: str, cause: str) -> None:
        if author:
            self._holds.pop(author, None)
        else:
            self._holds.clear()
        if not self._holds:
            self.keep_going.latch.set(cause)

    def _to_start(self) -> None:
        self._holds.clear()
        self.keep_going.latch.set("launch")
        self.enough.latch.reset("launch")
        self.abort.latch.reset("launch")

    def __repr__(self) -> str:
        wanted = self.wanted
        state = "idle" if not self._running else "running" if wanted is None else wanted[0].value
        return f"<Steering launch {self._launch}, {state}>"


def _words(author: str, reason: str) -> str:
    return f"{author}: {reason}" if author and reason else author or reason
