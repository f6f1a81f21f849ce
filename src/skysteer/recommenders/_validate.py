"""Suggestions are refused before anything moves, by an error that names what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from skysteer.errors import SuggestionError
from skysteer.model import Space

Checked = tuple[dict[str, Any], Hashable | None]
"""A point as plain values, and the recommender's own id of it."""


def check_answer(
    answer: Any, *, count: int, space: Space, known: Callable[[Hashable], bool], recommender: str
) -> list[Checked]:
    """Check what a recommender answered.

    Parameters
    ----------
    answer
        What ``suggest`` returned.
    count
        How many suggestions were asked for; fewer are fine, more are not.
    space
        Where they may lie.
    known
        Whether an ``_id`` was used before.
    recommender
        Its name, for the error.

    Raises
    ------
    SuggestionError
        Names every problem of every suggestion.
    """
    points, problems = _points(answer)
    if len(points) > count:
        problems.append(f"{len(points)} suggestions for a question for {count}")
    ids: list[Hashable] = []
    for number, point in enumerate(points):
        where = f"suggestion {number}: " if len(points) > 1 else ""
        problems += [where + problem for problem in space.problems(point)]
        identity: Any = point.get("_id")
        if identity is None:
            continue
        if not _hashable(identity):
            problems.append(f"{where}_id={identity!r} is not hashable")
        elif identity in ids or known(identity):
            problems.append(f"{where}_id={identity!r} was used before")
        else:
            ids.append(identity)
    if problems:
        raise SuggestionError(problems, recommender=recommender, answer=answer)
    return [(space.clean(point), point.get("_id")) for point in points]


def _hashable(identity: Any) -> bool:
    try:
        hash(identity)  # a tuple of lists calls itself Hashable
    except TypeError:
        return False
    return True


def _points(answer: Any) -> tuple[list[Mapping[str, Any]], list[str]]:
    if isinstance(answer, Mapping):
        return [], ["a single mapping, expected a sequence of mappings (put it into a list)"]
    if not isinstance(answer, Sequence) or isinstance(answer, str | bytes):
        return [], [f"{answer!r} is a {type(answer).__name__}, expected a sequence of mappings"]  # pyright: ignore[reportUnknownArgumentType]
    points: list[Mapping[str, Any]] = []
    problems: list[str] = []
    for number, point in enumerate(answer):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        if isinstance(point, Mapping):
            points.append(point)  # pyright: ignore[reportUnknownArgumentType]
        else:
            problems.append(f"suggestion {number} is a {type(point).__name__}, expected a mapping of axis to position")  # pyright: ignore[reportUnknownArgumentType]
    return points, problems
