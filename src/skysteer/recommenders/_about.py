"""What a recommender is: its class, version, seed and settings, for the record."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from typing import Any, cast

from ._canonical import canonical, digest, shortened

MOST = 36
"""How many settings are named."""
SECRET = re.compile(
    r"(api|access|private)_?key|passw|pwd|secret|credential|cookie|authorization|"
    r"(auth|access|bearer|refresh)\w*token|^_*token$",
    re.I,
)
"""What such a setting holds is nobody's business."""
ADDRESS = re.compile(r"://[^\s/@:]*:[^\s/@]+@")
"""An address with a password in it."""
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
        self._ours = self._class.__module__.startswith("skysteer.")
        self._arguments = _arguments(self._class)
        attributes = _attributes(inner)
        # Of very many attributes those that somebody chose come first.
        first = sorted(attributes, key=lambda name: name.lstrip("_") not in (self._arguments or ()))
        self._settings = _settings({name: attributes[name] for name in first})
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
            "arguments": [name for name in self._parameters() or () if name in self._settings],
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
        arguments = None if self._ours else self._parameters()
        return list(self._settings) if arguments is None else [name for name in arguments if name in self._settings]

    def _parameters(self) -> tuple[str, ...] | None:
        """Arguments of its constructor; ``None`` where not each is kept: then they do not tell all that was chosen."""
        return self._arguments if self._ours or self._kept.issuperset(self._arguments or ()) else None


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
        if _is_secret(name, value):
            found[name.lstrip("_")] = HIDDEN
        elif value is None or (type(value) in (bool, int, float) and abs(value) < EXACT):
            found[name.lstrip("_")] = value
        elif type(value) is str:
            found[name.lstrip("_")] = HIDDEN if ADDRESS.search(value) else shortened(value)
        elif (text := _text(value)) is not None:
            hidden = SECRET.search(text) or ADDRESS.search(text) or _has_secret(value)
            found[name.lstrip("_")] = HIDDEN if hidden else shortened(text)
    return found


def _is_secret(name: str, value: Any) -> bool:
    return SECRET.search(name) is not None and not (value is None or isinstance(value, bool | int | float))


def _has_secret(value: Any) -> bool:
    """Whether a field of a dataclass in it is called so: the text of one does not name them."""
    if is_dataclass(value):
        named = [(each.name, getattr(value, each.name, None)) for each in fields(value)]
        return any(_is_secret(name, held) or _has_secret(held) for name, held in named)
    if isinstance(value, Mapping):
        value = tuple(cast("Mapping[Any, Any]", value).values())
    return isinstance(value, list | tuple) and any(map(_has_secret, cast("Sequence[Any]", value)))


def _text(value: Any) -> str | None:
    try:
        return canonical(value)
    except Exception:  # whatever somebody else's object does when it is looked into
        return None


def _seed(recommender: Any) -> int | None:
    for name in ("seed", "_seed"):
        seed = inspect.getattr_static(recommender, name, None)
        if isinstance(seed, property):
            try:
                seed = getattr(recommender, name)
            except Exception:  # of one that has none yet
                seed = None
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
