"""A smooth stand-in for an instrument, learnt from one recorded run. Needs scikit-learn when it is made."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skysteer.errors import PointError
from skysteer.model import Space

from ._recorded import Neighbours
from ._recording import read_recording
from ._truth import Array, Goal, Noise, Point, Truth

__all__ = ["Emulator"]

MOST_FITTED = 400
"""The kernel is fitted to so many points: a fit costs the cube of them."""
MOST_KNOWN = 2000
"""So many points are learnt at the most, evenly from the run."""


@dataclass(frozen=True, slots=True)
class _Learnt:
    model: Any
    middle: float
    width: float
    noise: float
    """Standard deviation of a reading, in the units that were learnt."""


class Emulator:
    """A Gaussian process fitted to a recorded run, which stands for the truth.

    Its mean is the true value everywhere, and its readings scatter about it
    as the recorded ones do (the fitted noise). It cannot know what the run
    has not seen: how far the nearest recorded point was is in every point of
    a `Simulation`.

    Parameters
    ----------
    source
        The path of the file of a run or of a folder of runs (as ``skysteer demo`` writes
        them), documents as ``(name, document)``, points (mappings of axes and
        objectives), or a pandas table with a row for each point.
    axes
        Which are axes; for documents also axis name to data key. By default those of
        `space`, or the motors that the start document names.
    objectives
        Which were measured; by default what the start document names.
    space
        Where the axes reach; by default the limits of the motors, or else how far the
        recorded points reach.
    stream
        Whose events are read.
    counts
        The objectives are counts: square roots are learnt, and readings are Poisson.
    goal
        What is usually wanted of it.

    Raises
    ------
    FieldError
        If an axis or objective is not there, or nothing says which they are.
    PointError
        If there are fewer than three points, or nothing to learn from.
    """

    def __init__(
        self,
        source: Any,
        *,
        axes: Sequence[str] | Mapping[str, str] | None = None,
        objectives: Sequence[str] | str | None = None,
        space: Space | None = None,
        stream: str = "primary",
        counts: bool = False,
        goal: Goal = "maximize",
    ) -> None:
        self._recording = read_recording(source, axes=axes, objectives=objectives, space=space, stream=stream)
        self._counts = counts
        self._goal: Goal = goal
        points = self._recording.points
        if len(points) < 3:
            raise PointError(f"{self._recording.name} has {len(points)} points; an emulator needs three or more")
        keep: list[int] = np.unique(np.linspace(0, len(points) - 1, MOST_KNOWN).round().astype(int)).tolist()
        rows = self.space.to_unit([points[number] for number in keep])
        self._near = Neighbours(self._recording)
        self._learnt = {
            name: _learnt(rows, self._to_learn(name, np.array([float(points[number][name]) for number in keep])))
            for name in self._recording.objectives
        }

    @property
    def space(self) -> Space:
        """Of its axes."""
        return self._recording.space

    @property
    def dropped(self) -> int:
        """Points left out, because an axis or an objective had no finite number."""
        return self._recording.dropped

    @property
    def noise(self) -> Mapping[str, Noise]:
        """Of each objective: the fitted standard deviation of a reading, or ``"counts"``."""
        return {name: "counts" if self._counts else learnt.noise for name, learnt in self._learnt.items()}

    def __call__(self, point: Point) -> dict[str, float]:
        """Return what is expected at a point, without noise."""
        return {name: float(values[0]) for name, values in self._many([point]).items()}

    def distance(self, point: Point) -> float:
        """Return how far the nearest recorded point is, in ranges of the axes."""
        return float(self._near.nearest([point])[0][0])

    @property
    def truth(self) -> Truth:
        """As `simulate` needs it."""
        recording = self._recording
        return Truth(
            f"emulator of {recording.name}", self, space=recording.space, objectives=recording.objectives,
            goal=self._goal, noise=self.noise, units=recording.units, many=self._many, distance=self.distance,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<Emulator of {self._recording.name}: {len(self._recording.points)} points>"

    def _to_learn(self, name: str, values: Array) -> Array:
        if not self._counts:
            return values
        if values.min() < 0:
            raise PointError(f"{name!r} has the value {values.min():g}, which is no number of counts")
        return np.sqrt(values)

    def _many(self, points: Sequence[Point]) -> dict[str, Array]:
        rows = self.space.to_unit(points)
        means = {
            name: np.asarray(learnt.model.predict(rows), dtype=np.float64) * learnt.width + learnt.middle
            for name, learnt in self._learnt.items()
        }
        return {name: np.maximum(mean, 0.0) ** 2 for name, mean in means.items()} if self._counts else means


def _learnt(rows: Array, values: Array) -> _Learnt:
    # Here, because importing it takes most of a second.
    from sklearn import gaussian_process as _gaussian_process
    from sklearn.exceptions import ConvergenceWarning

    gaussian_process: Any = _gaussian_process  # its stubs lack what it takes
    kernels: Any = gaussian_process.kernels

    middle, width = float(values.mean()), float(values.std()) or 1.0
    scaled = (values - middle) / width
    smooth: Any = kernels.ConstantKernel(1.0, (1e-2, 1e3)) * kernels.Matern(
        np.full(rows.shape[1], 0.3), (1e-2, 1e2), nu=2.5
    )
    kernel = smooth + kernels.WhiteKernel(1e-2, (1e-8, 1.0))
    some = np.unique(np.linspace(0, len(rows) - 1, MOST_FITTED).round().astype(int))
    with warnings.catch_warnings():
        # A length at its bound is an axis that does not matter: no fault.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted: Any = gaussian_process.GaussianProcessRegressor(kernel, n_restarts_optimizer=2, random_state=0)
        fitted.fit(rows[some], scaled[some])
        best: Any = fitted.kernel_
        model: Any = gaussian_process.GaussianProcessRegressor(
            best.k1, alpha=best.k2.noise_level + 1e-10, optimizer=None
        )
        model.fit(rows, scaled)
    return _Learnt(model, middle, width, float(np.sqrt(best.k2.noise_level)) * width)
