"""All that a Gaussian process learns: a model of each objective and of each limit, and what they wish for together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysteer.model import Space
from skysteer.recommenders._matern import Array

from ._acquisition import Acquisition, Together
from ._beliefs import Beliefs
from ._constraints import Limit, Restraint
from ._goals import Goal
from ._readings import Readings
from ._reasons import Why, believed, kept
from ._surrogate import Given, Surrogate

HOPEFUL = "no known place keeps the limits, the likeliest"
"""What is looked for before anything better can be."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted next."""

    acquisition: Acquisition
    """How much a place is worth."""
    around: Array | None
    """(dimensions,) row around which to look more closely."""
    why: Why
    """What it rests on."""


class Models:
    """The surrogates of the objectives, the constraints and the safe limits.

    Parameters
    ----------
    space
        Of the points.
    readings
        What was told; it is read at every question.
    goal
        What is looked for.
    constraints, safe
        Limits for the best point, and limits never to be exceeded.
    given
        What is known of the kernel of each outcome.
    counted
        Outcomes that are numbers of counts.
    """

    def __init__(
        self,
        space: Space,
        readings: Readings,
        goal: Goal,
        *,
        constraints: Sequence[Limit],
        safe: Sequence[Limit],
        given: Mapping[str, Given],
        counted: set[str],
    ) -> None:
        self._space, self._readings, self._goal = space, readings, goal

        def surrogate(name: str, **kind: Any) -> Surrogate:
            return Surrogate(readings, name, counts=name in counted, given=given[name], **kind)

        sought = {"sought": goal.kind != "map", "linear": goal.kind != "one"}
        self._objectives = {name: surrogate(name, flipped=sign < 0, **sought) for name, sign in goal.signs.items()}
        self._constraints = [Restraint(limit, surrogate(limit.outcome)) for limit in constraints]
        self.safe = [Restraint(limit, surrogate(limit.outcome, wary_of=limit.bound)) for limit in safe]
        """The limits never to be exceeded."""

    @property
    def objectives(self) -> dict[str, Surrogate]:
        """The model of each objective."""
        return self._objectives

    @property
    def outcomes(self) -> dict[str, Surrogate]:
        """One model of each outcome: that of the objective before that of a limit on the same."""
        limited = {each.limit.outcome: each.surrogate for each in [*self.safe, *self._constraints]}
        return {**self._objectives, **{name: one for name, one in limited.items() if name not in self._objectives}}

    @property
    def exceeded(self) -> int:
        """How many readings are beyond a limit that is never to be exceeded."""
        limits = [each.limit for each in self.safe]
        return int(
            np.any([each.sign * (self._readings.of(each.outcome) - each.bound) < 0.0 for each in limits], 0).sum()
        )

    @property
    def failures(self) -> list[str]:
        """What went wrong with fits."""
        limited = [each.surrogate for each in [*self._constraints, *self.safe]]
        return [what for model in [*self._objectives.values(), *limited] for what in model.failures]

    def best(self) -> list[int]:
        """Return the numbers of the best readings: none of a map, and where none is expected to keep the limits."""
        if not self._readings.count:
            return []
        allowed = self._keeps(self._readings.rows)
        return Beliefs(self._goal, self._objectives, allowed).best if allowed.any() else []

    def wish(self, underway: Array, failed: Array, seed: Sequence[int], *, alone: bool) -> Wish:
        """Return what is wanted next.

        Parameters
        ----------
        underway, failed
            (m, dimensions) rows whose readings are taken to come out as
            expected: of the first they count as reached, of the second not.
        seed
            Which of several best points to look around, and the weights of some acquisitions.
        alone
            Nothing is added to it; else it is a logarithm if it can be.
        """
        avoid = np.vstack([underway, failed])
        rows = self._readings.rows
        allowed = self._keeps(rows)
        limits = [(each, each.surrogate.posterior().believing(avoid)) for each in self._constraints]
        if not allowed.any():  # first of all a place that keeps the limits
            if not limits:
                limits, avoid = [(each, each.surrogate.posterior()) for each in self.safe], avoid[:0]
            wish = Together(*(each.feasibility(belief) for each, belief in limits))
            sought = [each for each, _ in limits]
            why = Why(
                HOPEFUL,
                tuple(believed(each, avoid) for each in sought),
                limits=tuple(kept(each, avoid) for each in sought),
            )
            return Wish(wish, np.clip(rows[int(np.argmax(wish(rows)))], 0.0, 1.0), why)
        beliefs = Beliefs(self._goal, self._objectives, allowed)
        best = beliefs.best
        around = np.clip(rows[best[sum(seed) % len(best)]], 0.0, 1.0) if best else None
        reached = underway[self._keeps(underway)]
        wish, why = beliefs.wish(avoid, reached, seed, alone=alone and not limits)
        why = why.within(kept(each, avoid) for each in self._constraints)
        return Wish(Together(wish, *(each.feasibility(belief) for each, belief in limits)), around, why)

    def _keeps(self, rows: Array) -> NDArray[np.bool_]:
        """(m,) at which places all limits are expected to be kept."""
        keeps = np.ones(len(rows), bool)
        for restraint in [*self._constraints, *self.safe]:
            keeps &= restraint.kept(rows)
        return keeps
