"""Which sample of a library a point is about."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysteer.errors import PointError
from skysteer.model import Axis, Choice
from skysteer.recommenders._matern import Array
from skysteer.recommenders._turns import Point

from ._samples import Samples, shown


class Match:
    """Finds samples by name or by position.

    Parameters
    ----------
    samples
        The library.
    tolerance
        A point is at a sample if no axis is off by more than this part of the axis's range.
    """

    def __init__(self, samples: Samples, tolerance: float) -> None:
        self._samples, self._tolerance = samples, tolerance
        moving = {name: axis for name, axis in samples.space.items() if isinstance(axis, Axis)}
        self._moving = {name: axis.high - axis.low for name, axis in moving.items()}
        self._positions: Array | None = None
        if self._moving:
            columns = [np.asarray(samples.places[name], float) / width for name, width in self._moving.items()]
            self._positions = np.column_stack(columns)
        fixed = [name for name in samples.space if name not in moving]
        self._options: dict[str, NDArray[Any]] = {name: np.array(samples.places[name], object) for name in fixed}

    def __call__(self, point: Point, asked: int = -1) -> tuple[int, Array | None]:
        """Return the number of a point's sample, and its features where they are not the sample's.

        Parameters
        ----------
        point
            With the sample's name, all axes, or all features.
        asked
            The number of the sample that was asked for, or -1.

        Returns
        -------
        number, row
            -1 and the row of what is in no library; a number and ``None`` for
            a sample; a number and a row where a motor that should have gone to
            a sample stopped elsewhere, or a changer brought another one.

        Raises
        ------
        PointError
            If it is none of these.
        """
        samples = self._samples
        if asked >= 0:
            if samples.id_column in samples.space and samples.id_column in point:
                there = self._named(point[samples.id_column])
                if there is not None and there != asked:  # the changer brought another one
                    return asked, samples.rows[there]
            away = self._positions is not None and not self._is_at(point, asked)
            return asked, samples.row_of(point) if away else None
        if samples.id_column in point and (number := self._named(point[samples.id_column])) is not None:
            return number, None
        if all(name in point for name in samples.space) and (number := self._nearest(point)) is not None:
            return number, None
        if (row := samples.row_of(point)) is not None:
            return -1, row
        if samples.id_column in point:
            samples.number(point[samples.id_column])  # says that it is none
        lacking = [name for name in samples.features if name not in point]
        where = f"lacks the feature {lacking[0]!r}" if lacking else "has a feature that is no finite number"
        raise PointError(f"the point {dict(point)} is at none of {shown(samples.ids)}; and it {where} to be learnt")

    def _named(self, name: Any) -> int | None:
        if isinstance(name, Hashable) and name in self._samples.numbers:
            return self._samples.numbers[name]
        axis = self._samples.space.get(self._samples.id_column)
        if isinstance(axis, Choice) and isinstance(name, float):  # a changer may read back 16.98
            try:
                return axis.number_of(name)
            except PointError:
                return None
        return None

    def _offsets(self, point: Point) -> Array | None:
        """(samples, moving axes) distances in parts of the ranges."""
        assert self._positions is not None
        try:
            at = np.array([float(point[name]) / width for name, width in self._moving.items()])
        except (KeyError, TypeError, ValueError):
            return None
        return np.abs(self._positions - at) if np.isfinite(at).all() else None

    def _is_at(self, point: Point, number: int) -> bool:
        assert self._positions is not None
        there = {name: width for name, width in self._moving.items() if isinstance(point.get(name), int | float)}
        place = self._samples.places
        return all(abs(point[name] - place[name][number]) <= self._tolerance * width for name, width in there.items())

    def _nearest(self, point: Point) -> int | None:
        fits = np.ones(len(self._samples), bool)
        for name, values in self._options.items():
            fits &= values == point[name]
        if self._positions is None:
            return int(np.argmax(fits)) if fits.any() else None
        offsets = self._offsets(point)
        if offsets is None or not fits.any():
            return None
        worst = np.where(fits, offsets.max(axis=1), np.inf)
        number = int(np.argmin(np.where(fits, np.einsum("ij,ij->i", offsets, offsets), np.inf)))
        return number if worst[number] <= self._tolerance * (1 + 1e-9) else None
