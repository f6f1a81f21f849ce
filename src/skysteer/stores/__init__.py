"""Where documents are kept: a folder with one file of JSON lines a run, and what is read back from it.

Names are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._claim import Claim, claim
    from ._entry import RunEntry
    from ._folder import JSONLines
    from ._index import find, runs
    from ._reading import documents

_HOME = {
    "JSONLines": "._folder",
    "RunEntry": "._entry",
    "documents": "._reading",
    "find": "._index",
    "runs": "._index",
}

__all__ = [
    "JSONLines",
    "RunEntry",
    "documents",
    "find",
    "runs",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
