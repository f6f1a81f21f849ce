"""Marking plan functions that run until they are told to end."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar, overload

Function = TypeVar("Function", bound=Callable[..., Generator[Any, Any, Any]])


@overload
def continuous(function: Function, /) -> Function: ...
@overload
def continuous(*, togglable: bool = True, pausable: bool = False) -> Callable[[Function], Function]: ...
def continuous(
    function: Function | None = None, /, *, togglable: bool = True, pausable: bool = False
) -> Function | Callable[[Function], Function]:
    """Mark a plan function as one that runs until it is told to end.

    The function itself is returned, with ``__togglable__`` and
    ``__pausable__`` set, by which a user interface knows which buttons to
    offer. Functions of other packages that carry both count as well: see
    `skysteer.protocols.ContinuousPlan`.

    Parameters
    ----------
    function
        A generator function, when used without parentheses.
    togglable
        Whether it is switched on and off, rather than started.
    pausable
        Whether it can be held.

    Raises
    ------
    TypeError
        If what is marked is not a generator function.

    Examples
    --------
    >>> @continuous(pausable=True)
    ... def watch_the_beam(detector):
    ...     while True:
    ...         yield from trigger_and_read([detector])
    >>> watch_the_beam.__togglable__, watch_the_beam.__pausable__
    (True, True)
    """

    def mark(plan: Function) -> Function:
        _check(plan)
        marks: Any = plan
        marks.__togglable__ = togglable
        marks.__pausable__ = pausable
        return plan

    return mark if function is None else mark(function)


def _check(plan: Any) -> None:
    if inspect.isgeneratorfunction(inspect.unwrap(plan) if callable(plan) else plan):
        return
    name = getattr(plan, "__qualname__", None) or repr(plan)
    if isinstance(plan, Iterable):
        hint = "this is the plan already, mark the function that makes it"
    elif callable(plan):
        hint = "it must yield its messages itself, by `yield` or `yield from`"
    else:
        hint = f"found a {type(plan).__name__}; options are keywords, as in @continuous(pausable=True)"
    raise TypeError(f"continuous marks generator functions, and {name} is none: {hint}")
