"""A recommender that answers nonsense, and the kinds of nonsense there are."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from skysteer.protocols import Recommender

from ._around import Around

__all__ = ["MAD_ANSWERS", "Mad"]

Point = Mapping[str, Any]
Points = list[dict[str, Any]]


def _first_axis(points: Points) -> str:
    return next(name for name in points[0] if name != "_id")


def _first_axis_is(value: Any) -> Callable[[Points, Points], Points]:
    return lambda points, last: [{**points[0], _first_axis(points): value}, *points[1:]]


def _missing_axis(points: Points, last: Points) -> Points:
    missing = _first_axis(points)
    return [{name: value for name, value in points[0].items() if name != missing}, *points[1:]]


def _duplicate_id(points: Points, last: Points) -> Points:
    if last and "_id" in last[-1]:
        return [{**points[0], "_id": last[-1]["_id"]}, *points[1:]]
    return [{**points[0], "_id": "twice"}, {**points[-1], "_id": "twice"}]


MAD_ANSWERS: Mapping[str, Callable[[Points, Points], Any]] = MappingProxyType(
    {
        "nan": _first_axis_is(math.nan),
        "infinite": _first_axis_is(math.inf),
        "outside": _first_axis_is(1e9),
        "text": _first_axis_is("here"),
        "none": _first_axis_is(None),
        "array": _first_axis_is([0.0, 1.0]),
        "boolean": _first_axis_is(True),
        "missing axis": _missing_axis,
        "unknown axis": lambda points, last: [{**points[0], "temperatur": 1.0}, *points[1:]],
        "too many": lambda points, last: [points[0]] * (len(points) + 1),
        "duplicate id": _duplicate_id,
        "unhashable id": lambda points, last: [{**points[0], "_id": ["a", "list"]}, *points[1:]],
        "not a mapping": lambda points, last: [tuple(points[0].values()), *points[1:]],
        "not a sequence": lambda points, last: 42,
        "one mapping": lambda points, last: points[0],
        "nothing at all": lambda points, last: None,
    }
)
"""Each kind of nonsense by its name: made from what the inner recommender answers now and from
what was answered before. The first point (and its first axis) is the wrong one.
``"duplicate id"`` takes an ``_id`` of the answer before, and where there was none, one twice."""


class Mad(Around):
    """Answers nonsense to one question.

    Parameters
    ----------
    at
        Number of the question; 1 is the first.
    answer
        A name of `MAD_ANSWERS`, or a function of the answer of the inner one
        (a list of dicts) and of the answer before.
    always
        Whether all later answers are nonsense too.
    """

    def __init__(
        self,
        inner: Recommender,
        at: int = 1,
        answer: str | Callable[[Points, Points], Any] = "nan",
        *,
        always: bool = False,
    ) -> None:
        if isinstance(answer, str) and answer not in MAD_ANSWERS:
            raise ValueError(f"answer must be one of {', '.join(MAD_ANSWERS)}, or a function, found {answer!r}")
        super().__init__(inner)
        self.at, self.answer, self.always = at, answer, always
        self._last: Points = []

    def suggest(self, num_points: int | None = None) -> Sequence[Point]:
        """Ask the inner one, and make nonsense of its answer if it is time."""
        points = [dict(point) for point in super().suggest(num_points)]
        last, self._last = self._last, points
        if self.asked != self.at and not (self.always and self.asked > self.at):
            return points
        if not points:
            raise ValueError(f"Mad has nothing to make nonsense of: {self.inner!r} suggested nothing")
        make = MAD_ANSWERS[self.answer] if isinstance(self.answer, str) else self.answer
        return make(points, last)
