"""A short way through a few places."""

from __future__ import annotations

import numpy as np

from skysteer.recommenders._matern import Array

MOST_TURNED = 100
"""A longer way is left as nearest neighbours give it."""


def short_way(places: Array, start: Array | None = None) -> list[int]:
    """Return the order in which to visit places: to the nearest each time, and then 2-opt (Croes 1958).

    Parameters
    ----------
    places
        (n, axes) in seconds: position over speed. Axes move at the same time,
        so the slowest counts.
    start
        (axes,) where the way begins; by default at the first place.
    """
    if len(places) < 3 and start is None:
        return list(range(len(places)))
    points = places if start is None else np.vstack([start, places])
    order, left = [0], np.arange(1, len(points))
    while len(left):
        away = np.abs(points[left] - points[order[-1]]).max(axis=1)
        order.append(int(left[np.argmin(away)]))
        left = left[left != order[-1]]
    if len(order) <= MOST_TURNED:
        apart = np.abs(points[:, None] - points[None]).max(axis=2)
        while (better := _turned(order, apart)) is not None:
            order = better
    return order if start is None else [n - 1 for n in order[1:]]


def length(places: Array, order: list[int], start: Array | None = None) -> float:
    """How long the way takes."""
    points = places[order] if start is None else np.vstack([start, places[order]])
    return float(np.abs(np.diff(points, axis=0)).max(axis=1).sum()) if len(points) > 1 else 0.0


def _turned(order: list[int], apart: Array) -> list[int] | None:
    """The order with one stretch reversed that shortens it, or ``None``. The first place stays; the end is open."""
    n = len(order)
    for i in range(1, n - 1):
        for j in range(i + 1, n):
            a, b, c = order[i - 1], order[i], order[j]
            gain = apart[a, b] - apart[a, c]
            if j + 1 < n:
                gain += apart[c, order[j + 1]] - apart[b, order[j + 1]]
            if gain > 1e-12:
                return [*order[:i], *reversed(order[i : j + 1]), *order[j + 1 :]]
    return None
