"""How the shell names a recommender."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Literal
from zlib import crc32

import cloudpickle  # pyright: ignore[reportMissingTypeStubs]

from skysteer.model import Axis, Choice, Space
from skysteer.protocols import Recommender
from skysteer.recommenders import Grid

from ._axes import parse_space

__all__ = ["DEFAULT_OBJECTIVE", "SHORT_NAMES", "Goal", "make_named", "parse_space"]

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


def make_named(
    spec: str, *, space: Space, objective: str = DEFAULT_OBJECTIVE, goal: Goal = "maximize"
) -> Callable[[int], Recommender]:
    """Return a function of a seed that makes the recommender.

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
        these, or what it makes is no recommender; the last two perhaps only by
        the function that is returned.
    """
    factory = _found(spec)
    signature = _signature(spec, factory)
    given = _given(spec, signature, {"space": space, "goal": goal}, objective, goal)

    def make(seed: int) -> Recommender:
        named = {**given, **({"seed": seed} if "seed" in signature.parameters else {})}
        by_position = [
            named.pop(name)
            for name, parameter in signature.parameters.items()
            if parameter.kind is parameter.POSITIONAL_ONLY and name in named
        ]
        try:
            made = factory(*by_position, **named)
        except Exception as exc:  # whatever a class may raise when it is made
            called = ", ".join([*map(repr, by_position), *(f"{name}={value!r}" for name, value in named.items())])
            raise ValueError(f"{spec}({called}) raised {type(exc).__name__}: {exc}") from exc
        return _checked(spec, made)

    return make


def even_grid(space: Space) -> Grid:
    """Return a grid of about `GRID_POINTS` points, at least two on an axis."""
    options = math.prod(len(axis.options) for axis in space.axes if isinstance(axis, Choice))
    lines = sum(isinstance(axis, Axis) for axis in space.axes)
    return Grid(space, max(2, round((GRID_POINTS / options) ** (1 / lines))) if lines else 1)


# -- the class or function


def _found(spec: str) -> Callable[..., Any]:
    where, _, name = SHORT_NAMES.get(spec, spec).rpartition(":")
    if not where and name.endswith(".py"):
        module = _file(spec, name)
        raise ValueError(f"{spec} does not say which class or function: expected {spec}:Name{_candidates(module)}")
    if not where or not name:
        known = ", ".join(SHORT_NAMES)
        raise ValueError(f"{spec!r} names no recommender: expected one of {known}, module:Name or path/to/file.py:Name")
    _importable(Path.cwd())
    module = _file(spec, where) if where.endswith(".py") else _module(spec, where)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise ValueError(f"{spec}: {where} has no {name!r}{_candidates(module)}")
        found = getattr(found, part)
    if not callable(found):
        raise ValueError(
            f"{spec} is an object of {type(found).__name__}; expected a class of recommenders, or a function "
            "that makes one"
        )
    return found


def _module(spec: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is not None and (name + ".").startswith(exc.name + "."):
            raise ValueError(
                f"{spec}: there is no module {exc.name!r} to import, here in {Path.cwd()} or installed"
            ) from exc
        raise ValueError(f"{spec}: {name} needs the module {exc.name!r}, which is not installed") from exc
    except Exception as exc:  # whatever somebody's module may raise
        raise ValueError(f"{spec}: importing {name} raised {type(exc).__name__}: {exc}") from exc


def _file(spec: str, where: str) -> ModuleType:
    path = Path(where).expanduser().resolve()
    if not path.is_file():
        raise ValueError(f"{spec}: there is no file {path}")
    # Not the name of the file alone: a random.py must not stand for the module of Python.
    name = f"{path.stem}_{crc32(str(path).encode()):08x}"
    if name in sys.modules:
        return sys.modules[name]
    loaded = importlib.util.spec_from_file_location(name, path)
    assert loaded is not None and loaded.loader is not None, "the name ends in .py"  # noqa: PT018
    module = importlib.util.module_from_spec(loaded)
    _importable(path.parent)
    sys.modules[name] = module
    try:
        loaded.loader.exec_module(module)
    except Exception as exc:  # whatever somebody's file may raise
        del sys.modules[name]
        raise ValueError(f"{spec}: running {path} raised {type(exc).__name__}: {exc}") from exc
    # No other process can import it: what it defines travels with the recommender.
    cloudpickle.register_pickle_by_value(module)  # pyright: ignore[reportUnknownMemberType]
    return module


def _importable(folder: Path) -> None:
    # Last, so that a file there does not stand in front of what is installed.
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _candidates(module: ModuleType) -> str:
    """What of a module looks like a recommender, for an error."""
    names = [
        name
        for name, each in vars(module).items()
        if isinstance(each, type) and not name.startswith("_") and not _missing(each) and each is not Recommender
    ]
    return f"; it has {', '.join(names)}" if names else ""


# -- what it is called with


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
    missing = " and ".join(_missing(made))
    raise ValueError(f"{spec} made an object of {type(made).__name__}, which is no recommender: it has no {missing}")


def _missing(one: object) -> list[str]:
    methods = {"ingest": "ingest(points)", "suggest": "suggest(num_points=None)"}
    return [shown for name, shown in methods.items() if not callable(getattr(one, name, None))]
