"""What a 0.x recommender may raise, and the two toys: the names of ``bluesky_adaptive.recommendations``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

# Without an ``__all__``: the two are documented where they are defined.
from skysteer.errors import NoRecommendation as NoRecommendation  # noqa: PLC0414
from skysteer.errors import RequestPause as RequestPause  # noqa: PLC0414


class _Toy:
    """Both spellings: ``tell`` and ``ask`` (to 0.2), ``ingest`` and ``suggest`` (0.3)."""

    def tell(self, x: Any, y: Any) -> None:
        """Take in one point."""

    def tell_many(self, xs: Iterable[Any], ys: Iterable[Any]) -> None:
        """Take in points, one row each."""
        for x, y in zip(xs, ys, strict=True):
            self.ingest(x, y)

    def ingest(self, x: Any, y: Any) -> None:
        """As `tell`."""
        self.tell(x, y)

    def ingest_many(self, xs: Iterable[Any], ys: Iterable[Any]) -> None:
        """As `tell_many`."""
        self.tell_many(xs, ys)

    def suggest(self, n: int = 1) -> Any:
        """As `ask`."""
        return self.ask(n)

    def ask(self, n: int, tell_pending: bool = True) -> Any:  # noqa: FBT001, FBT002 (as in 0.x)
        """Return the next point."""
        if n != 1:
            raise NotImplementedError(f"one point at a time, found n={n}")
        return self._next()

    def _next(self) -> Any:
        raise NotImplementedError


class StepRecommender(_Toy):
    """Takes a fixed step from where it was measured last.

    Parameters
    ----------
    step
        What is added to the point, as an array or a number.
    """

    def __init__(self, step: Any) -> None:
        self.step = step
        self.next_point: Any = None

    def tell(self, x: Any, y: Any) -> None:
        """Remember the point."""
        self.next_point = x + self.step

    def _next(self) -> Any:
        if self.next_point is None:
            raise NoRecommendation
        return self.next_point


class SequenceRecommender(_Toy):
    """Goes through the given points, whatever is measured.

    Parameters
    ----------
    seq
        Points, each a sequence of positions.
    """

    def __init__(self, seq: Iterable[Sequence[Any]]) -> None:
        self.seq_iter = iter(seq)

    def _next(self) -> Any:
        try:
            return next(self.seq_iter)
        except StopIteration:
            raise NoRecommendation from None
