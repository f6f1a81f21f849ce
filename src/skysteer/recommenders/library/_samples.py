"""A library of samples read from a table: what each is called, where it is, and its features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from skysteer.errors import PointError, SpaceError
from skysteer.model import Axis, Choice, Space
from skysteer.recommenders._matern import Array
from skysteer.recommenders._turns import Point
from skysteer.recommenders.gaussian._readings import FARTHEST

SHOWN = 5
"""So many names are written out in an error."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of a library, in the order of the table."""

    ids: tuple[str | int | float, ...]
    """What each is called."""
    id_column: str
    """The name of the column they are called by."""
    features: tuple[str, ...]
    """The columns that a model learns from; constant ones are left out."""
    rows: Array
    """(samples, features), each feature scaled to the unit interval."""
    low: Array
    """(features,) the smallest value of each."""
    width: Array
    """(features,) by how much the largest is above it."""
    space: Space
    """What a suggestion sets."""
    places: Mapping[str, Sequence[Any]]
    """For each axis of the space the value of every sample."""
    numbers: Mapping[Any, int]
    """The number of every sample by its id."""
    notes: tuple[str, ...]
    """What was noticed in the table."""

    def __len__(self) -> int:
        return len(self.ids)

    def place(self, number: int) -> dict[str, Any]:
        """Return the axes that bring a sample into the beam."""
        return {axis: values[number] for axis, values in self.places.items()}

    def number(self, name: Any) -> int:
        """Return the number of a sample, or raise a `PointError`."""
        try:
            return self.numbers[name]
        except (KeyError, TypeError):
            raise PointError(f"{self.id_column}={name!r} is not in the library of {shown(self.ids)}") from None

    def row_of(self, point: Point) -> Array | None:
        """Return the (features,) row of a point that has every feature as a finite number, or ``None``."""
        try:
            values = np.array([float(point[name]) for name in self.features])
        except (KeyError, TypeError, ValueError):
            return None
        if not np.isfinite(values).all():
            return None
        with np.errstate(over="ignore"):
            return np.clip((values - self.low) / self.width, -FARTHEST, FARTHEST)


def read_samples(
    table: Any,
    *,
    features: Sequence[str],
    axes: Sequence[str] | None,
    id_column: str,
    units: Mapping[str, str],
) -> Samples:
    """Read a table of samples.

    Parameters
    ----------
    table
        A sequence of mappings (one a sample), a mapping of columns, or a
        pandas ``DataFrame``.
    features, axes
        Names of columns. Without axes, the features are the axes.
    id_column
        Where the samples' names are; without such a column they are numbered from 0.
    units
        Of the axes.

    Raises
    ------
    SpaceError
        Names the column and the samples where something is missing, double or no number.
    """
    columns = _columns(table)
    sizes = {name: len(column) for name, column in columns.items()}
    if not sizes or not max(sizes.values()):
        raise SpaceError("the library is empty: a table of samples needs at least one row")
    if len(set(sizes.values())) > 1:
        raise SpaceError(f"the columns of the library have different lengths: {sizes}")
    count = next(iter(sizes.values()))
    names = [features] if isinstance(features, str) else list(features)
    used = [axes] if isinstance(axes, str) else list(names if axes is None else axes)
    ids = _ids(columns[id_column], id_column) if id_column in columns else tuple(range(count))
    for kind, wanted in (("feature", names), ("axis", [name for name in used if name != id_column])):
        if not wanted and kind == "feature":
            raise SpaceError("a library needs at least one feature to tell its samples apart")
        if lacking := [name for name in wanted if name not in columns]:
            raise SpaceError(f"no column for the {kind} {lacking[0]!r}; the table has {list(columns)}")
        if twice := sorted({name for name in wanted if wanted.count(name) > 1}):
            raise SpaceError(f"{kind} given twice: {', '.join(twice)}")
    values = np.column_stack([_numbers(columns[name], name, "feature", ids) for name in names])
    low, width = values.min(axis=0), np.ptp(values, axis=0)
    varies = width > 1e-12 * np.maximum(np.abs(values).max(axis=0), 1e-300)
    if count > 1 and not varies.any():
        raise SpaceError(f"no feature tells the samples apart: {names} are the same for all {count} samples")
    constant = [name for name, kept in zip(names, varies, strict=True) if not kept] if count > 1 else []
    notes = tuple(f"feature {name!r} is left out: it is the same for all samples" for name in constant)
    if count == 1:
        varies[:], width[:] = True, 1.0
    places = {name: _values(columns, name, id_column, ids) for name in used}
    return Samples(
        ids=ids,
        id_column=id_column,
        features=tuple(name for name in names if name not in constant),
        rows=np.ascontiguousarray((values - low)[:, varies] / width[varies]),
        low=low[varies],
        width=width[varies],
        space=Space(*(_axis(name, places[name], units.get(name, "")) for name in used)),
        places=places,
        numbers={name: number for number, name in enumerate(ids)},
        notes=notes,
    )


def grid_samples(space: Space, counts: int | Mapping[str, int]) -> dict[str, list[Any]]:
    """Return the columns of an even grid in a space of axes with limits, the last axis fastest."""
    positions: list[list[float]] = []
    for axis in space.axes:
        if isinstance(axis, Choice):
            raise SpaceError(f"a grid of samples needs axes, found the choice {axis.name!r}; give a table instead")
        count = counts.get(axis.name) if isinstance(counts, Mapping) else counts
        if not isinstance(count, int) or count < 1:
            raise ValueError(
                f"axis {axis.name!r}: the number of points must be a whole number above 0, found {count!r}"
            )
        even = [(axis.low + axis.high) / 2] if count == 1 else np.linspace(axis.low, axis.high, count).tolist()
        positions.append(list(dict.fromkeys(axis.clean(value) for value in even)))
    columns = np.meshgrid(*positions, indexing="ij")
    return {axis.name: column.ravel().tolist() for axis, column in zip(space.axes, columns, strict=True)}


def shown(names: Sequence[Any]) -> str:
    """Write out the first of many names, e.g. ``"10000 samples: 'a', 'b', ..."``."""
    listed = ", ".join(repr(name) for name in names[:SHOWN])
    return f"{len(names)} sample{'' if len(names) == 1 else 's'}: {listed}{', ...' if len(names) > SHOWN else ''}"


def _columns(table: Any) -> dict[str, Sequence[Any]]:
    if isinstance(table, Mapping):
        return {str(name): _listed(name, column) for name, column in cast("Mapping[Any, Any]", table).items()}
    if hasattr(table, "columns"):  # a DataFrame, without importing pandas
        return {str(name): _listed(name, table[name]) for name in table.columns}
    if isinstance(table, Sequence) and not isinstance(table, str | bytes):
        rows = cast("Sequence[Any]", table)
        for number, row in enumerate(rows):
            if not isinstance(row, Mapping):
                raise SpaceError(f"row {number} of the library is a {type(row).__name__}, expected a mapping")
        names = dict.fromkeys(str(name) for row in rows for name in row)
        return {name: [row.get(name) for row in rows] for name in names}
    raise SpaceError(
        f"the library is a {type(table).__name__}; expected a sequence of mappings, a mapping of columns or a DataFrame"
    )


def _listed(name: Any, column: Any) -> Sequence[Any]:
    if isinstance(column, list | tuple):
        return cast("Sequence[Any]", column)
    values = np.asarray(column)
    if not values.ndim:
        raise SpaceError(f"the column {name!r} of the library is {column!r}, expected a value for each sample")
    return values.tolist()


def _ids(column: Sequence[Any], name: str) -> tuple[str | int | float, ...]:
    ids = tuple(_plain(value) for value in column)
    strange = [value for value in ids if not isinstance(value, str | int | float) or value != value]
    if strange:
        raise SpaceError(f"{name}={strange[0]!r} is no name of a sample, expected a text or a number")
    if len(set(ids)) < len(ids):
        seen: set[Any] = set()
        twice = list(dict.fromkeys(value for value in ids if value in seen or seen.add(value)))
        raise SpaceError(f"a sample is in the library twice: {shown(twice)}")
    return ids


def _numbers(column: Sequence[Any], name: str, kind: str, ids: Sequence[Any]) -> Array:
    values = np.empty(len(column))
    for number, value in enumerate(column):
        if isinstance(value, str | bytes):
            raise SpaceError(f"{kind} {name!r} of sample {ids[number]!r} is the text {value!r}, expected a number")
        try:
            values[number] = np.nan if value is None else value
        except (TypeError, ValueError) as exc:
            found = f"{value!r}, a {type(value).__name__}"
            raise SpaceError(f"{kind} {name!r} of sample {ids[number]!r} is {found}, expected a number") from exc
    if not (finite := np.isfinite(values)).all():
        missing = [name for name, there in zip(ids, finite.tolist(), strict=True) if not there]
        raise SpaceError(f"{kind} {name!r} is missing (or not finite) for {shown(missing)}")
    return values


def _values(columns: Mapping[str, Sequence[Any]], name: str, id_column: str, ids: Sequence[Any]) -> Sequence[Any]:
    if name == id_column:
        return ids
    column = [_plain(value) for value in columns[name]]
    if all(isinstance(value, str) for value in column):
        return column
    return _numbers(column, name, "axis", ids).tolist()


def _axis(name: str, values: Sequence[Any], units: str) -> Axis | Choice:
    if isinstance(values, tuple) or isinstance(values[0], str):
        return Choice(name, tuple(dict.fromkeys(values)), units)
    low, high = min(values), max(values)
    slack = 0.0 if low < high else max(1e-6, 1e-6 * abs(low))  # an axis that stays where it is
    return Axis(name, low - slack, high + slack, units)


def _plain(value: Any) -> Any:
    return cast("Any", value).item() if isinstance(value, np.generic) else value
