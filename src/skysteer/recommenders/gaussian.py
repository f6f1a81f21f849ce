"""A Gaussian process that looks for a maximum or a minimum, or maps what is known least. Needs scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skysteer.model import Space

from ._acquisition import Doubt, LogImprovement
from ._bounded import bounded
from ._matern import Array
from ._readings import Readings
from ._search import most_wanted
from ._sobol import sobol_rows
from ._surrogate import Surrogate
from ._turns import Point, Turns

__all__ = ["GaussianProcess"]

CLEAR_GAIN = 2.0
"""So many nats better than noise alone: then the readings have a shape, and the model leads."""


class GaussianProcess:
    """Learns one objective and suggests where to measure it next.

    The first points fill the space (a Sobol sequence). Then a Gaussian process
    with a Matern-5/2 kernel, one correlation length an axis, and fitted noise
    suggests the point of largest log expected improvement, or, for a map, the
    one it knows least. What is still being measured is taken to come out as
    expected (kriging believer), so batches spread out.

    A narrow peak on a background tells a model nothing until it is hit. While
    nothing stands out and the readings look like noise, the space filling goes
    on (`gate`).

    Parameters
    ----------
    space
        Where to suggest; every axis with finite limits.
    maximize, minimize, map
        The name of the objective: exactly one of the three.
    seed
        Another seed, another course. The same seed and the same points: the same suggestions.
    initial
        How many readings before the model leads; by default 5, or two for each axis if that is more.
    gate
        By how many robust standard deviations the best reading must stand out
        to call off the space filling when the readings have no other shape;
        ``None`` always lets the model lead. A map has no gate.
    counts
        The objective is a number of counts: learn its square root, whose noise
        is the same everywhere.

    Raises
    ------
    SpaceError
        If an axis has no limits.
    ValueError
        If not exactly one of `maximize`, `minimize`, `map` is given, or a number cannot be.

    Notes
    -----
    The kernel is fitted to the first m readings, m depending on how many there
    are and on nothing else, always from the same starts: one who learnt the
    points all at once suggests what one who learnt them one by one does.
    """

    def __init__(
        self,
        space: Space,
        *,
        maximize: str | None = None,
        minimize: str | None = None,
        map: str | None = None,  # noqa: A002  the word for it
        seed: int = 0,
        initial: int | None = None,
        gate: float | None = 6.0,
        counts: bool = False,
    ) -> None:
        self._space = bounded(space, "GaussianProcess")
        given = {"maximize": maximize, "minimize": minimize, "map": map}
        goals = [(goal, name) for goal, name in given.items() if name is not None]
        if len(goals) != 1:
            raise ValueError(f"give exactly one of maximize=, minimize=, map=; found {dict(goals) or 'none'}")
        self._goal, self._objective = goals[0]
        if self._objective in space:
            raise ValueError(
                f"{self._goal}={self._objective!r} is an axis of the space; expected what is measured there"
            )
        if initial is not None and initial < 1:
            raise ValueError(f"initial must be at least 1, found {initial}")
        self._seed = seed
        self._initial = max(5, 2 * len(space)) if initial is None else initial
        self._gate, self._counts = gate, counts
        self._turns = Turns("gaussian", (space, goals, seed, initial, gate, counts))
        self._readings = Readings(space, [self._objective])
        self._surrogate = Surrogate(
            self._readings, self._objective, seed=seed, flipped=self._goal == "minimize", counts=counts
        )
        self._strange = 0  # points that nobody asked this one for
        self._pending: list[Point] = []
        self._asked: dict[Any, dict[str, Any]] = {}  # what was suggested and not yet heard of

    @property
    def space(self) -> Space:
        """Where it suggests."""
        return self._space

    def ingest(self, points: Sequence[Point]) -> None:
        """Learn from measured points. Points already seen (same ``_id``) change nothing.

        A reading that is not finite is left out of the model, and its place is not asked for again.
        A point without axes, as the plans of bluesky-adaptive tell it, is where its ``_id`` was suggested.

        Raises
        ------
        PointError
            If a point lacks an axis or the objective, or one has a value it
            cannot have; then none of the points is learnt.
        """
        points = [self._placed(point) for point in points]
        new = self._readings.add(points)
        self._strange += sum(not self._turns.owns(point.get("_id")) for point in new)
        self._end(points)

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Return that many points to measure next (``None`` is one), the best first."""
        readings = self._readings
        pending = self._space.to_unit([point for point in self._pending if not readings.knows(point)])
        numbers = self._turns.next(num_points)
        rows: list[Array] = []
        for number in numbers:
            underway = np.vstack([pending, *rows])
            known = readings.count + len(readings.avoid)
            if readings.count < 2 or known + len(underway) < self._initial or self._is_blind():
                rows.append(sobol_rows(self._space, self._seed, number + self._strange)[0])
            else:
                rows.append(self._wanted(underway, (self._seed, known, len(underway))))
        points = self._space.from_unit(np.array(rows)) if rows else []
        named = [{**point, "_id": self._turns.id(number)} for number, point in zip(numbers, points, strict=True)]
        self._asked |= {point["_id"]: dict(point) for point in named}
        return named

    def set_pending(self, points: Sequence[Point]) -> None:
        """Be told which suggestions are being measured: they are taken to come out as expected."""
        self._space.to_unit(points)  # a bad point is refused here, not at the next question
        self._pending = [dict(point) for point in points]
        self._turns.wait_for(points)

    def register_failures(self, suggestions: Sequence[Point]) -> None:
        """Learn that these points will never be measured: their places are not asked for again."""
        self._readings.fail([self._placed(suggestion) for suggestion in suggestions])
        self._end(suggestions)

    def get_best_points(self) -> list[tuple[Any, dict[str, Any], dict[str, float]]]:
        """Return ``(_id, axes, objectives)`` of the measured point with the best expected value.

        The best expectation, not the best reading: a lucky reading does not
        win. Empty for a map, and before the first finite reading.
        """
        if self._goal == "map" or not self._readings.count:
            return []
        return [self._readings.point(int(np.argmax(self._surrogate.expected())))]

    def predict(self, points: Sequence[Point]) -> tuple[Array, Array]:
        """Return what the model expects at n points.

        Returns
        -------
        mean, sd
            (n,) arrays in the units of the objective: the expected value and
            its standard deviation, without the noise of a reading.

        Raises
        ------
        ValueError
            If there is no finite reading to learn from yet.
        """
        if not self._readings.count:
            raise ValueError("nothing to predict from: no finite reading was ingested yet")
        return self._surrogate.predict(self._space.to_unit(points))

    def _placed(self, point: Point) -> Point:
        name = point.get("_id")
        if not self._turns.owns(name) or any(axis in point for axis in self._space):
            return point
        return {**self._asked.get(name, {}), **point}

    def _end(self, points: Sequence[Point]) -> None:
        self._turns.end(points)
        for point in points:
            if self._turns.owns(name := point.get("_id")):
                self._asked.pop(name, None)

    def _wanted(self, underway: Array, seed: Sequence[int]) -> Array:
        avoid = np.vstack([underway, *self._readings.avoid])
        measured = self._surrogate.posterior()
        believed = measured.believing(avoid)
        if self._goal == "map":
            return most_wanted(Doubt(believed), self._space, seed, around=None, avoid=avoid)
        mean, _ = measured(measured.rows)
        best = int(np.argmax(mean))
        around = np.clip(measured.rows[best], 0.0, 1.0)
        return most_wanted(LogImprovement(believed, float(mean[best])), self._space, seed, around=around, avoid=avoid)

    def _is_blind(self) -> bool:
        """Whether nothing stands out and the readings look like noise."""
        if self._gate is None or self._goal == "map":
            return False
        values = self._surrogate.values
        middle = np.median(values)
        spread = 1.4826 * np.median(np.abs(values - middle))
        return bool(values.max() <= middle + self._gate * spread) and self._surrogate.hyper.gain < CLEAR_GAIN
