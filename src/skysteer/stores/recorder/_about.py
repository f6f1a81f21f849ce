"""What the start document of a decision run says: the space, the settings, and the program that decided."""

from __future__ import annotations

import getpass
import math
import os
import platform
import re
import socket
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

from skysteer.documents import Fields
from skysteer.model import Choice, Patience, Space

PACKAGES = ("skysteer", "bluesky", "event-model", "ophyd-async", "ophyd", "numpy", "scipy", "scikit-learn")
"""Whose versions are put on record, where they are installed."""
SECRET = re.compile(r"[\w-]*(api[_-]?key|passw(or)?d|secret|token)=[^&#\s]*&?", re.I)
"""Part of a word of the command line, or of an address in it, that is not put on record."""


def space_about(space: Space) -> list[dict[str, Any]]:
    """The axes of a space, in order; a limit that is not there is null."""
    return [
        {"kind": "choice", "name": axis.name, "options": list(axis.options), "units": axis.units}
        if isinstance(axis, Choice)
        else {
            "kind": "axis",
            "name": axis.name,
            "low": _limit(axis.low),
            "high": _limit(axis.high),
            "units": axis.units,
            "step": axis.step,
        }
        for axis in space.axes
    ]


def fields_about(fields: Fields) -> dict[str, Any]:
    """Which values of which stream are told, and under which names."""
    return {
        "axes": dict(fields.axes),
        "objectives": dict(fields.objectives),
        "stream": fields.stream,
        "reduced": fields.reduced,
    }


def patience_about(patience: Patience) -> dict[str, Any]:
    """How long a plan waits for a recommender, and what it does then."""
    return {"timeout": patience.timeout, "on_timeout": patience.on_timeout}


def program() -> dict[str, Any]:
    """The program that decides: how it was called, where, by whom, and of which versions it is made."""
    return {
        "argv": [
            SECRET.sub("", str(word)).rstrip("?&") if SECRET.search(str(word)) else str(word) for word in sys.argv
        ],
        "cwd": _found(os.getcwd),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "user": _found(getpass.getuser),
        "python": platform.python_version(),
        "versions": dict(_versions()),
    }


@cache
def _versions() -> dict[str, str]:
    return {name: found for name in PACKAGES if (found := _version(name))}


def plain(value: Any) -> Any:
    """A value as a start document takes it: mappings with words for keys, lists, words, numbers.

    What has no such form is put in words, as a key with a dot or a slash is.
    """
    if hasattr(value, "tolist"):  # of numpy, whose scalars may be floats too
        value = value.tolist()
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {
                str(key).replace(".", "_").replace("/", "_"): plain(each)
                for key, each in cast(Mapping[Any, Any], value).items()
            }
        case list() | tuple():
            return [plain(each) for each in cast(Iterable[Any], value)]
        case _:
            return str(value)


def _limit(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _found(function: Any) -> str:
    try:
        return str(function())
    except (OSError, KeyError):  # a folder that is gone, a user without a name
        return ""
