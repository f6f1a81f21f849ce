"""What a judge says of a measurement that runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What is to become of the running measurement. Abort beats enough beats hold."""

    KEEP_GOING = "keep going"
    """Go on; ends a hold."""
    HOLD = "hold"
    """Wait at the next safe point until told to keep going."""
    ENOUGH = "enough"
    """End this measurement successfully."""
    ABORT = "abort"
    """End it now and mark it."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its reason."""

    verdict: Verdict
    reason: str = ""
    """For people: what was found, with numbers and units."""

    def __post_init__(self) -> None:
        if not isinstance(self.verdict, Verdict):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"a judgement needs a Verdict, found {self.verdict!r}")
