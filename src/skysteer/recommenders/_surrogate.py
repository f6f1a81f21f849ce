"""The model of one outcome: from its readings to what is believed everywhere, and back to its units."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from skysteer.model import Axis, Choice, Space

from ._fit import fitted, fitted_to
from ._matern import Array, Hyperparameters, Posterior
from ._readings import Readings

logger = logging.getLogger(__name__)


WARY_SCALE = 0.25
"""A safety limit is not taken to hold farther away than a correlation length of this part of the range allows."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the user knows of the kernel, so that it is not fitted."""

    scale: Array
    """(dimensions,) correlation lengths as parts of the unit box; NaN where they are to be fitted."""
    noise: float | None = None
    """Standard deviation of a reading, in the units of the outcome; ``None`` where it is to be fitted."""


def given(
    space: Space,
    outcomes: Sequence[str],
    length_scale: Mapping[str, float] | None,
    noise: Any,
) -> dict[str, Given]:
    """Return, for each outcome, what its user knows of the kernel, from lengths in the units of the axes.

    Raises
    ------
    ValueError
        If a name is no axis or no outcome, or a number cannot be.
    """
    scale: list[float] = []
    wrong = [name for name in length_scale or {} if not isinstance(space.get(name), Axis)]
    if wrong:
        raise ValueError(f"length_scale names {wrong}; expected axes of the space: {list(space)} (no choices)")
    for axis in space.axes:
        length = (length_scale or {}).get(axis.name, math.nan)
        if length <= 0 or math.isinf(length):
            raise ValueError(f"length_scale[{axis.name!r}] must be a positive number, found {length!r}")
        scale += [math.nan] * len(axis.options) if isinstance(axis, Choice) else [length / (axis.high - axis.low)]
    if isinstance(noise, int | float):
        if len(outcomes) > 1:
            raise ValueError(f"noise={noise!r} is of which outcome? Give noise={{name: number}} for {list(outcomes)}")
        noise = {outcomes[0]: float(noise)}
    if noise != "fit" and (not isinstance(noise, Mapping) or set(cast("Mapping[str, Any]", noise)) - set(outcomes)):
        raise ValueError(f"noise must be 'fit', a number, or a number for some of {list(outcomes)}, found {noise!r}")
    sds = cast("Mapping[str, float]", {} if noise == "fit" else noise)
    for name, sd in sds.items():
        if not 0 < sd < math.inf:
            raise ValueError(f"the noise of {name!r} must be a positive number, found {sd!r}")
    return {name: Given(np.array(scale), sds.get(name)) for name in outcomes}


class Surrogate:
    """What the readings of one outcome teach.

    Inside, readings are *learnt values*: larger is better where `flipped` says
    so, square roots for counts, then standardised by the mean and width of
    those the kernel was fitted to. `posterior` speaks in standardised values,
    `predict` in the units of the outcome; `standard` goes from the units to
    standardised values.

    Parameters
    ----------
    readings, outcome
        What was told, and of which outcome this is the model.
    seed
        Of the fits.
    flipped
        Smaller readings are better: learnt values have the other sign.
    counts
        Learnt values are ``2 * sqrt(counts + 3/8)``, which gives Poisson counts
        a standard deviation of one (Anscombe 1948).
    given
        Correlation lengths and noise that are known.
    wary_of
        A bound, in the units of the outcome, that must not be passed. Then the
        model expects, where nothing is known, just this bound, and its kernel
        may be no smoother than `WARY_SCALE` where no length is given.
    """

    def __init__(
        self,
        readings: Readings,
        outcome: str,
        *,
        seed: int,
        flipped: bool = False,
        counts: bool = False,
        given: Given | None = None,
        wary_of: float | None = None,
    ) -> None:
        self.outcome = outcome
        self.failures: list[str] = []
        """What went wrong with fits, in the order in which it did."""
        self._readings, self._seed = readings, seed
        self._given, self._wary_of = given, wary_of
        self._flipped, self._counts = flipped, counts
        self._fits: dict[int, Hyperparameters] = {}
        self._latest: tuple[int, Posterior] | None = None

    @property
    def count(self) -> int:
        """How many readings there are."""
        return self._readings.count

    @property
    def values(self) -> Array:
        """(count,) learnt values, not standardised."""
        return self._learnt(self._readings.of(self.outcome))

    @property
    def hyper(self) -> Hyperparameters:
        """The kernel in use: fitted to the first m readings, m depending on their number only."""
        m = fitted_to(self.count)
        if m not in self._fits:
            rows, values = self._readings.rows[:m], self._standardised(m)[:m]
            self._fits = {m: self._known(self._fitted(rows, values, m))}
        return self._fits[m]

    def posterior(self) -> Posterior:
        """Return what is believed after all readings, in standardised values."""
        if self._latest is None or self._latest[0] != self.count:
            self._latest = (self.count, self._solved())
        return self._latest[1]

    def expected(self) -> Array:
        """Return the (count,) expected standardised values at the measured places."""
        posterior = self.posterior()
        return posterior(posterior.rows)[0]

    def predict(self, rows: Array) -> tuple[Array, Array]:
        """Return (m,) mean and standard deviation at (m, dimensions) rows, in the units of the outcome."""
        mean, sd = self.posterior()(rows)
        shift, width = self.scaling()
        return self._as_measured(mean * width + shift, sd * width)

    def standard(self, reading: float) -> float:
        """Return a reading, in the units of the outcome, as a standardised value."""
        shift, width = self.scaling()
        return (float(self._learnt(np.array([reading]))[0]) - shift) / width

    def noise_sd(self) -> float:
        """Return the standard deviation of a reading in the middle of the readings, in the units of the outcome."""
        values, width = self.values, self.scaling()[1]
        _, sd = self._as_measured(np.array([np.median(values)]), np.array([np.sqrt(self.hyper.noise) * width]))
        return float(sd[0])

    def scaling(self) -> tuple[float, float]:
        """Return mean and width of the learnt values the kernel was fitted to."""
        return self._scaling(fitted_to(self.count))

    def _fitted(self, rows: Array, values: Array, m: int) -> Hyperparameters:
        try:
            hyper = fitted(rows, values, (self._seed, m))
        except (np.linalg.LinAlgError, ValueError) as exc:
            self._fault(f"the fit to {m} readings failed ({exc}); using a kernel from before any reading")
            dimensions: int = rows.shape[1]
            return Hyperparameters(np.full(dimensions, 0.3), 1.0, 1e-3)
        if m > 1 and values.any() and hyper.gain == 0.0:  # only what was not fitted gains exactly nothing
            self.failures.append(f"{self.outcome}: no kernel could be fitted to {m} readings")
        return hyper

    def _solved(self) -> Posterior:
        """The posterior, with more noise where the readings are too close together for the arithmetic."""
        hyper, rows, values = self.hyper, self._readings.rows, self._standardised(fitted_to(self.count))
        for noise in (hyper.noise, hyper.noise + 1e-6, hyper.noise + 1e-3):
            try:
                return Posterior(rows, values, replace(hyper, noise=noise))
            except np.linalg.LinAlgError as exc:
                self._fault(f"{exc}, with a noise variance of {noise:.3g} and {self.count} readings")
        return Posterior(rows, values, replace(hyper, noise=1.0))

    def _known(self, hyper: Hyperparameters) -> Hyperparameters:
        """The same with what was given, and wary."""
        scale, variance, noise = hyper.scale, hyper.variance, hyper.noise
        fixed: Array = np.full(len(scale), np.nan) if self._given is None else self._given.scale
        if self._wary_of is not None:
            # A long length comes with a large variance, which would be too much for a short one.
            variance = 1.0 if (scale > WARY_SCALE).any() else max(variance, 1.0)
            scale = np.minimum(scale, np.full(len(scale), WARY_SCALE))
        scale = np.asarray(np.where(np.isnan(fixed), scale, fixed), dtype=float)
        if self._given is not None and self._given.noise is not None:
            noise = (self._given.noise / self.scaling()[1]) ** 2
        return replace(hyper, scale=scale, variance=variance, noise=noise)

    def _fault(self, what: str) -> None:
        self.failures.append(f"{self.outcome}: {what}")
        logger.warning("the model of %r: %s", self.outcome, what)

    def _scaling(self, m: int) -> tuple[float, float]:
        values = self.values[:m]
        if self._wary_of is not None:
            bound = float(self._learnt(np.array([self._wary_of]))[0])
            return bound, float(np.sqrt(np.mean((values - bound) ** 2))) or 1.0
        width = float(values.std())
        # Equal readings may differ by rounding: that is no width to measure by.
        return float(values.mean()), width if width > 1e-12 * float(np.abs(values).max()) else 1.0

    def _standardised(self, m: int) -> Array:
        shift, width = self._scaling(m)
        return (self.values - shift) / width

    def _learnt(self, readings: Array) -> Array:
        values = 2.0 * np.sqrt(np.maximum(readings, 0.0) + 0.375) if self._counts else readings
        return -values if self._flipped else values

    def _as_measured(self, mean: Array, sd: Array) -> tuple[Array, Array]:
        mean = -mean if self._flipped else mean
        if self._counts:
            root = np.maximum(mean, 0.0)
            return root**2 / 4.0 - 0.375, sd * root / 2.0
        return mean, sd
