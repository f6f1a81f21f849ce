"""What a Gaussian process is to look for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

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
            return f"maximize {self.total}"
        return ", ".join(f"{'maximize' if sign > 0 else 'minimize'} {name}" for name, sign in self.signs.items())

    @property
    def total(self) -> str:
        """The weighted sum, for people: ``"1 * a + -0.5 * b"``."""
        return " + ".join(f"{weight:g} * {name}" for name, weight in self.weights.items())

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
