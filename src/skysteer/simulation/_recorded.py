"""The recorded run itself: what was read at the nearest measured point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skysteer.model import Space

from ._recording import Recording, read_recording
from ._truth import Array, Goal, Point, Truth

__all__ = ["Neighbours", "Recorded"]


class Recorded:
    """Answers with the reading of the nearest recorded point.

    Nothing is made up, and nothing lies between the points: good for a dense
    run. How far the nearest point was is in every point of a `Simulation`.

    Parameters
    ----------
    source
        A path of documents, documents, points, or a pandas table.
    axes, objectives, space, stream
        Which values, by default what the documents say; see `Emulator`.
    goal
        What is usually wanted of it.

    Raises
    ------
    FieldError
        If an axis or objective is not there, or nothing says which they are.
    PointError
        If no point is left, or an axis has one value only.

    Examples
    --------
    >>> run = Recorded([{"x": 0.0, "det": 5.0}, {"x": 4.0, "det": 9.0}], axes=["x"], objectives="det")
    >>> run({"x": 3.0}), run.distance({"x": 3.0})
    ({'det': 9.0}, 0.25)
    """

    def __init__(
        self,
        source: Any,
        *,
        axes: Sequence[str] | Mapping[str, str] | None = None,
        objectives: Sequence[str] | str | None = None,
        space: Space | None = None,
        stream: str = "primary",
        goal: Goal = "maximize",
    ) -> None:
        self._recording = read_recording(source, axes=axes, objectives=objectives, space=space, stream=stream)
        self._goal: Goal = goal
        self._near = Neighbours(self._recording)
        self._read = {
            name: np.array([float(point[name]) for point in self._recording.points])
            for name in self._recording.objectives
        }

    @property
    def space(self) -> Space:
        """Of its axes."""
        return self._recording.space

    @property
    def dropped(self) -> int:
        """Points left out, because an axis or an objective had no finite number."""
        return self._recording.dropped

    def __len__(self) -> int:
        return len(self._recording.points)

    def __call__(self, point: Point) -> dict[str, float]:
        """Return what was read at the nearest recorded point."""
        number = int(self._near.nearest([point])[1][0])
        return {name: float(values[number]) for name, values in self._read.items()}

    def distance(self, point: Point) -> float:
        """Return how far the nearest recorded point is, in ranges of the axes."""
        return float(self._near.nearest([point])[0][0])

    @property
    def truth(self) -> Truth:
        """As `simulate` needs it: without noise, because the readings have theirs."""
        recording = self._recording
        return Truth(
            recording.name, self, space=recording.space, objectives=recording.objectives, goal=self._goal,
            units=recording.units, many=self._many, distance=self.distance, recorded=recording.points,
        )  # fmt: skip

    def _many(self, points: Sequence[Point]) -> dict[str, Array]:
        _, numbers = self._near.nearest(points)
        return {name: values[numbers] for name, values in self._read.items()}

    def __repr__(self) -> str:
        return f"<Recorded {self._recording.name}: {len(self)} points>"


class Neighbours:
    """Finds the nearest recorded points, in ranges of the axes (Euclidean)."""

    def __init__(self, recording: Recording) -> None:
        from scipy.spatial import KDTree  # pyright: ignore[reportMissingTypeStubs]

        self._space = recording.space
        self._tree: Any = KDTree(self._space.to_unit(recording.points))

    def nearest(self, points: Sequence[Point]) -> tuple[Array, Any]:
        """Return (n,) distances and (n,) numbers of the nearest recorded points."""
        return self._tree.query(self._space.to_unit(points))
