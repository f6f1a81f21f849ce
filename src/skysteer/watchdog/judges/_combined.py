"""One judge out of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skysteer.model import Judgement, Observation, Verdict
from skysteer.protocols import Judge

STRENGTH = {Verdict.KEEP_GOING: 0, Verdict.HOLD: 1, Verdict.ENOUGH: 2, Verdict.ABORT: 3}
"""Abort beats enough beats hold beats keep going."""


def any_of(*judges: Judge) -> AnyOf:
    """Say what the strongest of several judges says; ``None`` if none has an opinion.

    Abort beats enough beats hold beats keep going. The reasons are those of all
    that said the same. Every judge sees every observation.
    """
    return AnyOf(judges)


def all_of(*judges: Judge) -> AllOf:
    """Say what several judges agree on; ``None`` if one has no opinion.

    They agree on the weakest of what they say of the same observation: an abort
    and an enough make an enough, because both want the end. Every judge sees
    every observation. The reasons are those of all.
    """
    return AllOf(judges)


class AnyOf:
    """The strongest of several judges. Made by `any_of`."""

    def __init__(self, judges: Sequence[Judge]) -> None:
        self.judges = check_judges("any_of", judges)
        """In the order they were given, which is that of the reasons."""

    def reset(self) -> None:
        """Reset those that can be."""
        reset(*self.judges)

    def __call__(self, observation: Observation, /) -> Judgement | None:
        """Judge one observation."""
        said = [answer for judge in self.judges if (answer := judge(observation)) is not None]
        if not said:
            return None
        verdict = max((answer.verdict for answer in said), key=STRENGTH.__getitem__)
        return Judgement(verdict, "; ".join(answer.reason for answer in said if answer.verdict is verdict))

    def __repr__(self) -> str:
        return f"any_of({', '.join(map(repr, self.judges))})"


class AllOf:
    """What several judges agree on. Made by `all_of`."""

    def __init__(self, judges: Sequence[Judge]) -> None:
        self.judges = check_judges("all_of", judges)
        """In the order they were given, which is that of the reasons."""

    def reset(self) -> None:
        """Reset those that can be."""
        reset(*self.judges)

    def __call__(self, observation: Observation, /) -> Judgement | None:
        """Judge one observation."""
        said = [judge(observation) for judge in self.judges]
        answers = [answer for answer in said if answer is not None]
        if len(answers) < len(said):
            return None
        verdict = min((answer.verdict for answer in answers), key=STRENGTH.__getitem__)
        return Judgement(verdict, "; ".join(answer.reason for answer in answers))

    def __repr__(self) -> str:
        return f"all_of({', '.join(map(repr, self.judges))})"


def check_judges(name: str, judges: Sequence[Any]) -> tuple[Judge, ...]:
    """Refuse no judge at all, and what is none."""
    if not judges:
        raise ValueError(f"{name} needs at least one judge")
    for judge in judges:
        if isinstance(judge, type) or not callable(judge):
            raise ValueError(f"{name} takes judges (called with an observation), found {judge!r}")
    return tuple(judges)


def reset(*judges: Judge) -> None:
    """Reset the judges that can be."""
    for judge in judges:
        again = getattr(judge, "reset", None)
        if callable(again):
            again()
