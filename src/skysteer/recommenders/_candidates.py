"""Where a model may ask: anywhere in a space, or one of a list of candidates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from skysteer.errors import PointError, SpaceError
from skysteer.model import Axis, Choice, Space

from ._bounded import bounded
from ._sobol import sobol_rows
from ._turns import Point

Array = NDArray[np.float64]

TOO_NEAR = 0.005
"""A place within this part of the range, on every axis, of one that is underway or failed is not proposed."""
SAME = 1e-3
"""A place within this part of the range of a measured one is the same place."""
READBACK = 0.01
"""How far, as a part of the range, a readback may be from the candidate that was asked for."""
OFFERED = 1024
"""How many places of a space a model looks at before it proposes one."""


class Offers:
    """Places that may be proposed: rows for a model, and the point that each row stands for."""

    def __init__(self, rows: Array, points: Space | Sequence[dict[str, Any]]) -> None:
        self.rows = rows
        """(m, dimensions) rows."""
        self._points = points

    def __len__(self) -> int:
        return len(self.rows)

    def point(self, number: int) -> dict[str, Any]:
        """Return the point of a row, as it is suggested."""
        if isinstance(self._points, Space):
            return dict(self._points.from_unit(self.rows[number : number + 1])[0])
        return dict(self._points[number])

    def some(self, numbers: NDArray[np.int64]) -> Offers:
        """Return only the offers of these numbers."""
        points = self._points
        return Offers(self.rows[numbers], points if isinstance(points, Space) else [points[int(n)] for n in numbers])


class Places(Protocol):
    """Where a model may ask."""

    space: Space
    """What may be suggested."""
    dimensions: int
    """How many columns a row has."""
    finite: bool
    """Whether everything may be measured some day."""

    def identify(self, points: Sequence[Point]) -> list[int | None]:
        """Return the number of the candidate that each point is, ``None`` where there is none."""
        ...

    def rows(self, points: Sequence[Point]) -> Array:
        """Return (n, dimensions) rows of points; raises `PointError` for one that has no place."""
        ...

    def fill(self, seed: int, number: int, known: Array, taken: Iterable[int]) -> Offers:
        """Return one place, or none, that fills the gaps between the `known` rows."""
        ...

    def offers(
        self, seed: Sequence[int], around: Array | None, avoid: Array, measured: Array, taken: Iterable[int]
    ) -> Offers:
        """Return what a model may choose from; nothing where all of it is used up."""
        ...


class Box:
    """Every place of a space with limits; a row is one of its unit box."""

    finite = False

    def __init__(self, space: Space, recommender: str) -> None:
        self.space = bounded(space, recommender)
        self.dimensions = space.dimensions
        self._stepped = any(isinstance(axis, Axis) and axis.step is not None for axis in space.axes)

    def __repr__(self) -> str:
        return repr(self.space)

    def identify(self, points: Sequence[Point]) -> list[int | None]:
        """A space has no numbers."""
        return [None] * len(points)

    def rows(self, points: Sequence[Point]) -> Array:
        """Return rows of the unit box."""
        return self.space.to_unit(points)

    def fill(self, seed: int, number: int, known: Array, taken: Iterable[int]) -> Offers:
        """Return the point of that number of a Sobol sequence."""
        return Offers(sobol_rows(self.space, seed, number), self.space)

    def offers(
        self, seed: Sequence[int], around: Array | None, avoid: Array, measured: Array, taken: Iterable[int]
    ) -> Offers:
        """Return Sobol points, and some in the neighbourhood of `around`."""
        rows = sobol_rows(self.space, seed, 0, OFFERED)
        if around is not None:
            rng = np.random.default_rng(seed)
            near = np.tile(around, (OFFERED // 4, 1))
            widths = np.where(np.arange(len(near)) % 2, 0.05, 0.005)[:, None]
            column = 0
            for axis in self.space.axes:  # an option of a choice is taken or not, never half
                width = len(axis.options) if isinstance(axis, Choice) else 1
                if width == 1:
                    near[:, [column]] += widths * rng.normal(size=(len(near), 1))
                column += width
            rows = np.vstack([rows, np.clip(near, 0.0, 1.0)])
        if self._stepped:  # what cannot be reached is not to be compared with what was
            rows = np.unique(self.space.to_unit(self.space.from_unit(rows)), axis=0)
        rows = rows[~within(rows, avoid, TOO_NEAR)]
        new = rows[~within(rows, measured, SAME)]
        return Offers(new if len(new) else rows, self.space)


class Candidates:
    """A list of what may be measured, each once; a row is what is known of one beforehand, scaled to 0...1.

    Parameters
    ----------
    table
        One mapping for each candidate, all with the same names: numbers or words.
    features
        The names that describe a candidate and are not to be moved, such as a
        composition: then these are what a model learns from. Without features
        it learns from all the names.
    recommender
        For the errors.
    """

    finite = True

    def __init__(self, table: Sequence[Mapping[str, Any]], features: Sequence[str], recommender: str) -> None:
        if not table:
            raise SpaceError(f"{recommender} needs at least one candidate, found none")
        names = list(table[0])
        for number, candidate in enumerate(table):
            if set(candidate) != set(names):
                raise SpaceError(f"candidate {number} has {sorted(candidate)}, the first one {sorted(names)}")
        if strange := [name for name in features if name not in names]:
            raise SpaceError(f"features {strange} are not in the candidates, which have {names}")
        columns = {name: [_plain(candidate[name]) for candidate in table] for name in names}
        axes = [name for name in names if name not in features]
        if not axes:
            raise SpaceError(f"every name of the candidates is a feature ({names}): there is nothing to move")
        self._table = [{name: columns[name][number] for name in axes} for number in range(len(table))]
        self.space = Space(*[_axis(name, columns[name]) for name in axes])
        self._described = Space(*[_axis(name, columns[name]) for name in features]) if features else self.space
        self._positions = self.space.to_unit(self._table)
        every = [{name: columns[name][number] for name in names} for number in range(len(table))]
        self._rows = self._described.to_unit(every)
        self.dimensions = self._described.dimensions
        self._numbers = {tuple(candidate.values()): number for number, candidate in enumerate(self._table)}
        if len(self._numbers) < len(table):
            twice = [n for n, c in enumerate(self._table) if self._numbers[tuple(c.values())] != n]
            raise SpaceError(f"candidates twice in the list: {[self._table[n] for n in twice[:5]]}")

    def __repr__(self) -> str:
        return repr((self.space, self._described, self._positions.tolist(), self._rows.tolist()))

    def identify(self, points: Sequence[Point]) -> list[int | None]:
        """Return the number of the nearest candidate, where one is near enough to be meant."""
        return [self._number(point) for point in points]

    def rows(self, points: Sequence[Point]) -> Array:
        """Return what is known of the candidates that were measured; a readback counts as the candidate."""
        rows = np.empty((len(points), self.dimensions))
        for row, point in zip(rows, points, strict=True):
            number = self._number(point)
            if number is not None:
                row[:] = self._rows[number]
                continue
            try:
                row[:] = self._described.to_unit([point])[0]
            except PointError as exc:
                raise PointError(
                    f"{_shown(point)} is none of the candidates, and cannot be learnt from: {exc}"
                ) from exc
        return rows

    def fill(self, seed: int, number: int, known: Array, taken: Iterable[int]) -> Offers:
        """Return the candidate farthest from what is known; the first is drawn."""
        left = self._left(taken)
        if not len(left):
            return self._offered(left)
        if len(known):
            chosen = left[int(np.argmax(nearest(self._rows[left], known)))]
        else:
            chosen = left[int(np.random.default_rng(seed).integers(len(left)))]
        return self._offered(np.array([chosen]))

    def offers(
        self, seed: Sequence[int], around: Array | None, avoid: Array, measured: Array, taken: Iterable[int]
    ) -> Offers:
        """Return every candidate that is left."""
        return self._offered(self._left(taken))

    def _offered(self, numbers: NDArray[np.int64]) -> Offers:
        return Offers(self._rows[numbers], [self._table[int(number)] for number in numbers])

    def _left(self, taken: Iterable[int]) -> NDArray[np.int64]:
        return np.setdiff1d(np.arange(len(self._table)), np.fromiter(taken, np.int64))

    def _number(self, point: Point) -> int | None:
        missing = [name for name in self.space if name not in point]
        if missing:
            raise PointError(f"{', '.join(missing)} is missing from the point {_shown(point)}")
        key = tuple(_plain(point[name]) for name in self.space)
        if key in self._numbers:
            return self._numbers[key]
        try:
            away = np.abs(self._positions - self.space.to_unit([point])[0]).max(axis=1)
        except PointError:  # a sample that is not in the list
            return None
        number = int(np.argmin(away))
        return number if away[number] <= READBACK else None


def places(space: Space | Sequence[Mapping[str, Any]], features: Sequence[str], recommender: str) -> Places:
    """Return the places of a space or of a list of candidates."""
    if isinstance(space, Space):
        if features:
            raise SpaceError(f"features={list(features)} belong to a list of candidates, and {recommender} has a space")
        return Box(space, recommender)
    if isinstance(space, Mapping | str) or not isinstance(space, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise SpaceError(
            f"{recommender} needs a Space or a list of candidates (mappings), found a {type(space).__name__}"
        )
    return Candidates(space, features, recommender)


def within(rows: Array, others: Array, distance: float) -> NDArray[np.bool_]:
    """Which of (m, d) rows are within a distance, on every axis, of one of the others."""
    if not len(others):
        return np.zeros(len(rows), bool)
    found = np.zeros(len(rows), bool)
    for block in np.array_split(others, math.ceil(len(others) / 64)):
        found |= (np.abs(rows[:, None] - block[None]).max(axis=2) < distance).any(axis=1)
    return found


def nearest(rows: Array, others: Array) -> Array:
    """Distance, (m,), of each row to the nearest of the others; infinite where there are none."""
    best = np.full(len(rows), np.inf)
    if not len(others):
        return best
    for block in np.array_split(others, math.ceil(len(others) / 64)):
        best = np.minimum(best, np.square(rows[:, None] - block[None]).sum(axis=2).min(axis=1))
    return np.sqrt(best)


def _axis(name: str, values: Sequence[Any]) -> Axis | Choice:
    if all(isinstance(value, Real) for value in values):
        numbers = [float(value) for value in values]
        if not all(map(math.isfinite, numbers)):
            where = next(number for number, value in enumerate(numbers) if not math.isfinite(value))
            raise SpaceError(f"candidate {where}: {name}={numbers[where]} is not a finite number")
        low, high = min(numbers), max(numbers)
        return Axis(name, low, high) if low < high else Axis(name, low - 0.5, high + 0.5)
    if not all(isinstance(value, str) for value in values):
        kinds = sorted({type(value).__name__ for value in values})
        raise SpaceError(f"{name!r} of the candidates must be all numbers or all words, found {kinds}")
    options = tuple(dict.fromkeys(values))
    if len(options) == 1:
        raise SpaceError(f"{name!r} is {options[0]!r} for every candidate: leave it out, it is not a choice")
    return Choice(name, options)


def _plain(value: Any) -> Any:
    return cast("Any", value).item() if isinstance(value, np.generic) else value


def _shown(point: Point) -> dict[str, Any]:
    """A point without what is too long to print."""
    short = (str, Real)
    return {name: value for name, value in point.items() if isinstance(value, short)}
