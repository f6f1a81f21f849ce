"""What was measured, in columns: small, and enough to teach a new recommender."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, MutableSequence
from typing import Any

from skysteer.model import Observation


class ObservationLog:
    """Points in the order in which they were measured, each once.

    A column of numbers takes 8 bytes a point. For one thread at a time.
    """

    def __init__(self) -> None:
        self._columns: dict[str, MutableSequence[Any]] = {}
        self._length = 0
        self._newest: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        return self._length

    def is_replay(self, observation: Observation) -> bool:
        """Whether this event of its run and stream was there before.

        Numbers of a stream only grow, but for an event that is measured again after a pause.
        """
        return observation.seq_num <= self._newest.get((observation.run, observation.stream), 0)

    def mark(self, observation: Observation) -> None:
        """Remember an observation as seen, whether or not it is appended."""
        self._newest[observation.run, observation.stream] = observation.seq_num

    def append(self, point: Mapping[str, Any]) -> None:
        """Add a point as the recommender is told it."""
        for name, value in point.items():
            if name not in self._columns:
                self._columns[name] = array("d", [float("nan")] * self._length) if name != "_id" else [None] * self._length
            column = self._columns[name]
            if isinstance(column, array) and not isinstance(value, float):
                column = self._columns[name] = list(column)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            column.append(value)
        self._length += 1
        for column in self._columns.values():
            if len(column) < self._length:
                column.append(None if isinstance(column, list) else float("nan"))

    def points(self, start: int = 0) -> list[dict[str, Any]]:
        """The points from number ``start`` on, each as it was told."""
        return [
            {name: column[row] for name, column in self._columns.items() if not (name == "_id" and column[row] is None)}
            for row in range(start, self._length)
        ]
