"""What is on record of a scan, read back: to go on with it, and to decide it again."""

from ._record import Record, RunMoment
from ._replay import differing, replay
from ._replayed import Replay, ReplayStep
from ._resume import Resumption, resume_from

__all__ = [
    "Record",
    "Replay",
    "ReplayStep",
    "Resumption",
    "RunMoment",
    "differing",
    "replay",
    "resume_from",
]
