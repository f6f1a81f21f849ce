"""What is measured in a simulation: a function of the axes, what is known of it, and its noise."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any, Literal, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from skysteer.errors import PointError
from skysteer.model import Space

__all__ = ["Goal", "Noise", "Truth", "Varying", "as_truth"]

Array = NDArray[np.float64]
Point = Mapping[str, Any]
Goal = Literal["maximize", "minimize", "map"]
"""What is wanted of the (first) objective."""
Noise = float | Literal["counts"] | Callable[[float, np.random.Generator], float]
"""How a reading differs from the true value: the standard deviation of a normal distribution
in the units of the objective, ``"counts"`` (Poisson), or a function of the true value and a
random generator that returns the reading."""
OBJECTIVE = "det"
"""The objective of a truth that does not name any."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A function of a point, with what is known of it.

    >>> from skysteer.model import Axis
    >>> truth = Truth("parabola", lambda point: -(point["x"] ** 2), space=Space(Axis("x", -1, 1)), best=0.0)
    >>> truth.value({"x": 0.5})
    {'det': -0.25}
    """

    name: str
    """For errors, tables and pictures."""
    function: Callable[[Point], Any] = field(repr=False)
    """Axis name to position, to the true value, or to a mapping of objective name to true value."""
    space: Space | None = None
    """Where it can be measured, if it knows."""
    objectives: tuple[str, ...] = (OBJECTIVE,)
    """What is measured. The first is what the goal is about."""
    goal: Goal = "maximize"
    """What is usually wanted of it."""
    best: float | None = None
    """The best true value of the first objective in `space`, where it is known."""
    noise: Noise | Mapping[str, Noise] = 0.0
    """Of a reading; or of each objective by name."""
    units: Mapping[str, str] = field(default_factory=dict[str, str])
    """Objective name to engineering units."""
    many: Callable[[Sequence[Point]], Mapping[str, Array]] | None = field(default=None, repr=False)
    """All true values at n points at once, objective name to (n,) array, where that is quicker."""
    distance: Callable[[Point], float] | None = field(default=None, repr=False)
    """How far the nearest recorded point is, in ranges of the axes (Euclidean); for a truth
    that was made of a recorded run."""
    recorded: Sequence[Point] = field(default=(), repr=False)
    """The points it was made of: what a map of it is judged on, where there are any."""

    @property
    def objective(self) -> str:
        """The objective that the goal is about."""
        return self.objectives[0]

    def value(self, point: Point) -> dict[str, float]:
        """Return the true value of each objective at one point, which may be NaN or infinite.

        Raises
        ------
        PointError
            If an objective is missing, or is no number.
        """
        try:
            found = self.function(dict(point))
        except Exception as exc:  # theirs to see, with where it was
            exc.add_note(f"in the truth {self.name!r} at {dict(point)}")
            raise
        if not isinstance(found, Mapping):
            if len(self.objectives) > 1:
                raise PointError(
                    f"the truth {self.name!r} returned {found!r} at {_shown(point)}; expected a mapping with "
                    f"{', '.join(self.objectives)}"
                )
            found = {self.objective: found}
        values = cast("Mapping[str, Any]", found)
        missing = [name for name in self.objectives if name not in values]
        if missing:
            raise PointError(
                f"the truth {self.name!r} returned {sorted(values)} at {_shown(point)}: {', '.join(missing)} is "
                "missing (name what it returns by objectives=...)"
            )
        return {name: self._number(name, values[name], point) for name in self.objectives}

    def __call__(self, point: Point) -> dict[str, float]:
        """Return the true value of each objective at one point."""
        return self.value(point)

    def values(self, points: Sequence[Point]) -> Array:
        """Return (n,) true values of the first objective at n points."""
        if self.many is not None:
            return np.asarray(self.many(points)[self.objective], dtype=np.float64)
        return np.array([self.value(point)[self.objective] for point in points], dtype=np.float64)

    @property
    def noises(self) -> Mapping[str, Noise]:
        """The noise of each objective by name."""
        noise: Any = self.noise
        if isinstance(noise, Mapping):
            return cast("Mapping[str, Noise]", noise)
        return dict.fromkeys(self.objectives, noise)  # pyright: ignore[reportReturnType]

    def reading(self, true: Mapping[str, float], generator: np.random.Generator) -> dict[str, float]:
        """Return what a measurement of true values reads."""
        noises = self.noises
        return {name: _noisy(value, noises.get(name, 0.0), generator) for name, value in true.items()}

    def remembering(self) -> Truth:
        """Return the same truth, which is not computed again where it was before."""
        known: dict[Hashable, dict[str, float]] = {}

        def function(point: Point) -> dict[str, float]:
            key = tuple(point.items())
            if key not in known:
                known[key] = self.value(point)
            return known[key]

        return replace(self, function=function)

    def _number(self, name: str, value: Any, point: Point) -> float:
        if isinstance(value, np.ndarray) and cast("NDArray[Any]", value).size == 1:
            value = cast("NDArray[Any]", value).item()
        if not isinstance(value, Real) or isinstance(value, bool | np.bool_):
            raise PointError(
                f"the truth {self.name!r} returned {value!r} for {name!r} at {_shown(point)}; expected a number"
            )
        return float(value)


@dataclass(frozen=True, slots=True)
class Varying:
    """A truth that is another one for every seed: a peak whose place nobody knows."""

    name: str
    """For tables and pictures."""
    make: Callable[[int], Truth] = field(repr=False)
    """Seed to truth; the same seed gives the same one."""

    def __call__(self, seed: int) -> Truth:
        """Return the truth of one seed."""
        return self.make(seed)


@runtime_checkable
class MadeOfARun(Protocol):
    """Something that was made of a recorded run: `Emulator`, `Recorded`."""

    @property
    def truth(self) -> Truth:
        """As `simulate` needs it."""
        ...


def as_truth(
    truth: Any, seed: int, *, objectives: Sequence[str] = (), noise: Noise | Mapping[str, Noise] | None = None
) -> Truth:
    """Return the truth that is meant for one seed.

    Parameters
    ----------
    truth
        A `Truth`, a `Varying`, a name of `TRUTHS`, an `Emulator` or `Recorded`, or a function of a point.
    objectives, noise
        In place of its own, where they are given.

    Raises
    ------
    ValueError
        If there is no truth of this name, or the noise cannot be.
    TypeError
        If it is none of these.
    """
    found = _found(truth, seed)
    if objectives:
        found = replace(found, objectives=tuple(objectives))
    if noise is not None:
        found = replace(found, noise=noise)
    _check_noise(found)
    return found


def _found(truth: Any, seed: int) -> Truth:
    if isinstance(truth, str):
        from ._functions import named  # which makes truths

        truth = named(truth)
    if isinstance(truth, Varying):
        truth = truth.make(seed)
    if isinstance(truth, Truth):
        return truth
    if isinstance(truth, MadeOfARun):
        return truth.truth
    if callable(truth):
        return Truth(getattr(truth, "__name__", type(truth).__name__), truth)
    raise TypeError(
        f"{truth!r} is no truth: expected a function of a point, a Truth, an Emulator, a Recorded run, or a name "
        "of TRUTHS"
    )


def _check_noise(truth: Truth) -> None:
    if unknown := sorted(set(truth.noises) - set(truth.objectives)):
        raise ValueError(f"noise= names {', '.join(unknown)}; the objectives are {', '.join(truth.objectives)}")
    for noise in truth.noises.values():
        if callable(noise) or noise == "counts":
            continue
        if isinstance(noise, bool) or not isinstance(noise, Real) or not 0 <= float(noise) < np.inf:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"noise must be a standard deviation, 'counts' or a function, found {noise!r}")


def _noisy(value: float, noise: Noise, generator: np.random.Generator) -> float:
    if not np.isfinite(value):
        return value
    if noise == "counts":
        if value < 0:
            raise PointError(f"noise='counts' needs a true value of at least 0, found {value}")
        return float(generator.poisson(value))
    if callable(noise):
        return float(noise(value, generator))
    return value + float(noise) * float(generator.standard_normal())


def _shown(point: Point) -> str:
    return "{" + ", ".join(f"{name}: {value!r}" for name, value in point.items()) + "}"
