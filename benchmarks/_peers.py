"""bluesky-adaptive 1.x, as its documentation says: an optimizer, an evaluation function and a plan."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from bluesky.utils import Msg
from bluesky_adaptive import plans
from bluesky_adaptive.protocols import OptimizationProblem

from ._devices import Beam
from ._line import Line


class NewestEvent:
    """Evaluation function: the newest reading of the detector, taken from the documents (no data store is faster)."""

    __name__ = "NewestEvent"  # the plan writes it into the start document

    def __init__(self) -> None:
        self.value: float | None = None

    def document(self, name: str, doc: Mapping[str, Any]) -> None:
        if name == "event" and "det" in doc["data"]:
            self.value = doc["data"]["det"]

    def __call__(self, uid: Any, suggestions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{"_id": suggestion["_id"], "score": self.value} for suggestion in suggestions]


class Optimizer:
    """A line in the peer's terms: every suggestion needs an ``_id``."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._ids = itertools.count()

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        self._line.ingest(points)

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        return [{"_id": next(self._ids), **point} for point in self._line.suggest(num_points)]

    def get_best_points(self) -> list[Any]:
        return []


def optimize(beam: Beam, line: Line, newest: NewestEvent) -> Generator[Msg, Any, Any]:
    """A run a point, inside a run about the optimization."""
    return plans.optimize(_problem(beam, line, newest), iterations=line.n, n_points=1)


def optimize_in_run(beam: Beam, line: Line, newest: NewestEvent) -> Generator[Msg, Any, Any]:
    """One run."""
    return plans.optimize_in_run(_problem(beam, line, newest), iterations=line.n, n_points=1)


def _problem(beam: Beam, line: Line, newest: NewestEvent) -> OptimizationProblem[Any]:
    return OptimizationProblem(
        optimizer=Optimizer(line), actuators=[beam.motor], sensors=[beam.det], evaluation_function=newest
    )
