"""How much a benchmark does."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says; None takes the benchmark's own."""

    quick: bool = False
    """A look whether everything runs; the numbers mean little."""
    reps: int | None = None
    """Repetitions."""
    n: int | None = None
    """Points a run (`closed_loop`, `steering`), or the most points (`growth`)."""

    def choose(self, given: int | None, normal: int, quick: int) -> int:
        """What was given, or else what is usual."""
        return given if given is not None else quick if self.quick else normal


def progress(text: str) -> None:
    """Say what is going on, beside the tables."""
    print(text, file=sys.stderr, flush=True)
