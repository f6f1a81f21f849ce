"""How the shell names a recommender."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from skysteer.model import Axis, Choice, Space
from skysteer.protocols import Recommender
from skysteer.recommenders import Grid

from ._axes import parse_space
from ._found import found, missing_methods

__all__ = ["DEFAULT_OBJECTIVE", "SHORT_NAMES", "Goal", "Named", "make_named", "parse_space"]

Goal = Literal["maximize", "minimize", "map"]
"""What is wanted of the objective."""
DEFAULT_OBJECTIVE = "det"
GRID_POINTS = 121
"""About so many points has the grid that is named without a number."""

SHORT_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "gaussian": "skysteer.recommenders.gaussian:GaussianProcess",
        "grid": "skysteer.cli._named:even_grid",
        "random": "skysteer.simulation:Random",
        "sobol": "skysteer.recommenders:Sobol",
    }
)
"""Recommenders of ours by a short name. Modules are imported when they are named."""


def make_named(spec: str, *, space: Space, objective: str = DEFAULT_OBJECTIVE, goal: Goal = "maximize") -> Named:
    """Return what makes the recommender, when it is called with a seed.

    Parameters
    ----------
    spec
        One of `SHORT_NAMES`, ``module:Name`` or ``path/to/file.py:Name``, a class or a
        function. It is called with those of ``space``, ``seed``, ``goal``, and of
        ``maximize``, ``minimize``, ``map`` (the one that is the goal), ``objective``,
        ``objectives`` (the first of them that it has, and all that it requires) that are
        parameters of it. The folder of the shell is importable, and that of the file.
    space, objective, goal
        What the parameters of these names are given.

    Raises
    ------
    ValueError
        If there is no such file, module or name, it cannot be called with
        these. What it makes is looked at when it is made.
    """
    where, name, factory = found(spec, SHORT_NAMES)
    signature = _signature(spec, factory)
    given = _given(spec, signature, {"space": space, "goal": goal}, objective, goal)
    return Named(spec, where, name, factory, given, signature)


@dataclass(frozen=True, slots=True)
class Named:
    """Makes the recommender that was named."""

    spec: str
    """As it was named."""
    where: str
    """Module or file."""
    name: str
    """Of the class or function there."""
    factory: Callable[..., Any]
    """The class or function."""
    given: Mapping[str, Any]
    """What it is called with, beside the seed."""
    signature: inspect.Signature
    """Of the class or function."""

    def __call__(self, seed: int) -> Recommender:
        """Make one.

        Raises
        ------
        ValueError
            If the class or function raises, or what it makes is no recommender.
        """
        by_position, by_name = self._arguments(seed)
        try:
            made = self.factory(*by_position, **by_name)
        except (Exception, SystemExit) as exc:  # whatever a class may raise when it is made
            called = f"{self.spec}({_shown(by_position, by_name)})"
            raise ValueError(f"{called} raised {type(exc).__name__}: {exc}") from exc
        return _checked(self.spec, made)

    def code(self, seed: int) -> str:
        """Return the code that defines ``make``, which makes one."""
        first, *_ = self.name.split(".")
        if self.where.endswith(".py"):
            imported = f"import runpy\n{first} = runpy.run_path({self.where!r})[{first!r}]"
        else:
            imported = f"from {self.where} import {first}"
        call = f"{self.name}({_shown(*self._arguments(seed))})"
        return f"from skysteer.model import Axis, Choice, Space\n{imported}\nmake = lambda: {call}"

    def _arguments(self, seed: int) -> tuple[list[Any], dict[str, Any]]:
        parameters = self.signature.parameters
        by_name = {**self.given, **({"seed": seed} if "seed" in parameters else {})}
        by_position = [
            by_name.pop(name)
            for name, parameter in parameters.items()
            if parameter.kind is parameter.POSITIONAL_ONLY and name in by_name
        ]
        return by_position, by_name


def even_grid(space: Space) -> Grid:
    """Return a grid of about `GRID_POINTS` points, at least two on an axis."""
    options = math.prod(len(axis.options) for axis in space.axes if isinstance(axis, Choice))
    lines = sum(isinstance(axis, Axis) for axis in space.axes)
    return Grid(space, max(2, round((GRID_POINTS / options) ** (1 / lines))) if lines else 1)


# -- what it is called with


def _shown(by_position: Sequence[Any], by_name: Mapping[str, Any]) -> str:
    return ", ".join([*map(_code, by_position), *(f"{name}={_code(value)}" for name, value in by_name.items())])


def _code(value: Any) -> str:
    return f"Space({', '.join(map(repr, value.axes))})" if isinstance(value, Space) else repr(value)


def _signature(spec: str, factory: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(factory)
    except (TypeError, ValueError) as exc:
        raise ValueError(
            f"{spec} does not say which arguments it takes ({exc}); name a function that makes one"
        ) from exc


def _given(
    spec: str, signature: inspect.Signature, given: dict[str, Any], objective: str, goal: Goal
) -> dict[str, Any]:
    required = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    said = {goal: objective, "objective": objective, "objectives": [objective]}
    first = next((name for name in said if name in signature.parameters), None)
    given = {**given, **{name: value for name, value in said.items() if name == first or name in required}}
    given = {name: value for name, value in given.items() if name in signature.parameters}
    if missing := [name for name in required if name not in given and name != "seed"]:
        raise ValueError(
            f"{spec} requires {', '.join(missing)}, which the shell cannot give (it gives space, objective, "
            f"objectives, {goal}, goal, seed): give it a default, or name a function that makes the recommender"
        )
    return given


def _checked(spec: str, made: Any) -> Recommender:
    if isinstance(made, Recommender):
        return made
    missing = " and ".join(missing_methods(made))
    raise ValueError(f"{spec} made an object of {type(made).__name__}, which is no recommender: it has no {missing}")
