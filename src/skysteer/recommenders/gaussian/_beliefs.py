"""What is believed of the objectives, and the acquisition function that looks for the goal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from skysteer.recommenders._matern import Array, Posterior

from ._acquisition import Acquisition, Belief, Doubt, LogDoubt, LogImprovement, Together, UpperBound
from ._blend import Blend
from ._goals import Goal
from ._noisy import LogNoisyImprovement
from ._pareto import LogChebyshev, LogHypervolume, reference_point, unbeaten
from ._reasons import Believed, Beside, Why
from ._surrogate import QUIET, Scale, Surrogate, Units
from ._warp import STRAIGHT


class Beliefs:
    """What the objectives are believed to be, and how good the measured points are.

    Parameters
    ----------
    goal, surrogates
        What is looked for, and the model of each objective.
    allowed
        (count,) which measured places are expected to keep the constraints; at least one.
    """

    def __init__(self, goal: Goal, surrogates: Mapping[str, Surrogate], allowed: NDArray[np.bool_]) -> None:
        self._goal, self._surrogates, self._allowed = goal, surrogates, allowed
        # (count, objectives) standardised
        self._expected = np.column_stack([surrogates[name].expected() for name in goal.signs])

    @property
    def best(self) -> list[int]:
        """Numbers of the best measured points by expectation: one, or the Pareto set; none of a map."""
        if self._goal.kind == "map":
            return []
        numbers = np.flatnonzero(self._allowed)
        if self._goal.kind == "pareto":
            return [int(number) for number in numbers[unbeaten(self._expected[numbers])]]
        return [int(numbers[np.argmax(self._total(self._expected)[numbers])])]

    def wish(self, avoid: Array, reached: Array, seed: Sequence[int], *, alone: bool) -> tuple[Acquisition, Why]:
        """Return the acquisition, and what it rests on.

        Parameters
        ----------
        avoid
            (m, dimensions) rows where readings are taken to come out as expected.
        reached
            (k, dimensions) rows among them whose expected values count as reached.
        seed
            Of the weights of ``"chebyshev"``.
        alone
            Nothing is added to it; else it is a logarithm if it can be.
        """
        goal = self._goal
        measured = [self._surrogates[name].posterior() for name in goal.signs]
        believed = [posterior.believing(avoid) for posterior in measured]
        values = self._expected[self._allowed]
        if len(reached):
            values = np.vstack([values, np.column_stack([posterior(reached)[0] for posterior in measured])])
        if goal.kind == "pareto":
            return self._pareto(believed, values, seed, avoid)
        belief, total = self._summed(believed), self._said_sum(avoid)
        if goal.acquisition == "max_variance":
            if alone:
                return Doubt(belief), Why("known least", (total,))
            return LogDoubt(belief), Why("largest uncertainty", (total,))
        if goal.acquisition == "ucb":
            reach = "down to" if total.units.flipped else "up to"
            rating = f"best within {goal.beta:g} standard deviations"
            return UpperBound(belief, goal.beta), Why(rating, (total,), reach=(reach, goal.beta))
        totals = self._total(values)
        best = float(totals.max())
        standing = "best expected so far" if np.argmax(totals) < self._allowed.sum() else "best on its way"
        why = Why("largest expected improvement", (total,), (standing, best))
        if goal.kind == "one" and believed[0].hyper.noise > QUIET:
            rows = believed[0].rows
            among = (rows[:, None] == reached[None]).all(axis=2).any(axis=1)
            among[: len(self._allowed)] |= self._allowed
            return LogNoisyImprovement(believed[0], among), why
        return LogImprovement(belief, best), why

    def _pareto(
        self, believed: Sequence[Posterior], values: Array, seed: Sequence[int], avoid: Array
    ) -> tuple[Acquisition, Why]:
        each = tuple(self._said(avoid))
        if self._goal.acquisition == "max_variance":
            return Together(*(LogDoubt(belief) for belief in believed)), Why(
                "largest uncertainty in all objectives", each
            )
        reference = self._reference(values)
        if self._goal.acquisition == "log_ehvi":
            wish = LogHypervolume(believed, values, reference)
            return wish, Why("largest expected gain of the Pareto front", each)
        weights = np.abs(np.random.default_rng(seed).normal(size=len(believed))) + 0.05
        wish = LogChebyshev(believed, values, reference, weights / np.linalg.norm(weights))
        return wish, Why("largest expected gain of a random compromise", each)

    def _summed(self, beliefs: Sequence[Belief]) -> Belief:
        """What is believed of the one objective, or of the weighted sum."""
        return beliefs[0] if self._goal.kind != "weighted" else Blend(beliefs, self._coefficients())

    def _said(self, avoid: Array) -> list[Believed]:
        """What is believed of each objective, for the record."""
        models = [(name, self._surrogates[name]) for name in self._goal.signs]
        return [Believed(name, Beside(model.posterior(), avoid), model.units) for name, model in models]

    def _said_sum(self, avoid: Array) -> Believed:
        """What is believed of the one objective, or of the weighted sum, for the record."""
        each = self._said(avoid)
        if self._goal.kind != "weighted":
            return each[0]
        weights = self._goal.weights.items()
        shift = sum(weight * self._surrogates[name].scale.shift for name, weight in weights)
        units = Units(Scale(STRAIGHT, shift, float(np.linalg.norm(self._raw()))))
        return Believed(self._goal.total, self._summed([one.belief for one in each]), units)

    def _reference(self, values: Array) -> Array:
        given = self._goal.reference
        if given is None:
            return reference_point(values)
        return np.array([self._surrogates[name].standard(given[name]) for name in self._goal.signs])

    def _total(self, values: Array) -> Array:
        """(n,) what is to be large, of (n, objectives) standardised values."""
        return values[:, 0] if self._goal.kind != "weighted" else values @ self._coefficients()

    def _coefficients(self) -> list[float]:
        """Weights of the standardised values, so that those of the readings are as given."""
        raw = self._raw()
        return list(raw / np.linalg.norm(raw))  # values of about one, as a single objective has them

    def _raw(self) -> Array:
        """(objectives,) weights times the widths of the standardised values."""
        return np.array([weight * self._surrogates[name].scale.width for name, weight in self._goal.weights.items()])
