"""What became of every sample of a library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

State = Literal["untouched", "in flight", "measured", "failed", "retired"]
"""Retired comes before in flight, in flight before measured, measured before failed."""


@dataclass(frozen=True, slots=True)
class SampleState:
    """What became of one sample."""

    id: str | int | float
    state: State
    measured: int
    """How many readings of it were learnt."""
    failed: int
    """How often it failed, or gave a reading that is not finite."""


class SampleStates:
    """The state of every sample, by number.

    Parameters
    ----------
    count
        How many samples there are.
    repeats
        So often each is measured at the most.
    retries
        So often a sample that failed is asked for again.
    """

    def __init__(self, count: int, *, repeats: int, retries: int) -> None:
        self._repeats, self._retries = repeats, retries
        self.measured = np.zeros(count, np.intp)
        """(count,) readings of each."""
        self.failed = np.zeros(count, np.intp)
        """(count,) failures of each."""
        self._forgiven = np.zeros(count, np.intp)
        self.retired = np.zeros(count, bool)
        self.pending: list[int] = []
        """Which are in flight."""

    def askable(self) -> NDArray[np.bool_]:
        """(count,) whether each may be asked for now."""
        free = ~self.retired & (self.measured < self._repeats) & (self.failed - self._forgiven <= self._retries)
        free[self.pending] = False
        return free

    def restore(self, numbers: list[int]) -> None:
        """Forgive samples: neither retired nor failed too often."""
        self.retired[numbers] = False
        self._forgiven[numbers] = self.failed[numbers]

    def attempt(self, number: int) -> int:
        """How often a sample was tried."""
        return int(self.measured[number] + self.failed[number])

    def of(self, number: int) -> State:
        """The state of one sample."""
        if self.retired[number]:
            return "retired"
        if number in self.pending:
            return "in flight"
        if self.measured[number]:
            return "measured"
        return "failed" if self.failed[number] else "untouched"

    def counts(self) -> dict[str, int]:
        """How many samples are in each state."""
        flying = np.zeros(len(self.retired), bool)
        flying[self.pending] = True
        left = ~self.retired
        found: dict[str, Any] = {"retired": self.retired, "in flight": left & flying}
        left &= ~flying
        found["measured"] = left & (self.measured > 0)
        left &= self.measured == 0
        found["failed"] = left & (self.failed > 0)
        found["untouched"] = left & (self.failed == 0)
        return {state: int(found[state].sum()) for state in ("untouched", "in flight", "measured", "failed", "retired")}
