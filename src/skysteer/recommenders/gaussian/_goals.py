"""What a Gaussian process is to look for, and the acquisition function that looks for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from skysteer.recommenders._matern import Array, Posterior

from ._acquisition import Acquisition, Doubt, LogDoubt, LogImprovement, Together, UpperBound
from ._blend import Blend
from ._noisy import LogNoisyImprovement
from ._pareto import LogChebyshev, LogHypervolume, reference_point, unbeaten
from ._surrogate import QUIET, Surrogate

AcquisitionName = Literal["log_ei", "ucb", "max_variance", "log_ehvi", "chebyshev"]
"""How a place is rated; docs/explanations/acquisition-functions.md says what each one asks."""

KINDS: dict[str, tuple[AcquisitionName, ...]] = {
    "one": ("log_ei", "ucb", "max_variance"),
    "weighted": ("log_ei", "ucb", "max_variance"),
    "map": ("max_variance",),
    "pareto": ("log_ehvi", "chebyshev", "max_variance"),
}
"""Which acquisitions can serve which kind of goal, the default first."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What is looked for."""

    kind: Literal["one", "weighted", "map", "pareto"]
    signs: Mapping[str, float]
    """Objective name to 1 (larger is better) or -1; of a weighted sum always 1."""
    acquisition: AcquisitionName
    weights: Mapping[str, float] = field(default_factory=dict[str, float])
    """Objective name to its part of the sum, where that is the goal."""
    beta: float = 2.0
    """Standard deviations of the upper confidence bound."""
    reference: Mapping[str, float] | None = None
    """Objective name to the reference point of the hypervolume, in its units."""

    @property
    def text(self) -> str:
        """For people: ``"maximize a"``."""
        if self.kind == "map":
            return f"map {', '.join(self.signs)}"
        if self.kind == "weighted":
            return "maximize " + " + ".join(f"{weight:g} * {name}" for name, weight in self.weights.items())
        return ", ".join(f"{'maximize' if sign > 0 else 'minimize'} {name}" for name, sign in self.signs.items())

    @property
    def is_log(self) -> bool:
        """Whether the acquisition is the logarithm of a gain, so that it can be had by the second."""
        return self.acquisition != "ucb"


def goal_of(
    *,
    maximize: str | None,
    minimize: str | None,
    map: str | None,  # noqa: A002
    objectives: Mapping[str, str] | None,
    weights: Mapping[str, float] | None,
    acquisition: str | None,
    beta: Any,
    reference: Mapping[str, float] | None,
) -> Goal:
    """Return the goal that these arguments of a recommender mean.

    Raises
    ------
    ValueError
        If not exactly one of the first five is given, or one cannot be.
    """
    given: dict[str, Any] = {
        "maximize": maximize, "minimize": minimize, "map": map, "objectives": objectives, "weights": weights,
    }  # fmt: skip
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) != 1:
        raise ValueError(
            "give exactly one of maximize=, minimize=, map=, objectives=, weights=; "
            f"found {', '.join(f'{name}={value!r}' for name, value in given.items()) or 'none'}"
        )
    ((argument, value),) = given.items()
    kind: Literal["one", "weighted", "map", "pareto"] = "one"
    parts: dict[str, float] = {}
    if argument in ("maximize", "minimize", "map"):
        if not isinstance(value, str) or not value:
            raise ValueError(f"{argument}= is the name of what is measured, found {value!r}")
        signs = {value: -1.0 if argument == "minimize" else 1.0}
        kind = "map" if argument == "map" else "one"
    elif argument == "weights":
        parts = {name: _weight(name, weight) for name, weight in value.items()}
        signs, kind = dict.fromkeys(parts, 1.0), "weighted"
    else:
        signs = {name: _sign(name, direction) for name, direction in value.items()}
        kind = "pareto" if len(signs) > 1 else "one"
    if not signs:
        raise ValueError(f"{argument}= names no objective")
    chosen = _acquisition(acquisition, kind, len(signs))
    if not (isinstance(beta, int | float) and 0 <= beta < math.inf):
        raise ValueError(f"beta must be a number of standard deviations, 0 or more, found {beta!r}")
    if reference is not None and (kind != "pareto" or set(reference) != set(signs)):
        raise ValueError(
            f"reference= has one number for each of several objectives= ({list(signs)}), found {reference!r}"
        )
    return Goal(kind, signs, chosen, parts, beta, None if reference is None else dict(reference))


def _sign(name: str, direction: Any) -> float:
    if direction not in ("maximize", "minimize"):
        raise ValueError(f"objectives[{name!r}] is {direction!r}, expected 'maximize' or 'minimize'")
    return 1.0 if direction == "maximize" else -1.0


def _weight(name: str, weight: Any) -> float:
    if not isinstance(weight, int | float) or not math.isfinite(weight) or weight == 0:
        raise ValueError(f"weights[{name!r}] is {weight!r}, expected a number, not 0; below 0 for less is better")
    return float(weight)


def _acquisition(acquisition: str | None, kind: str, objectives: int) -> AcquisitionName:
    right: list[AcquisitionName] = [name for name in KINDS[kind] if objectives < 3 or name != "log_ehvi"]
    if acquisition is None:
        return right[0]
    for name in right:
        if acquisition == name:
            return name
    known = "is none" if acquisition not in get_args(AcquisitionName) else "does not serve this goal"
    raise ValueError(f"acquisition={acquisition!r} {known}; for {_GOALS[kind]} there are {', '.join(right)}")


_GOALS = {
    "one": "one objective",
    "weighted": "a weighted sum",
    "map": "a map",
    "pareto": "several objectives",
}


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

    def wish(self, avoid: Array, reached: Array, seed: Sequence[int], *, alone: bool) -> Acquisition:
        """Return the acquisition.

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
            return self._pareto(believed, values, seed)
        belief = believed[0] if goal.kind != "weighted" else Blend(believed, self._coefficients())
        if goal.acquisition == "max_variance":
            return Doubt(belief) if alone else LogDoubt(belief)
        if goal.acquisition == "ucb":
            return UpperBound(belief, goal.beta)
        if goal.kind == "one" and believed[0].hyper.noise > QUIET:
            rows = believed[0].rows
            among = (rows[:, None] == reached[None]).all(axis=2).any(axis=1)
            among[: len(self._allowed)] |= self._allowed
            return LogNoisyImprovement(believed[0], among)
        return LogImprovement(belief, float(self._total(values).max()))

    def _pareto(self, believed: Sequence[Posterior], values: Array, seed: Sequence[int]) -> Acquisition:
        if self._goal.acquisition == "max_variance":
            return Together(*(LogDoubt(belief) for belief in believed))
        reference = self._reference(values)
        if self._goal.acquisition == "log_ehvi":
            return LogHypervolume(believed, values, reference)
        weights = np.abs(np.random.default_rng(seed).normal(size=len(believed))) + 0.05
        return LogChebyshev(believed, values, reference, weights / np.linalg.norm(weights))

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
        weights = self._goal.weights.items()
        raw = np.array([weight * self._surrogates[name].scale.width for name, weight in weights])
        return list(raw / np.linalg.norm(raw))  # values of about one, as a single objective has them
