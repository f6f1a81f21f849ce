"""A recommender in its worker: taught what was measured, asked, and replaced and taught again where that dies."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from skysteer.errors import PointError, RecommenderError, SkysteerError, WorkerDied
from skysteer.model import Observation, Suggestion
from skysteer.protocols import CanRegisterSuggestions, Checkpointable, HasReasons, Recommender, Restorable
from skysteer.workers import Desk

from ._about import inner_of
from ._memory import Memory
from ._session import points_in, words_of
from ._state import State
from ._voice import Voice

log = logging.getLogger(__name__)
T = TypeVar("T")

LIVES = 3
"""How often a worker process may die under one call before the call is given up."""


class Pupil:
    """Has a recommender know what its memory holds whenever it is asked. For the thread of its desk.

    Parameters
    ----------
    recommender
        The one that sits at the desk: what it is able to do.
    name
        What it is called in errors.
    desk
        Where it is called.
    memory
        What it is to know.
    state
        The hash of that.
    voice
        Says that it was replaced, and that it wrote its state.
    objectives
        Names that its reduction must return.
    checkpoint_every
        Points after which it writes its state; ``None`` is never.
    """

    def __init__(
        self,
        recommender: Recommender,
        name: str,
        desk: Desk[Any],
        memory: Memory,
        state: State,
        voice: Voice,
        *,
        objectives: Sequence[str],
        checkpoint_every: int | None,
    ) -> None:
        self._name = name
        self._desk = desk
        self._memory = memory
        self._state = state
        self._voice = voice
        self._objectives = tuple(objectives)
        self._gives_ids = isinstance(recommender, CanRegisterSuggestions)
        self._explains = isinstance(recommender, HasReasons)
        self._restorable = isinstance(recommender, Restorable)
        self._checkpoint_every = checkpoint_every if _keeps_its_state(recommender) else None
        self.taught = 0
        """How many points this life of it was told."""
        self.restarts = 0
        """How often its process died and was replaced."""
        self.ingest_seconds = 0.0
        """How long it took to be told, in s, since somebody set this to 0."""
        self.suggest_seconds = 0.0
        """How long it took to suggest the last time, in s."""
        self._failures_taught = 0
        self._relearns = False
        self._restoring = False
        self._kept = 0
        self._keep_error = ""

    @property
    def keeps_its_state(self) -> bool:
        """Whether it ever writes its state."""
        return self._checkpoint_every is not None

    def start(self) -> None:
        """Start its worker, if that is not up.

        Raises
        ------
        RecommenderError
            If that cannot be done.
        """
        try:
            self._desk.start()
        except SkysteerError:
            raise
        except Exception as exc:
            raise RecommenderError(f"the worker of {self._name} does not start: {exc}") from exc

    def suggest(self, count: int, others: Sequence[Suggestion]) -> tuple[Any, tuple[str, ...]]:
        """Ask it for suggestions while those of ``others`` are measured: its answer, unchecked, and its reasons."""
        lives = itertools.count(1)
        return self._ask("suggest", lambda: self._suggested(count, others, next(lives)))

    def best(self) -> Mapping[str, Any] | None:
        """Ask it for the best point; ``None`` where it does not say."""
        return self._ask("get_best_points", lambda: self._call("get_best_points", "best"))

    def recall(self) -> None:
        """Teach it an earlier scan, which its memory holds now; it may read what it wrote then."""
        self._relearns = self._restorable
        self._ask("ingest", lambda: None)

    def teach_quietly(self) -> None:
        """Tell what waits although nobody asks. An error stays with the points, for the next question."""
        if self._desk.closing and self._desk.where != "thread":
            return
        memory = self._memory
        try:
            if memory.unreduced or self.taught < len(memory.log) or self._failures_taught < len(memory.failures):
                self._ask("ingest", lambda: None)
        except SkysteerError as exc:
            log.warning("%s; the points are kept and told again before the next question", exc)

    def write_state_when_due(self) -> None:
        """Have it write its state, if it was told enough since."""
        if self._checkpoint_every is not None and self.taught - self._kept >= self._checkpoint_every:
            self.write_state()

    def write_state(self) -> None:
        """Have it write its state, if it can and anything is new. An error is logged."""
        if self._checkpoint_every is None or (self._desk.closing and self._desk.where != "thread"):
            return
        if self.taught == self._kept == len(self._memory.log):
            return
        began, error = time.perf_counter(), ""
        try:
            self._ask("checkpoint", lambda: self._call("checkpoint", "checkpoint"))
        except SkysteerError as exc:
            error = str(exc)
            if error != self._keep_error:  # once, not every time
                log.warning("%s; the scan goes on without", error)
        self._keep_error = error
        self._kept = self.taught
        seconds = time.perf_counter() - began
        self._voice.checkpointed(self.taught, self._memory.given_up, self._state, seconds, error)

    # ------------------------------------------------------------ inside

    def _ask(self, what: str, call: Callable[[], T]) -> T:
        """Bring the recommender up to date and call it; a worker that dies is replaced and taught again."""
        for life in itertools.count(1):
            try:
                self.start()
                self._teach()
                return call()
            except WorkerDied as exc:
                if self._desk.closing:
                    raise
                self._desk.restart()
                self.taught = self._failures_taught = 0
                self._relearns = self._restorable and not self._restoring  # it may have died of its checkpoint
                if self._gives_ids:
                    self._memory.forget_ids()
                if life == LIVES:
                    raise WorkerDied(f"{what} of {self._name} is given up after {LIVES} tries: {exc}") from exc
                log.warning("%s, in %s; it is replaced and taught again", exc, what)
                self.restarts += 1
                self._voice.replaced(what, str(exc), self.restarts)
        raise AssertionError("unreachable")

    def _suggested(self, count: int, others: Sequence[Suggestion], life: int) -> tuple[Any, tuple[str, ...]]:
        began, asked = time.perf_counter(), (count, self._memory.pending(others))
        try:
            if not self._explains or not self._voice.heard:  # nobody would hear its reasons
                return self._call("suggest", "suggest", *asked), ()
            if life < LIVES:
                return self._call("suggest", "explained", *asked)
            answer = self._call("suggest", "suggest", *asked)
            self._explains = False  # that works, and twice it died where it was asked for its reasons too
            why = f"no reason is known, and none is asked for any more: its worker died of that {life - 1} times"
            log.warning("%s, of %s", why, self._name)
            return answer, (why,) * points_in(answer)
        finally:
            self.suggest_seconds = time.perf_counter() - began

    def _teach(self) -> None:
        memory = self._memory
        # One by one, so that an error in the second does not repeat the first.
        while memory.unreduced:
            memory.reduced(self._reduced(memory.unreduced[0][0]))
        if self._relearns:
            self._read_state()
        if self.taught < len(memory.log):
            began = time.perf_counter()
            self._call("ingest", "ingest", memory.log.points(self.taught))
            self.taught = len(memory.log)
            self.ingest_seconds += time.perf_counter() - began
        if self._failures_taught < len(memory.failures):
            self._call("register_failures", "give_up", memory.failures[self._failures_taught :])
            self._failures_taught = len(memory.failures)

    def _reduced(self, observation: Observation) -> Mapping[str, Any]:
        where = f"event {observation.seq_num} of stream {observation.stream!r} in run {observation.run}"
        objectives = self._call(f"reduce of {where}", "reduce", observation.data)
        missing = [name for name in self._objectives if name not in objectives]
        if missing:
            raise PointError(f"reduce returned {sorted(objectives)} for {where}; {', '.join(missing)} is missing")
        return objectives

    def _read_state(self) -> None:
        """Let a new life read what an earlier one wrote, as far as that was made of the same points."""
        self._relearns = False
        if self.taught or not len(self._memory.log):
            return
        self._restoring = True
        try:
            self.taught = self._kept = self._call("restore", "restore", self._memory.log.points())
        except WorkerDied:
            raise
        except SkysteerError as exc:
            log.warning("%s; it is taught everything again", exc)
        self._restoring = False

    def _call(self, what: str, method: str, *args: Any) -> Any:
        try:
            return self._desk.call(what, method, *args)
        except WorkerDied:
            raise
        except BaseException as exc:  # SystemExit, CancelledError, ... would end this thread, and nobody would answer
            raise RecommenderError(f"{self._name} raised {type(exc).__name__} in {what}: {words_of(exc)}") from exc


def _keeps_its_state(recommender: Any) -> bool:
    """Whether it can write its state, and was told where to."""
    told_where = getattr(inner_of(recommender), "checkpoint_path", "somewhere") is not None
    return told_where and isinstance(recommender, Checkpointable)
