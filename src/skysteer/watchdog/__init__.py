"""Judges of a running measurement, and what applies them.

The judges need no engine: whatever in here does is to be loaded when it is
first used, not by this file.
"""

from typing import TYPE_CHECKING, Any

from .judges import (
    BeamLost,
    Converged,
    CountsReached,
    DoseLimit,
    FlatSignal,
    Plateau,
    Saturated,
    SignalToNoise,
    TimeLimit,
    all_of,
    any_of,
    debounced,
)

if TYPE_CHECKING:
    from ._watchdog import Watchdog, WatchdogStatus

__all__ = [
    "BeamLost",
    "Converged",
    "CountsReached",
    "DoseLimit",
    "FlatSignal",
    "Plateau",
    "Saturated",
    "SignalToNoise",
    "TimeLimit",
    "Watchdog",
    "WatchdogStatus",
    "all_of",
    "any_of",
    "debounced",
]


def __getattr__(name: str) -> Any:
    if name in ("Watchdog", "WatchdogStatus"):
        from . import _watchdog

        return getattr(_watchdog, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
