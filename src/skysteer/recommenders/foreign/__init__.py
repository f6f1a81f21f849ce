"""Anybody else's optimizer as a recommender.

`BlueskyAdaptive` takes the optimizers of bluesky-adaptive 1.x, `TellAsk` the
agents of bluesky-adaptive 0.x and whatever has ``tell`` and ``ask``,
`Learner` the learners of python-adaptive, `Generator` generators of the
gest-api standard; `as_recommender` sees which it is. The foreign package is
needed only by whoever makes the foreign object: nothing is imported here.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from skysteer.model import Space
from skysteer.protocols import Recommender

from ._generator import Generator
from ._learner import KINDS, Learner
from ._optimizer import BlueskyAdaptive, adapted
from ._tell_ask import TellAsk

__all__ = ["BlueskyAdaptive", "Generator", "Learner", "TellAsk", "as_recommender"]


def as_recommender(
    agent: Any,
    axes: str | Sequence[str] | None = None,
    objectives: str | Sequence[str] | None = None,
    *,
    space: Space | None = None,
    **options: Any,
) -> Recommender:
    """Make a recommender of whatever can be asked for points.

    Parameters
    ----------
    agent
        A recommender (returned as it is), an optimizer or agent of
        bluesky-adaptive 1.x, a generator of the gest-api standard, a learner
        of python-adaptive, an agent of bluesky-adaptive 0.x, or an object
        with ``tell`` and ``ask``.
    axes, objectives
        Names, in order, for the agents that know none: learners, ``tell`` and ``ask``.
    space
        Where it may suggest, for those that do not say themselves.
    options
        Of the class that it becomes.

    Returns
    -------
    Recommender
        The agent itself, or a `BlueskyAdaptive`, `Generator`, `Learner` or `TellAsk` of it.

    Raises
    ------
    TypeError
        If it is none of these, or names are missing; says what was found and what would do.
    """
    kind = type(agent).__name__
    if isinstance(agent, type):
        raise TypeError(f"{agent.__name__} is a class: make one, {agent.__name__}(...)")
    if adapted(agent) is not agent:
        return BlueskyAdaptive(agent, space=space, **options)
    has = {name for name in dir(agent) if not name.startswith("_") and _is_method(agent, name)}
    if {"suggest", "ingest"} <= has and (_is_generator(agent) or "vocs" in options):
        return Generator(agent, **options)
    tells = not has.isdisjoint({"ingest_many", "tell", "tell_many"})
    by_order = _takes_two(agent.ingest) if "ingest" in has else tells
    if not by_order and isinstance(agent, Recommender):
        return agent
    if kind in KINDS or (by_order and not has.isdisjoint({"ask", "suggest"})):
        if axes is None or objectives is None:
            raise TypeError(f"{kind} knows no names: give as_recommender(agent, axes=[...], objectives=...)")
        if kind in KINDS:
            return Learner(agent, axes, objectives, **options)
        return TellAsk(agent, axes, objectives, space=space, **options)
    raise TypeError(
        f"{kind} is no recommender and cannot be made one: found the methods {', '.join(sorted(has)) or 'none'}; "
        "expected ingest(points) and suggest(num_points) of a recommender, ingest and suggest with a VOCS (gest-api), "
        "or tell(x, y) and ask(n)"
    )


def _is_method(agent: Any, name: str) -> bool:
    if isinstance(getattr(agent.__class__, name, None), property):
        return False  # what it does when it is looked at is none of our business
    try:
        return callable(getattr(agent, name, None))
    except Exception:  # whatever somebody else's attribute may raise
        return False


def _is_generator(agent: Any) -> bool:
    modules = {base.__module__ for base in type(agent).__mro__}
    return getattr(agent, "vocs", None) is not None or "gest_api.generator" in modules


def _takes_two(method: Any) -> bool:
    """Whether a method needs two arguments, as the ``ingest(x, y)`` of bluesky-adaptive 0.x does."""
    try:
        parameters = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):
        return False
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in by_position and p.default is p.empty for p in parameters) >= 2
