"""Readings of a told point, checked: what every wrapper of a foreign agent asks of its points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from skysteer.errors import PointError

Point = Mapping[str, Any]


def readings(point: Point, objectives: Sequence[str]) -> list[float]:
    """Return the objectives of a point.

    Raises
    ------
    PointError
        If one is missing or is no number.
    """
    found: list[float] = []
    for name in objectives:
        if name not in point:
            raise PointError(f"{name!r} is missing from the point {dict(point)}")
        try:
            found.append(float(point[name]))
        except (TypeError, ValueError) as exc:
            kind = type(point[name]).__name__
            raise PointError(f"{name}={point[name]!r} is a {kind}, expected a number") from exc
    return found


def all_finite(values: Sequence[float]) -> bool:
    """Whether every reading is a finite number."""
    return all(math.isfinite(value) for value in values)


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Take numpy numbers and standard errors out of a point."""
    return {key: _plain(value) for key, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple) and len(value) == 2:  # pyright: ignore[reportUnknownArgumentType]
        return _plain(value[0])  # pyright: ignore[reportUnknownArgumentType]  Ax gives (mean, standard error)
    scalar = hasattr(value, "item") and not getattr(value, "shape", ())  # pyright: ignore[reportUnknownArgumentType]
    return value.item() if scalar else value  # pyright: ignore
