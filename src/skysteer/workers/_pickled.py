"""What travels to a worker that is elsewhere: a servant, with the classes that could not be imported there."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from types import ModuleType
from typing import Any, cast

import cloudpickle

from skysteer.errors import RecommenderError


def pickled(servant: Any, name: str, where: str) -> bytes:
    """Pickle a servant; classes of the main script, a notebook or a file loaded by its path go by value.

    Raises
    ------
    RecommenderError
        If it cannot be pickled; ``where`` says what it cannot be sent to.
    """
    try:
        with ExitStack() as stack:
            for module in _not_importable(servant):
                cast(Any, cloudpickle).register_pickle_by_value(module)
                stack.callback(cast(Any, cloudpickle).unregister_pickle_by_value, module)
            return cloudpickle.dumps(servant)  # pyright: ignore[reportUnknownMemberType]
    except Exception as exc:
        raise RecommenderError(
            f"{name} cannot be sent to {where} ({exc}); make it picklable, or use worker='thread'"
        ) from exc


def _not_importable(servant: Any) -> set[ModuleType]:
    """Modules of what a servant holds that were loaded from a file by path: the process could not import them."""
    held: list[Any] = [servant, *getattr(servant, "__dict__", {}).values()]
    names: set[Any] = {getattr(each, "__module__", None) for each in [*held, *map(type, held)]}
    loaded = {sys.modules[name] for name in names if name in sys.modules and name != "__main__"}
    return {module for module in loaded if not _found(module.__name__.partition(".")[0])}


def _found(package: str) -> bool:
    """Whether a fresh interpreter would find a package or module by its name."""
    try:
        return any(finder.find_spec(package, None) for finder in sys.meta_path)
    except Exception:  # a finder of somebody's own
        return True
