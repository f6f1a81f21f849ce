"""What was measured, in columns: small, and enough to teach a new recommender."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, MutableSequence
from typing import Any

from skysteer.model import Observation

_MISSING = object()
"""Stands in a column for a point that has no such name."""


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
            column = self._columns.get(name)
            if column is None:
                column = array("d") if self._length == 0 else [_MISSING] * self._length
            if isinstance(column, array) and not isinstance(value, float):
                column = list(column)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            column.append(value)
            self._columns[name] = column
        self._length += 1
        for name, column in self._columns.items():
            if len(column) < self._length:
                self._columns[name] = [*column, _MISSING] if isinstance(column, array) else column
                if isinstance(column, list):
                    column.append(_MISSING)

    def points(self, start: int = 0) -> list[dict[str, Any]]:
        """The points from number ``start`` on, each as it was told."""
        return [
            {name: column[row] for name, column in self._columns.items() if column[row] is not _MISSING}
            for row in range(start, self._length)
        ]

    def forget_ids(self) -> None:
        """Make every point nobody's suggestion."""
        self._columns.pop("_id", None)
