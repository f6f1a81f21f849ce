"""The owner of a recommender: tells it what was measured, asks it what is next, and survives it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from skysteer.errors import FieldError, RecommenderError, SkysteerError
from skysteer.handoff import Answer, Launch, SuggestionQueue, Ticket
from skysteer.model import DecisionListener, Finished, History, Observation, Origin, Space, Suggestion
from skysteer.protocols import (
    CanRegisterSuggestions,
    HasBestPoints,
    HasSpace,
    KnowsPending,
    Recommender,
)
from skysteer.workers import Desk, WorkerKind

from ._about import About, about_function
from ._memory import Memory, own
from ._pupil import Pupil
from ._session import Reduce, Session
from ._state import State
from ._validate import check_answer
from ._voice import Voice
from .foreign._optimizer import adapted

CHECKPOINT_EVERY = 100
"""Points after which a recommender that can write its state does so."""


@dataclass(frozen=True, slots=True)
class _Failed:
    suggestion: Suggestion


@dataclass(frozen=True, slots=True)
class _Restore:
    history: History
    future: Future[None]


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    future: Future[None]


@dataclass(frozen=True, slots=True)
class _Start:
    future: Future[None]


@dataclass(frozen=True, slots=True)
class _Best:
    future: Future[Mapping[str, Any] | None]
    known: int


_Item = Observation | Ticket | Launch | _Failed | _Restore | _Checkpoint | _Start | _Best


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
    checkpoint_every
        Points after which a recommender that can (`skysteer.protocols.Checkpointable`)
        writes its state; ``None`` is never.

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
        checkpoint_every: int | None = CHECKPOINT_EVERY,
    ) -> None:
        if isinstance(recommender, type) and issubclass(recommender, Recommender):
            raise TypeError(f"{recommender.__name__} is a class of recommenders: make one, {recommender.__name__}(...)")
        if not isinstance(recommender, Recommender):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"{recommender!r} is no recommender: it needs the methods ingest(points) and suggest(num_points=None)"
            )
        if checkpoint_every is not None and checkpoint_every < 1:
            raise ValueError(f"checkpoint_every must be at least 1 point or None, found {checkpoint_every!r}")
        name = type(recommender).__name__
        self._about = About(recommender)
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
        self.queue = SuggestionQueue(origin)
        """Where a plan asks it."""
        self.replayed = 0
        """Observations that were told before: an event measured again after a pause."""
        self._reduction = reduce
        self._origin: Origin = origin
        self._desk: Desk[_Item] = Desk("advisor", self.name, worker, Session(recommender, reduce), self._take)
        self.worker = self._desk.where
        """Where it computes: ``"thread"``, ``"process"`` or ``"dask"``."""
        self._state = State(self._about.chosen)
        self._voice = Voice(origin)
        gives_ids = isinstance(recommender, CanRegisterSuggestions)
        self._memory = Memory(origin, self._state, self._voice, gives_ids=gives_ids, reduces=self.reduces)
        self._pupil = Pupil(
            recommender, self.name, self._desk, self._memory, self._state, self._voice,
            objectives=objectives, checkpoint_every=checkpoint_every,
        )  # fmt: skip
        self._launch: Launch | None = None
        self._numbers = itertools.count()
        self._arrived = 0
        self._failed_so_far = 0
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
        if (ticket.pending or ticket.again is not None) and self._origin == "recommender":
            so_far = self._failed_so_far + self._memory.dropped
            self._voice.asked_ahead(ticket, so_far if ticket.again is None else ticket.again.given_up)
        if not self._desk.post(ticket):  # it would wait for ever
            error = self._is_closed()
            self.queue.answer(ticket, Finished(str(error), error))

    def failed(self, suggestion: Suggestion, reason: str = "") -> None:
        """A suggestion will not be measured."""
        # Said here and not when it is its turn: on record it is to come before the next event.
        if suggestion.origin == self._origin or (suggestion.origin == "initial" and self._origin == "recommender"):
            self._failed_so_far += suggestion.origin == self._origin
            self._voice.given_up(suggestion, "device", reason)
        self._desk.post(_Failed(suggestion))

    def restore(self, history: History) -> Future[None]:
        """Teach it again what it was told in a scan that goes on; before that is launched.

        Nothing of it is told to listeners again. What is `History.ready` stays
        open over the next launch that says so too. The future is done when it was
        taught, and fails where that failed: the points are kept, and told again
        before the next question.
        """
        future: Future[None] = Future()
        self._pupil.restarts += history.restarts
        self.replayed += history.replayed
        self._failed_so_far += len({each.id for each in own(history, self._origin)}.intersection(history.given_up))
        if not self._desk.post(_Restore(history, future)):
            future.set_exception(self._is_closed())
        return future

    def checkpoint(self) -> Future[None]:
        """Have it write its state, if it can and anything is new. The future never fails: an error is logged."""
        future: Future[None] = Future()
        if not self._pupil.keeps_its_state or not self._desk.post(_Checkpoint(future)):
            future.set_result(None)
        return future

    def listen(self, listener: DecisionListener) -> Callable[[], None]:
        """Have a listener told of every decision about this recommender, in order; returns what ends that.

        It must only hand over. It is called in the advisor's thread; for what a plan says (a question asked
        ahead, a device that failed) in the plan's, so that it is told of that before the next event is made.
        """
        return self._voice.listen(listener)

    def about(self) -> dict[str, Any]:
        """What it is: name, class, version, seed, settings when it was given, and where it computes; for JSON."""
        reduction = {} if self._reduction is None else {"reduce": about_function(self._reduction)}
        return {"name": self.name, **self._about.document(), **reduction, "worker": self.worker}

    @property
    def state(self) -> str:
        """Hash of all that determines the state of a recommender that depends on nothing else.

        Of its class, version, seed and settings, of every point and of every
        given-up suggestion it is told, in order: the same in every process, and
        after a restart. It says nothing about memory.
        """
        return str(self._state)

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
    def restarts(self) -> int:
        """How often its process died and was replaced."""
        return self._pupil.restarts

    @property
    def told(self) -> int:
        """How many points it was told."""
        return self._pupil.taught

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
        self._pupil.teach_quietly()
        self._pupil.write_state_when_due()

    def _handle(self, item: _Item) -> None:
        if not isinstance(item, Ticket | Launch | _Start | _Restore):
            self._memory.catch_up(None)
        match item:
            case Observation():
                self._note(item)
            case Ticket():
                self._memory.catch_up(item.again)
                if self.queue.is_open(item):
                    self._answer(item)
            case _Failed(suggestion):
                self._memory.failed(suggestion.id)
            case Launch():
                self._begin(item)
            case _Restore(history, future):
                _settle(future, lambda: self._recall(history))
            case _Checkpoint(future):
                self._pupil.write_state()
                if future.set_running_or_notify_cancel():
                    future.set_result(None)
            case _Start(future):
                _settle(future, self._pupil.start)
            case _Best(future, known):
                _settle(future, lambda: self._best_point(known))

    def _begin(self, launch: Launch) -> None:
        self._launch = launch
        self._numbers = itertools.count()
        self._arrived = launch.known
        self._memory.abandon({suggestion.id for suggestion in launch.ready})

    def _note(self, observation: Observation) -> None:
        """Take an observation in, in order; it is told with whatever else waits."""
        if self._memory.replayed(observation):
            self.replayed += 1
            return
        self._arrived += 1
        self._memory.take_in(observation)

    def _recall(self, history: History) -> None:
        self._memory.recall(history)
        self._pupil.recall()

    # ------------------------------------------------------------ answering

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
        if isinstance(answer, Finished):
            self._voice.refused(ticket, answer, len(self._memory.log))
        if self.queue.answer(ticket, answer):
            return
        # Nobody waits any more.
        self._voice.unwanted(ticket, len(self._memory.log), stale=ticket.epoch != self.queue.epoch)
        if not isinstance(answer, Finished):
            for suggestion in answer:
                self._memory.drop(suggestion, "dropped", "its answer came too late")

    def _suggest(self, ticket: Ticket) -> Answer:
        launch = self._launch
        assert launch is not None, "a queue launches before it asks"
        self._check_arrivals(ticket.known)
        answer, reasons = self._pupil.suggest(ticket.count, ticket.pending)
        if isinstance(answer, Finished):
            return answer
        checked = check_answer(
            answer, count=ticket.count, space=launch.space, known=self._memory.was_used, recommender=self.name
        )
        prefix = f"{launch.uid[:12]}-{self._origin[0]}"
        suggestions = tuple(
            Suggestion(f"{prefix}{next(self._numbers)}", point, self._origin, identity) for point, identity in checked
        )
        memory = self._memory
        self._voice.suggested(
            ticket, suggestions, reasons, told=len(memory.log), given_up=memory.given_up,
            pending=lambda: memory.pending_ids(ticket.pending), state=self._state,
            suggest_seconds=self._pupil.suggest_seconds, ingest_seconds=self._pupil.ingest_seconds,
        )  # fmt: skip
        self._pupil.ingest_seconds = 0.0
        memory.suggested(suggestions)
        return suggestions

    def _best_point(self, known: int) -> Mapping[str, Any] | None:
        self._check_arrivals(known)
        return self._pupil.best()

    def _check_arrivals(self, known: int) -> None:
        if self._arrived < known:
            raise FieldError(
                f"{known} points were measured, but only {self._arrived} observations arrived: every "
                "measurement must make an event in the stream that is listened to (the primary one)"
            )


def _settle(future: Future[Any], function: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except SkysteerError as exc:
        future.set_exception(exc)
