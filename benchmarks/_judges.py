"""Judges that watch and say little: what remains is what watching costs.

Imports no engine, as it is imported in a watchdog's process too.
"""

from __future__ import annotations

from skysteer.model import Judgement, Observation, Verdict

from ._line import pure_python


def content(observation: Observation) -> None:
    """Has nothing to say."""


class EnoughAt:
    """Says *enough* of one event."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __call__(self, observation: Observation) -> Judgement | None:
        return Judgement(Verdict.ENOUGH, "seen") if observation.seq_num == self._number else None


class Slow:
    """Computes in the interpreter over every event, and has nothing to say."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __call__(self, observation: Observation) -> None:
        pure_python(self._seconds)
