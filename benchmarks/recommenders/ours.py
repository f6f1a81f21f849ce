"""Our recommenders as somebody takes them who knows the objective and nothing else: every setting is the default."""

from __future__ import annotations

from typing import Any


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
