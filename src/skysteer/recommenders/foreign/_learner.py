"""A learner of python-adaptive. Nothing is imported: the learner is given."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from skysteer.model import Axis, Space
from skysteer.recommenders._turns import Turns

from ._reading import Point, all_finite, readings

Position = tuple[float, ...]
KINDS = ("Learner1D", "Learner2D", "LearnerND")
AT_EDGE = 1e-3
"""A readback closer to a bound than this part of the range was measured on it."""
MISSED = 0.05
"""A readback farther from the request than this part of the range is no answer to it."""
FOR_CORNER = 0.02
"""A point closer to a corner than this part of the range stands for the corner: it is not asked for again."""


class Learner:
    """Asks a ``Learner1D``, ``Learner2D`` or ``LearnerND`` of python-adaptive where to measure.

    Parameters
    ----------
    learner
        As made for a function (which is never called). Points it was told
        before count. It is left as it is.
    axes
        Names of its coordinates, in order; of a ``Learner1D`` the name alone will do.
    objectives
        What it learns: one name for a number, several for a vector.

    Raises
    ------
    TypeError
        If it is no such learner.
    ValueError
        If there are not as many names as coordinates.

    Notes
    -----
    Learners remember every question and answer the next one otherwise. Here
    each question goes to a new one that is told everything again, so the same
    question has the same answer; that takes time in proportion to what was
    measured (see ``docs/how-to/bring-your-optimizer.md`` for numbers).

    Learners begin in the corners and cannot think without them. Readbacks are
    told as they are, but one beside a corner counts as the corner, so a motor
    that stops a little before its limit is not sent there for ever. A corner
    that failed is taken to be as the point nearest to it; every other place
    that failed, or whose reading is not finite, counts as pending for ever.
    A place that the motor was sent to and missed is not asked for again by this
    object; one made again after a restart may ask for it once more.
    """

    def __init__(self, learner: Any, axes: str | Sequence[str], objectives: str | Sequence[str]) -> None:
        kind = type(learner).__name__
        if kind not in KINDS:
            raise TypeError(f"{kind} is none of {', '.join(KINDS)} of python-adaptive: it cannot be asked for points")
        self._learner = learner
        self._line = kind == "Learner1D"
        bounds = _bounds(learner, line=self._line)
        self._axes = (axes,) if isinstance(axes, str) else tuple(axes)
        self._objectives = (objectives,) if isinstance(objectives, str) else tuple(objectives)
        if len(self._axes) != len(bounds):
            raise ValueError(f"{kind} has {len(bounds)} coordinates, found the axes {list(self._axes)}")
        self._space = Space(*(Axis(name, low, high) for name, (low, high) in zip(self._axes, bounds, strict=True)))
        self._limits = bounds
        self._span = [high - low for low, high in bounds]
        self._corners = _corners(learner, bounds)
        self._answered = 0  # own suggestions that were measured or failed
        self._turns = Turns(kind.lower(), (self._space, self._objectives))
        self._told: list[tuple[Position, Any]] = []
        self._taken: list[Position] = []
        self._pending: list[Point] = []
        self._ended: set[Any] = set()
        self._missed: set[Position] = set()  # where the motor was sent and did not arrive
        self._asked: dict[str, Position] = {}  # what was suggested and not yet heard of

    @property
    def space(self) -> Space:
        """Where it suggests: the bounds of the learner."""
        return self._space

    def ingest(self, points: Sequence[Point]) -> None:
        """Learn from measured points. Points already seen (same ``_id``) change nothing.

        Raises
        ------
        PointError
            If a point lacks an axis or an objective, or one has a value it
            cannot have; then none of the points is learnt.
        """
        read = [(point, self._position(point), readings(point, self._objectives)) for point in points]
        for point, at, values in read:
            if not self._end(point):
                continue
            if all_finite(values):
                self._told.append((at, values[0] if len(values) == 1 else np.array(values)))
            else:
                self._taken.append(at)
        self._turns.end(points)

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Return that many points to measure next (``None`` is one)."""
        numbers = self._turns.next(num_points)
        if not numbers:
            return []
        points: list[dict[str, Any]] = []
        for number, position in zip(numbers, self._next(len(numbers)), strict=True):
            name = self._turns.id(number)
            self._asked[name] = position
            points.append({**self._space.clean(dict(zip(self._axes, position, strict=True))), "_id": name})
        return points

    def set_pending(self, points: Sequence[Point]) -> None:
        """Be told which suggestions are being measured: the learner is told that they are pending."""
        self._space.to_unit([point for point in points if point.get("_id") not in self._asked])
        self._pending = [dict(point) for point in points]
        self._turns.wait_for(points)

    def register_failures(self, suggestions: Sequence[Point]) -> None:
        """Learn that these points will never be measured: they are not asked for again."""
        for point in suggestions:
            placed = point.get("_id") in self._asked or all(axis in point for axis in self._axes)
            at = self._position(point) if placed else None
            if self._end(point) and at is not None:
                self._taken.append(at)
        self._turns.end(suggestions)

    def _next(self, count: int) -> list[Position]:
        learner = self._taught()
        found: list[Position] = []
        while len(found) < count:
            # It may ask again for a place that its motor does not reach: having asked, it asks for another one.
            asked = [tuple(float(x) for x in np.atleast_1d(at)) for at in learner.ask(count - len(found))[0]]
            found += [at for at in asked if at not in self._missed]
        return found

    def _taught(self) -> Any:
        """Return a learner that knows everything told, and what is not to be asked for."""
        learner = self._learner.new()
        for name in ("stack_size", "aspect_ratio"):  # of a Learner2D; `new` forgets them
            if hasattr(self._learner, name):
                setattr(learner, name, getattr(self._learner, name))
        told = [(tuple(float(x) for x in np.atleast_1d(at)), value) for at, value in self._learner.data.items()]
        told += self._told
        values, taken = dict(told), list(self._taken)
        for corner in self._corners:
            near = min(told, key=lambda point, corner=corner: self._apart(point[0], corner), default=None)
            if near is None or corner in values:
                continue
            stood_for = self._apart(near[0], corner) <= FOR_CORNER
            failed = any(self._apart(at, corner) <= FOR_CORNER for at in taken)
            if stood_for or failed or self._answered >= 2 * len(self._corners):
                values[corner] = near[1]
        for at, value in values.items():
            learner.tell(self._theirs(at), value)
        taken += [self._position(point) for point in self._pending if point.get("_id") not in self._ended]
        for at in taken:
            if at not in values:
                learner.tell_pending(self._theirs(at))
        return learner

    def _apart(self, one: Position, other: Position) -> float:
        """Distance in parts of the range, along the axis where it is largest."""
        return max(abs(a - b) / span for a, b, span in zip(one, other, self._span, strict=True))

    def _theirs(self, at: Position) -> Any:
        return at[0] if self._line else at

    def _position(self, point: Point) -> Position:
        name = point.get("_id")
        if isinstance(name, str) and name in self._asked and not any(axis in point for axis in self._axes):
            return self._asked[name]
        self._space.to_unit([point])  # says what is wrong with it
        return tuple(
            _inside(float(point[axis]), *limits) for axis, limits in zip(self._axes, self._limits, strict=True)
        )

    def _end(self, point: Point) -> bool:
        """Cross a point off; whether it is new."""
        name = point.get("_id")
        if name is None:
            return True
        if name in self._ended:
            return False
        self._ended.add(name)
        self._answered += self._turns.owns(name)
        asked = self._asked.pop(name, None)
        if asked is not None and all(axis in point for axis in self._axes):
            missed_by = self._apart(asked, self._position(point))
            if 0 < missed_by <= MISSED:  # farther, it is an answer to a question of another life
                self._missed.add(asked)
        return True


def _inside(x: float, low: float, high: float) -> float:
    """Outside its bounds a learner does not see a point, and flat triangles along them are more than it can count."""
    if x - low <= AT_EDGE * (high - low):
        return low
    return high if high - x <= AT_EDGE * (high - low) else x


def _corners(learner: Any, bounds: list[tuple[float, float]]) -> list[Position]:
    hull: Any = learner.bounds
    if hasattr(hull, "vertices"):
        return [tuple(float(x) for x in hull.points[vertex]) for vertex in hull.vertices]
    return list(product(*bounds))


def _bounds(learner: Any, *, line: bool) -> list[tuple[float, float]]:
    bounds: Any = learner.bounds
    if line:
        bounds = [bounds]
    elif hasattr(bounds, "points"):  # a convex hull: its box holds it
        bounds = list(zip(bounds.points.min(axis=0), bounds.points.max(axis=0), strict=True))
    return [(float(low), float(high)) for low, high in bounds]
