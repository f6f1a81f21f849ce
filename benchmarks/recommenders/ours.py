"""Our recommenders as somebody takes them who knows the objective and nothing else: every setting is the default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._library import FEATURES, table
from ._problems import Array


def make(problem: Any, seed: int) -> Any:
    """A `GaussianProcess` for a problem; of the problem it needs ``bounds``, ``minimise`` and ``name``."""
    from skysteer.model import Axis, Space
    from skysteer.recommenders.gaussian import GaussianProcess

    space = Space(*[Axis(name, low, high) for name, (low, high) in problem.bounds.items()])
    if problem.name == "beamline_peak":
        return GaussianProcess(space, maximize="f", counts=True, seed=seed)
    if problem.minimise:
        return GaussianProcess(space, minimize="f", seed=seed)
    return GaussianProcess(space, maximize="f", seed=seed)


def curve(*, noisy: bool) -> tuple[Any, tuple[str, ...], str]:
    """A `Curve` for the edge; the names of its axis and its objective."""
    from skysteer.model import Axis
    from skysteer.recommenders.curve import Curve

    from ._scenes import HIGH, LOW

    noise = {"noise": "fit"} if noisy else {}
    return Curve(Axis("energy", LOW, HIGH, units="eV"), "mu", **noise), ("energy",), "mu"


def phase_map(seed: int) -> tuple[Any, tuple[str, ...], str]:
    """A `LibraryRecommender` that looks for the edges of a map; the names of its axes and its objective."""
    from skysteer.model import Axis, Space
    from skysteer.recommenders.library import LibraryRecommender

    square = Space(Axis("x", 0, 1), Axis("y", 0, 1))
    return LibraryRecommender.of_grid(square, 101, edges="phase", seed=seed), ("x", "y"), "phase"


def library(u: Array, seed: int) -> Any:
    """A `LibraryRecommender` for (n, 4) features, looking for the smallest f."""
    from skysteer.recommenders.library import LibraryRecommender

    return LibraryRecommender(table(u), features=FEATURES, minimize="f", seed=seed)


def measured(number: int, value: float) -> dict[str, Any]:
    """What is told of a sample that somebody else chose."""
    return {"sample": int(number), "f": float(value)}


def place(point: dict[str, Any]) -> Array:
    """(4,) features of a suggestion."""
    return np.array([point[name] for name in FEATURES])


@dataclass(frozen=True, slots=True)
class Beliefs:
    """The kernel with which a library answers."""

    rows: Array
    """(n, 4) features as the kernel sees them."""
    lengths: Array
    """Correlation lengths, in the units of `rows`."""
    variance: float
    """Of the function, in standardised units."""
    noise: float
    """What is added to the diagonal, in standardised units."""
    shift: float
    """The value that is zero in standardised units."""
    width: float
    """And the difference that is one."""


def beliefs(recommender: Any) -> Beliefs:
    """Look inside a `LibraryRecommender`, which minimises: its sign is changed."""
    from skysteer.recommenders._matern import JITTER

    model = recommender._models.current()
    hyper = model.posterior.hyper
    rows = recommender._samples.rows
    return Beliefs(rows, hyper.scale, hyper.variance, hyper.noise + JITTER, -model.shift, model.width)
