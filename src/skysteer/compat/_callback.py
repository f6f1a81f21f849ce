"""What a 0.x factory returns first: the callback, which also works beside a plan that is not ours."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skysteer.documents import Fields, PerEvent, PerRun
from skysteer.errors import FieldError, NoRecommendation
from skysteer.model import Observation
from skysteer.protocols import Recommender

from ._adapted import ROWS, Adapted, QueueLike, adapted, rows

log = logging.getLogger(__name__)

PRIMARY = "primary"


class ToRecommender:
    """A recommender, what it is told, and the queue for what it answers.

    Given to our ``adaptive_plan`` it is read and never called. Subscribed to an
    engine, beside a plan of the user's own, it puts one answer into the queue
    for each event (or run), as 0.x does; the recommender then works in a
    thread that lives while there is work.
    """

    def __init__(
        self,
        adapter: type[PerEvent] | type[PerRun],
        recommender: Any,
        independent_keys: Sequence[str],
        dependent_keys: Sequence[str],
        max_count: int,
        queue: QueueLike,
    ) -> None:
        for what, keys in (("independent_keys", independent_keys), ("dependent_keys", dependent_keys)):
            if isinstance(keys, str) or not keys:
                raise ValueError(f"{what} must be a sequence of names, found {keys!r}")
        self.independent_keys = list(independent_keys)
        self.dependent_keys = list(dependent_keys)
        self.max_count = max_count
        self.queue = queue
        self._recommender = recommender
        self._alone = Adapted(recommender, self.independent_keys, self.independent_keys, queue)
        self._adapter = adapter(Fields({}, reduced=True), self._observed)
        self._per_run = adapter is PerRun
        self._counts: dict[str, int] = {}
        self._newest: tuple[str, int] = "", 0
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Observation, int]] = deque()
        self._working = False

    def for_axes(self, axes: Sequence[str]) -> Recommender:
        """The recommender for our plan."""
        return adapted(self._recommender, self.independent_keys, axes, self.queue)

    def reduce(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Pick what the recommender is told from the data of an event, or of a run."""
        if self._per_run:
            data = data.get(PRIMARY, {})
            told = {key: data[key] for key in self.dependent_keys if key in data}
        else:
            told = {key: data[key] for key in self.dependent_keys if key in data}
            data = {key: np.asarray(value)[np.newaxis] for key, value in data.items()}
        return {**told, ROWS: rows(data, self.independent_keys, self.dependent_keys)}

    # ------------------------------------------------------------ beside a plan that is not ours

    def __call__(self, name: str, doc: Any) -> None:
        """Take a document, on the engine's loop, where it only hands over."""
        if self._per_run and name == "start":
            if "batch_count" not in doc:
                raise FieldError("the start document has no 'batch_count', by which the runs are counted")
            self._counts = {doc["uid"]: doc["batch_count"]}
        self._adapter(name, doc)

    def _observed(self, observation: Observation) -> None:
        identity = observation.run, observation.seq_num
        if identity[0] == self._newest[0] and identity[1] <= self._newest[1]:
            return  # measured again after a pause: it was answered
        self._newest = identity
        count = self._counts.get(observation.run, 0) if self._per_run else observation.seq_num
        with self._lock:
            self._waiting.append((observation, count))
            if self._working:
                return
            self._working = True
        threading.Thread(target=self._work, name="skysteer-compat", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._working = False
                    return
                observation, count = self._waiting.popleft()
            self.queue.put(self._answer(observation, count))

    def _answer(self, observation: Observation, count: int) -> Any:
        try:
            self._alone.tell(*self.reduce(observation.data)[ROWS])
            return self._alone.ask() if count <= self.max_count else None
        except NoRecommendation:
            return None
        except BaseException as exc:  # the plan raises it, as 0.x's does
            log.warning("the recommender raised %s: %s", type(exc).__name__, exc)
            return exc
