"""skysteer steers Bluesky experiments while they run.

Start reading at `skysteer.flows`. Names are loaded when they are first used,
so that ``import skysteer.recommenders`` does not import Bluesky.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skysteer.engine import RunEngine, Status
    from skysteer.flows import adaptive_runs, adaptive_scan, watch
    from skysteer.handoff import Action, SRLatch, Steering, SuggestionQueue
    from skysteer.model import AdaptiveResult, Axis, Choice, Judgement, Patience, Space, Verdict
    from skysteer.plans import steered
    from skysteer.recommenders import Advisor
    from skysteer.watchdog import Watchdog

__version__ = "0.1.0"

_HOME = {
    "Action": "skysteer.handoff",
    "AdaptiveResult": "skysteer.model",
    "Advisor": "skysteer.recommenders",
    "Axis": "skysteer.model",
    "Choice": "skysteer.model",
    "Judgement": "skysteer.model",
    "Patience": "skysteer.model",
    "RunEngine": "skysteer.engine",
    "SRLatch": "skysteer.handoff",
    "Space": "skysteer.model",
    "Status": "skysteer.engine",
    "Steering": "skysteer.handoff",
    "SuggestionQueue": "skysteer.handoff",
    "Verdict": "skysteer.model",
    "Watchdog": "skysteer.watchdog",
    "adaptive_runs": "skysteer.flows",
    "adaptive_scan": "skysteer.flows",
    "steered": "skysteer.plans",
    "watch": "skysteer.flows",
}

__all__ = [
    "Action",
    "AdaptiveResult",
    "Advisor",
    "Axis",
    "Choice",
    "Judgement",
    "Patience",
    "RunEngine",
    "SRLatch",
    "Space",
    "Status",
    "Steering",
    "SuggestionQueue",
    "Verdict",
    "Watchdog",
    "adaptive_runs",
    "adaptive_scan",
    "steered",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'skysteer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
