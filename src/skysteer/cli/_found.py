"""The class or function that the shell names, by a short name, a module or a file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from zlib import crc32

import cloudpickle  # pyright: ignore[reportMissingTypeStubs]

from skysteer.protocols import Recommender

__all__ = ["found", "load_file", "missing_methods"]


def found(spec: str, short_names: Mapping[str, str]) -> tuple[str, str, Callable[..., Any]]:
    """Return the module or file, the name in it, and what is there.

    Raises
    ------
    ValueError
        If there is no such module, file or name, it cannot be imported, or cannot be called.
    """
    where, _, name = short_names.get(spec, spec).rpartition(":")
    if not where and name.endswith(".py"):
        module = load_file(spec, name)
        raise ValueError(f"{spec} does not say which class or function: expected {spec}:Name{_candidates(module)}")
    if not where or not name:
        known = ", ".join(short_names)
        raise ValueError(f"{spec!r} names no recommender: expected one of {known}, module:Name or path/to/file.py:Name")
    _importable(Path.cwd())
    module = load_file(spec, where) if where.endswith(".py") else _module(spec, where)
    one: Any = module
    for part in name.split("."):
        if not hasattr(one, part):
            raise ValueError(f"{spec}: {where} has no {name!r}{_candidates(module)}")
        one = getattr(one, part)
    if not callable(one):
        raise ValueError(
            f"{spec} is an object of {type(one).__name__}; expected a class of recommenders, or a function "
            "that makes one"
        )
    return where, name, one


def _module(spec: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is not None and (name + ".").startswith(exc.name + "."):
            raise ValueError(
                f"{spec}: there is no module {exc.name!r} to import, here in {Path.cwd()} or installed"
            ) from exc
        raise ValueError(f"{spec}: {name} needs the module {exc.name!r}, which is not installed") from exc
    except (Exception, SystemExit) as exc:  # whatever somebody's module may raise
        raise ValueError(f"{spec}: importing {name} raised {type(exc).__name__}: {exc}") from exc


def load_file(spec: str, where: str) -> ModuleType:
    """Return the module that a Python file makes; `spec` is what an error says it was named as.

    Raises
    ------
    ValueError
        If there is no such file, or running it raises.
    """
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
    except (Exception, SystemExit) as exc:  # whatever somebody's file may raise
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
        if isinstance(each, type) and not name.startswith("_") and not missing_methods(each) and each is not Recommender
    ]
    return f"; it has {', '.join(names)}" if names else ""


def missing_methods(one: object) -> list[str]:
    """Return which methods of a recommender something lacks."""
    methods = {"ingest": "ingest(points)", "suggest": "suggest(num_points=None)"}
    return [shown for name, shown in methods.items() if not callable(getattr(one, name, None))]
