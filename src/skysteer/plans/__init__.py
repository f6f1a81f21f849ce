"""Plans that measure what is suggested, in stock Bluesky messages."""

from ._from_queue import runs_from_queue, scan_from_queue
from ._moving import move, positions, returning
from ._options import OnFailure, Options
from ._preflight import Cleared, preflight
from ._reading import Measure, TakeReading
from ._steered import SteeredAbort, SteeredEnough, steered
from ._waiting import Plan, run_coroutine, wait_until

__all__ = [
    "Cleared",
    "Measure",
    "OnFailure",
    "Options",
    "Plan",
    "SteeredAbort",
    "SteeredEnough",
    "TakeReading",
    "move",
    "positions",
    "preflight",
    "returning",
    "run_coroutine",
    "runs_from_queue",
    "scan_from_queue",
    "steered",
    "wait_until",
]
