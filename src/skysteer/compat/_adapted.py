"""A recommender of bluesky-adaptive 0.x, asked as ours are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from queue import Empty
from typing import Any, Protocol, cast

import numpy as np

from skysteer.errors import NoRecommendation, PointError, SuggestionError
from skysteer.protocols import Recommender

ROWS = "_rows"
"""What a point carries for a 0.x recommender: ``(xs, ys)``, one row for each event."""


class QueueLike(Protocol):
    """What is asked of the queue between a 0.x callback and its plan."""

    def put(self, item: Any) -> Any:
        """Add an item: a mapping of name to position, ``None`` for the end, or an exception."""
        ...

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002 (as of queue.Queue)
        """Take one; raises `queue.Empty`."""
        ...


class Adapted:
    """A 0.x recommender in the shape of `skysteer.protocols.Recommender`.

    Parameters
    ----------
    recommender
        With ``tell_many`` (or ``tell``) and ``ask``, or with ``ingest_many`` and ``suggest``.
    independent_keys
        What the numbers that it recommends are, in its order.
    axes
        Those of them that the plan moves.
    queue
        What others put there is measured before the recommender is asked.
    """

    def __init__(
        self, recommender: Any, independent_keys: Sequence[str], axes: Sequence[str], queue: QueueLike
    ) -> None:
        self._tell, self._ask = _methods(recommender)
        self._keys = list(independent_keys)
        self._axes = list(axes)
        self._queue = queue

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Tell all rows at once, as two arrays."""
        rows = [point[ROWS] for point in points]
        self.tell(np.concatenate([xs for xs, _ in rows]), np.concatenate([ys for _, ys in rows]))

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Take the next point from the queue, or ask the recommender for it."""
        try:
            item = self._queue.get(block=False)
        except Empty:
            item = self.ask()
        return [chosen(item, self._axes)]

    def tell(self, xs: Any, ys: Any) -> None:
        """Tell rows of independent and of dependent values."""
        self._tell(xs, ys)

    def ask(self) -> dict[str, Any]:
        """Ask for one point, by name.

        Raises
        ------
        SuggestionError
            If there is not one number for each independent key.
        """
        answer: Any = self._ask()
        if isinstance(answer, Mapping):
            return dict(cast("Mapping[str, Any]", answer))
        values: list[Any] = [answer] if np.ndim(answer) == 0 else list(answer)
        if len(values) != len(self._keys):
            raise SuggestionError(
                [f"{len(values)} values for the {len(self._keys)} independent keys {', '.join(self._keys)}"],
                answer=answer,
            )
        return {name: _plain(value) for name, value in zip(self._keys, values, strict=True)}


def adapted(recommender: Any, independent_keys: Sequence[str], axes: Sequence[str], queue: QueueLike) -> Recommender:
    """Wrap a 0.x recommender; what is wrong with it is said by its own name."""
    kind = type(type(recommender).__name__, (Adapted,), {"__doc__": Adapted.__doc__})
    return kind(recommender, independent_keys, axes, queue)


def chosen(item: Any, axes: Sequence[str]) -> dict[str, Any]:
    """Return the point that an item of the queue stands for; raises what it stands for otherwise."""
    if item is None:
        raise NoRecommendation("the recommender has nothing more to ask")
    if isinstance(item, BaseException):
        raise item
    if not isinstance(item, Mapping):
        raise SuggestionError(
            [f"{item!r} is in the queue, expected a mapping of name to position, None or an exception"]
        )
    point = cast("Mapping[str, Any]", item)
    if missing := [name for name in axes if name not in point]:
        raise SuggestionError([f"axis {name!r} is missing" for name in missing], answer=item)
    return {name: point[name] for name in axes}


def rows(data: Mapping[str, Any], independent: Sequence[str], dependent: Sequence[str]) -> tuple[Any, Any]:
    """Values of an event (or, with a first dimension, of the events of a stream) as 0.x is told them."""
    missing = [key for key in [*independent, *dependent] if key not in data]
    if missing:
        there = ", ".join(sorted(data)) or "nothing"
        raise PointError(f"{', '.join(map(repr, missing))} not measured; there is {there}")
    return _columns(data, independent), _columns(data, dependent)


def _columns(data: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return np.stack([np.asarray(data[key]) for key in keys], axis=1)


def _methods(recommender: Any) -> tuple[Any, Any]:
    """How it is told rows, and how it is asked for one point."""
    if hasattr(recommender, "ingest_many") and hasattr(recommender, "suggest"):
        return recommender.ingest_many, lambda: recommender.suggest(1)
    if hasattr(recommender, "tell_many") and hasattr(recommender, "ask"):
        return recommender.tell_many, lambda: recommender.ask(1)
    if hasattr(recommender, "tell") and hasattr(recommender, "ask"):

        def tell(xs: Any, ys: Any) -> None:
            for x, y in zip(xs, ys, strict=True):
                recommender.tell(x, y)

        return tell, lambda: recommender.ask(1)
    raise TypeError(
        f"{recommender!r} is no recommender of bluesky-adaptive 0.x: it needs tell_many(xs, ys) and ask(n), "
        "or ingest_many(xs, ys) and suggest(n)"
    )


def _plain(value: Any) -> Any:
    """A number that stands alone in an array, as itself."""
    return np.asarray(value).reshape(-1)[0].item() if not isinstance(value, str) and np.size(value) == 1 else value
