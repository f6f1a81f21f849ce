"""A verdict counts only when it is said several times in a row."""

from __future__ import annotations

from typing import Literal

from skysteer.model import Judgement, Observation, Verdict
from skysteer.protocols import Judge

from ._arguments import check_count
from ._combined import check_judges, reset


def debounced(judge: Judge, times: int) -> Debounced:
    """Pass on a verdict only after the judge has said it so many times in a row.

    Another verdict starts the count again, and so does no opinion. *Keep going*
    is said once and stands: no opinion after it counts for it. It is passed on
    once, and not at all where the hold that it ends was not passed on.

    Parameters
    ----------
    judge
        Any judge.
    times
        How many observations in a row; 1 passes everything on.
    """
    return Debounced(judge, times)


class Debounced:
    """A judge that is heard only after it has said the same several times. Made by `debounced`."""

    def __init__(self, judge: Judge, times: int) -> None:
        (self.judge,) = check_judges("debounced", [judge])
        check_count("times", times)
        self.times = int(times)
        """How many times in a row."""
        self._begin()

    def reset(self) -> None:
        """Count from nothing, and reset the judge if it can be."""
        reset(self.judge)
        self._begin()

    def __call__(self, observation: Observation, /) -> Judgement | None:
        """Judge one observation."""
        said = self.judge(observation)
        if said is not None:
            if self._last is None or self._last.verdict is not said.verdict:
                self._count = 0
            self._last = said
        elif self._last is None or self._last.verdict is not Verdict.KEEP_GOING:
            self._last, self._count = None, 0
            return None
        self._count += 1
        verdict, enough = self._last.verdict, self._count >= self.times
        if verdict is Verdict.HOLD:
            if enough:
                self._hold = "heard"
            elif self._hold is None:
                self._hold = "unheard"
        elif verdict is Verdict.KEEP_GOING and enough:
            # an unheard hold needs no end, which could end somebody else's
            enough = self._count == self.times and self._hold != "unheard"
            self._hold = None if self._count == self.times else self._hold
        if not enough:
            return None
        many = f" ({self._count} times in a row)" if self.times > 1 else ""
        return Judgement(verdict, self._last.reason + many)

    def _begin(self) -> None:
        self._last: Judgement | None = None
        self._count = 0
        self._hold: Literal["heard", "unheard"] | None = None

    def __repr__(self) -> str:
        return f"debounced({self.judge!r}, {self.times})"
