"""What every recommender that is led by a model does the same: bookkeeping, space filling, fallbacks."""

from __future__ import annotations

import logging
import re
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from skysteer.errors import PointError
from skysteer.model import Axis, Space

from ._candidates import SAME, Array, Offers, Places, within
from ._reasons import Reasons
from ._turns import Point, Turns
from ._wording import expected

log = logging.getLogger(__name__)

EVERY = 50
"""Up to so many readings a model is fitted anew at each; from then on when a twentieth has been added."""
SAID = 200
"""Characters of an error that are repeated in a reason."""

Why = Callable[[int], str]
"""Says of the number of a row why it is worth measuring."""


class ModelError(RuntimeError):
    """A model cannot say where to measure. The recommender goes on filling the space, and says so."""


class Led(ABC):
    """Fills its places evenly first; then a model chooses.

    The base of the recommenders that hold somebody else's model. One that
    learnt the points all at once suggests what one does that learnt them one
    by one, if the model is a function of `_rows`, `_values` and the seed alone.
    """

    def __init__(self, kind: str, places: Places, made_of: object, *, seed: int, initial: int | None) -> None:
        if initial is not None and initial < 2:
            raise ValueError(f"initial must be at least 2, found {initial}")
        self._places = places
        self._seed = seed
        self._initial = max(5, 2 * len(places.space)) if initial is None else initial
        self._turns = Turns(kind, stable((places, made_of, seed, initial)))
        self._rows: list[Array] = []
        """Places of the readings that are learnt from."""
        self._values: list[Any] = []
        """What was read there, as `_read` returned it."""
        self._points: list[tuple[Any, dict[str, Any]]] = []
        """``_id`` and axes of the same readings."""
        self._avoid: list[Array] = []
        """Places that failed or gave nothing to learn from."""
        self._last: Array | None = None
        """The place that was told last."""
        self._known: set[Any] = set()
        self._taken: set[int] = set()
        self._strange = 0  # points that nobody asked this one for
        self._pending: list[Point] = []
        self._asked: dict[Any, dict[str, Any]] = {}  # what was suggested and not yet heard of
        self._failed = 0
        self._fallbacks: dict[int, str] = {}  # points known by then -> why the model did not lead
        self._reasons = Reasons()

    # ------------------------------------------------------------ what a subclass says

    @abstractmethod
    def _read(self, point: Point) -> Any:
        """Return what is learnt from a point, ``None`` for nothing; raises `PointError`."""

    @abstractmethod
    def _worth(self, rows: Array, underway: Array) -> tuple[Array, Why]:
        """How much each of (m, dimensions) rows is worth measuring, (m,), and why; raises `ModelError`."""

    def _around(self) -> Array | None:
        """The (dimensions,) row near which to look more closely."""
        return None

    # ------------------------------------------------------------ the recommender

    @property
    def space(self) -> Space:
        """Where it suggests."""
        return self._places.space

    def ingest(self, points: Sequence[Point]) -> None:
        """Learn from measured points. Points already seen (same ``_id``) change nothing.

        A reading that is not finite is left out, and its place is not asked for again.
        A point without axes, as the plans of bluesky-adaptive tell it, is where its ``_id`` was suggested.

        Raises
        ------
        PointError
            If a point lacks an axis or the objective, or one has a value it
            cannot have; then none of the points is learnt.
        """
        points = [self._placed(point) for point in points]
        rows = self._places.rows(points)
        readings = self._read_all(points)
        numbers = self._places.identify(points)
        for point, row, reading, number in zip(points, rows, readings, numbers, strict=True):
            if self._knows(point):
                continue
            name = self._note(point, number)
            self._strange += not self._turns.owns(name)
            self._last = row
            if reading is None:
                self._avoid.append(row)
                continue
            self._rows.append(row)
            self._values.append(reading)
            self._points.append((name, {axis: plain(point[axis]) for axis in self.space}))
        self._end(points)

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Return that many points to measure next (``None`` is one), the best first.

        Fewer, or none, where a list of candidates is used up.
        """
        pending = [point for point in self._pending if not self._knows(point)]
        underway = list(self._places.rows(pending))
        taken = self._taken | {number for number in self._places.identify(pending) if number is not None}
        points: list[dict[str, Any]] = []
        reasons: list[str] = []
        for number in self._turns.next(num_points):
            chosen = self._next(number, underway, taken)
            if chosen is None:
                break
            underway.append(chosen.row)
            taken |= {number for number in self._places.identify([chosen.point]) if number is not None}
            points.append({**chosen.point, "_id": self._turns.id(number)})
            reasons.append(chosen.why + (", measured before" if self._repeats(chosen.point) else ""))
        self._asked |= {point["_id"]: dict(point) for point in points}
        self._reasons = Reasons(reasons)
        return points

    def get_reasons(self) -> list[str]:
        """Say why each of the newest suggestions is made: what the model expects there, or why it does not lead."""
        return self._reasons.sentences()

    def set_pending(self, points: Sequence[Point]) -> None:
        """Be told which suggestions are being measured."""
        self._places.rows(points)  # a bad point is refused here, not at the next question
        self._pending = [dict(point) for point in points]
        self._turns.wait_for(points)

    def register_failures(self, suggestions: Sequence[Point]) -> None:
        """Learn that these points will never be measured: their places are not asked for again."""
        for point in map(self._placed, suggestions):
            if self._knows(point):
                continue
            placed = all(axis in point for axis in self.space)
            if placed:
                self._avoid += list(self._places.rows([point]))
            self._note(point, self._places.identify([point])[0] if placed else None)
            self._failed += 1
        self._end(suggestions)

    def report(self) -> dict[str, Any]:
        """Return what it knows and does, as plain values."""
        known = len(self._rows) + len(self._avoid)
        return {
            "recommender": type(self).__name__,
            "readings": len(self._rows),
            "left_out": len(self._avoid) - self._failed if self._failed < len(self._avoid) else 0,
            "failed": self._failed,
            "pending": len(self._pending),
            "filling": len(self._rows) < 2 or known < self._initial,
            "fallbacks": len(self._fallbacks),
            "last_fallback": self._fallbacks[max(self._fallbacks)] if self._fallbacks else None,
        }

    # ------------------------------------------------------------ how

    @property
    def _count(self) -> int:
        return len(self._rows)

    def _read_all(self, points: Sequence[Point]) -> list[Any]:
        return [self._read(point) for point in points]

    def _next(self, number: int, underway: list[Array], taken: set[int]) -> Chosen | None:
        known = self._count + len(self._avoid)
        why = f"even cover before the model leads, {known + len(underway) + 1} of {self._initial}"
        if not known and len(underway) >= self._initial:
            why = "even cover, no reading is known yet"
        if known and known + len(underway) >= self._initial:
            try:
                if self._count < 2:
                    raise ModelError(f"{self._count} of {known} points gave something to learn from, two are needed")
                return self._led(self._stack(underway), taken, (self._seed, known, len(underway)))
            except ModelError as exc:
                if known not in self._fallbacks:
                    log.warning("%s fills the space for now: %s", type(self).__name__, exc)
                self._fallbacks[known] = str(exc)
                said = textwrap.shorten(str(exc).rstrip(" ."), SAID, placeholder="...")
                why = f"even cover, as the model cannot lead: {said}"
        seen = self._stack([*self._rows, *self._avoid, *underway])
        offers = self._places.fill(self._seed, number + self._strange, seen, taken)
        return chosen_of(offers, 0, why) if len(offers) else None

    def _led(self, underway: Array, taken: set[int], seed: tuple[int, int, int]) -> Chosen | None:
        """Return what the model likes most, ``None`` if nothing is left."""
        offers = self._offers(underway, taken, seed)
        if not len(offers):
            if self._places.finite:
                return None
            raise ModelError("every place that was looked at is measured, underway or failed")
        if len(offers) == 1 and self._places.finite:
            return chosen_of(offers, 0, "the only candidate that is left")
        chosen = self._likes_most(offers, underway)
        return replace(chosen, why=f"{chosen.why}, with {len(underway)} underway") if len(underway) else chosen

    def _offers(self, underway: Array, taken: set[int], seed: tuple[int, int, int]) -> Offers:
        avoid = self._stack([*self._avoid, *underway])
        return self._places.offers(seed, self._around(), avoid, self._stack(self._rows), taken)

    def _likes_most(self, offers: Offers, underway: Array) -> Chosen:
        worth, why = self._worth(offers.rows, underway)
        finite = np.isfinite(worth)
        if not finite.any():
            raise ModelError("the model says NaN everywhere")
        best = int(np.argmax(np.where(finite, worth, -np.inf)))
        return chosen_of(offers, best, why(best))

    def _repeats(self, point: Point) -> bool:
        """Whether a point was measured before, which can be in a space of steps and choices only."""
        endless = any(isinstance(axis, Axis) and axis.step is None for axis in self.space.axes)
        if endless or self._places.finite or not self._rows:
            return False
        return bool(within(self._places.rows([point]), self._stack(self._rows), SAME)[0])

    def _stack(self, rows: Sequence[Array]) -> Array:
        return np.array(rows) if len(rows) else np.empty((0, self._places.dimensions))

    def _placed(self, point: Point) -> Point:
        name = point.get("_id")
        if not self._turns.owns(name) or any(axis in point for axis in self.space):
            return point
        return {**self._asked.get(name, {}), **point}

    def _knows(self, point: Point) -> bool:
        name = point.get("_id")
        return name is not None and name in self._known

    def _note(self, point: Point, number: int | None) -> Any:
        name = point.get("_id")
        if name is not None:
            self._known.add(name)
        if number is not None:
            self._taken.add(number)
        return name

    def _end(self, points: Sequence[Point]) -> None:
        self._turns.end(points)
        for point in points:
            if self._turns.owns(name := point.get("_id")):
                self._asked.pop(name, None)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is measured next."""

    row: Array
    """(dimensions,) its place."""
    point: dict[str, Any]
    """As it is suggested."""
    why: str
    """A sentence for the record."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What is looked for in one number: its largest value, its smallest, or a map of it."""

    kind: str
    """``"maximize"``, ``"minimize"`` or ``"map"``."""
    objective: str
    """Name of the value."""

    @classmethod
    def of(cls, space: Space, maximize: str | None, minimize: str | None, mapped: str | None) -> Goal:
        """Take exactly one of the three; raises ValueError."""
        given = {"maximize": maximize, "minimize": minimize, "map": mapped}
        goals = [(kind, name) for kind, name in given.items() if name is not None]
        if len(goals) != 1:
            raise ValueError(f"give exactly one of maximize=, minimize=, map=; found {dict(goals) or 'none'}")
        kind, name = goals[0]
        if name in space:
            raise ValueError(f"{kind}={name!r} is an axis of the space; expected what is measured there")
        return cls(kind, name)

    @property
    def sign(self) -> float:
        """-1 where smaller is better."""
        return -1.0 if self.kind == "minimize" else 1.0

    def read(self, point: Point) -> float | None:
        """Return the reading of a point, larger is better; ``None`` where it is not finite."""
        if self.objective not in point:
            raise PointError(f"{self.objective!r} is missing from the point {dict(point)}")
        found = point[self.objective]
        try:
            value = float(found)
        except (TypeError, ValueError) as exc:
            raise PointError(f"{self.objective}={found!r} is a {type(found).__name__}, expected a number") from exc
        return self.sign * value if np.isfinite(value) else None

    def expected(self, mean: float, sd: float) -> str:
        """Say what is expected, larger is better, as it would be read: ``"det = 38.0 ± 6.2"``."""
        return expected(self.objective, self.sign * mean, sd)


def scaling(values: Array) -> tuple[float, float]:
    """Mean and standard deviation; 1 where all are equal."""
    # Readings of 1e300 are finite, and their squares are not.
    largest = float(np.abs(values).max())
    unit = largest if largest > 1e100 else 1.0
    width = float((values / unit).std()) * unit
    return float((values / unit).mean()) * unit, width if width > 1e-14 * largest else 1.0


def fitted_to(count: int) -> int:
    """To how many of `count` readings a model is fitted."""
    m = min(count, EVERY)
    while (following := m + m // 20) <= count and m >= EVERY:
        m = following
    return m


def chosen_of(offers: Offers, number: int, why: str) -> Chosen:
    """Return one of the offers."""
    return Chosen(offers.rows[number], offers.point(number), why)


def plain(value: Any) -> Any:
    """Return a plain Python value of a NumPy scalar."""
    return cast("Any", value).item() if isinstance(value, np.generic) else value


def stable(made_of: object) -> str:
    """What something is made of, in words that are the same in every process: without addresses."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(made_of))
