"""The check of every recommender that fills its space: there is no filling without limits."""

from __future__ import annotations

from skysteer.errors import SpaceError
from skysteer.model import Axis, Space


def bounded(space: Space, recommender: str) -> Space:
    """Return the space itself, or raise a `SpaceError` that names the axes without limits."""
    endless = [axis for axis in space.axes if isinstance(axis, Axis) and not axis.bounded]
    if endless:
        found = ", ".join(f"{axis.name!r} (low={axis.low}, high={axis.high})" for axis in endless)
        raise SpaceError(f"{recommender} needs finite limits on every axis, found {found}")
    return space
