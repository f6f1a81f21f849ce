"""Where documents are kept: a folder with one file of JSON lines a run, and what is read back from it.

Names are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._about import fields_about, patience_about, program, space_about
    from ._claim import ENDED, Claim, claim
    from ._decision_run import DecisionRun
    from ._entry import RunEntry
    from ._folder import JSONLines
    from ._index import find, runs
    from ._reading import documents
    from ._record import Record, RunMoment
    from ._recorder import Recorder
    from ._replay import replay
    from ._replayed import Replay, ReplayStep
    from ._resume import Resumption, resume_from

_HOME = {
    "ENDED": "._claim",
    "Claim": "._claim",
    "DecisionRun": "._decision_run",
    "JSONLines": "._folder",
    "Record": "._record",
    "Recorder": "._recorder",
    "Replay": "._replayed",
    "ReplayStep": "._replayed",
    "Resumption": "._resume",
    "RunEntry": "._entry",
    "RunMoment": "._record",
    "claim": "._claim",
    "documents": "._reading",
    "fields_about": "._about",
    "find": "._index",
    "patience_about": "._about",
    "program": "._about",
    "replay": "._replay",
    "resume_from": "._resume",
    "runs": "._index",
    "space_about": "._about",
}

__all__ = [
    "ENDED",
    "Claim",
    "DecisionRun",
    "JSONLines",
    "Record",
    "Recorder",
    "Replay",
    "ReplayStep",
    "Resumption",
    "RunEntry",
    "RunMoment",
    "claim",
    "documents",
    "fields_about",
    "find",
    "patience_about",
    "program",
    "replay",
    "resume_from",
    "runs",
    "space_about",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
