"""What a recommender is: its class, version, seed and settings, for the record."""

from __future__ import annotations

import inspect
import re
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from typing import Any, cast

from ._canonical import canonical, digest, shortened

MOST = 36
"""How many settings are named."""
SECRET = re.compile(r"(api|access)_?key|passw|secret|credential|(auth|access|bearer|refresh)\w*token|^_*token$", re.I)
"""What such a setting holds is nobody's business."""
HIDDEN = "(a secret, not on record)"
EXACT = 2**53
"""Larger numbers, and those that are not finite, are given as text: JSON has no exact place for them."""


class About:
    """Describes a recommender as it was when it was given: what it learns later is none of its settings.

    Parameters
    ----------
    recommender
        Of what is put around somebody else's optimizer (`skysteer.recommenders.foreign`)
        the optimizer is described.
    """

    def __init__(self, recommender: Any) -> None:
        inner = inner_of(recommender)
        self._class: type[Any] = type(inner)
        attributes = _attributes(inner)
        self._settings = _settings(attributes)
        self._arguments = _arguments(self._class)
        self._kept = {name.lstrip("_") for name in attributes}
        if inner is not recommender:
            self._settings |= {"taken_as": type(recommender).__name__}
        self._seed = _seed(inner)

    @property
    def name(self) -> str:
        """Module and name of the class, e.g. ``"skysteer.recommenders._grid:Grid"``."""
        return f"{self._class.__module__}:{self._class.__qualname__}"

    def document(self) -> dict[str, Any]:
        """Class, version, seed and settings, which of these are arguments, and which were chosen; for JSON."""
        return {
            "class": self.name,
            "version": dict(_version(self._class)),
            "seed": self._seed,
            "settings": dict(self._settings),
            "arguments": [name for name in self._arguments or () if name in self._settings],
            "made_of": self._made_of(),
        }

    def chosen(self) -> dict[str, Any]:
        """The same with those settings only that somebody chose: equal in every process."""
        said = self.document()
        return {**said, "settings": {name: said["settings"][name] for name in said["made_of"]}}

    def _made_of(self) -> list[str]:
        """Settings that are what they are because somebody chose them: the others may be of this process.

        That can be told only where each argument of the constructor is kept under its own name; elsewhere, all.
        Ours make nothing of the process: all, so that one that was told something before is another one.
        """
        if self._class.__module__.startswith("skysteer."):
            return list(self._settings)
        if self._arguments is None or not self._kept.issuperset(self._arguments):
            return list(self._settings)
        return [name for name in self._arguments if name in self._settings]


def about_function(function: Any) -> dict[str, str]:
    """Module and name of a function of the user's, and a hash of its source."""
    named: Any = function if hasattr(function, "__qualname__") else cast("Any", type(function))
    return {"name": f"{named.__module__}:{named.__qualname__}", "source": _source(named)}


def inner_of(recommender: Any) -> Any:
    """Somebody else's optimizer in what we put around it; any other recommender itself."""
    if type(recommender).__module__.startswith("skysteer.recommenders.foreign"):
        for name in ("_optimizer", "_agent", "_learner", "_generator"):
            if hasattr(recommender, name):
                return getattr(recommender, name)
    return recommender


def _arguments(kind: type[Any]) -> tuple[str, ...] | None:
    """Names of the arguments of a constructor; ``None`` where that cannot be told, as of a compiled class."""
    try:
        return tuple(inspect.signature(kind).parameters)
    except Exception:  # the property of somebody's metaclass may raise anything
        return None


def _attributes(recommender: Any) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for base in reversed(type(recommender).__mro__):
        slots = base.__dict__.get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            if not name.startswith("__") and hasattr(recommender, name):
                attributes[name] = getattr(recommender, name)
    return attributes | getattr(recommender, "__dict__", {})


def _settings(attributes: dict[str, Any]) -> dict[str, Any]:
    """The attributes that are numbers, words, or made of such."""
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        if len(found) == MOST:
            break
        if name.startswith("_") and type(value) in (list, dict, set) and not value:
            continue  # what it will remember
        if SECRET.search(name) and not (value is None or isinstance(value, bool | int | float)):
            found[name.lstrip("_")] = HIDDEN
        elif value is None or (type(value) in (bool, int, float) and abs(value) < EXACT):
            found[name.lstrip("_")] = value
        elif type(value) is str:
            found[name.lstrip("_")] = shortened(value)
        elif (text := _text(value)) is not None:
            found[name.lstrip("_")] = HIDDEN if SECRET.search(text) else shortened(text)
    return found


def _text(value: Any) -> str | None:
    try:
        return canonical(value)
    except Exception:  # whatever somebody else's object does when it is looked into
        return None


def _seed(recommender: Any) -> int | None:
    for name in ("seed", "_seed"):
        seed = inspect.getattr_static(recommender, name, None)
        if isinstance(seed, property):
            seed = getattr(recommender, name)
        if not isinstance(seed, bool) and hasattr(seed, "__index__"):
            return int(seed)  # pyright: ignore[reportArgumentType]
    return None


@cache
def _version(kind: type[Any]) -> dict[str, str]:
    package = kind.__module__.partition(".")[0]
    return {"package": package, "version": _distributed(package), "source": _source(kind)}


def _distributed(package: str) -> str:
    """Version of the distribution that has the package; ``""`` for a module of no distribution."""
    try:
        return version(package)
    except (PackageNotFoundError, ValueError):
        pass
    file = getattr(sys.modules.get(package), "__file__", None) or ""
    if "site-packages" not in file and "dist-packages" not in file:
        return ""  # a script or a notebook; looking through all distributions takes a while
    names = packages_distributions().get(package, [])
    return version(names[0]) if names else ""


def _source(kind: Any) -> str:
    try:
        return digest(inspect.getsource(kind))
    except (OSError, TypeError):  # made in an interpreter, or compiled
        return ""
