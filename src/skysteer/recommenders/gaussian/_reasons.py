"""Why a place is asked for, in words: what is expected there, and what that is compared with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skysteer.recommenders._matern import Array, Posterior
from skysteer.recommenders._wording import expected, written

from ._acquisition import Acquisition, Belief
from ._constraints import Restraint
from ._steps import Steps
from ._surrogate import Units
from ._travel import Seconds

CERTAIN = 0.999
"""A probability above this is said to be so."""
HARDLY = 0.001
"""Nobody needs to know how far below this one is."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What is believed when readings at others come out as expected: as `Posterior.believing`, but light to keep."""

    posterior: Posterior
    """What is believed after all readings: as long as nothing is told, the model keeps it anyway."""
    others: Array
    """(m, dimensions) rows."""

    def __call__(self, rows: Array) -> tuple[Array, Array]:
        """Return (m,) mean and standard deviation at (m, dimensions) rows."""
        return self.posterior.beside(self.others, rows)

    def slopes(self, row: Array) -> tuple[float, float, Array, Array]:
        """Return mean and standard deviation at one (dimensions,) row, and their gradients."""
        return self.posterior.believing(self.others).slopes(row)


@dataclass(frozen=True, slots=True)
class Believed:
    """What is believed of an outcome, or of a sum of some, and how it is said in its units."""

    name: str
    """Of the outcome, as people read it."""
    belief: Belief
    """In standardised values."""
    units: Units
    """Back to those of the readings."""


def believed(restraint: Restraint, avoid: Array) -> Believed:
    """Return what is believed of a limited outcome when readings at rows `avoid` come out as expected."""
    surrogate = restraint.surrogate
    return Believed(restraint.limit.outcome, Beside(surrogate.posterior(), avoid), surrogate.units)


def kept(restraint: Restraint, avoid: Array) -> tuple[str, Acquisition]:
    """Return a limit in words, and how probably it is kept when readings at rows `avoid` come out as expected."""
    return str(restraint.limit), restraint.feasibility(Beside(restraint.surrogate.posterior(), avoid))


@dataclass(frozen=True, slots=True)
class Why:
    """What the choice of a place rested on, as of the question: what is told later does not change it."""

    rating: str
    """What the place has most of: ``"largest expected improvement"``."""
    beliefs: tuple[Believed, ...]
    """What is expected there."""
    best: tuple[str, float] | None = None
    """What an improvement is counted from, in words, and its standardised value; with one belief only."""
    reach: tuple[str, float] | None = None
    """``"up to"``, and so many standard deviations; with one belief only."""
    limits: tuple[tuple[str, Acquisition], ...] = ()
    """Limits that count, and the logarithm of the probability that each is kept."""
    seconds: Seconds | None = None
    """How long it takes, where that counts."""

    def within(self, limits: Iterable[tuple[str, Acquisition]]) -> Why:
        """Return the same where the probability that these limits are kept counts too."""
        limits = tuple(limits)
        return replace(self, rating=f"{self.rating} within limits", limits=limits) if limits else self

    def each_second(self, seconds: Seconds) -> Why:
        """Return the same where it is divided by the seconds it takes."""
        return replace(self, rating=f"{self.rating} per second", seconds=seconds)

    def where_safe(self, limits: str) -> Why:
        """Return the same where only places are looked at that are known to keep these limits."""
        return replace(self, rating=f"{self.rating} where {limits} is safe")

    def at(self, row: Array, remark: str = "") -> str:
        """Return the sentence for a (dimensions,) row, with a remark on the place itself."""
        said: list[str] = []
        for each in self.beliefs:
            mean, sd = each.belief(row[None])
            value, doubt = each.units.number(mean, sd)
            said.append(expected(each.name, value, doubt))
            if self.reach is not None:
                words, sigmas = self.reach
                said.append(f"{words} {written(each.units.number(mean + sigmas * sd, sd)[0], doubt)}")
            if self.best is not None:
                words, best = self.best
                said.append(f"{words} {written(each.units.number(np.array([best]), np.zeros(1))[0], doubt)}")
        if self.limits:
            probable = float(np.exp(sum(probability(row[None])[0] for _, probability in self.limits)))
            which = self.limits[0][0] if len(self.limits) == 1 else "all limits"
            said.append(f"{which} {_probably(probable)}")
        if self.seconds is not None:
            said.append(f"takes {written(self.seconds(row[None])[0], digits=3)} s")
        return f"{self.rating}{remark}: {', '.join(said)}"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the model chose a place; the words are found when somebody asks for them."""

    why: Why
    """What the choice rested on."""
    row: Array
    """(dimensions,) the place."""
    underway: Array
    """(m, dimensions) rows that were on their way."""
    measured: Array
    """(n, dimensions) rows that had a reading."""
    steps: Steps
    """Which places are the same."""

    def __str__(self) -> str:
        """Its sentence."""
        remark = ""
        if self._among(self.underway):
            remark = ", once more a place on its way"
        elif self.steps.matter and self._among(self.measured):
            remark = ", once more a measured place"
        return self.why.at(self.row, remark)

    def _among(self, rows: Array) -> bool:
        same: NDArray[np.bool_] = self.steps.same(self.row[None], rows)
        return bool(same[0])


def _probably(probability: float) -> str:
    if probability > CERTAIN:
        return "almost certainly"
    if probability < HARDLY:
        return f"with a probability below {HARDLY}"
    return f"with probability {written(probability, digits=3)}"


def filling(place: str, because: str | None, turn: int, initial: int) -> str:
    """Return why a place that fills the space is asked for.

    >>> filling("even cover", None, 3, 5)
    'even cover before the model leads, 3 of 5'
    >>> filling("emptiest place", "nothing stands out and the readings look like noise", 9, 5)
    'emptiest place, as nothing stands out and the readings look like noise'
    """
    return f"{place} before the model leads, {turn} of {initial}" if because is None else f"{place}, as {because}"
