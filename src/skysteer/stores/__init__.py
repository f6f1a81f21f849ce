"""Where documents are kept: a folder with one file of JSON lines a run, and what is read back from it.

Names are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .jsonl import (
        ENDED,
        Claim,
        JSONLines,
        RunEntry,
        claim,
        documents,
        find,
        runs,
    )
    from .record import (
        Record,
        Replay,
        ReplayStep,
        Resumption,
        RunMoment,
        replay,
        resume_from,
    )
    from .recorder import (
        DecisionRun,
        Recorder,
        fields_about,
        patience_about,
        program,
        space_about,
    )

_HOME = {
    "ENDED": ".jsonl",
    "Claim": ".jsonl",
    "DecisionRun": ".recorder",
    "JSONLines": ".jsonl",
    "Record": ".record",
    "Recorder": ".recorder",
    "Replay": ".record",
    "ReplayStep": ".record",
    "Resumption": ".record",
    "RunEntry": ".jsonl",
    "RunMoment": ".record",
    "claim": ".jsonl",
    "documents": ".jsonl",
    "fields_about": ".recorder",
    "find": ".jsonl",
    "patience_about": ".recorder",
    "program": ".recorder",
    "replay": ".record",
    "resume_from": ".record",
    "runs": ".jsonl",
    "space_about": ".recorder",
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
