"""Plans that measure what is suggested or run until told to end, and plan stubs, in stock Bluesky messages."""

from ._actions import read_while_waiting, wait_for_actions
from ._continuous import continuous
from ._describing import describe, describe_collect, set_property
from ._from_queue import runs_from_queue, scan_from_queue
from ._inflight import ActionPlan, Actions, OnActionError
from ._live_view import live_view
from ._moving import move, positions, returning
from ._options import OnFailure, Options
from ._preflight import Cleared, preflight
from ._reading import Measure, TakeReading
from ._stashing import clear_cache, read_and_stash, stash
from ._steered import SteeredAbort, SteeredEnough, steered
from ._tunable_scan import tunable_scan
from ._waiting import Plan, run_coroutine, wait_until

__all__ = [
    "ActionPlan",
    "Actions",
    "Cleared",
    "Measure",
    "OnActionError",
    "OnFailure",
    "Options",
    "Plan",
    "SteeredAbort",
    "SteeredEnough",
    "TakeReading",
    "clear_cache",
    "continuous",
    "describe",
    "describe_collect",
    "live_view",
    "move",
    "positions",
    "preflight",
    "read_and_stash",
    "read_while_waiting",
    "returning",
    "run_coroutine",
    "runs_from_queue",
    "scan_from_queue",
    "set_property",
    "stash",
    "steered",
    "tunable_scan",
    "wait_for_actions",
    "wait_until",
]
