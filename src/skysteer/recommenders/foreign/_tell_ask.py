"""An agent with ``tell`` and ``ask``, or with the ``ingest`` and ``suggest`` of bluesky-adaptive 0.x."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from skysteer.errors import NoRecommendation, PointError, RecommenderError
from skysteer.model import Space

from ._questions import Questions
from ._reading import Point, all_finite, plain, readings

ASKS = ("ask", "suggest")
TELLS = ("tell_many", "ingest_many", "tell", "ingest")
SAME = 1e-9
"""Positions that differ by less than this part of their size are the same."""


class TellAsk:
    """Asks an agent that speaks of positions and values in order, not of names.

    It takes the agents of bluesky-adaptive 0.x, ``tell(x, y)`` or
    ``ingest(x, y)`` and ``ask(n)`` or ``suggest(n)``, with or without
    ``tell_many(xs, ys)``/``ingest_many(xs, ys)``; what they answer,
    ``(documents, points)`` or points or, for one, the point alone; and
    optimizers like scikit-optimize's, ``tell(x, y)`` and ``ask(n)``.

    Parameters
    ----------
    agent
        Has such methods.
    axes
        Names of its coordinates, in order.
    objectives
        What it is told: one name for a number, a list of names for an array.
    space
        Where it may suggest; without it, only the motors limit it.
    negate
        Tell the negative of the readings: for an agent that minimizes where a maximum is wanted.
    minimizes
        Whether the agent looks for the smallest of what it is told. When given,
        a point that failed, or whose reading is not finite, is told as the worst
        so far, so that the agent looks elsewhere. Otherwise it is told nothing,
        and the scan ends, with an error, should it ask for the very same place again.
    plain
        Tell lists instead of numpy arrays: scikit-optimize wants them, and has them by itself.

    Raises
    ------
    TypeError
        If the agent has no such methods.

    Notes
    -----
    It is asked once for each point, and a point that was neither measured nor
    failed is suggested again. What it cannot promise: that points told one by
    one teach what they teach together, that the agent answers the same after a
    restart, or that it knows what is pending. ``None`` and an empty answer
    mean that there is nothing more to ask.
    """

    def __init__(
        self,
        agent: Any,
        axes: Sequence[str],
        objectives: str | Sequence[str],
        *,
        space: Space | None = None,
        negate: bool = False,
        minimizes: bool | None = None,
        plain: bool | None = None,
    ) -> None:
        self._agent = agent
        self._ask: str = _method(agent, ASKS)
        self._tell: str = _method(agent, TELLS)
        self._axes = (axes,) if isinstance(axes, str) else tuple(axes)
        self._number = isinstance(objectives, str)
        self._objectives = (objectives,) if isinstance(objectives, str) else tuple(objectives)
        if not self._axes or not self._objectives:
            raise ValueError(f"axes and objectives must be named, found {list(self._axes)}, {list(self._objectives)}")
        if space is not None:
            if unknown := [name for name in self._axes if name not in space]:
                raise ValueError(f"the space has no axis {', '.join(unknown)}; its axes are {list(space)}")
            self.space = space
        self._negate, self._minimizes = negate, minimizes
        modules = [base.__module__ for base in type(agent).__mro__]
        self._plain = any(module.startswith("skopt") for module in modules) if plain is None else plain
        self._questions = Questions("tell-ask", (self._axes, self._objectives))
        self._worst: list[float] | None = None
        self._owed: list[list[Any]] = []
        self._failed: list[list[Any]] = []
        if callable(getattr(agent, "get_reasons", None)):  # where the agent does not say why, nobody asks
            self.get_reasons = self._get_reasons

    def ingest(self, points: Sequence[Point]) -> None:
        """Tell the agent measured points, at the readback. Points already seen (same ``_id``) change nothing.

        Raises
        ------
        PointError
            If a point lacks an axis (and an ``_id`` of this one) or an
            objective; then none of the points is learnt.
        """
        read = [(point, self._values(point)) for point in points if not self._questions.knows(point)]
        for point, _ in read:
            self._place(point, None)
        xs: list[list[Any]] = []
        ys: list[list[float]] = []
        for point, values in read:
            if self._questions.knows(point):  # twice in one call
                continue
            at = self._place(point, self._questions.end(point))
            if not all_finite(values):
                self._lose(at)
                continue
            xs.append(at)
            ys.append(values)
            worse = self._worst is None or (values[0] > self._worst[0]) == bool(self._minimizes)
            self._worst = values if worse else self._worst
        self._send(xs, ys)
        self._pay()

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Return that many points to measure next (``None`` is one), fewer if the agent has no more."""
        return self._questions.take(num_points, self._new)

    def register_failures(self, suggestions: Sequence[Point]) -> None:
        """Learn that these points will never be measured."""
        for point in suggestions:
            if not self._questions.knows(point) and (asked := self._questions.end(point)) is not None:
                self._lose([asked[axis] for axis in self._axes])
        self._pay()

    def _get_reasons(self) -> list[str]:
        """Say why each point of the newest answer is asked for, as the agent said when it answered with it."""
        return self._questions.why(self._agent.get_reasons)

    def _new(self, count: int) -> list[dict[str, Any]]:
        ask = getattr(self._agent, self._ask)
        try:
            answer = ask(count) if _takes_a_number(ask) else ask()
        except NotImplementedError:  # the agents of 0.x that know one point at a time
            answer = ask(1)
        except Exception as exc:
            if type(exc).__name__ == "NoRecommendation":  # that of bluesky-adaptive 0.x
                raise NoRecommendation(str(exc)) from exc
            raise
        points = self._points(answer)
        for point in points:
            at = [point[axis] for axis in self._axes]
            if any(_same(at, failed) for failed in self._failed):
                raise RecommenderError(
                    f"{type(self._agent).__name__} asks again for {point}, which failed; tell it what to take for it: "
                    "TellAsk(..., minimizes=True) or minimizes=False"
                )
        return points

    def _points(self, answer: Any) -> list[dict[str, Any]]:
        if answer is None:
            return []
        pair: Any = answer
        if isinstance(pair, tuple) and len(pair) == 2 and self._are_documents(pair[0]):  # pyright: ignore[reportUnknownArgumentType]
            answer = pair[1]  # pyright: ignore[reportUnknownVariableType]
        if isinstance(answer, Mapping):
            answer = [answer]  # pyright: ignore[reportUnknownVariableType]
        try:
            found: list[Any] = list(answer)  # pyright: ignore[reportUnknownArgumentType]
        except TypeError as exc:
            raise RecommenderError(
                f"{type(self._agent).__name__} answered {answer!r}, a {type(answer).__name__}; expected points: "  # pyright: ignore[reportUnknownArgumentType]
                f"mappings, or lists of {', '.join(self._axes)}"
            ) from exc
        if (
            len(self._axes) > 1
            and found
            and all(np.ndim(value) == 0 and not isinstance(value, Mapping) for value in found)
        ):
            found = [found]  # the coordinates of one point
        return [self._point(each) for each in found]

    def _are_documents(self, value: Any) -> bool:
        """Whether this is the first half of what an agent of 0.x answers: a mapping for each point, or one for all."""
        if isinstance(value, Mapping):
            return not all(axis in value for axis in self._axes)
        many: list[Any] = list(value) if isinstance(value, list | tuple) else []  # pyright: ignore[reportUnknownArgumentType]
        return bool(many) and all(isinstance(each, Mapping) for each in many)

    def _point(self, position: Any) -> dict[str, Any]:
        if isinstance(position, Mapping):
            return {name: value for name, value in plain(position).items() if name != "_id"}  # pyright: ignore[reportUnknownArgumentType]
        values: list[Any] = [position] if np.ndim(position) == 0 else list(position)
        if len(values) != len(self._axes):
            raise RecommenderError(
                f"{type(self._agent).__name__} answered {position!r}: {len(values)} coordinates, "
                f"expected {len(self._axes)} ({', '.join(self._axes)})"
            )
        return {axis: _item(value) for axis, value in zip(self._axes, values, strict=True)}

    def _values(self, point: Point) -> list[float]:
        sign = -1.0 if self._negate else 1.0
        return [sign * value for value in readings(point, self._objectives)]

    def _place(self, point: Point, asked: Mapping[str, Any] | None) -> list[Any]:
        known = {**(self._questions.open(point) if asked is None else asked), **point}
        if missing := [axis for axis in self._axes if axis not in known]:
            raise PointError(f"{', '.join(map(repr, missing))} missing from the point {dict(point)}")
        return [known[axis] for axis in self._axes]

    def _lose(self, at: list[Any]) -> None:
        self._failed.append(at)
        self._owed.append(at)

    def _pay(self) -> None:
        """Tell failed points as the worst so far."""
        if self._minimizes is not None and self._worst is not None and self._owed:
            owed, self._owed = self._owed, []
            self._failed.clear()
            self._send(owed, [self._worst] * len(owed))

    def _send(self, xs: list[list[Any]], ys: list[list[float]]) -> None:
        if not xs:
            return
        tell: Callable[..., Any] = getattr(self._agent, self._tell)
        told = [self._form(at) for at in xs]
        values = [value[0] if self._number else self._form(value) for value in ys]
        if self._tell.endswith("_many"):
            tell(told if self._plain else np.array(told), values if self._plain else np.array(values))
        else:
            for at, value in zip(told, values, strict=True):
                tell(at, value)

    def _form(self, values: list[Any]) -> Any:
        numbers = all(isinstance(value, float | int) for value in values)
        return np.array(values, dtype=float) if numbers and not self._plain else list(values)


def _method(agent: Any, names: Sequence[str]) -> str:
    for name in names:
        if callable(getattr(agent, name, None)):
            return name
    raise TypeError(f"{agent!r} has none of the methods {', '.join(names)}")


def _takes_a_number(ask: Callable[..., Any]) -> bool:
    try:
        return bool(inspect.signature(ask).parameters)
    except (TypeError, ValueError):  # written in C: it does not say
        return True


def _same(one: list[Any], other: list[Any]) -> bool:
    return all(a == b or _close(a, b) for a, b in zip(one, other, strict=True))


def _close(a: Any, b: Any) -> bool:
    numbers = isinstance(a, float | int) and isinstance(b, float | int)
    return numbers and abs(a - b) <= SAME * max(abs(a), abs(b))


def _item(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
