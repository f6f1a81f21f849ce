"""How long a plan waits for a recommender, and how an adaptive scan came out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

ExitStatus = Literal["success", "abort", "fail"]
"""As in a stop document."""


@dataclass(frozen=True, slots=True)
class Patience:
    """What a plan does when a recommender is slow, silent or raises.

    A late answer is dropped and counted; what was measured is kept and the
    recommender is told of it as soon as it listens again.
    """

    timeout: float | None = None
    """Seconds to wait for each answer; ``None`` waits for ever."""
    on_timeout: Literal["wait", "fallback", "finish", "abort"] = "wait"
    """``"wait"`` logs a warning at each timeout and waits on; ``"fallback"`` asks the
    fallback for this point; ``"finish"`` ends the scan with success, ``"abort"`` marks it
    as aborted. The same holds at once for a recommender that raises or suggests
    something impossible, but for ``"wait"``: there is nothing to wait for, so the scan
    fails with that error."""
    fallback: Any = None
    """A `skysteer.protocols.Recommender`, asked in its own worker. Needed for ``"fallback"``."""

    def __post_init__(self) -> None:
        if self.timeout is not None and not _is_duration(self.timeout):
            raise ValueError(f"timeout must be a positive number of seconds or None, found {self.timeout!r}")
        if self.on_timeout not in ("wait", "fallback", "finish", "abort"):
            raise ValueError(f"on_timeout must be 'wait', 'fallback', 'finish' or 'abort', found {self.on_timeout!r}")
        if (self.on_timeout == "fallback") != (self.fallback is not None):
            raise ValueError("on_timeout='fallback' and fallback=recommender go together: give both or neither")


def _is_duration(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


@dataclass(frozen=True, slots=True)
class AdaptiveResult:
    """How an adaptive scan came out. Counts are of points."""

    reason: str
    """Why it ended; the same words are in the stop document."""
    exit_status: ExitStatus
    uids: tuple[str, ...]
    """Uids of the runs it made, in order."""
    measured: int
    """Points with an event (or a run): at most ``max_points``."""
    failed: int = 0
    """Points given up because a device failed."""
    fallen_back: int = 0
    """Points that the fallback suggested."""
    stale: int = 0
    """Answers that came too late, or for an earlier scan, and were dropped."""
    replayed: int = 0
    """Events measured again after a pause; recorded, but not told twice."""
    best: Mapping[str, Any] | None = None
    """Axes and objectives of the best point, where the recommender says which it is."""
    seconds_a_suggestion: float | None = None
    """Median time from a question to its answer, in seconds; ``None`` without an answer."""
