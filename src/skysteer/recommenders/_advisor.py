"""The owner of a recommender: tells it what was measured, asks it what is next, and survives it."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from skysteer.errors import FieldError, PointError, RecommenderError, SkysteerError, WorkerDied
from skysteer.handoff import Answer, Launch, SuggestionQueue, Ticket
from skysteer.model import Finished, Observation, Origin, Space, Suggestion
from skysteer.protocols import CanRegisterSuggestions, HasBestPoints, HasSpace, KnowsPending, Recommender
from skysteer.workers import Desk, WorkerKind

from ._log import ObservationLog
from ._session import Reduce, Session
from ._validate import check_answer
from .foreign._optimizer import adapted

log = logging.getLogger(__name__)
T = TypeVar("T")

LIVES = 3
"""How often a worker process may die under one call before the call is given up."""


@dataclass(frozen=True, slots=True)
class _Failed:
    suggestion: Suggestion


@dataclass(frozen=True, slots=True)
class _Start:
    future: Future[None]


@dataclass(frozen=True, slots=True)
class _Best:
    future: Future[Mapping[str, Any] | None]
    known: int


_Item = Observation | Ticket | Launch | _Failed | _Start | _Best


class Advisor:
    """Owns a recommender and its worker, and answers a `SuggestionQueue`.

    Everything it is handed goes through one mailbox, in order, to one thread:
    a question is answered with just those points known that came before it.
    What waits together is told in one ``ingest``, so a slow recommender gets
    larger calls and nothing is dropped.

    Parameters
    ----------
    recommender
        Two methods are enough: see `skysteer.protocols.Recommender`. An
        optimizer or agent of bluesky-adaptive 1.x is taken as it is; what it
        lacks is filled in (`skysteer.recommenders.foreign.BlueskyAdaptive`).
    worker
        ``"thread"`` takes any object and is fine for numpy, but a model in
        pure Python holds the interpreter lock and slows the plan;
        ``"process"`` cannot slow the engine, and works on a copy of the
        recommender; a ``distributed.Client`` has it compute on a worker of a
        Dask cluster. A process or a Dask worker that dies is replaced and
        taught again.
    space
        Where it may suggest; by default what the recommender says itself
        (`skysteer.protocols.HasSpace`), or else what the motors reach.
    objectives
        Names that ``reduce`` must return.
    reduce
        Computes the objectives from `Observation.data`, in the worker.
    origin
        What its suggestions say about who asked.

    Notes
    -----
    All methods may be called from any thread and none of them waits.
    """

    def __init__(
        self,
        recommender: Recommender,
        *,
        worker: WorkerKind = "thread",
        space: Space | None = None,
        objectives: Sequence[str] = (),
        reduce: Reduce | None = None,
        origin: Origin = "recommender",
    ) -> None:
        if isinstance(recommender, type) and issubclass(recommender, Recommender):
            raise TypeError(f"{recommender.__name__} is a class of recommenders: make one, {recommender.__name__}(...)")
        if not isinstance(recommender, Recommender):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"{recommender!r} is no recommender: it needs the methods ingest(points) and suggest(num_points=None)"
            )
        name = type(recommender).__name__
        recommender = adapted(recommender)
        self.name = name
        """What the recommender is called in errors and documents."""
        self.space = recommender.space if space is None and isinstance(recommender, HasSpace) else space
        """Where it may suggest, or ``None`` where only the motors limit it."""
        self.knows_pending = isinstance(recommender, KnowsPending)
        """Whether it may be asked while points are being measured."""
        self.knows_best = isinstance(recommender, HasBestPoints)
        """Whether it says which point is the best."""
        self.reduces = reduce is not None
        """Whether it computes the objectives itself, from `Observation.data`."""
        self.queue = SuggestionQueue()
        """Where a plan asks it."""
        self.replayed = 0
        """Observations that were told before: an event measured again after a pause."""
        self.restarts = 0
        """How often its process died and was replaced."""
        self._objectives = tuple(objectives)
        self._gives_ids = isinstance(recommender, CanRegisterSuggestions)
        self._origin: Origin = origin
        self._desk: Desk[_Item] = Desk("advisor", self.name, worker, Session(recommender, reduce), self._take)
        self.worker = self._desk.where
        """Where it computes: ``"thread"``, ``"process"`` or ``"dask"``."""
        self._log = ObservationLog()
        self._taught = 0
        self._unreduced: list[tuple[Observation, Hashable | None]] = []
        self._failures: list[dict[str, Any]] = []
        self._failures_taught = 0
        self._open: dict[str, Suggestion] = {}
        self._used: set[Hashable] = set()
        self._launch: Launch | None = None
        self._numbers = itertools.count()
        self._arrived = 0
        self.queue.connect(self)

    # ------------------------------------------------------------ from any thread

    def tell(self, observation: Observation) -> None:
        """Hand over what was measured. The same observation again is counted, not told."""
        self._desk.post(observation)

    def launched(self, launch: Launch) -> None:
        """A plan begins: what an earlier one left unmeasured is given up."""
        self._desk.post(launch)

    def asked(self, ticket: Ticket) -> None:
        """A plan wants suggestions."""
        if not self._desk.post(ticket):  # it would wait for ever
            error = self._is_closed()
            self.queue.answer(ticket, Finished(str(error), error))

    def failed(self, suggestion: Suggestion) -> None:
        """A suggestion will not be measured."""
        self._desk.post(_Failed(suggestion))

    def start(self) -> Future[None]:
        """Start the worker now rather than at first use; the future fails where that cannot be done."""
        future: Future[None] = Future()
        if self._desk.ready:  # do not wait behind a question that is being answered
            future.set_result(None)
        elif not self._desk.post(_Start(future)):
            future.set_exception(self._is_closed())
        return future

    def best(self, *, known: int = 0) -> Future[Mapping[str, Any] | None]:
        """The best point, once everything handed over so far was told; ``None`` where it does not say.

        Fails with a `FieldError` if fewer than ``known`` observations of this launch arrived.
        """
        future: Future[Mapping[str, Any] | None] = Future()
        if not self._desk.post(_Best(future, known)):
            future.set_exception(self._is_closed())
        return future

    @property
    def told(self) -> int:
        """How many points it was told."""
        return self._taught

    @property
    def busy(self) -> tuple[str, float] | None:
        """What the recommender is doing and since how many seconds, or ``None``."""
        return self._desk.busy

    @property
    def closed(self) -> Future[None]:
        """Done when its thread and its process have ended."""
        return self._desk.closed

    def close(self) -> bool:
        """End the worker. `closed` tells when that is done.

        What was handed over is still told to a recommender in a thread. One
        that is busy in its own code cannot be ended there: its thread is a
        daemon with a name and ends when the call returns; a process is killed.

        Returns
        -------
        bool
            False for a thread that is busy: a warning was logged.
        """
        return self._desk.close()

    def __enter__(self) -> Advisor:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        where = "on Dask" if self.worker == "dask" else f"in a {self.worker}"
        return f"<Advisor of {self.name} {where}, told {self.told} points>"

    def _is_closed(self) -> RecommenderError:
        return RecommenderError(f"the advisor of {self.name} is closed")

    # ------------------------------------------------------------ in its own thread

    def _take(self, items: list[_Item]) -> None:
        for item in items:
            self._handle(item)
        self._teach_quietly()

    def _handle(self, item: _Item) -> None:
        match item:
            case Observation():
                self._note(item)
            case Ticket():
                if self.queue.is_open(item):
                    self._answer(item)
            case _Failed(suggestion):
                if (mine := self._open.pop(suggestion.id, None)) is not None:
                    self._failures.append(mine.told())
            case Launch():
                self._failures += [suggestion.told() for suggestion in self._open.values()]
                self._open.clear()
                self._launch = item
                self._numbers = itertools.count()
                self._arrived = 0
            case _Start(future):
                _settle(future, self._ensure_started)
            case _Best(future, known):
                _settle(future, lambda: self._best_point(known))

    def _note(self, observation: Observation) -> None:
        """Take an observation in, in order; it is told with whatever else waits."""
        if self._log.is_replay(observation):
            self.replayed += 1
            return
        self._log.mark(observation)
        self._arrived += 1
        mine = None if observation.suggestion is None else self._open.pop(observation.suggestion, None)
        identity = None if mine is None else mine.recommender_id
        if self.reduces:
            self._unreduced.append((observation, identity))
        else:
            self._append(observation.axes, observation.objectives, identity)

    def _append(self, axes: Mapping[str, Any], objectives: Mapping[str, Any], identity: Hashable | None) -> None:
        self._log.append({**axes, **objectives} if identity is None else {**axes, **objectives, "_id": identity})

    def _answer(self, ticket: Ticket) -> None:
        answer: Answer
        try:
            answer = self._suggest(ticket)
        except SkysteerError as exc:
            answer = Finished(str(exc), exc)
        except Exception as exc:  # a mapping may raise anything when it is looked into; the plan must hear of it
            error = RecommenderError(f"the answer of {self.name} cannot be read, {type(exc).__name__}: {exc}")
            error.__cause__ = exc
            answer = Finished(str(error), error)
        if not self.queue.answer(ticket, answer) and not isinstance(answer, Finished):
            for suggestion in answer:  # nobody waits any more: it will not be measured
                del self._open[suggestion.id]
                self._failures.append(suggestion.told())

    def _suggest(self, ticket: Ticket) -> Answer:
        launch = self._launch
        assert launch is not None, "a queue launches before it asks"
        self._check_arrivals(ticket.known)
        answer = self._ask("suggest", lambda: self._call("suggest", "suggest", ticket.count, self._pending(ticket)))
        if isinstance(answer, Finished):
            return answer
        checked = check_answer(
            answer, count=ticket.count, space=launch.space, known=self._used.__contains__, recommender=self.name
        )
        prefix = f"{launch.uid[:12]}-{self._origin[0]}"
        suggestions = tuple(
            Suggestion(f"{prefix}{next(self._numbers)}", point, self._origin, identity) for point, identity in checked
        )
        for suggestion in suggestions:
            self._open[suggestion.id] = suggestion
            if suggestion.recommender_id is not None:
                self._used.add(suggestion.recommender_id)
        return suggestions

    def _best_point(self, known: int) -> Mapping[str, Any] | None:
        self._check_arrivals(known)
        return self._ask("get_best_points", lambda: self._call("get_best_points", "best"))

    def _check_arrivals(self, known: int) -> None:
        if self._arrived < known:
            raise FieldError(
                f"{known} points were measured, but only {self._arrived} observations arrived: every "
                "measurement must make an event in the stream that is listened to (the primary one)"
            )

    def _pending(self, ticket: Ticket) -> list[dict[str, Any]]:
        """What is on its way: of its own suggestions with ``_id``, and what others suggested."""
        others = [s for s in ticket.pending if s.id not in self._open]
        return [s.told() for s in self._open.values()] + [dict(s.point) for s in others]

    def _ask(self, what: str, call: Callable[[], T]) -> T:
        """Bring the recommender up to date and call it; a worker that dies is replaced and taught again."""
        for life in itertools.count(1):
            try:
                self._ensure_started()
                self._teach()
                return call()
            except WorkerDied as exc:
                if self._desk.closing:
                    raise
                self._desk.restart()
                self._taught = self._failures_taught = 0
                if self._gives_ids:
                    self._forget_ids()
                if life == LIVES:
                    raise WorkerDied(f"{what} of {self.name} is given up after {LIVES} tries: {exc}") from exc
                log.warning("%s, in %s; it is replaced and taught again", exc, what)
                self.restarts += 1
        raise AssertionError("unreachable")

    def _forget_ids(self) -> None:
        """A new life that gives the ids itself counts anew: what an earlier one asked for is somebody else's."""
        self._log.forget_ids()
        self._unreduced = [(observation, None) for observation, _ in self._unreduced]
        self._open = {name: replace(suggestion, recommender_id=None) for name, suggestion in self._open.items()}
        self._failures.clear()
        self._used.clear()

    def _ensure_started(self) -> None:
        try:
            self._desk.start()
        except SkysteerError:
            raise
        except Exception as exc:
            raise RecommenderError(f"the worker of {self.name} does not start: {exc}") from exc

    def _teach(self) -> None:
        while self._unreduced:
            observation, identity = self._unreduced[0]
            # What a reduction returns under the name of an axis is not its readback.
            reserved = {*observation.axes, "_id"}
            objectives = {name: value for name, value in self._reduced(observation).items() if name not in reserved}
            self._append(observation.axes, objectives, identity)
            del self._unreduced[0]
        # One by one, so that an error in the second does not repeat the first.
        if self._taught < len(self._log):
            self._call("ingest", "ingest", self._log.points(self._taught))
            self._taught = len(self._log)
        if self._failures_taught < len(self._failures):
            self._call("register_failures", "give_up", self._failures[self._failures_taught :])
            self._failures_taught = len(self._failures)

    def _teach_quietly(self) -> None:
        """Tell what waits although nobody asks. An error stays with the points, for the next question."""
        if self._desk.closing and self.worker != "thread":
            return
        try:
            if self._unreduced or self._taught < len(self._log) or self._failures_taught < len(self._failures):
                self._ask("ingest", lambda: None)
        except SkysteerError as exc:
            log.warning("%s; the points are kept and told again before the next question", exc)

    def _reduced(self, observation: Observation) -> Mapping[str, Any]:
        where = f"event {observation.seq_num} of stream {observation.stream!r} in run {observation.run}"
        objectives = self._call(f"reduce of {where}", "reduce", observation.data)
        missing = [name for name in self._objectives if name not in objectives]
        if missing:
            raise PointError(f"reduce returned {sorted(objectives)} for {where}; {', '.join(missing)} is missing")
        return objectives

    def _call(self, what: str, method: str, *args: Any) -> Any:
        try:
            return self._desk.call(what, method, *args)
        except WorkerDied:
            raise
        except BaseException as exc:  # SystemExit, CancelledError, ... would end this thread, and nobody would answer
            raise RecommenderError(f"{self.name} raised {type(exc).__name__} in {what}: {exc}") from exc


def _settle(future: Future[Any], function: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except SkysteerError as exc:
        future.set_exception(exc)
